// Package onion publishes an onion service: it holds the service's key, launches tor through bine, hands tor
// a unix socket that we listen on, and reports how far along it is.
//
// It must not listen on TCP, must not log a key, an address of a visitor or a line of tor's own log, must not
// let a tor outlive this process, and knows nothing of HTTP or of what is served.
package onion

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
)

// Errors that Start, Err and Published return; errors.Is finds them under what was tried.
var (
	ErrNoTor   = errors.New("tor not found: install it (apt install tor, " + minVersion + " or newer) or name it with --tor")
	ErrOldTor  = errors.New("this tor is too old, " + minVersion + " or newer is needed: apt update && apt install tor")
	ErrTor     = errors.New("tor did not start")
	ErrControl = errors.New("tor refused or broke off a control command")
	ErrExited  = errors.New("tor has exited")
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
	DataDir    string         // tor's own state, made 0700. Keep it: it remembers the entry guards, and a new guard every run is a risk
	Key        Key            // the service's identity
	Target     string         // path of the unix socket that Listener listens on, at most 107 bytes, in a folder that is 0700; "": DataDir/web.sock
	TorrcExtra string         // file with more torrc lines (bridges, a private network); "": none
	MaxStreams int            // streams on one circuit at a time, the circuit is closed above that, at most 65535; 0: 64
	NoPoW      bool           // true: no proof of work is asked for under load
	PoWRate    int            // introductions a second served without waiting; 0: 250
	PoWBurst   int            // introductions served at once, not below the rate; 0: ten times the rate
	Log        *slog.Logger   // constant messages and categories only; nil: dropped
	Progress   func(Progress) // called in order, never twice at a time, after Start has returned or shortly before; nil: nobody asks
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
	return c, nil
}

// Service is a published, or soon to be published, onion service.
type Service struct {
	cfg      Config
	listener *net.UnixListener
	notify   *notifier
	tor      *instance

	mu      sync.Mutex // guards what follows
	machine machine
	closing bool
	err     error

	published     chan struct{} // closed at the first upload
	publishedOnce sync.Once
	done          chan struct{} // closed when tor is gone, after err is set
	closeOnce     sync.Once
}

// Start checks tor's version, listens on the target socket, launches tor and asks it to publish. It returns
// as soon as tor runs; connecting and publishing go on behind it. ctx bounds the launch only: the service
// lives until Close, until tor dies (see Done), or until this process dies, which takes tor with it.
func Start(ctx context.Context, cfg Config) (_ *Service, err error) {
	if cfg, err = cfg.withDefaults(); err != nil {
		return nil, err
	}
	tor, err := findTor(ctx, cfg.Tor)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(cfg.DataDir, 0o700); err != nil {
		return nil, err
	}
	torrc, err := writeTorrc(cfg)
	if err != nil {
		return nil, err
	}
	listener, err := listen(cfg.Target)
	if err != nil {
		return nil, err
	}
	s := &Service{
		cfg: cfg, listener: listener, notify: newNotifier(cfg.Progress),
		machine:   newMachine(cfg.Key.serviceID()),
		published: make(chan struct{}), done: make(chan struct{}),
	}
	s.update(func(m *machine) { m.state = Starting })
	if s.tor, err = launch(ctx, cfg, tor, torrc); err == nil {
		err = s.publish()
	}
	if err != nil {
		if s.tor != nil {
			s.tor.stop()
		}
		listener.Close()
		s.notify.close()
		return nil, err
	}
	go s.watch()
	return s, nil
}

// publish runs the commands that take a silent tor to a published service. Events are subscribed to before
// the network is enabled, and the phase is asked for after it, so that no step is missed.
func (s *Service) publish() error {
	events, err := s.tor.control.subscribe()
	if err != nil {
		return err
	}
	go func() { // drains as fast as it can and asks tor nothing: bine reads no reply while an event waits
		for e := range events {
			s.update(func(m *machine) { m.apply(e) })
		}
	}()
	id, err := s.tor.control.addOnion(s.cfg)
	if err != nil {
		return err
	}
	if id != s.cfg.Key.serviceID() {
		return fmt.Errorf("%w: it made another address of our key", ErrControl)
	}
	s.update(func(m *machine) { m.state = Connecting })
	if err := s.tor.control.enableNetwork(); err != nil {
		return err
	}
	phase, err := s.tor.control.bootstrapPhase()
	if err != nil {
		return err
	}
	s.update(func(m *machine) { m.apply(phase) })
	return nil
}

// watch waits for tor's end, whichever side sees it first, and records why.
func (s *Service) watch() {
	select {
	case <-s.tor.proc.exited:
	case <-s.tor.control.lost:
	}
	s.tor.stop()
	s.mu.Lock()
	if !s.closing {
		s.err = ErrExited
		s.cfg.Log.Error("tor has exited")
	}
	s.mu.Unlock()
	s.update(func(m *machine) { m.state = Stopped })
	close(s.done)
}

// update changes the machine and tells whoever asked, if there is something to tell.
func (s *Service) update(change func(*machine)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.machine.progress()
	change(&s.machine)
	after := s.machine.progress()
	if s.machine.state == Published { // also while degraded: the descriptor is out
		s.publishedOnce.Do(func() { close(s.published) })
	}
	if after == before {
		return
	}
	if after.State != before.State || after.Warning != before.Warning {
		s.cfg.Log.Info("onion service", "state", string(after.State), "percent", after.Percent, "warning", after.Warning)
	}
	s.notify.send(after)
}

// Address returns the service's address, 56 characters and ".onion".
func (s *Service) Address() string { return s.cfg.Key.Address() }

// Listener returns the unix listener that tor connects to. It stays open when tor dies; Close closes it.
func (s *Service) Listener() net.Listener { return s.listener }

// Progress returns how far along the service is now.
func (s *Service) Progress() Progress {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.machine.progress()
}

// Published blocks until a directory has taken the service's descriptor, from when on the address can be
// given away. It fails with ctx's error, with ErrExited, or with ErrClosed.
func (s *Service) Published(ctx context.Context) error {
	select {
	case <-s.published:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-s.done:
		if err := s.Err(); err != nil {
			return err
		}
		return ErrClosed
	}
}

// Done is closed when tor is gone: it died, its control connection broke, or Close was called.
func (s *Service) Done() <-chan struct{} { return s.done }

// Err says why Done is closed: nil after Close and while tor runs, else ErrExited.
func (s *Service) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// Close takes the service off the network: it stops tor, waits for it, closes the listener and removes its
// socket. The last Progress has been delivered when it returns, so it must not be called from that function.
func (s *Service) Close() error {
	var err error
	s.closeOnce.Do(func() {
		s.mu.Lock()
		s.closing = true
		s.mu.Unlock()
		s.tor.stop()
		<-s.done
		if err = s.listener.Close(); errors.Is(err, net.ErrClosed) {
			err = nil // the server that used it closed it first
		}
		s.notify.close()
	})
	return err
}

var _ io.Closer = (*Service)(nil)
