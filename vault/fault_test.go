package vault

import (
	"errors"
	"io/fs"
	"strings"
	"syscall"
	"testing"

	"emberdrop/seal"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// faulty lets operation number `at` fail, and all after it if it is persistent.
type faulty struct {
	err        error
	persistent bool
	at         int
	on, hit    bool
	n          int
}

func (f *faulty) inject(op errorfs.Op) error {
	if !f.on {
		return nil
	}
	n := f.n
	f.n++
	if n != f.at && !(f.persistent && n > f.at) {
		return nil
	}
	if f.err == syscall.ENOSPC {
		// A full disk refuses what makes something new or longer, and an overwrite on a file system that copies.
		switch op.Kind {
		case errorfs.OpOpen, errorfs.OpMkdirAll, errorfs.OpFileWrite, errorfs.OpFileWriteAt, errorfs.OpRename:
		default:
			return nil
		}
	}
	f.hit = true
	return &fs.PathError{Op: "inject", Path: op.Path, Err: f.err}
}

// eachFault runs work on a fresh vault once for every operation in it and for each kind of failure, and hands its
// error to after, with faults switched off.
func eachFault(t *testing.T, prepare func(v *Vault), work func(v *Vault) error, after func(v *Vault, f *faulty, err error)) {
	t.Helper()
	for _, f := range []faulty{{err: syscall.EIO}, {err: syscall.EIO, persistent: true}, {err: syscall.ENOSPC}, {err: syscall.ENOSPC, persistent: true}} {
		failures := 0
		for at := 0; ; at++ {
			f := f
			f.at = at
			v := newVault(t, errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(f.inject)))
			prepare(v)
			f.on = true
			err := work(v)
			f.on = false
			if err != nil {
				failures++
				if !errors.Is(err, f.err) {
					t.Fatalf("operation %d: %v does not say %v", at, err, f.err)
				}
				if strings.Contains(err.Error(), "data/") {
					t.Fatalf("operation %d: the error names a file: %v", at, err)
				}
			}
			after(v, &f, err)
			if f.n <= at {
				if err != nil {
					t.Fatal("fails by itself:", err)
				}
				if failures == 0 || (f.err == syscall.EIO && failures < at/2) {
					t.Fatalf("%d of %d faults were reported", failures, at)
				}
				break
			}
		}
	}
}

func TestFaultsInCommit(t *testing.T) {
	secret := seal.NewToken()
	var st Stored
	eachFault(t, func(*Vault) {}, func(v *Vault) (err error) {
		st, err = crashContent.write(v, secret)
		return err
	}, func(v *Vault, f *faulty, err error) {
		names, lerr := v.Names()
		if lerr != nil {
			t.Fatal(lerr)
		}
		if err == nil && len(names) != 1 {
			t.Fatalf("operation %d: committed, and %d files", f.at, len(names))
		}
		if err != nil && len(names) != 0 && !f.persistent {
			t.Fatalf("operation %d: refused, and left a payload", f.at)
		}
		for _, name := range names {
			if err := crashContent.check(t, v, name, secret); err != nil {
				t.Fatalf("operation %d: a finished file that is wrong: %v", f.at, err)
			}
		}
		shredLeftovers(t, v)
		wantFiles(t, v.cfg, names...)
		if err == nil {
			if err := v.Verify(st.Name, st.Size, st.Sum); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestFaultsInAbort(t *testing.T) {
	var d *Draft
	eachFault(t, func(v *Vault) {
		var err error
		if d, err = v.Create(seal.NewToken()); err != nil {
			t.Fatal(err)
		}
		w, _ := d.Item()
		w.Write(noise(1, 100_000))
	}, func(*Vault) error { return d.Abort() }, func(v *Vault, f *faulty, err error) {
		if err == nil {
			wantFiles(t, v.cfg)
		}
		if err := d.Abort(); err != nil {
			t.Fatal(err)
		}
		shredLeftovers(t, v)
		wantFiles(t, v.cfg)
	})
}

func TestFaultsInShred(t *testing.T) {
	secret := seal.NewToken()
	var st Stored
	for what, work := range map[string]func(v *Vault) error{
		"shred":  func(v *Vault) error { return v.Shred(st.Name) },
		"header": func(v *Vault) error { return v.ShredHeader(st.Name) },
	} {
		t.Run(what, func(t *testing.T) {
			eachFault(t, func(v *Vault) { st = crashContent.mustWrite(t, v, secret) }, work, func(v *Vault, f *faulty, err error) {
				opened := crashContent.check(t, v, st.Name, secret)
				if err == nil && !errors.Is(opened, ErrDamaged) && !errors.Is(opened, ErrMissing) {
					t.Fatalf("operation %d: shredded and it opens: %v", f.at, opened)
				}
				if err := work(v); err != nil {
					t.Fatal("cannot be repeated:", err)
				}
				if err := crashContent.check(t, v, st.Name, secret); !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrMissing) {
					t.Fatal(err)
				}
				if err := v.Shred(st.Name); err != nil {
					t.Fatal(err)
				}
				shredLeftovers(t, v)
				wantFiles(t, v.cfg)
			})
		})
	}
}

func TestFaultsInStage(t *testing.T) {
	data := noise(1, 200_000)
	eachFault(t, func(v *Vault) { v.cfg.StageRAM = stageFirst }, func(v *Vault) error {
		s := v.Stage()
		s.Write(data[:100])
		_, err := s.Write(data[100:])
		if err == nil {
			err = s.Done()
		}
		if err == nil {
			_, err = s.ReadAt(make([]byte, len(data)), 0)
		}
		cerr := s.Close()
		return errors.Join(err, cerr)
	}, func(v *Vault, f *faulty, err error) {
		if err == nil {
			wantFiles(t, v.cfg)
		}
		if v.ram != 0 {
			t.Fatalf("operation %d: %d bytes of the budget are lost", f.at, v.ram)
		}
		shredLeftovers(t, v)
		wantFiles(t, v.cfg)
	})
}

func TestFaultsInDestroyKey(t *testing.T) {
	secret := seal.NewToken()
	var st Stored
	eachFault(t, func(v *Vault) { st = crashContent.mustWrite(t, v, secret) }, (*Vault).DestroyKey, func(v *Vault, f *faulty, _ error) {
		if opened := crashContent.check(t, v, st.Name, secret); !errors.Is(opened, ErrClosed) {
			t.Fatalf("operation %d: still opens in this process: %v", f.at, opened)
		}
		if err := v.DestroyKey(); err != nil {
			t.Fatal(err)
		}
		w, err := Open(v.cfg)
		if err != nil {
			t.Fatal(err)
		}
		if err := crashContent.check(t, w, st.Name, secret); !errors.Is(err, ErrDamaged) {
			t.Fatal("opens after a restart:", err)
		}
	})
}

// A failing disk while reading is an error of the disk: never damage, which would tell people their photo is lost,
// and never wrong bytes.
func TestFaultsInOpen(t *testing.T) {
	secret := seal.NewToken()
	var st Stored
	eachFault(t, func(v *Vault) { st = crashContent.mustWrite(t, v, secret) }, func(v *Vault) error {
		if _, err := v.Locked(st.Name); err != nil {
			return err
		}
		if err := v.Verify(st.Name, st.Size, st.Sum); err != nil {
			return err
		}
		return crashContent.check(t, v, st.Name, secret)
	}, func(v *Vault, f *faulty, err error) {
		if errors.Is(err, ErrDamaged) || errors.Is(err, ErrMissing) {
			t.Fatalf("operation %d: %v", f.at, err)
		}
	})
}
