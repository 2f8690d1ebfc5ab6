package onion

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"path/filepath"
	"time"
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
