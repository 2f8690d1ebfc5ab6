package eventlog

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

const (
	bottom     = 6                // Pebble's last level, where deleted rows finally fall away
	openRounds = 3                // compactions with appends going on, before the writer is made to pause
	maxRounds  = 16               // compactions after which Erase gives up
	pollEvery  = time.Millisecond // how often a waiting Erase looks
	calmWait   = 2 * time.Second  // how long Erase waits for Pebble's own compactions under load
	cleanWait  = 30 * time.Second // how long Erase waits for files to be overwritten and unlinked
)

// ErrTraces: an erasure gave up; deleted bytes may still be on disk. It can be tried again.
var ErrTraces = errors.New("eventlog: traces of deleted events may remain on disk")

// Erased is what an erasure did.
type Erased struct {
	Rounds int           // compactions
	Pause  time.Duration // how long appends waited for the last ones; mostly zero
	Took   time.Duration // all of it

	done bool // everything has sunk
}

// Erase removes every trace of what has been deleted so far from the log's files.
// Appends go on meanwhile; Erased.Pause says for how long they had to wait.
func (l *Log) Erase(ctx context.Context) (e Erased, err error) {
	l.erasing.Lock()
	defer l.erasing.Unlock()
	if err := l.enterWork(); err != nil {
		return e, err
	}
	defer l.users.Done()
	mark, dead, err := l.mark()
	if err != nil {
		return e, err
	}
	// Views that began before the mark must end: a snapshot makes compactions keep a
	// deleted row and its tombstone.
	if err := l.settle(ctx); err != nil {
		return e, err
	}
	if e, err = l.db.erase(ctx, mark, l.hold); err != nil {
		return e, err
	}
	// Only now is the dead data forgotten: a crash before this line has the next purge
	// go through all of it again.
	return e, l.hold(func() error {
		g := l.newGroup()
		g.tip.dead -= min(dead, g.tip.dead)
		_, err := l.note(g)
		return err
	})
}

// erase is the one place that knows where Pebble keeps deleted bytes, and drives them
// out in order. What is to go was deleted in a synced batch with Pebble sequence numbers
// up to mark, and no snapshot from before it is open. pause runs a call while nothing is
// appended.
//
// Snapshots of the disk, a file system that copies on write, and the spare blocks of an
// SSD are out of reach from here. So is a checkpoint of the store: none is ever made.
func (s *store) erase(ctx context.Context, mark uint64, pause func(func() error) error) (e Erased, err error) {
	start, missed := time.Now(), s.unscrubbed.Load()
	defer func() { e.Took = time.Since(start) }()

	// Flush: the deletions leave the memtable, and with it the WAL that had to keep them
	// and the rows that they delete.
	if err := s.fatal.guard(s.Flush); err != nil {
		return e, plain(ctx, "flushing", err)
	}

	// Compact until nothing up to the mark is above the bottom level and no tombstone
	// of it is left there: only at the bottom does Pebble drop tombstone and row
	// together. One Compact is not enough. It walks down to the deepest level that holds
	// files when it is called, so an automatic compaction at the same time can leave
	// tombstones above the rows that they should remove; hence each round first waits
	// until none runs, and then looks again. What appends add meanwhile has higher
	// sequence numbers and is not waited for.
	for !e.done && e.Rounds < openRounds {
		if err := s.round(ctx, &mark, &e, pause); err != nil {
			return e, err
		}
	}
	// Should appends have kept that from coming to an end, they pause for the rest.
	if !e.done {
		if err := pause(func() error { return s.lastRounds(ctx, &mark, &e) }); err != nil {
			return e, err
		}
	}

	// Roll: the MANIFEST names the smallest and largest key of every table that was, and
	// Pebble always keeps its predecessor. At MaxManifestFileSize 1 each flush starts a
	// new one, so two flushes leave none that knew the old tables. Each also starts a
	// new WAL; a flush needs a row to write.
	for range 2 {
		if err := s.fatal.guard(func() error {
			return errors.Join(s.Set(keyRoll, nil, pebble.Sync), s.Flush())
		}); err != nil {
			return e, plain(ctx, "flushing", err)
		}
	}

	// Clean: Pebble removes obsolete files in the background, through the cleaner that
	// overwrites them, and keeps a table for as long as an iterator reads it (a zombie).
	if err := s.cleaned(ctx); err != nil {
		return e, err
	}
	if s.unscrubbed.Load() != missed {
		return e, fmt.Errorf("%w: a file could not be overwritten", ErrTraces)
	}
	return e, nil
}

// enterWork announces work on the store that is not a view.
func (l *Log) enterWork() error {
	epoch, err := l.enter()
	if err != nil {
		return err
	}
	l.life.Lock()
	l.readers[epoch]--
	l.life.Unlock()
	return nil
}

// mark commits a row and returns its sequence number and the dead bytes up to it.
func (l *Log) mark() (mark, dead uint64, err error) {
	err = l.hold(func() (err error) {
		g := l.newGroup()
		dead = g.tip.dead
		mark, err = l.note(g)
		return err
	})
	return mark, dead, err
}

// lastRounds ends what the open rounds could not; nothing is appended meanwhile.
func (s *store) lastRounds(ctx context.Context, mark *uint64, e *Erased) error {
	start := time.Now()
	defer func() { e.Pause = time.Since(start) }()
	if err := s.fatal.guard(s.Flush); err != nil {
		return plain(ctx, "flushing", err)
	}
	direct := func(call func() error) error { return call() }
	for e.Rounds < maxRounds {
		if err := s.round(ctx, mark, e, direct); e.done || err != nil {
			return err
		}
	}
	return fmt.Errorf("%w: compactions do not come to an end", ErrTraces)
}

// round looks whether everything up to mark has sunk, and compacts once when it has not.
func (s *store) round(ctx context.Context, mark *uint64, e *Erased, pause func(func() error) error) error {
	if err := s.calm(ctx); err != nil {
		return err
	}
	above, stuck, err := s.unsunk(*mark)
	if err != nil {
		return err
	}
	if e.done = above == 0 && len(stuck) == 0; e.done {
		return nil
	}
	e.Rounds++
	if above == 0 {
		if err := pause(func() error { return s.nudge(stuck, mark) }); err != nil {
			return err
		}
	}
	lo, hi := everything()
	return plain(ctx, "compacting", s.fatal.guard(func() error { return s.Compact(ctx, lo, hi, false) }))
}

// unsunk counts the tables above the bottom that reach back to mark, and returns those
// at the bottom that still hold tombstones from before it.
func (s *store) unsunk(mark uint64) (above int, stuck []pebble.SSTableInfo, err error) {
	var levels [][]pebble.SSTableInfo
	err = s.fatal.guard(func() (err error) {
		levels, err = s.SSTables(pebble.WithProperties())
		return err
	})
	if errors.Is(err, ErrStopped) {
		return 0, nil, err
	}
	if err != nil {
		return 0, nil, damaged("listing tables", err)
	}
	for level, tables := range levels {
		for _, t := range tables {
			if uint64(t.SmallestSeqNum) > mark {
				continue
			}
			if level < bottom {
				above++
			} else if t.Properties.NumDeletions+t.Properties.NumRangeDeletions > 0 {
				stuck = append(stuck, t)
			}
		}
	}
	return above, stuck, nil
}

// nudge writes over one key of each stuck table what is there already, so that the next
// Compact has to rewrite the table: its tombstones reached the bottom while a snapshot
// held them, and Compact moves tables down but does not touch the bottom when nothing
// lies above it. The mark moves on to cover the nudge too.
func (s *store) nudge(stuck []pebble.SSTableInfo, mark *uint64) error {
	b := s.NewBatch()
	for _, t := range stuck {
		key := t.Smallest.UserKey
		value, ok, err := get(s, key)
		if err != nil {
			return errors.Join(err, quiet(b.Close()))
		}
		if ok {
			err = b.Set(key, value, nil)
		} else {
			err = b.Delete(key, nil)
		}
		if err != nil {
			return errors.Join(category(err), quiet(b.Close()))
		}
	}
	err := s.fatal.guard(func() error { return b.Commit(pebble.Sync) })
	if err != nil {
		return err // the batch stays open: Pebble may still use it
	}
	*mark = uint64(b.SeqNum()) + uint64(b.Count())
	return errors.Join(quiet(b.Close()), plain(context.Background(), "flushing", s.fatal.guard(s.Flush)))
}

// calm waits until Pebble compacts nothing by itself. Under a heavy load that may never
// be; then the round goes ahead, and the next one looks again.
func (s *store) calm(ctx context.Context) error {
	soon, cancel := context.WithTimeout(ctx, calmWait)
	defer cancel()
	err := poll(soon, s.fatal, func() (bool, error) {
		m, err := s.metrics()
		return err == nil && m.Compact.NumInProgress == 0, err
	})
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return nil
	}
	return err
}

// cleaned waits until obsolete files have been overwritten and unlinked.
func (s *store) cleaned(ctx context.Context) error {
	soon, cancel := context.WithTimeout(ctx, cleanWait)
	defer cancel()
	err := poll(soon, s.fatal, func() (bool, error) {
		// Despite its name it is safe here: it waits for the clean-up jobs that are in
		// the queue, and it is the only way to know of MANIFESTs.
		if err := s.fatal.guard(func() error { s.TestOnlyWaitForCleaning(); return nil }); err != nil {
			return false, err
		}
		m, err := s.metrics()
		if err != nil {
			return false, err
		}
		return m.Table.ObsoleteCount == 0 && m.Table.ZombieCount == 0 && m.WAL.ObsoleteFiles == 0, nil
	})
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return fmt.Errorf("%w: old files are still in use", ErrTraces)
	}
	return err
}

// poll calls look until it says yes, the context ends, or the log stops.
func poll(ctx context.Context, fatal *fatality, look func() (bool, error)) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		if done, err := look(); done || err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		case <-fatal.ch:
			return fatal.reason()
		}
	}
}

// plain passes on stops and cancellations, and reduces Pebble's errors to a category.
func plain(ctx context.Context, doing string, err error) error {
	switch {
	case err == nil, errors.Is(err, ErrStopped):
		return err
	case ctx.Err() != nil:
		return ctx.Err()
	}
	return fmt.Errorf("eventlog: %s: %w", doing, category(err))
}
