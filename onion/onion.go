// Package onion publishes an onion service and keeps it up: it holds the service's key, launches tor through bine,
// hands tor a unix socket that we listen on, proves through a second tor that visitors get through, mends what it can,
// and reports how it is.
//
// It must not listen on TCP, must not log a key, an address of a visitor or a line of tor's own log, must not
// let a tor outlive this process, and knows nothing of HTTP or of what is served.
package onion

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"
)

// Errors that Start and Reached return; errors.Is finds them under what was tried.
var (
	ErrNoTor   = errors.New("tor not found: install it (apt install tor, " + minVersion + " or newer) or name it with --tor")
	ErrOldTor  = errors.New("this tor is too old, " + minVersion + " or newer is needed: apt update && apt install tor")
	ErrTor     = errors.New("tor did not start")
	ErrControl = errors.New("tor refused or broke off a control command")
	ErrClosed  = errors.New("onion service closed")
)

const (
	defaultMaxStreams = 64  // a browser opens 6 connections for a site, all on one circuit
	defaultPoWRate    = 250 // introductions a second, tor's own default
	burstSeconds      = 10  // tor's own default burst is ten seconds of the rate
)

// Config says what to publish. Key and DataDir are required.
type Config struct {
	Tor        string         // the tor binary, a path or a name in PATH; "": tor
	DataDir    string         // tor's own state, made 0700. Keep it: it remembers the entry guards, and a new guard every run is a risk. The probing tor's is beside it, with "-probe" at its end
	Key        Key            // the service's identity
	Target     string         // path of the unix socket that Listener listens on, at most 107 bytes, in a folder that is 0700; "": DataDir/web.sock
	TorrcExtra string         // file with more torrc lines (bridges, a private network); "": none
	MaxStreams int            // streams on one circuit at a time, the circuit is closed above that, at most 65535; 0: 64
	NoPoW      bool           // true: no proof of work is asked for under load
	PoWRate    int            // introductions a second served without waiting; 0: 250
	PoWBurst   int            // introductions served at once, not below the rate; 0: ten times the rate
	Log        *slog.Logger   // constant messages and categories only; nil: dropped
	Progress   func(Progress) // called in order, never twice at a time, after Start has returned or shortly before; nil: nobody asks
	Pace       Pace           // how often and how long; zero: what suits the public network

	Private bool     // only Clients get in, nobody if there are none; false: everybody
	Clients []Client // who gets in, if it is private
	Second  *Door    // another address of the same service; nil: none

	// Check looks at a connection to the service that came through Tor, as a visitor's would, and says whether
	// what answers there is us. It closes nothing, and must count nothing. nil: that a connection is made is enough.
	Check func(ctx context.Context, conn net.Conn) error

	Now func() time.Time // the wall clock, which somebody may set; nil: time.Now
}

func (c Config) withDefaults() (Config, error) {
	if c.DataDir == "" || c.Key.isZero() {
		return c, errors.New("onion: a data folder and a key are required")
	}
	var err error
	if c.DataDir, err = filepath.Abs(c.DataDir); err != nil {
		return c, err
	}
	if c.Target == "" {
		c.Target = filepath.Join(c.DataDir, "web.sock")
	}
	if c.Target, err = filepath.Abs(c.Target); err != nil {
		return c, err
	}
	if len(c.Clients) > MaxClients || c.Second != nil && len(c.Second.Clients) > MaxClients {
		return c, ErrTooMany
	}
	if c.Second != nil {
		second := *c.Second
		if c.Second = &second; second.Key.isZero() || second.Key == c.Key || filepath.Dir(second.Target) != filepath.Dir(c.Target) {
			return c, errors.New("onion: a second address needs a key of its own, and a socket in the folder of the first")
		}
	}
	if c.Tor == "" {
		c.Tor = "tor"
	}
	if c.MaxStreams == 0 {
		c.MaxStreams = defaultMaxStreams
	}
	if c.PoWRate == 0 {
		c.PoWRate = defaultPoWRate
	}
	if c.PoWBurst == 0 {
		c.PoWBurst = burstSeconds * c.PoWRate
	}
	// tor takes a burst below the rate without a word and then stalls the queue.
	if c.MaxStreams < 0 || c.MaxStreams > 65535 || c.PoWRate < 0 || c.PoWBurst < c.PoWRate {
		return c, errors.New("onion: stream or proof-of-work limits out of range")
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Check == nil {
		c.Check = func(context.Context, net.Conn) error { return nil }
	}
	c.Pace = c.Pace.withDefaults()
	return c, nil
}

// Service is an onion service that stays up by itself: what ends is started again, under the same address, until
// Close. Tor runs in processes of its own, one that serves and one that only probes.
type Service struct {
	cfg     Config
	tor     string // absolute path
	pass    pass   // of our own probe
	notify  *notifier
	began   time.Time      // carries the steady clock that the doctor counts by
	ids     []string       // of every door, the addresses without ".onion"
	kick    chan struct{}  // something happened: the doctor should look
	end     func()         // ends every loop
	running sync.WaitGroup // the loops
	host    *keeper        // of the tor that serves
	scout   *keeper        // of the tor that probes
	unboxed atomic.Bool    // tor cannot live in its own sandbox here

	publishing sync.Mutex // held while doors are taken off and put on, also on a new tor

	mu      sync.Mutex // guards what follows
	doors   []*door    // as many as at the start; who may enter changes
	front   side       // the tor that serves
	back    side       // the tor that probes
	doctor  *doctor
	trouble string        // what is wrong beside what the two say, and what is done; "": nothing
	offline bool          // tor is published and has no connection to any relay
	left    time.Duration // since when
	giveUp  func()        // ends the proof that is under way, if one is
	once    bool          // it has been reachable
	probed  bool          // there was a proof, whatever came of it
	proof   Proof         // the last one; its Ago is when it ended, by now()
	closed  bool

	reached     chan struct{} // closed when it was first reachable
	reachedOnce sync.Once
	done        chan struct{} // closed when Close has ended everything
	closeOnce   sync.Once
}

// side is one of the two tors and what its events told.
type side struct {
	tor     *instance // nil: none now
	turn    int       // counts the tors, so that an event of the one before is known
	machine machine
	moved   time.Duration // when the machine last got on, on the doctor's clock
}

// Start checks tor's version, listens on the target socket, launches tor and asks it to publish. It returns
// as soon as tor runs; connecting and publishing go on behind it. What cannot be mended by trying again (no tor, an
// old one, a torrc that it refuses, a socket in use) is an error here; what happens later is mended, and told through
// Progress. ctx bounds the launch only: the service lives until Close, or until this process dies, which takes tor
// with it.
func Start(ctx context.Context, cfg Config) (_ *Service, err error) {
	if cfg, err = cfg.withDefaults(); err != nil {
		return nil, err
	}
	tor, err := findTor(ctx, cfg.Tor)
	if err != nil {
		return nil, err
	}
	for _, dir := range []string{cfg.DataDir, cfg.scoutDir()} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, err
		}
	}
	if err := writeTorrc(cfg); err != nil {
		return nil, err
	}
	doors, err := cfg.doors()
	if err != nil {
		return nil, err
	}
	s := &Service{
		cfg: cfg, tor: tor, doors: doors, pass: newPass(), notify: newNotifier(cfg.Progress), began: time.Now(), kick: make(chan struct{}, 1),
		giveUp: func() {}, doctor: newDoctor(cfg.Pace), reached: make(chan struct{}), done: make(chan struct{}),
	}
	for _, d := range doors {
		s.ids = append(s.ids, d.Key.serviceID())
	}
	s.front.machine, s.back.machine = newMachine(s.ids...), newMachine()
	s.host = newKeeper(cfg.Pace, s.launchHost, func(why string) { s.lost(&s.front, why) }, s.felt)
	s.scout = newKeeper(cfg.Pace, s.launchScout, func(why string) { s.lost(&s.back, why) }, func(bool) {})
	first, err := s.launchHost(ctx)
	if err != nil && s.unboxed.Load() {
		first, err = s.launchHost(ctx)
	}
	if err != nil {
		for _, d := range doors {
			d.listener.Close()
		}
		s.notify.close()
		return nil, err
	}
	s.run(first)
	return s, nil
}

// run starts the loops that keep the service up.
func (s *Service) run(first *instance) {
	ctx, end := context.WithCancel(context.Background())
	s.end = end
	s.running.Go(func() { s.host.run(ctx, first) })
	if s.cfg.Pace.Probe > 0 {
		s.running.Go(func() { s.scout.run(ctx, nil) })
	}
	s.running.Go(func() { s.attend(ctx) })
}

// launchHost starts a tor that serves. A tor that refuses our key, or makes another address of it, is stopped.
func (s *Service) launchHost(ctx context.Context) (*instance, error) {
	p := program{
		tor: s.tor, dir: filepath.Dir(s.cfg.Target), data: s.cfg.DataDir, torrc: s.cfg.torrc(),
		args: s.args("0"), log: s.cfg.Log, unfit: s.unbox,
	}
	return s.bring(ctx, &s.front, p, func(c *control) error {
		s.publishing.Lock() // whoever changes a door meanwhile republishes it after this, not in the middle
		defer s.publishing.Unlock()
		return s.put(c)
	})
}

// args are the options of the next tor.
func (s *Service) args(socks string) []string {
	args := fixedArgs(socks)
	if s.unboxed.Load() {
		args = append(args, "--Sandbox", "0")
	}
	return args
}

// unbox has the next tor run without its own sandbox. That is a list of system calls made for one C library and one
// kernel, and a tor that dies in it on this machine would die again.
func (s *Service) unbox() {
	if s.unboxed.CompareAndSwap(false, true) {
		s.cfg.Log.Warn("tor dies in its own sandbox on this machine, and goes on without it", "category", "sandbox")
	}
}

// put asks a tor to serve every door.
func (s *Service) put(c *control) error {
	for _, d := range s.openDoors() {
		if err := c.addOnion(s.cfg, d, s.pass.public); err != nil {
			return err
		}
	}
	return nil
}

// openDoors are the doors as they are now.
func (s *Service) openDoors() (doors []Door) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range s.doors {
		doors = append(doors, d.Door)
	}
	return doors
}

// bring launches a tor for one side and tells it what it is for.
func (s *Service) bring(ctx context.Context, side *side, p program, prepare func(*control) error) (*instance, error) {
	var turn int
	s.update(func() {
		side.turn++
		turn = side.turn
		side.machine = newMachine(side.machine.ids...)
		side.moved = s.now()
	})
	// One that hangs before it answers at all is seen by nobody else: there is no heartbeat yet.
	limited, cancel := context.WithTimeout(ctx, s.cfg.Pace.Launch)
	tor, err := launch(limited, p)
	cancel() // kills nothing: a launch that is over looks at it no more
	if err != nil {
		return nil, err
	}
	s.update(func() {
		side.tor = tor
		side.machine.state = Connecting
	})
	if err := tor.connect(func(e event) { s.heard(side, turn, e) }, prepare); err != nil {
		tor.stop()
		return nil, err
	}
	return tor, nil
}

// heard takes an event of one side's tor.
func (s *Service) heard(side *side, turn int, e event) {
	s.update(func() {
		if side.turn != turn {
			return
		}
		before := side.machine.progress()
		side.machine.apply(e)
		after := side.machine.progress()
		if after.State != before.State || after.Percent != before.Percent {
			side.moved = s.now()
		}
		// Whatever changed for the better or the worse is a reason to look again.
		if after.State == before.State && after.Warning == before.Warning {
			return
		}
		if side == &s.front && after.State == Degraded {
			s.doctor.proved = false
		}
		if after.State == Published && s.cfg.Pace.Probe < 0 {
			s.trouble = ""
		}
		s.doctor.hurry(s.now())
		s.wake()
	})
}

// lost takes the end of one side's tor.
func (s *Service) lost(side *side, why string) {
	s.update(func() {
		side.tor = nil
		side.turn++ // its last events come late
		side.machine = newMachine(side.machine.ids...)
		if side == &s.front {
			s.offline = false
			s.cfg.Log.Warn("tor is started again", "category", whyCategory(why))
			s.trouble = why + ": it is started again"
			s.doctor.doubt(s.now())
		}
	})
}

// felt takes a heartbeat of the tor that serves. One that is published and has no connection left is not reachable,
// whatever the last proof said, and tor does not always say so itself.
func (s *Service) felt(online bool) {
	s.update(func() {
		was := s.offline
		s.offline = !online && s.front.machine.state == Published
		if s.offline == was {
			return
		}
		s.left = s.now()
		s.doctor.doubt(s.now())
		s.trouble = ""
		if s.cfg.Pace.Probe > 0 { // else no proof would ever end it
			s.trouble = "tor had no connection to any relay, and has one again"
		}
		if s.offline {
			s.trouble = "tor has no connection to any relay"
			s.giveUp() // a proof that is under way
		}
		s.wake()
	})
}

// wake lets the doctor look now.
func (s *Service) wake() {
	select {
	case s.kick <- struct{}{}:
	default:
	}
}

// now is the time on the doctor's clock, which nobody sets and which stands still while the machine sleeps.
func (s *Service) now() time.Duration { return time.Since(s.began) }

// update changes what the service knows, and tells whoever asked, if there is something to tell.
func (s *Service) update(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.progress()
	change()
	after := s.progress()
	if after.State == Reachable || after.State == Published {
		s.once = true
		s.reachedOnce.Do(func() { close(s.reached) })
	}
	if after == before {
		return
	}
	if after.State != before.State || after.Warning != before.Warning {
		s.cfg.Log.Info("onion service", "state", string(after.State), "percent", after.Percent, "warning", after.Warning)
	}
	s.notify.send(after)
}

// progress is what the operator sees: tor's own word, and what we have proved. Once it has been reachable, whatever
// is less is a degradation.
func (s *Service) progress() Progress {
	p := s.front.machine.progress()
	switch {
	case s.closed:
		return Progress{State: Stopped, Percent: p.Percent, Summary: p.Summary}
	case p.State == Published && s.doctor.proved:
		p.State = Reachable
	case p.State == Published && s.cfg.Pace.Probe < 0: // nobody proves anything
	case s.once:
		p.State = Degraded
	case p.State == Published:
		p.State = Publishing
	}
	if s.trouble != "" {
		p.Warning = s.trouble
	}
	if p.State == Degraded && p.Warning == "" {
		p.Warning = "it was reachable, and whether it still is is being looked at"
	}
	return p
}

// Address returns the service's address, 56 characters and ".onion".
func (s *Service) Address() string { return s.cfg.Key.Address() }

// Listener returns the unix listener that tor connects to. It stays open when tor dies; Close closes it.
func (s *Service) Listener() net.Listener { return s.doors[0].listener }

// Second returns the listener of the second address, nil if there is none.
func (s *Service) Second() net.Listener {
	if len(s.doors) < 2 {
		return nil
	}
	return s.doors[1].listener
}

// Progress returns how far along the service is now.
func (s *Service) Progress() Progress {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.progress()
}

// Reached blocks until the service has been reachable once (published, where nothing is proved), from when on the
// address can be given away. It fails with ctx's error or with ErrClosed.
func (s *Service) Reached(ctx context.Context) error {
	select {
	case <-s.reached:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-s.done:
		return ErrClosed
	}
}

// Close takes the service off the network: it stops tor, waits for it, closes the listener and removes its
// socket. The last Progress has been delivered when it returns, so it must not be called from that function.
func (s *Service) Close() error {
	var err error
	s.closeOnce.Do(func() {
		s.takeLeave()
		s.end()
		s.running.Wait()
		s.update(func() { s.closed = true })
		close(s.done)
		for _, d := range s.doors {
			if e := d.listener.Close(); !errors.Is(e, net.ErrClosed) { // the server that used it may have closed it first
				err = errors.Join(err, e)
			}
		}
		s.notify.close()
	})
	return err
}

var _ io.Closer = (*Service)(nil)
