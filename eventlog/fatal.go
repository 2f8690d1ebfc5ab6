package eventlog

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"sync"
	"syscall"

	"github.com/cockroachdb/pebble/v2"
)

// fatality is the log's stop: the first reason wins, and everyone can wait for it.
type fatality struct {
	once   sync.Once
	ch     chan struct{}
	err    error // set before ch is closed
	notify func(error)
}

func newFatality(notify func(error)) *fatality {
	return &fatality{ch: make(chan struct{}), notify: notify}
}

// stop ends the log for the reason, which must carry no id or key. It returns the first reason.
func (f *fatality) stop(reason error) error {
	f.once.Do(func() {
		f.err = fmt.Errorf("%w: %w", ErrStopped, reason)
		close(f.ch)
		if f.notify != nil {
			go f.notify(f.err) // not in here: the caller may hold Pebble's locks
		}
	})
	return f.err
}

func (f *fatality) stopped() bool {
	select {
	case <-f.ch:
		return true
	default:
		return false
	}
}

func (f *fatality) reason() error { <-f.ch; return f.err }

// guard runs a call into Pebble that may meet a fatal error. Pebble's code goes on
// after Logger.Fatalf as if the process had ended there, so our Fatalf ends the
// goroutine instead; guard gives the call one of its own. Should the fatal error
// happen in a background goroutine, the call may hang for ever and guard leaves it behind.
func (f *fatality) guard(call func() error) error {
	if f.stopped() {
		return f.reason()
	}
	done := make(chan error, 1)
	go func() {
		err := errors.New("the call was cut off") // what runtime.Goexit leaves behind
		returned := false
		defer func() {
			if p := recover(); p != nil || !returned {
				// Pebble panics when a WAL cannot be rotated. The value may quote a key.
				err = f.stop(errors.New("the store failed while writing"))
			}
			done <- err
		}()
		err = call()
		returned = true
	}()
	select {
	case err := <-done:
		if f.stopped() {
			// A failed WAL write reports to Logger.Fatalf only; the commit itself returns nil.
			return f.reason()
		}
		return err
	case <-f.ch:
		return f.err
	}
}

// logger keeps Pebble's texts out of our log: they name keys, files and paths.
type logger struct {
	log   *slog.Logger
	fatal *fatality
}

func (logger) Infof(string, ...any)    {}
func (l logger) Errorf(string, ...any) { l.log.Error("event store: an error was reported") }

// Fatalf stops the log and ends the calling goroutine, deferred unlocks included. It
// is called where going on would lose data: a failed WAL or MANIFEST write.
func (l logger) Fatalf(_ string, args ...any) {
	cause := errors.New("a write failed")
	for _, a := range args {
		if err, ok := a.(error); ok {
			cause = category(err)
		}
	}
	l.log.Error("event store: stopped", "cause", cause.Error())
	l.fatal.stop(cause)
	runtime.Goexit()
}

// category reduces an error to a constant: the operating system's own, or "store error".
func category(err error) error {
	var errno syscall.Errno
	switch {
	case errors.As(err, &errno):
		return errno
	case errors.Is(err, pebble.ErrCorruption):
		return errors.New("bad checksum or structure")
	case errors.Is(err, os.ErrNotExist):
		return os.ErrNotExist
	case errors.Is(err, ErrStopped):
		return err
	}
	return errors.New("store error")
}
