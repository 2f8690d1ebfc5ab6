package eventlog

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// saboteur fails the operations on a file system from the at-th on, or that one only.
type saboteur struct {
	cause error
	at    int64 // from 1; 0: none
	once  bool
	reads bool // count and fail reads too
	n     atomic.Int64
	off   atomic.Bool
}

func (s *saboteur) String() string { return "saboteur" }

func (s *saboteur) MaybeError(op errorfs.Op) error {
	if s.off.Load() || !s.reads && op.Kind.ReadOrWrite() == errorfs.OpIsRead || op.Kind == errorfs.OpFileClose {
		return nil
	}
	n := s.n.Add(1)
	if s.at == 0 || n < s.at || s.once && n > s.at {
		return nil
	}
	return s.cause
}

// play runs the life of a log and returns the things whose commands were acknowledged.
// Any error is fine, a panic or a hang is not.
func play(cfg Config) (acked map[int]bool, purged bool, err error) {
	acked = map[int]bool{}
	if err := Create(cfg); err != nil {
		return acked, false, err
	}
	l, err := Open(cfg)
	if err != nil {
		return acked, false, err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	for n := 1; n <= 6; n++ {
		if err := l.Do(noon(), drafts(making(n), hitting(n), ending(n))); err != nil {
			return acked, false, err
		}
		acked[n] = true
		if n == 4 {
			if err := l.db.fatal.guard(l.db.Flush); err != nil {
				return acked, false, err
			}
		}
	}
	if err := l.hold(func() error { _, err := l.purge(noon(), choosing(id(1), id(2))); return err }); err != nil {
		return acked, false, err
	}
	_, err = l.Erase(context.Background())
	return acked, true, err
}

// TestFaults lets every operation of a log's life fail, once and for good: nothing
// hangs, nothing panics, what was acknowledged is there, and what is there adds up.
func TestFaults(t *testing.T) {
	count := &saboteur{reads: true}
	cfg := toyConfig(errorfs.Wrap(vfs.NewCrashableMem(), count))
	if _, _, err := play(cfg); err != nil {
		t.Fatal(err)
	}
	total := count.n.Load()
	// An ordinary run takes every fourth operation, from a random one on; a soak every one.
	step, first := int64(4), 1+rand.Int64N(4)
	if os.Getenv("EMBERDROP_SOAK") != "" {
		step, first = 1, 1
	}
	failed := 0
	for _, mode := range []*saboteur{
		{cause: syscall.ENOSPC}, {cause: syscall.EIO, once: true}, {cause: syscall.EIO, once: true, reads: true},
	} {
		for at := first; at <= total; at += step {
			s := &saboteur{cause: mode.cause, once: mode.once, reads: mode.reads, at: at}
			ok, hit := sabotaged(t, s)
			if !hit {
				break // the life has fewer operations of this kind
			}
			if !ok {
				failed++
			}
			if t.Failed() {
				t.Fatalf("%v at operation %d, once %v, reads %v", s.cause, at, s.once, s.reads)
			}
		}
	}
	t.Logf("about %d operations, %d lives cut short", total, failed)
	if failed == 0 {
		t.Error("no fault did anything")
	}
}

func sabotaged(t *testing.T, s *saboteur) (ok, hit bool) {
	fs := vfs.NewCrashableMem()
	cfg := toyConfig(errorfs.Wrap(fs, s))
	cfg.Memtable, cfg.Cache = 64<<10, 256<<10
	type result struct {
		acked  map[int]bool
		purged bool
		err    error
	}
	done := make(chan result, 1)
	go func() {
		acked, purged, err := play(cfg)
		done <- result{acked, purged, err}
	}()
	var r result
	select {
	case r = <-done:
	case <-time.After(cleanWait + 30*time.Second):
		buf := make([]byte, 1<<20)
		t.Errorf("it hangs\n%s", buf[:runtime.Stack(buf, true)])
		return false, true
	}
	s.off.Store(true)
	if r.err != nil && !errors.Is(r.err, s.cause) && !errors.Is(r.err, ErrStopped) && !errors.Is(r.err, ErrTraces) && !errors.Is(r.err, ErrDamaged) && !contains(r.err, "store error") {
		t.Errorf("an error of no kind: %v", r.err)
	}
	for _, kept := range []int{0, 50, 100} {
		cut := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: kept, RNG: rand.New(rand.NewPCG(uint64(s.at), 2))})
		if err := intact(toyConfig(cut), r.acked, r.purged); err != nil {
			t.Errorf("%d%% of the unsynced kept, after %v: %v", kept, r.err, err)
		}
	}
	return r.err == nil, s.n.Load() >= s.at
}

// intact opens what a fault left.
func intact(cfg Config, acked map[int]bool, purged bool) (err error) {
	if len(acked) == 0 { // then it may not even have been made
		if err := Create(cfg); err != nil && !errors.Is(err, ErrExists) {
			return err
		}
	}
	l, err := Open(cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	r, err := l.Verify()
	if err != nil || !r.Clean() {
		return fmt.Errorf("verify: %v %w", r, err)
	}
	return l.Read(func(tx *Tx) error {
		for n := 1; n <= 6; n++ {
			row, ok, err := getRow(tx, id(n))
			switch {
			case err != nil:
				return err
			case ok && !(row.Hits == 1 && row.Ended):
				return fmt.Errorf("a torn command")
			case ok && n <= 2 && purged:
				return fmt.Errorf("a purged thing is back")
			case !ok && acked[n] && n > 2:
				return fmt.Errorf("an acknowledged thing is lost")
			}
		}
		return nil
	})
}
