package eventlog

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// busy fills a log with n things in all stages.
func busy(t testing.TB, l *Log, n int) {
	for i := 1; i <= n; i++ {
		do(t, l, making(i))
		for range i % 4 {
			do(t, l, hitting(i))
		}
		if i%3 == 0 {
			do(t, l, ending(i))
		}
	}
}

func mustVerify(t testing.TB, l *Log) Report {
	t.Helper()
	r, err := l.Verify()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// tamper changes a stopped log behind its back.
func tamper(t testing.TB, cfg Config, change func(db *pebble.DB) error) {
	t.Helper()
	cfg, err := cfg.checked()
	if err != nil {
		t.Fatal(err)
	}
	s, err := openStore(cfg, false)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(change(s.DB), s.close()); err != nil {
		t.Fatal(err)
	}
}

func TestVerifySeesAndRebuildMends(t *testing.T) {
	cases := map[string]struct {
		change func(db *pebble.DB) error
		class  string
		want   Diff
	}{
		"a lost link":      {func(db *pebble.DB) error { return db.Delete(LinkKey(id(3)), pebble.Sync) }, "links", Diff{Missing: 1}},
		"an invented link": {func(db *pebble.DB) error { return db.Set(LinkKey(id(99)), []byte{1}, pebble.Sync) }, "links", Diff{Extra: 1}},
		"a changed link":   {func(db *pebble.DB) error { return db.Set(LinkKey(id(3)), []byte{1}, pebble.Sync) }, "links", Diff{Different: 1}},
		"a lost deadline": {func(db *pebble.DB) error {
			return db.Delete(DeadlineKey(noon().Unix()/60+4, id(4)), pebble.Sync)
		}, "deadlines", Diff{Missing: 1}},
		"a lost receipt":      {func(db *pebble.DB) error { return db.Delete(ReceiptKey(receiptOf(4)), pebble.Sync) }, "receipts", Diff{Missing: 1}},
		"a wrong total":       {func(db *pebble.DB) error { return db.Set(MetaKey("total/hits"), u64(7), pebble.Sync) }, "totals", Diff{Different: 1}},
		"an invented total":   {func(db *pebble.DB) error { return db.Set(MetaKey("a"), u64(7), pebble.Sync) }, "totals", Diff{Extra: 1}},
		"a lost index entry":  {func(db *pebble.DB) error { return db.Delete(StreamKey(id(2), 1), pebble.Sync) }, "streams", Diff{Missing: 1}},
		"a wrong index entry": {func(db *pebble.DB) error { return db.Set(StreamKey(id(2), 1), u64(9), pebble.Sync) }, "streams", Diff{Different: 1}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			cfg := toyConfig(vfs.NewMem())
			l := newLog(t, cfg)
			busy(t, l, 10)
			pass := PassKey([32]byte{1})
			if err := l.Do(noon(), func(tx *Tx) ([]Draft, error) { return nil, tx.Set(pass, []byte("kept")) }); err != nil {
				t.Fatal(err)
			}
			if r := mustVerify(t, l); !r.Clean() || r.Events != 10+15+3 || r.Rows == 0 {
				t.Fatalf("before: %v", r)
			}
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			tamper(t, cfg, c.change)
			c.want.Class = c.class
			l = mustOpen(t, cfg)
			if r := mustVerify(t, l); len(r.Diffs) != 1 || r.Diffs[0] != c.want {
				t.Errorf("verify: %v, want %v", r, c.want)
			}
			if _, err := Rebuild(cfg); !errors.Is(err, ErrLocked) {
				t.Errorf("rebuild of an open log: %v", err)
			}
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			if r, err := Rebuild(cfg); err != nil || len(r.Diffs) != 1 || r.Diffs[0] != c.want {
				t.Errorf("rebuild: %v, %v", r, err)
			}
			l = mustOpen(t, cfg)
			defer l.Close()
			if r := mustVerify(t, l); !r.Clean() {
				t.Errorf("after: %v", r)
			}
			err := l.Read(func(tx *Tx) error {
				if v, ok, _ := tx.Get(pass); !ok || string(v) != "kept" {
					t.Error("rebuild touched a pass")
				}
				lo, hi := shadowBounds()
				return tx.Scan(lo, hi, func(k, v []byte) (bool, error) {
					t.Error("the shadow is still there")
					return false, nil
				})
			})
			if err != nil {
				t.Fatal(err)
			}
			do(t, l, making(50))
		})
	}
}

func TestOpenRefusesWhatDoesNotAddUp(t *testing.T) {
	cfg := toyConfig(vfs.NewMem())
	l := newLog(t, cfg)
	busy(t, l, 5)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	t.Run("an event that this program does not know", func(t *testing.T) {
		old := cfg
		old.Types = []string{made, hit, TypePurged}
		_, err := Open(old)
		if !errors.Is(err, ErrUnknownType) || !contains(err, ended) {
			t.Errorf("open: %v", err)
		}
		if _, err := Rebuild(old); !errors.Is(err, ErrUnknownType) || !contains(err, ended) {
			t.Errorf("rebuild: %v", err)
		}
	})
	t.Run("a checkpoint behind the events", func(t *testing.T) {
		tamper(t, cfg, func(db *pebble.DB) error { return db.Set(keySeq, u64(3), pebble.Sync) })
		if _, err := Open(cfg); !errors.Is(err, ErrDamaged) {
			t.Errorf("open: %v", err)
		}
		if _, err := Rebuild(cfg); err != nil {
			t.Fatal(err)
		}
		if err := mustOpen(t, cfg).Close(); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("an event that cannot be decoded", func(t *testing.T) {
		tamper(t, cfg, func(db *pebble.DB) error { return db.Set(EventKey(2), []byte{0xff}, pebble.Sync) })
		l := mustOpen(t, cfg)
		if _, err := l.Verify(); !errors.Is(err, ErrDamaged) {
			t.Errorf("verify: %v", err)
		}
		if err := l.Events(func(Event) error { return nil }); !errors.Is(err, ErrDamaged) {
			t.Errorf("events: %v", err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := Rebuild(cfg); !errors.Is(err, ErrDamaged) {
			t.Errorf("rebuild: %v", err)
		}
	})
	t.Run("an unfinished create", func(t *testing.T) {
		tamper(t, cfg, func(db *pebble.DB) error { return db.Delete(keyFormat, pebble.Sync) })
		if _, err := Open(cfg); !errors.Is(err, ErrMissing) {
			t.Errorf("open: %v", err)
		}
	})
}

// TestFlippedBits flips one bit in every part of every file, but for the MANIFEST's last
// record (see checkManifest): the log must say that it is damaged, or lose nothing.
func TestFlippedBits(t *testing.T) {
	cfg := toyConfig(vfs.Default)
	cfg.Dir = t.TempDir() + "/log"
	l := newLog(t, cfg)
	busy(t, l, 40)
	want := mustVerify(t, l)
	// So that no old WAL makes up for a table that the MANIFEST does not list.
	if err := errors.Join(l.db.Flush(), l.db.cleaned(t.Context()), l.Close()); err != nil {
		t.Fatal(err)
	}
	damaged := 0
	for _, name := range files(t, cfg.Dir) {
		clean, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		end := len(clean)
		if strings.HasPrefix(filepath.Base(name), "MANIFEST") {
			end = lastRecord(clean)
		}
		for at := 0; at < end; at += 1 + end/9 {
			dirty := append([]byte{}, clean...)
			dirty[at] ^= 4
			broken := cfg
			broken.Dir = t.TempDir() // a store that stopped keeps its lock
			if err := copyWith(cfg.Dir, broken.Dir, name, dirty); err != nil {
				t.Fatal(err)
			}
			if !survives(t, broken, filepath.Base(name), want) {
				damaged++
			}
		}
	}
	if damaged == 0 {
		t.Fatal("no flip was noticed: the test looks at the wrong bytes")
	}
	t.Logf("%d flips were noticed, the others harmless", damaged)
}

// survives opens a log and reads all of it; what it reads must be right.
func survives(t *testing.T, cfg Config, name string, want Report) bool {
	l, err := Open(cfg)
	if err != nil {
		if errors.Is(err, ErrMissing) || errors.Is(err, ErrLocked) {
			t.Errorf("a flipped bit in %s: %v", name, err)
		}
		return false
	}
	defer l.Close()
	r, err := l.Verify()
	if err != nil {
		return false
	}
	if !r.Clean() || r.Events != want.Events {
		t.Errorf("a flipped bit in %s was taken for the truth: %v", name, r)
	}
	return true
}
