package eventlog

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

func TestCreateRefusesAndOpenRefuses(t *testing.T) {
	cfg := toyConfig(vfs.NewMem())
	if _, err := Open(cfg); !errors.Is(err, ErrMissing) {
		t.Fatalf("open of nothing: %v", err)
	}
	if err := Create(cfg); err != nil {
		t.Fatal(err)
	}
	if err := Create(cfg); !errors.Is(err, ErrExists) {
		t.Fatalf("second create: %v", err)
	}
	l := mustOpen(t, cfg)
	if _, err := Open(cfg); !errors.Is(err, ErrLocked) {
		t.Fatalf("second open: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = mustOpen(t, cfg)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := l.Do(noon(), drafts(making(1))); !errors.Is(err, ErrClosed) {
		t.Fatalf("do after close: %v", err)
	}
}

func TestDoReadEvents(t *testing.T) {
	cfg := toyConfig(vfs.NewMem())
	l := newLog(t, cfg)
	do(t, l, making(1), hitting(1))
	do(t, l, making(2))
	do(t, l, hitting(1), ending(1))
	check := func() {
		t.Helper()
		row, ok := rowOf(t, l, 1)
		if !ok || row.Hits != 2 || !row.Ended || row.Name != "thing 1" {
			t.Fatalf("row of 1: %+v %v", row, ok)
		}
		var seqs []uint64
		var versions []uint32
		err := l.Events(func(e Event) error {
			seqs = append(seqs, e.Seq)
			if e.Link == id(1) {
				versions = append(versions, e.Version)
			}
			if e.Hour != noon().Unix()/3600 {
				t.Errorf("hour %d", e.Hour)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if len(seqs) != 5 || seqs[0] != 1 || seqs[4] != 5 {
			t.Fatalf("seqs %v", seqs)
		}
		if len(versions) != 4 || versions[0] != 1 || versions[3] != 4 {
			t.Fatalf("versions %v", versions)
		}
	}
	check()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = mustOpen(t, cfg)
	defer l.Close()
	check()
}

func TestRefusedCommandLeavesNothing(t *testing.T) {
	l := newLog(t, toyConfig(vfs.NewMem()))
	pass := PassKey([32]byte{7})
	if err := l.Do(noon(), func(tx *Tx) ([]Draft, error) { return nil, tx.Set(pass, []byte("pass")) }); err != nil {
		t.Fatal(err)
	}
	mine := errors.New("no")
	err := l.Do(noon(), func(tx *Tx) ([]Draft, error) {
		if err := tx.Delete(pass); err != nil {
			t.Error(err)
		}
		if _, ok, _ := tx.Get(pass); ok {
			t.Error("a staged delete does not show")
		}
		return []Draft{making(1)}, mine
	})
	if err != mine {
		t.Fatalf("decide's error came back as %v", err)
	}
	err = l.Do(noon(), drafts(making(2), Draft{Link: id(2), Type: "thing.odd.1", Data: empty{}}))
	if !errors.Is(err, ErrUnknownType) || !strings.Contains(err.Error(), "thing.odd.1") {
		t.Fatalf("unknown draft: %v", err)
	}
	if err := l.Do(noon(), drafts(making(3), Draft{Type: hit, Data: make(chan int)})); err == nil {
		t.Fatal("a channel was encoded")
	}
	func() {
		defer func() {
			if p := recover(); p != "mine" {
				t.Errorf("the panic came back as %v", p)
			}
		}()
		_ = l.Do(noon(), func(tx *Tx) ([]Draft, error) { panic("mine") })
	}()
	do(t, l, making(4))
	n := 0
	if err := l.Events(func(Event) error { n++; return nil }); err != nil || n != 1 {
		t.Fatalf("%d events, %v", n, err)
	}
	for n := range 4 {
		if _, ok := rowOf(t, l, n); ok {
			t.Errorf("row of %d", n)
		}
	}
	err = l.Read(func(tx *Tx) error {
		v, ok, err := tx.Get(pass)
		if !ok || string(v) != "pass" {
			t.Error("the pass is gone")
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestRolesAreKept(t *testing.T) {
	l := newLog(t, toyConfig(vfs.NewMem()))
	forbidden := [][]byte{LinkKey(id(1)), EventKey(1), StreamKey(id(1), 1), keySeq, MetaKey("x")}
	err := l.Do(noon(), func(tx *Tx) ([]Draft, error) {
		for _, k := range forbidden {
			if !errors.Is(tx.Set(k, nil), ErrMisuse) || !errors.Is(tx.Delete(k), ErrMisuse) {
				t.Errorf("decide may write %q", k[:2])
			}
		}
		return nil, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	err = l.Read(func(tx *Tx) error {
		for _, k := range append(forbidden, PassKey([32]byte{})) {
			if !errors.Is(tx.Set(k, nil), ErrMisuse) || !errors.Is(tx.Delete(k), ErrMisuse) {
				t.Errorf("a reader may write %q", k[:2])
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	tx := &Tx{role: roleFold}
	for _, k := range [][]byte{EventKey(1), StreamKey(id(1), 1), keySeq, PassKey([32]byte{})} {
		_, _, err := tx.Get(k)
		if !errors.Is(err, ErrMisuse) || !errors.Is(tx.Set(k, nil), ErrMisuse) || !errors.Is(tx.Delete(k), ErrMisuse) {
			t.Errorf("a fold may touch %q", k[:2])
		}
	}
	lo, hi := MetaBounds("")
	if err := tx.Scan(lo, hi, nil); !errors.Is(err, ErrMisuse) {
		t.Error("a fold may scan the log's own keys")
	}
}

func TestTimeNeverGoesBack(t *testing.T) {
	cfg := toyConfig(vfs.NewMem())
	l := newLog(t, cfg)
	late := noon().Add(90*time.Minute + 31*time.Second)
	now := func(at time.Time) (seen time.Time) {
		if err := l.Do(at, func(tx *Tx) ([]Draft, error) { seen = tx.Now(); return nil, nil }); err != nil {
			t.Fatal(err)
		}
		return seen
	}
	if got := now(late); !got.Equal(late) {
		t.Fatalf("now %v", got)
	}
	if got := now(noon()); !got.Equal(late) {
		t.Fatalf("clock set back: %v", got)
	}
	_ = l.Read(func(tx *Tx) error {
		if !tx.Now().Equal(late) {
			t.Errorf("read: %v", tx.Now())
		}
		return nil
	})
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = mustOpen(t, cfg)
	defer l.Close()
	if got := now(noon()); !got.Equal(late.Truncate(time.Minute)) {
		t.Fatalf("clock set back over a restart: %v, want the minute of %v", got, late)
	}
}

func TestScanBounds(t *testing.T) {
	l := newLog(t, toyConfig(vfs.NewMem()))
	do(t, l, making(1), making(2), making(3))
	var got []ID
	err := l.Read(func(tx *Tx) error {
		lo, hi := DeadlineBounds(noon().Unix()/60 + 2)
		return tx.Scan(lo, hi, func(k, v []byte) (bool, error) {
			_, link, ok := ParseDeadlineKey(k)
			if !ok {
				t.Error("not a deadline")
			}
			got = append(got, link)
			return true, nil
		})
	})
	if err != nil || len(got) != 2 || got[0] != id(1) || got[1] != id(2) {
		t.Fatalf("due: %x %v", got, err)
	}
	lo, hi := DeadlineBounds(-5)
	if bytes.Compare(lo, hi) > 0 {
		t.Fatal("upside down")
	}
}
