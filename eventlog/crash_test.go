package eventlog

import (
	"maps"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"pgregory.net/rapid"
)

// thing is what a test knows of one thing: what was asked for, and what was acknowledged.
type thing struct {
	made, hits, ended, purged int // commands
}

// machine is a log on a file system that can lose power, and the model beside it.
type machine struct {
	cfg   Config
	fs    *vfs.MemFS
	log   *Log
	clock time.Time

	mu    sync.Mutex
	tried map[int]thing
	acked map[int]thing
	at    time.Time // the latest time of an acknowledged command
}

func newMachine(t *rapid.T) *machine {
	m := &machine{fs: vfs.NewCrashableMem(), clock: noon(), tried: map[int]thing{}, acked: map[int]thing{}}
	m.cfg = toyConfig(m.fs)
	m.cfg.Memtable = 64 << 10 // so that flushes and compactions happen
	if err := Create(m.cfg); err != nil {
		t.Fatal(err)
	}
	m.open(t)
	return m
}

func (m *machine) open(t *rapid.T) {
	var err error
	if m.log, err = Open(m.cfg); err != nil {
		t.Fatalf("open: %v", err)
	}
}

// command runs one command on thing n and keeps book. Errors are the crash's.
func (m *machine) command(l *Log, n int, now time.Time) {
	m.mu.Lock()
	had := m.tried[n]
	next := had
	run := func() error { return l.Do(now, drafts(hitting(n), hitting(n))) } // two or none
	switch {
	case had.made == 0:
		next.made++
		run = func() error { return l.Do(now, drafts(making(n))) }
	case had.ended == 0 && had.hits < 2:
		next.hits++
	case had.ended == 0:
		next.ended++
		run = func() error { return l.Do(now, drafts(ending(n))) }
	default:
		next.purged++
		run = func() error { _, err := l.purgeOne(now, n); return err }
	}
	m.tried[n] = next
	m.mu.Unlock()
	if run() != nil {
		return
	}
	m.mu.Lock()
	m.acked[n] = next
	if now.After(m.at) {
		m.at = now
	}
	m.mu.Unlock()
}

// purgeOne purges one stream without the erasure.
func (l *Log) purgeOne(now time.Time, n int) (p Purged, err error) {
	err = l.hold(func() (err error) { p, err = l.purge(now, choosing(id(n))); return err })
	return p, err
}

// burst runs commands on several goroutines, each with things of its own.
func (m *machine) burst(l *Log, workers, commands, from int) *sync.WaitGroup {
	var wg sync.WaitGroup
	m.clock = m.clock.Add(time.Minute)
	now := m.clock
	for w := range workers {
		wg.Go(func() {
			for c := range commands {
				m.command(l, 1+w*8+(from+c/2)%8, now)
			}
		})
	}
	return &wg
}

// crash pulls the plug while commands run, and comes back on what the disk kept.
func (m *machine) crash(t *rapid.T) {
	old := m.log
	wg := m.burst(old, rapid.IntRange(1, 6).Draw(t, "workers"), rapid.IntRange(1, 20).Draw(t, "commands"), rapid.IntRange(0, 7).Draw(t, "from"))
	if rapid.IntRange(0, 3).Draw(t, "erase") == 0 {
		wg.Go(func() { _, _ = old.Erase(t.Context()) })
	}
	time.Sleep(time.Duration(rapid.IntRange(0, 3000).Draw(t, "µs")) * time.Microsecond)
	cut := vfs.CrashCloneCfg{
		UnsyncedDataPercent: rapid.SampledFrom([]int{0, 20, 50, 100}).Draw(t, "kept"),
		RNG:                 rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1)),
	}
	m.mu.Lock()
	acked, at := maps.Clone(m.acked), m.at // what was acknowledged before the cut began
	m.mu.Unlock()
	m.fs = m.fs.CrashClone(cut)
	m.mu.Lock()
	tried := maps.Clone(m.tried) // what was asked for before it ended
	m.mu.Unlock()
	wg.Wait()
	if err := old.Close(); err != nil {
		t.Fatalf("the old log: %v", err)
	}
	m.tried, m.acked, m.at = tried, acked, at
	m.cfg.FS = m.fs
	m.open(t)
	m.check(t)
}

// check compares the log with the model, and makes the model what it found.
func (m *machine) check(t *rapid.T) {
	if r, err := m.log.Verify(); err != nil || !r.Clean() {
		t.Fatalf("verify: %v %v", r, err)
	}
	_ = m.log.Read(func(tx *Tx) error {
		if tx.Now().Before(m.at.Truncate(time.Minute)) {
			t.Fatalf("time went back: %v, acknowledged %v", tx.Now(), m.at)
		}
		return nil
	})
	for n, tried := range m.tried {
		acked := m.acked[n]
		var row toyRow
		var ok bool
		err := m.log.Read(func(tx *Tx) (err error) { row, ok, err = getRow(tx, id(n)); return err })
		if err != nil {
			t.Fatal(err)
		}
		found := thing{}
		if ok {
			found = thing{made: 1, hits: int(row.Hits / 2)}
			if row.Ended {
				found.ended = 1
			}
		}
		switch {
		case !ok && acked.made > 0 && tried.purged == 0:
			t.Fatalf("an acknowledged thing is lost: %+v", acked)
		case ok && acked.purged > 0:
			t.Fatalf("a purged thing is back")
		case ok && row.Hits%2 != 0:
			t.Fatalf("a torn command: %d hits", row.Hits)
		case ok && (found.hits < acked.hits || found.hits > tried.hits || found.ended < acked.ended || found.ended > tried.ended):
			t.Fatalf("found %+v, acknowledged %+v, tried %+v", found, acked, tried)
		case !ok && tried.purged > 0:
			found = tried
			if acked.purged == 0 && acked.ended == 0 { // it may never have been made
				found = thing{}
			}
			if err := m.log.Read(func(tx *Tx) error { return m.absent(t, tx, n) }); err != nil {
				t.Fatal(err)
			}
		}
		m.tried[n], m.acked[n] = found, found
	}
}

// absent checks that a purged stream has no index entry left.
func (m *machine) absent(t *rapid.T, tx *Tx, n int) error {
	lo, hi := StreamBounds(id(n))
	return tx.Scan(lo, hi, func(_, _ []byte) (bool, error) {
		t.Fatal("a purged stream is in the index")
		return false, nil
	})
}

// TestCrashes: no acknowledged command is lost, none is torn, rebuild == live after
// every restart, whatever part of the unsynced bytes the disk kept.
func TestCrashes(t *testing.T) {
	var crashes atomic.Int64
	rapid.Check(t, func(t *rapid.T) {
		m := newMachine(t)
		t.Repeat(map[string]func(*rapid.T){
			"crash": func(t *rapid.T) { crashes.Add(1); m.crash(t) },
			"work": func(t *rapid.T) {
				m.burst(m.log, rapid.IntRange(1, 6).Draw(t, "workers"), 8, rapid.IntRange(0, 7).Draw(t, "from")).Wait()
			},
			"erase": func(t *rapid.T) {
				if _, err := m.log.Erase(t.Context()); err != nil {
					t.Fatal(err)
				}
			},
			"reopen": func(t *rapid.T) {
				if err := m.log.Close(); err != nil {
					t.Fatal(err)
				}
				m.open(t)
			},
			"rebuild": func(t *rapid.T) {
				if err := m.log.Close(); err != nil {
					t.Fatal(err)
				}
				if r, err := Rebuild(m.cfg); err != nil || !r.Clean() {
					t.Fatalf("rebuild: %v %v", r, err)
				}
				m.open(t)
			},
			"": func(t *rapid.T) { m.check(t) },
		})
		if err := m.log.Close(); err != nil {
			t.Fatal(err)
		}
	})
	t.Logf("%d crashes", crashes.Load())
}

// TestCrashWhileCreating: there is a whole log afterwards, or none and Create works.
func TestCrashWhileCreating(t *testing.T) {
	for range 200 {
		fs := vfs.NewCrashableMem()
		done := make(chan error, 1)
		go func() { done <- Create(toyConfig(fs)) }()
		time.Sleep(time.Duration(rand.IntN(2000)) * time.Microsecond)
		cut := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 50, RNG: rand.New(rand.NewPCG(rand.Uint64(), 1))})
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		cfg := toyConfig(cut)
		if l, err := Open(cfg); err == nil {
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := Create(cfg); err != nil {
			t.Fatalf("create after a crash: %v", err)
		}
		if err := mustOpen(t, cfg).Close(); err != nil {
			t.Fatal(err)
		}
	}
}
