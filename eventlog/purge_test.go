package eventlog

import (
	"context"
	"crypto/rand"
	"errors"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"pgregory.net/rapid"
)

// choosing makes a purge take these streams and the totals that they stand for.
func choosing(streams ...ID) func(*Tx, int) ([]ID, any, error) {
	return func(tx *Tx, limit int) (out []ID, summary any, err error) {
		var s sums
		seen := map[ID]bool{}
		for _, id := range streams {
			if seen[id] {
				continue
			}
			seen[id] = true
			row, ok, err := getRow(tx, id)
			if err != nil {
				return nil, nil, err
			}
			if ok && len(out) < limit {
				s.Made++
				s.Hits += row.Hits
				out = append(out, id)
			}
		}
		return out, s, nil
	}
}

// state is every projection row that a reader can see, the index left out.
func state(t rapid.TB, l *Log) map[string]string {
	rows := map[string]string{}
	err := l.Read(func(tx *Tx) error {
		for _, class := range derived()[1:] {
			err := tx.Scan(class.lo, class.hi, func(k, v []byte) (bool, error) {
				rows[string(k)] = string(v)
				return true, nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// dropped is state without the rows of streams; totals stay.
func dropped(rows map[string]string, streams map[ID]bool) map[string]string {
	out := maps.Clone(rows)
	maps.DeleteFunc(out, func(k, v string) bool {
		if id, ok := ParseLinkKey([]byte(k)); ok {
			return streams[id]
		}
		if _, id, ok := ParseDeadlineKey([]byte(k)); ok {
			return streams[id]
		}
		return strings.HasPrefix(k, classReceipt) && streams[ID([]byte(v))]
	})
	return out
}

// TestPurgeLaw: fold(purge(log, S)) == drop(S, fold(log)), where totals are kept.
func TestPurgeLaw(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg := toyConfig(vfs.NewMem())
		if err := Create(cfg); err != nil {
			t.Fatal(err)
		}
		l, err := Open(cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = l.Close() }()
		for range rapid.IntRange(1, 3).Draw(t, "purges") {
			for _, n := range rapid.SliceOfN(rapid.IntRange(1, 12), 1, 30).Draw(t, "touched") {
				err := l.Do(noon(), func(tx *Tx) ([]Draft, error) {
					row, ok, err := getRow(tx, id(n))
					switch {
					case err != nil:
						return nil, err
					case !ok:
						return []Draft{making(n)}, nil
					case row.Hits < 2:
						return []Draft{hitting(n)}, nil
					}
					return []Draft{ending(n)}, nil
				})
				if err != nil {
					t.Fatal(err)
				}
			}
			streams := map[ID]bool{}
			var list []ID
			for _, n := range rapid.SliceOfN(rapid.IntRange(1, 14), 0, 8).Draw(t, "purged") {
				streams[id(n)] = true
				list = append(list, id(n)) // with repetitions and streams that never were
			}
			before := state(t, l)
			if _, err := l.Purge(context.Background(), noon(), choosing(list...)); err != nil {
				t.Fatal(err)
			}
			if want, got := dropped(before, streams), state(t, l); !maps.Equal(want, got) {
				t.Fatalf("live: %d rows, want %d", len(got), len(want))
			}
			if r, err := l.Verify(); err != nil || !r.Clean() {
				t.Fatalf("the purged log folds to something else: %v %v", r, err)
			}
			err := l.Events(func(e Event) error {
				if streams[e.Link] {
					t.Fatalf("an event of a purged stream is left")
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestPurgeLeavesNoTrace(t *testing.T) {
	for _, load := range []string{"quiet", "appends go on", "a view is open", "after a kill", "twice"} {
		t.Run(load, func(t *testing.T) {
			cfg := diskConfig(t)
			l := newLog(t, cfg)
			doomed, gone, kept := plant(t, l, 600)
			if len(gone.found(t, cfg.Dir)) == 0 {
				t.Fatal("the needles are not there before the purge")
			}
			var wg sync.WaitGroup
			stop := make(chan struct{})
			switch load {
			case "appends go on":
				for range 4 {
					wg.Go(func() {
						for {
							select {
							case <-stop:
								return
							default:
								randomThing().live(t, l, true)
							}
						}
					})
				}
			case "a view is open":
				open := make(chan struct{})
				wg.Go(func() {
					_ = l.Read(func(tx *Tx) error { close(open); <-stop; return nil })
				})
				<-open
				go func() { // the view outlives the deletions by far
					for !l.tipNow().types[TypePurged] {
						time.Sleep(time.Millisecond)
					}
					time.Sleep(200 * time.Millisecond)
					close(stop)
				}()
			case "after a kill":
				l = mustOpen(t, killed(t, &cfg))
				defer l.Close()
			case "twice":
				half := len(doomed) / 2
				if _, err := l.Purge(context.Background(), noon(), choosing(doomed[:half]...)); err != nil {
					t.Fatal(err)
				}
			}
			p, err := l.Purge(context.Background(), noon(), choosing(doomed...))
			if load != "a view is open" {
				close(stop)
			}
			wg.Wait()
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%+v", p)
			if load == "a view is open" && p.Erased.Rounds > 2 {
				t.Error("it compacted in vain while the view was open")
			}
			if hits := gone.found(t, cfg.Dir); len(hits) != 0 {
				t.Errorf("left on disk: %v", hits)
			}
			if len(kept.found(t, cfg.Dir)) == 0 {
				t.Error("what was to stay is not found either: the walk looks at nothing")
			}
			if size, err := l.Size(); err != nil || load != "appends go on" && size.Dead != 0 {
				t.Errorf("dead bytes: %+v %v", size, err)
			}
			if r := mustVerify(t, l); !r.Clean() {
				t.Error(r)
			}
		})
	}
}

func (l *Log) tipNow() tip {
	l.visible.RLock()
	defer l.visible.RUnlock()
	return l.tip
}

// killed copies the folder of a running log, as a kill -9 leaves it, and points cfg there.
func killed(t testing.TB, cfg *Config) Config {
	t.Helper()
	// A copy takes a while, in which Pebble may put a file in another's place: it
	// counts only if the same files were there before and after.
	for range 100 {
		dir := t.TempDir() + "/log"
		before := files(t, cfg.Dir)
		err := os.CopyFS(dir, os.DirFS(cfg.Dir))
		if err == nil && slices.Equal(before, files(t, cfg.Dir)) {
			cfg.Dir = dir
			return *cfg
		}
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatal("the folder never stands still")
	return *cfg
}

// TestNegativeControl does what one would do without knowing Pebble: the stock cleaner
// and one Compact. If that left nothing, TestPurgeLeavesNoTrace would prove nothing.
func TestNegativeControl(t *testing.T) {
	cfg := diskConfig(t)
	cfg.tune = func(o *pebble.Options) { o.Cleaner = pebble.DeleteCleaner{} }
	l := newLog(t, cfg)
	doomed, gone, _ := plant(t, l, 600)
	err := l.hold(func() error {
		_, err := l.purge(noon(), choosing(doomed...))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	lo, hi := everything()
	if err := errors.Join(l.db.Flush(), l.db.Compact(context.Background(), lo, hi, false)); err != nil {
		t.Fatal(err)
	}
	hits := gone.found(t, cfg.Dir)
	if len(hits) == 0 {
		t.Fatal("stock Pebble left no trace")
	}
	t.Logf("found: %v", hits)
}

// TestStuckTombstones: a snapshot takes tombstones to the bottom level, where Compact
// does not look again.
func TestStuckTombstones(t *testing.T) {
	cfg := diskConfig(t)
	// Pebble comes round to some of them by itself, but nobody knows when.
	cfg.tune = func(o *pebble.Options) { o.DisableAutomaticCompactions = true }
	l := newLog(t, cfg)
	doomed, gone, _ := plant(t, l, 300)
	s := l.db.NewSnapshot()
	if err := l.hold(func() error { _, err := l.purge(noon(), choosing(doomed...)); return err }); err != nil {
		t.Fatal(err)
	}
	lo, hi := everything()
	if err := errors.Join(l.db.Flush(), l.db.Compact(context.Background(), lo, hi, false), s.Close()); err != nil {
		t.Fatal(err)
	}
	if _, stuck, err := l.db.unsunk(1 << 50); err != nil || len(stuck) == 0 {
		t.Fatalf("no tombstone is stuck (%v): the test proves nothing", err)
	}
	// Not by Log.Erase, whose own row would lie over the only table of a small log.
	e, err := l.db.erase(context.Background(), 1<<50, l.hold)
	if err != nil || e.Rounds == 0 {
		t.Fatalf("%+v %v", e, err)
	}
	if hits := gone.found(t, cfg.Dir); len(hits) != 0 {
		t.Errorf("left on disk: %v", hits)
	}
	if r := mustVerify(t, l); !r.Clean() {
		t.Error(r)
	}
}

func TestRebuildLeavesNoTrace(t *testing.T) {
	cfg := diskConfig(t)
	l := newLog(t, cfg)
	doomed, gone, _ := plant(t, l, 200)
	if _, err := l.Purge(context.Background(), noon(), choosing(doomed...)); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	ghost := [16]byte{}
	rand.Read(ghost[:])
	tamper(t, cfg, func(db *pebble.DB) error { return db.Set(LinkKey(ghost), []byte("a row of nothing"), pebble.Sync) })
	gone.add("ghost", ghost[:])
	if r, err := Rebuild(cfg); err != nil || r.Clean() {
		t.Fatalf("%v %v", r, err)
	}
	if hits := gone.found(t, cfg.Dir); len(hits) != 0 {
		t.Errorf("left on disk: %v", hits)
	}
}

func TestPurgeRefuses(t *testing.T) {
	l := newLog(t, toyConfig(vfs.NewMem()))
	busy(t, l, 6)
	before := state(t, l)
	mine := errors.New("mine")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	cases := map[string]struct {
		ctx    context.Context
		choose func(*Tx, int) ([]ID, any, error)
		want   error
	}{
		"its own error":       {context.Background(), func(*Tx, int) ([]ID, any, error) { return []ID{id(3)}, nil, mine }, mine},
		"the log's stream":    {context.Background(), func(*Tx, int) ([]ID, any, error) { return []ID{id(3), {}}, sums{}, nil }, ErrMisuse},
		"a stream twice":      {context.Background(), func(*Tx, int) ([]ID, any, error) { return []ID{id(3), id(3)}, sums{}, nil }, ErrMisuse},
		"a body of no kind":   {context.Background(), func(*Tx, int) ([]ID, any, error) { return []ID{id(3)}, make(chan int), nil }, nil},
		"a body of nonsense":  {context.Background(), func(*Tx, int) ([]ID, any, error) { return []ID{id(3)}, "sums", nil }, ErrDamaged},
		"a panic":             {context.Background(), func(*Tx, int) ([]ID, any, error) { panic("mine") }, nil},
		"a context that ends": {ctx, choosing(id(3)), context.Canceled},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := l.Purge(c.ctx, noon(), c.choose)
			if err == nil || c.want != nil && !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
			if !maps.Equal(before, state(t, l)) {
				t.Error("it left something")
			}
		})
	}
	if p, err := l.Purge(context.Background(), noon(), choosing(id(77))); err != nil || p.Streams != 0 {
		t.Errorf("a stream that never was: %+v %v", p, err)
	}
	if r := mustVerify(t, l); !r.Clean() {
		t.Error(r)
	}
}
