// Package sweeper decides when: it ends links whose time has come, ends leases,
// and shreds what has ended, as soon as it is due and not on a coarse poll. What
// that means is link's to decide; this package knows no database, no file and no
// request.
package sweeper

import (
	"context"
	"log/slog"
	"time"

	"emberdrop/link"
)

// Config is what a Sweeper stands on.
type Config struct {
	Links *link.Links

	// Now is the clock; nil means time.Now.
	Now func() time.Time

	// Retry is how long after a failure it tries again; 0 means 30 seconds.
	Retry time.Duration

	// A purge runs when so many bytes of the log are dead; 0 means 64 MiB.
	PurgeDead int64
	// And at the latest when a link could have been purged for so long; 0 means 24 hours.
	PurgeAge time.Duration

	// Events is where constant categories of trouble go; nil means nowhere.
	Events *slog.Logger
}

// Sweeper runs the housekeeping of one Links.
type Sweeper struct {
	cfg    Config
	looked time.Time // when it last asked whether a purge is due; owned by Run
	again  bool      // the last erasure did not end well, or who knows
}

// New makes a Sweeper; Run starts it.
func New(cfg Config) *Sweeper {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Retry == 0 {
		cfg.Retry = 30 * time.Second
	}
	if cfg.Events == nil {
		cfg.Events = slog.New(slog.DiscardHandler)
	}
	if cfg.PurgeDead == 0 {
		cfg.PurgeDead = 64 << 20
	}
	if cfg.PurgeAge == 0 {
		cfg.PurgeAge = 24 * time.Hour
	}
	// Before the first look a crash may have come between a purge and its erasure.
	return &Sweeper{cfg: cfg, again: true}
}

// purgeLook is how often it asks whether a purge is due: the question reads every
// link, and a purge rewrites much of the log, so neither is for every pass.
const purgeLook = time.Hour

// longest bounds one sleep: the machine may have slept meanwhile or its clock
// may have been set, and timers follow neither.
const longest = time.Minute

// Run sweeps until ctx ends. It wakes when the next deadline is due, or when
// link says that something became due sooner.
func (s *Sweeper) Run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-s.cfg.Links.Wake():
		}
		sleep := s.pass()
		if s.purge(ctx) {
			sleep = 0 // it took its time, and something may have become due meanwhile
		}
		timer.Reset(sleep)
	}
}

// pass does everything that is due and says how long nothing will be.
func (s *Sweeper) pass() (sleep time.Duration) {
	if err := s.Sweep(); err != nil {
		s.cfg.Events.Error("sweep failed, will try again", "room", "sweeper", "in", s.cfg.Retry)
		return s.cfg.Retry
	}
	next, err := s.cfg.Links.Next()
	if err != nil {
		return s.cfg.Retry
	}
	if next.IsZero() {
		return longest
	}
	// A moment more than the distance, so that the deadline has passed on waking.
	return min(max(next.Sub(s.cfg.Now()), 0)+10*time.Millisecond, longest)
}

// Sweep does everything that is due now. One failure does not keep the rest from
// being tried; the first is returned.
func (s *Sweeper) Sweep() error {
	end := s.cfg.Links.EndDue()
	shred := s.cfg.Links.ShredEnded()
	if end != nil {
		return end
	}
	return shred
}

// purge runs a purge when one is worthwhile, and reports whether it did.
func (s *Sweeper) purge(ctx context.Context) (ran bool) {
	now := s.cfg.Now()
	if now.Sub(s.looked) < purgeLook {
		return false
	}
	s.looked = now
	due, err := s.PurgeDue()
	if err == nil && due {
		_, err = s.cfg.Links.Purge(ctx)
	}
	s.again = err != nil
	if err != nil && ctx.Err() == nil {
		s.cfg.Events.Error("purge failed, will try again", "room", "sweeper", "in", purgeLook)
	}
	return due
}

// PurgeDue reports whether a purge is worthwhile: enough of the log is dead, an
// erasure was perhaps interrupted, or something that could have been purged has
// waited for the maximum age.
func (s *Sweeper) PurgeDue() (bool, error) {
	dead, err := s.cfg.Links.Dead()
	if err != nil {
		return false, err
	}
	if dead >= s.cfg.PurgeDead || (dead > 0 && s.again) {
		return true, nil
	}
	count, since, err := s.cfg.Links.Purgeable()
	return count > 0 && s.cfg.Now().Sub(since) >= s.cfg.PurgeAge, err
}
