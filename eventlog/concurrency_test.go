package eventlog

import (
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

var errTaken = errors.New("taken")

// TestOneOfManyWins: a decision sees what was decided before it in the same batch.
func TestOneOfManyWins(t *testing.T) {
	cfg := toyConfig(vfs.NewMem())
	cfg.forceIO = func() { time.Sleep(time.Millisecond) } // so that batches hold several commands
	l := newLog(t, cfg)
	for round := range 20 {
		var won atomic.Int32
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				err := l.Do(noon(), func(tx *Tx) ([]Draft, error) {
					if _, ok, err := getRow(tx, id(round)); ok || err != nil {
						return nil, errors.Join(errTaken, err)
					}
					return []Draft{making(round)}, nil
				})
				switch {
				case err == nil:
					won.Add(1)
				case err != errTaken && !errors.Is(err, errTaken):
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if won.Load() != 1 {
			t.Fatalf("%d winners", won.Load())
		}
	}
}

// TestEverythingAtOnce is for the race detector.
func TestEverythingAtOnce(t *testing.T) {
	l := newLog(t, toyConfig(vfs.NewMem()))
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := range 30 {
				n := w*1000 + i + 1
				do(t, l, making(n), hitting(n))
				if row, ok := rowOf(t, l, n); !ok || row.Hits != 1 {
					t.Error("an acknowledged row does not show")
				}
				if i%10 == 9 {
					if _, err := l.Purge(t.Context(), noon(), choosing(id(n), id(n-1))); err != nil {
						t.Error(err)
					}
				}
				if i%15 == 0 {
					if r, err := l.Verify(); err != nil || !r.Clean() {
						t.Error(r, err)
					}
					if _, err := l.Size(); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	if r := mustVerify(t, l); !r.Clean() {
		t.Error(r)
	}
}

// TestNoReadBeforeSync holds a commit in its fsync and looks.
func TestNoReadBeforeSync(t *testing.T) {
	var armed atomic.Bool
	inSync, release := make(chan struct{}), make(chan struct{})
	fs := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if strings.HasSuffix(op.Path, ".log") && isSync(op.Kind) && armed.CompareAndSwap(true, false) {
			close(inSync)
			<-release
		}
		return nil
	}))
	l := newLog(t, toyConfig(fs))
	l.db.TestOnlyWaitForCleaning() // the cleaner syncs old WALs too
	armed.Store(true)
	var acked, read atomic.Bool
	var wg sync.WaitGroup
	wg.Go(func() {
		do(t, l, making(1))
		acked.Store(true)
	})
	<-inSync
	wg.Go(func() {
		if _, ok := rowOf(t, l, 1); ok && !read.Load() {
			read.Store(true)
		}
	})
	time.Sleep(50 * time.Millisecond) // long enough for a read that does not wait
	if read.Load() || acked.Load() {
		t.Errorf("before the sync: read %v, acknowledged %v", read.Load(), acked.Load())
	}
	close(release)
	wg.Wait()
	if _, ok := rowOf(t, l, 1); !ok || !acked.Load() {
		t.Error("after the sync the event is not there")
	}
}

func isSync(k errorfs.OpKind) bool {
	return k == errorfs.OpFileSync || k == errorfs.OpFileSyncData
}

// TestCloseWhileBusy: every command is either acknowledged and there, or refused and not.
func TestCloseWhileBusy(t *testing.T) {
	cfg := toyConfig(vfs.NewMem())
	l := newLog(t, cfg)
	var acked sync.Map
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := range 1000 {
				n := w*1000 + i + 1
				err := l.Do(noon(), drafts(making(n)))
				if errors.Is(err, ErrClosed) {
					return
				}
				if err != nil {
					t.Error(err)
				}
				acked.Store(n, true)
			}
		})
	}
	time.Sleep(5 * time.Millisecond)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	l = mustOpen(t, cfg)
	defer l.Close()
	rows := 0
	_ = l.Read(func(tx *Tx) error {
		lo, hi := LinkBounds()
		return tx.Scan(lo, hi, func(_, _ []byte) (bool, error) { rows++; return true, nil })
	})
	acked.Range(func(n, _ any) bool {
		if _, ok := rowOf(t, l, n.(int)); !ok {
			t.Errorf("acknowledged %d is gone", n)
		}
		rows--
		return true
	})
	if rows != 0 {
		t.Errorf("%d refused commands are there", rows)
	}
}

// brokenFold fails or panics on one kind of event.
type brokenFold struct {
	toy
	panics bool
}

func (f brokenFold) Apply(tx *Tx, e Event) error {
	if e.Type == hit && f.panics {
		panic("fold")
	}
	if e.Type == hit {
		return errTaken
	}
	return f.toy.Apply(tx, e)
}

func TestFailingFoldStopsTheLog(t *testing.T) {
	for _, panics := range []bool{false, true} {
		cfg := toyConfig(vfs.NewCrashableMem())
		told := make(chan error, 2)
		cfg.Fatal = func(err error) { told <- err }
		cfg.Fold = brokenFold{panics: panics}
		l := newLog(t, cfg)
		do(t, l, making(1))
		if err := l.Do(noon(), drafts(making(2), hitting(2))); !errors.Is(err, ErrStopped) {
			t.Errorf("the command: %v", err)
		}
		if err := <-told; !errors.Is(err, ErrStopped) || !contains(err, hit) {
			t.Errorf("fatal: %v", err)
		}
		if err := l.Do(noon(), drafts(making(3))); !errors.Is(err, ErrStopped) {
			t.Errorf("the next command: %v", err)
		}
		if err := l.Read(func(*Tx) error { return nil }); !errors.Is(err, ErrStopped) {
			t.Errorf("a read: %v", err)
		}
		if _, err := l.Purge(t.Context(), noon(), choosing(id(1))); !errors.Is(err, ErrStopped) {
			t.Errorf("a purge: %v", err)
		}
		if err := l.Close(); !errors.Is(err, ErrStopped) {
			t.Errorf("close: %v", err)
		}
		cfg.FS = cfg.FS.(*vfs.MemFS).CrashClone(vfs.CrashCloneCfg{})
		cfg.Fold = toy{}
		l = mustOpen(t, cfg)
		if _, ok := rowOf(t, l, 2); ok {
			t.Error("the batch was committed")
		}
		if _, ok := rowOf(t, l, 1); !ok {
			t.Error("what came before is gone")
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
}
