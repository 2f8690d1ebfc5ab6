package vault

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"testing"

	"emberdrop/seal"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// crashes collects what a crash before each operation could leave, in three tempers: nothing that was not synced, all
// of it, and a random half.
type crashes struct {
	mem    *vfs.MemFS
	rng    *rand.Rand
	on     bool
	clones []*vfs.MemFS
}

func (c *crashes) take() {
	for _, percent := range []int{0, 50, 50, 100} {
		c.clones = append(c.clones, c.mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: c.rng}))
	}
}

func crashable(t *testing.T) (*crashes, *Vault) {
	c := &crashes{mem: vfs.NewCrashableMem(), rng: rand.New(rand.NewPCG(1, 2))}
	fs := errorfs.Wrap(c.mem, errorfs.InjectorFunc(func(errorfs.Op) error {
		if c.on {
			c.take()
		}
		return nil
	}))
	return c, newVault(t, fs)
}

// during runs work and gives a clone for every operation in it, and some for after.
func (c *crashes) during(work func()) []*vfs.MemFS {
	c.clones, c.on = nil, true
	work()
	c.on = false
	c.take()
	return c.clones
}

// reopened opens the vault that a crash has left.
func reopened(t *testing.T, v *Vault, fs vfs.FS) *Vault {
	t.Helper()
	cfg := v.cfg
	cfg.FS = fs
	w, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func shredLeftovers(t *testing.T, v *Vault) {
	t.Helper()
	left, err := v.Leftovers()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range left {
		if err := v.Shred(name); err != nil {
			t.Fatal(err)
		}
	}
}

var crashContent = content{caption: "x", items: [][]byte{noise(1, seal.ChunkSize+5), noise(2, 10)}}

// A crash anywhere in a commit leaves leftovers or the whole file, and after a commit the file.
func TestCrashInCommit(t *testing.T) {
	c, v := crashable(t)
	secret := seal.NewToken()
	var st Stored
	clones := c.during(func() { st = crashContent.mustWrite(t, v, secret) })
	whole, acknowledged := 0, 0
	for i, fs := range clones {
		w := reopened(t, v, fs)
		names, err := w.Names()
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			whole++
			if err := crashContent.check(t, w, name, secret); err != nil || name != st.Name {
				t.Fatalf("crash %d left a finished file that is not whole: %v", i, err)
			}
			if err := w.Verify(name, st.Size, st.Sum); err != nil {
				t.Fatalf("crash %d: %v", i, err)
			}
		}
		if i >= len(clones)-4 {
			acknowledged += len(names)
		}
		shredLeftovers(t, w)
		wantFiles(t, w.cfg, names...)
	}
	if acknowledged != 4 {
		t.Errorf("%d of 4 crashes after the commit kept the payload", acknowledged)
	}
	if len(clones) < 40 || whole < 5 || whole == len(clones) {
		t.Errorf("%d crashes, %d with the file: the test does not see the edges", len(clones), whole)
	}
}

// A crash anywhere in a shred leaves the payload whole or unreadable, and never one that comes back; calling it again
// finishes it.
func TestCrashInShred(t *testing.T) {
	for _, how := range []string{"shred", "header then shred"} {
		t.Run(how, func(t *testing.T) {
			c, v := crashable(t)
			secret := seal.NewToken()
			st := crashContent.mustWrite(t, v, secret)
			secrets := readFile(t, v.cfg, st.Name)[publicLen : publicLen+80]
			if how == "header then shred" {
				for i, fs := range c.during(func() {
					if err := v.ShredHeader(st.Name); err != nil {
						t.Fatal(err)
					}
				}) {
					w := reopened(t, v, fs)
					err := crashContent.check(t, w, st.Name, secret)
					if err != nil && !errors.Is(err, ErrDamaged) {
						t.Fatalf("crash %d: %v", i, err)
					}
					if i >= len(c.clones)-4 && err == nil {
						t.Fatal("readable after the header was shredded")
					}
				}
			}
			clones := c.during(func() {
				if err := v.Shred(st.Name); err != nil {
					t.Fatal(err)
				}
			})
			alive := 0
			for i, fs := range clones {
				w := reopened(t, v, fs)
				err := crashContent.check(t, w, st.Name, secret)
				if err == nil {
					alive++
				} else if !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrMissing) {
					t.Fatalf("crash %d: %v", i, err)
				}
				if err == nil && (how != "shred" || i > len(clones)/2) {
					t.Fatalf("crash %d of %d brought it back", i, len(clones))
				}
				// What lost its name was overwritten before.
				left, lerr := w.Leftovers()
				if lerr != nil {
					t.Fatal(lerr)
				}
				for _, name := range left {
					if bytes.Contains(readFile(t, w.cfg, name), secrets) {
						t.Fatalf("crash %d: the header is in a leftover", i)
					}
				}
				if err := w.Shred(st.Name); err != nil {
					t.Fatal(err)
				}
				shredLeftovers(t, w)
				wantFiles(t, w.cfg)
			}
			if how == "shred" && alive == 0 || len(clones) < 40 {
				t.Errorf("%d crashes, %d alive: the test does not see the edges", len(clones), alive)
			}
			wantFiles(t, v.cfg)
		})
	}
}

// Once Shred has returned, no crash keeps a block of the file, under any name.
func TestNothingSurvivesShred(t *testing.T) {
	c, v := crashable(t)
	secret := seal.NewToken()
	st := crashContent.mustWrite(t, v, secret)
	whole := readFile(t, v.cfg, st.Name)
	gone := func(fs *vfs.MemFS) {
		w := reopened(t, v, fs)
		left, _ := w.Leftovers()
		for _, name := range left {
			b := readFile(t, w.cfg, name)
			for at := 0; at+64 <= len(whole); at += 512 {
				if bytes.Contains(b, whole[at:at+64]) {
					t.Fatalf("%s holds the bytes at %d", name, at)
				}
			}
		}
	}
	clones := c.during(func() {
		if err := v.Shred(st.Name); err != nil {
			t.Fatal(err)
		}
	})
	for _, fs := range clones {
		gone(fs)
	}
	for _, fs := range clones[len(clones)-4:] {
		wantFiles(t, reopened(t, v, fs).cfg) // neither the name nor what it was renamed to comes back
	}
}

// When the file is unlinked the folder on the disk has already forgotten its name.
func TestNameIsForgottenBeforeUnlink(t *testing.T) {
	mem := vfs.NewCrashableMem()
	var atRemove *vfs.MemFS
	v := newVault(t, errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpRemove {
			atRemove = mem.CrashClone(vfs.CrashCloneCfg{})
		}
		return nil
	})))
	st := crashContent.mustWrite(t, v, seal.NewToken())
	if err := v.Shred(st.Name); err != nil {
		t.Fatal(err)
	}
	w := reopened(t, v, atRemove)
	names, err := w.Names()
	if err != nil || len(names) != 0 {
		t.Errorf("still named %v, %v", names, err)
	}
	if left, err := w.Leftovers(); err != nil || len(left) != 1 {
		t.Errorf("left over %v, %v", left, err)
	}
}

// Once DestroyKey has returned, no crash brings the key back.
func TestCrashInDestroyKey(t *testing.T) {
	c, v := crashable(t)
	secret := seal.NewToken()
	st := crashContent.mustWrite(t, v, secret)
	clones := c.during(func() {
		if err := v.DestroyKey(); err != nil {
			t.Fatal(err)
		}
	})
	for i, fs := range clones {
		err := crashContent.check(t, reopened(t, v, fs), st.Name, secret)
		if i < 4 && err != nil {
			t.Errorf("crash %d, before anything was done: %v", i, err)
		}
		if i >= len(clones)-4 && !errors.Is(err, ErrDamaged) {
			t.Errorf("crash %d of %d: the key is back: %v", i, len(clones), err)
		}
	}
}

func TestCrashInInit(t *testing.T) {
	c := &crashes{mem: vfs.NewCrashableMem(), rng: rand.New(rand.NewPCG(3, 4))}
	for _, dir := range []string{"data"} {
		c.mem.MkdirAll(dir, 0o700)
	}
	root, _ := c.mem.OpenDir("")
	root.Sync()
	cfg := testConfig(errorfs.Wrap(c.mem, errorfs.InjectorFunc(func(errorfs.Op) error {
		if c.on {
			c.take()
		}
		return nil
	})))
	clones := c.during(func() {
		if err := Init(cfg); err != nil {
			t.Fatal(err)
		}
	})
	opened := 0
	for i, fs := range clones {
		cfg := cfg
		cfg.FS = fs
		_, err := Open(cfg)
		if err == nil {
			opened++
			if err := Init(cfg); !errors.Is(err, ErrExists) {
				t.Fatalf("crash %d: a second init: %v", i, err)
			}
			continue
		}
		if !errors.Is(err, ErrMissing) || i >= len(clones)-4 {
			t.Fatalf("crash %d of %d: %v", i, len(clones), err)
		}
		if err := Init(cfg); err != nil {
			t.Fatalf("crash %d: cannot init again: %v", i, err)
		}
		if _, err := Open(cfg); err != nil {
			t.Fatal(err)
		}
	}
	if opened < 4 || opened == len(clones) {
		t.Errorf("%d of %d opened", opened, len(clones))
	}
}
