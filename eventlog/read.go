package eventlog

import (
	"context"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
)

// Read runs fn on a view of the state as of the last synced batch. The view does not
// move while fn runs. fn should take milliseconds: until it returns, bytes that are
// deleted meanwhile stay on disk.
func (l *Log) Read(fn func(tx *Tx) error) error {
	return l.view(func(s *pebble.Snapshot, t tip) error {
		return fn(&Tx{reader: s, role: roleRead, now: t.time})
	})
}

// view takes a snapshot between two commits and hands it to fn.
func (l *Log) view(fn func(s *pebble.Snapshot, t tip) error) (err error) {
	epoch, err := l.enter()
	if err != nil {
		return err
	}
	defer l.leave(epoch)
	s, t, err := l.snapshot()
	if err != nil {
		return err
	}
	defer func() {
		if e := s.Close(); e != nil && err == nil {
			err = fmt.Errorf("eventlog: closing a view: %w", category(e))
		}
	}()
	return fn(s, t)
}

func (l *Log) snapshot() (*pebble.Snapshot, tip, error) {
	l.visible.RLock()
	defer l.visible.RUnlock()
	// A commit that failed may be visible in memory though it never reached the disk.
	if l.fatal.stopped() {
		return nil, tip{}, l.fatal.reason()
	}
	return l.db.NewSnapshot(), l.tip, nil
}

// enter announces a view, before its snapshot is taken; leave must follow when it
// returned no error.
func (l *Log) enter() (epoch int, err error) {
	l.life.Lock()
	defer l.life.Unlock()
	if l.closed {
		return 0, ErrClosed
	}
	if l.fatal.stopped() {
		return 0, l.fatal.reason()
	}
	l.users.Add(1)
	l.readers[l.epoch]++
	return l.epoch, nil
}

func (l *Log) leave(epoch int) {
	l.life.Lock()
	l.readers[epoch]--
	l.life.Unlock()
	l.users.Done()
}

// settle waits until every view that is open now has ended; new ones come and go.
// The caller holds erasing, so that two epochs are enough.
func (l *Log) settle(ctx context.Context) error {
	l.life.Lock()
	old := l.epoch
	l.epoch = 1 - old
	l.life.Unlock()
	return poll(ctx, l.fatal, func() (bool, error) {
		l.life.Lock()
		defer l.life.Unlock()
		return l.readers[old] == 0, nil
	})
}

// Events calls fn for every event in order, upcast to the types of this program. It
// goes by one view: events appended meanwhile are not seen. fn must not call Purge.
func (l *Log) Events(fn func(Event) error) error {
	return l.view(func(s *pebble.Snapshot, _ tip) error {
		return replay(s, l.cfg, func(_, now Event) error { return fn(now) })
	})
}

// replay calls fn for every event, as stored and as upcast.
func replay(r pebble.Reader, cfg Config, fn func(stored, now Event) error) error {
	lo, hi := EventBounds(0)
	return scan(r, lo, hi, func(k, v []byte) (bool, error) {
		seq, ok := ParseEventKey(k)
		if !ok {
			return false, fmt.Errorf("%w: a key that is no event's", ErrDamaged)
		}
		e, err := decodeEvent(seq, v)
		if err != nil {
			return false, fmt.Errorf("event %d: %w", seq, err)
		}
		now, err := cfg.current(e)
		if err != nil {
			return false, fmt.Errorf("event %d: %w", seq, err)
		}
		return true, fn(e, now)
	})
}

// Size is what the log holds, in bytes, as far as it is cheap to know.
type Size struct {
	// Dead is deleted since the last erasure: events, index entries and rows of purged
	// streams, and passes. Old versions of rows that were overwritten are not counted.
	Dead uint64
	// Disk is what the store's files take.
	Disk uint64
}

// Size estimates how much a purge has left to erase.
func (l *Log) Size() (Size, error) {
	var size Size
	err := l.view(func(_ *pebble.Snapshot, t tip) error {
		m, err := l.db.metrics()
		if err != nil {
			return err
		}
		size = Size{Dead: t.dead, Disk: m.DiskSpaceUsage()}
		return nil
	})
	return size, err
}
