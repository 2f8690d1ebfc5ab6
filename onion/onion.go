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
	"net"
	"os"
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
	leaving bool          // it is being taken off, and nobody may put it on again
	closed  bool

	reached     chan struct{} // closed when it was first reachable
	reachedOnce sync.Once
	done        chan struct{} // closed when Close has ended everything
	closeOnce   sync.Once
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
	s.scout = newKeeper(cfg.Pace, s.launchScout, func(why string) { s.lost(&s.back, why) }, func(pulse) {})
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
