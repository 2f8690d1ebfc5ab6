package link

import (
	"context"
	"sync"
	"time"

	"emberdrop/eventlog"
)

// once lets a repeated request share the outcome of the first: browsers and Tor
// circuits repeat POSTs, and a repeat must neither store a second copy nor count
// a second view. Requests are told apart by the hash of a random value that the
// page gave out. Nothing of it is ever on the disk.
type once[V any] struct {
	most int // that may wait for one request; 0: no limit

	mu    sync.Mutex
	slots map[[32]byte]*slot[V]
}

type slot[V any] struct {
	done  chan struct{} // closed when the first request has an outcome
	wait  int           // requests that wait for it
	value V             // written before done is closed, read after
	link  eventlog.ID
	until time.Time
}

func newOnce[V any](most int) *once[V] { return &once[V]{most: most, slots: map[[32]byte]*slot[V]{}} }

// begin either finds the outcome of an earlier request, or makes the caller the
// one that works (found is false), who must then call finish or fail. While
// another one works it waits, until ctx ends; ErrBusy when too many wait already.
func (o *once[V]) begin(ctx context.Context, key [32]byte) (value V, found bool, err error) {
	for {
		o.mu.Lock()
		s, taken := o.slots[key]
		if !taken {
			o.slots[key] = &slot[V]{done: make(chan struct{})}
			o.mu.Unlock()
			return value, false, nil
		}
		if o.most > 0 && s.wait >= o.most && s.until.IsZero() {
			o.mu.Unlock()
			return value, false, ErrBusy
		}
		s.wait++
		o.mu.Unlock()
		select {
		case <-s.done:
		case <-ctx.Done():
			err = ctx.Err()
		}
		o.mu.Lock()
		s.wait--
		if err != nil {
			o.mu.Unlock()
			return value, false, err
		}
		kept := o.slots[key] == s
		o.mu.Unlock()
		if kept {
			return s.value, true, nil
		}
		// The one who worked failed, or the outcome was forgotten: start over.
	}
}

// finish keeps the outcome until then, or until forget.
func (o *once[V]) finish(key [32]byte, value V, link eventlog.ID, until time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	s := o.slots[key]
	s.value, s.link, s.until = value, link, until
	close(s.done)
}

// fail lets the next request work.
func (o *once[V]) fail(key [32]byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	close(o.slots[key].done)
	delete(o.slots, key)
}

// known is the outcome of a request, if it has one.
func (o *once[V]) known(key [32]byte) (value V, found bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	s := o.slots[key]
	if s == nil || s.until.IsZero() {
		return value, false
	}
	return s.value, true
}

// forget drops the outcomes that belong to a link.
func (o *once[V]) forget(link eventlog.ID) {
	o.drop(func(s *slot[V]) bool { return s.link == link })
}

// expire drops the outcomes whose time has come and says when the next one's
// will; the zero time means that there is none.
func (o *once[V]) expire(now time.Time) (next time.Time) {
	o.drop(func(s *slot[V]) bool { return !s.until.After(now) })
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, s := range o.slots {
		if !s.until.IsZero() {
			next = earlier(next, s.until)
		}
	}
	return next
}

func (o *once[V]) drop(which func(*slot[V]) bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for key, s := range o.slots {
		if !s.until.IsZero() && which(s) { // a zero time: still under way
			delete(o.slots, key)
		}
	}
}

// earlier is the earlier of two times, where the zero time means "not at all".
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}
