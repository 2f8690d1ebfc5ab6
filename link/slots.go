package link

import (
	"context"
	"slices"
	"sync"
	"time"
)

// slots bounds how many uploads are under way at once. Who finds none free waits
// in line for a while; as many may wait as can work.
type slots struct {
	most int           // at once
	wait time.Duration // at most, in line

	mu    sync.Mutex
	taken int
	line  []chan struct{} // who waits, the oldest first; closed when a slot is theirs
}

// take takes a slot. The error is ErrBusy when none came free in time, or ctx's.
func (s *slots) take(ctx context.Context) error {
	s.mu.Lock()
	if s.taken < s.most {
		s.taken++
		s.mu.Unlock()
		return nil
	}
	if len(s.line) >= s.most {
		s.mu.Unlock()
		return ErrBusy
	}
	mine := make(chan struct{})
	s.line = append(s.line, mine)
	s.mu.Unlock()

	timer := time.NewTimer(s.wait)
	defer timer.Stop()
	var err error
	select {
	case <-mine:
		return nil
	case <-timer.C:
		err = ErrBusy
	case <-ctx.Done():
		err = ctx.Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	at := slices.Index(s.line, mine)
	if at < 0 {
		return nil // it came just now
	}
	s.line = slices.Delete(s.line, at, at+1)
	return err
}

// give hands a slot to the first in line, if there is one.
func (s *slots) give() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.line) == 0 {
		s.taken--
		return
	}
	close(s.line[0])
	s.line = slices.Delete(s.line, 0, 1)
}

// wanted reports whether somebody waits for a slot.
func (s *slots) wanted() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.line) > 0
}

// busy is how many uploads are under way and how many wait.
func (s *slots) busy() (working, waiting int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.taken, len(s.line)
}
