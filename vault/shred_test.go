package vault

import (
	"bytes"
	"errors"
	"io"
	iofs "io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"emberdrop/seal"

	"github.com/cockroachdb/pebble/v2/vfs"
)

func diskConfig(t testing.TB) Config {
	cfg := testConfig(vfs.Default)
	cfg.Dir = filepath.Join(t.TempDir(), "vault")
	return cfg
}

func TestShredHeaderKeepsOpenPayload(t *testing.T) {
	c := content{caption: "x", items: [][]byte{noise(1, 3*seal.ChunkSize), noise(2, 5)}}
	for name, cfg := range map[string]Config{"memory": testConfig(vfs.NewMem()), "disk": diskConfig(t)} {
		t.Run(name, func(t *testing.T) {
			v := newVaultAt(t, cfg)
			secret := seal.NewToken()
			st := c.mustWrite(t, v, secret)
			before := readFile(t, cfg, st.Name)
			p, err := v.Open(st.Name, secret, "")
			if err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if err := v.ShredHeader(st.Name); err != nil {
					t.Fatal(err)
				}
			}
			after := readFile(t, cfg, st.Name)
			if len(after) != len(before) || !bytes.Equal(after[pageLen:], before[pageLen:]) {
				t.Error("more than the header page was changed")
			}
			same := 0
			for i := range pageLen {
				if after[i] == before[i] {
					same++
				}
			}
			if same > pageLen/64 { // one in 256 is chance
				t.Errorf("%d bytes of the header page are as before", same)
			}
			if _, err := v.Open(st.Name, secret, ""); !errors.Is(err, ErrDamaged) {
				t.Error("opens without a header:", err)
			}
			if _, err := v.Locked(st.Name); !errors.Is(err, ErrDamaged) {
				t.Error(err)
			}
			if err := v.Verify(st.Name, st.Size, st.Sum); !errors.Is(err, ErrDamaged) {
				t.Error(err)
			}
			read := func() {
				t.Helper()
				for i, it := range c.items {
					r, err := p.Item(i)
					if err != nil {
						t.Fatal(err)
					}
					if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, it) {
						t.Errorf("item %d: %v", i, err)
					}
					r.Close()
				}
			}
			read()
			if err := v.Shred(st.Name); err != nil {
				t.Fatal(err)
			}
			r, err := p.Item(0)
			if err != nil {
				t.Fatal(err)
			}
			if n, err := r.Read(make([]byte, 1)); n != 0 || !errors.Is(err, ErrDamaged) {
				t.Error("reads what was overwritten:", err)
			}
			p.Close()
			for range 2 {
				if err := errors.Join(v.Shred(st.Name), v.ShredHeader(st.Name)); err != nil {
					t.Error("a file that is gone:", err)
				}
			}
			wantFiles(t, cfg)
		})
	}
}

// A backup's hard link keeps its bytes; ours loses its name.
func TestShredLeavesHardLinks(t *testing.T) {
	for what, shred := range map[string]func(*Vault, string) error{"shred": (*Vault).Shred, "header": (*Vault).ShredHeader} {
		t.Run(what, func(t *testing.T) {
			cfg := diskConfig(t)
			v := newVaultAt(t, cfg)
			secret := seal.NewToken()
			c := content{items: [][]byte{noise(1, 10_000)}}
			st := c.mustWrite(t, v, secret)
			backup := filepath.Join(t.TempDir(), "backup")
			if err := os.Link(cfg.path(st.Name), backup); err != nil {
				t.Skip("no hard links here:", err)
			}
			before, err := os.ReadFile(backup)
			if err != nil {
				t.Fatal(err)
			}
			if err := shred(v, st.Name); err != nil {
				t.Fatal(err)
			}
			if after, err := os.ReadFile(backup); err != nil || !bytes.Equal(before, after) {
				t.Error("the backup was written to", err)
			}
			if err := c.check(t, v, st.Name, secret); !errors.Is(err, ErrMissing) {
				t.Error("still opens:", err)
			}
			wantFiles(t, cfg)
		})
	}
}

// What the disk held under the name is overwritten in place, not written elsewhere: the inode is the same until the
// unlink. An open descriptor shows it.
func TestShredOverwritesInPlace(t *testing.T) {
	cfg := diskConfig(t)
	v := newVaultAt(t, cfg)
	c := content{items: [][]byte{noise(1, 3<<20)}}
	st := c.mustWrite(t, v, seal.NewToken())
	f, err := os.Open(cfg.path(st.Name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	before, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	if err := v.Shred(st.Name); err != nil {
		t.Fatal(err)
	}
	after := make([]byte, len(before)+1)
	n, _ := f.ReadAt(after, 0)
	if n != len(before) {
		t.Fatalf("%d bytes are there, want %d", n, len(before))
	}
	for at := 0; at+32 <= n; at += 32 {
		if bytes.Equal(before[at:at+32], after[at:at+32]) {
			t.Fatalf("the bytes at %d are as before", at)
		}
	}
}

func TestFileModes(t *testing.T) {
	cfg := diskConfig(t)
	v := newVaultAt(t, cfg)
	content{items: [][]byte{{1}}}.mustWrite(t, v, seal.NewToken())
	s := v.Stage()
	defer s.Close()
	s.Write(make([]byte, 2<<20))
	files := 0
	err := filepath.WalkDir(cfg.Dir, func(path string, d iofs.DirEntry, _ error) error {
		fi, err := os.Stat(path)
		if err != nil {
			return err
		}
		want := os.FileMode(0o600)
		if fi.IsDir() {
			want = 0o700
		} else {
			files++
		}
		if fi.Mode().Perm() != want {
			t.Errorf("%s has mode %v", path, fi.Mode())
		}
		return nil
	})
	if err != nil || files != 3 {
		t.Fatal(err, files)
	}
}

func TestLeftoversSpareWhatIsUnderWay(t *testing.T) {
	v := newVault(t, vfs.NewMem())
	d, err := v.Create(seal.NewToken())
	if err != nil {
		t.Fatal(err)
	}
	s := v.Stage()
	s.Write(make([]byte, 2<<20))
	if left, err := v.Leftovers(); err != nil || len(left) != 0 {
		t.Errorf("files in use are left over: %v, %v", left, err)
	}
	// Another process, as after a crash, sees them.
	w, err := Open(v.cfg)
	if err != nil {
		t.Fatal(err)
	}
	left, err := w.Leftovers()
	if err != nil || len(left) != 2 {
		t.Errorf("left over %v, %v", left, err)
	}
	// Strangers are left alone, and a half-shredded file is finished.
	replaceFile(t, v.cfg, "README", []byte("x"))
	replaceFile(t, v.cfg, newName()+suffixGone, make([]byte, 10_000))
	replaceFile(t, v.cfg, newName()+suffixDraft, nil)
	replaceFile(t, v.cfg, stagingDir+"/"+newName()+suffixGone, []byte("short"))
	if left, err = w.Leftovers(); err != nil || len(left) != 5 {
		t.Errorf("left over %v, %v", left, err)
	}
	shredLeftovers(t, w)
	wantFiles(t, v.cfg, "README")
	if err := errors.Join(d.Abort(), s.Close()); err != nil {
		t.Error(err)
	}
}

func TestShredConcurrently(t *testing.T) {
	v := newVaultAt(t, diskConfig(t))
	for range 20 {
		st := content{items: [][]byte{noise(1, 1000)}}.mustWrite(t, v, seal.NewToken())
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				shred := v.Shred
				if i%2 == 0 {
					shred = v.ShredHeader
				}
				if err := shred(st.Name); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	}
	wantFiles(t, v.cfg)
	if len(v.names.held) != 0 {
		t.Errorf("%d names are still locked", len(v.names.held))
	}
}

func TestDestroyKey(t *testing.T) {
	cfg := diskConfig(t)
	v := newVaultAt(t, cfg)
	secret := seal.NewToken()
	c := content{items: [][]byte{noise(1, 100)}}
	st := c.mustWrite(t, v, secret)
	key := readFile(t, cfg, keyFile)
	d, err := v.Create(secret)
	if err != nil {
		t.Fatal(err)
	}
	inode, err := os.Open(cfg.path(keyFile))
	if err != nil {
		t.Fatal(err)
	}
	defer inode.Close()

	if err := v.DestroyKey(); err != nil {
		t.Fatal(err)
	}
	if _, err := v.Create(secret); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	if _, err := d.Commit(Manifest{}, ""); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	if _, err := v.Open(st.Name, secret, ""); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	now := make([]byte, 33)
	if n, _ := inode.ReadAt(now, 0); n != 32 || bytes.Equal(now[:32], key) {
		t.Error("the key was not overwritten in place")
	}
	w, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.check(t, w, st.Name, secret); !errors.Is(err, ErrDamaged) {
		t.Error(err)
	}
	if err := w.Shred(st.Name); err != nil {
		t.Error(err)
	}
	wantFiles(t, cfg)

	// Stopped, and where there is nothing.
	before := readFile(t, cfg, keyFile)
	if err := DestroyKey(Config{FS: cfg.FS, Dir: cfg.Dir}); err != nil || bytes.Equal(before, readFile(t, cfg, keyFile)) {
		t.Error("not overwritten", err)
	}
	if err := DestroyKey(Config{FS: cfg.FS, Dir: t.TempDir()}); !errors.Is(err, ErrMissing) {
		t.Error(err)
	}
}

func TestInitAndOpenRefuse(t *testing.T) {
	cfg := testConfig(vfs.NewMem())
	if _, err := Open(cfg); !errors.Is(err, ErrMissing) {
		t.Error("opened what is not there:", err)
	}
	newVaultAt(t, cfg)
	key := readFile(t, cfg, keyFile)
	if err := Init(cfg); !errors.Is(err, ErrExists) || !bytes.Equal(key, readFile(t, cfg, keyFile)) {
		t.Error("a second init:", err)
	}
	for _, b := range [][]byte{nil, key[:31], append(key, 0), make([]byte, 32)} {
		replaceFile(t, cfg, keyFile, b)
		if _, err := Open(cfg); !errors.Is(err, ErrDamaged) {
			t.Errorf("opened with a key of %d bytes: %v", len(b), err)
		}
	}
	for _, bad := range []Config{{}, {FS: cfg.FS, Dir: "x"}, {FS: cfg.FS, HostKey: cfg.HostKey}, {Dir: "x", HostKey: cfg.HostKey},
		{FS: cfg.FS, Dir: "x", HostKey: cfg.HostKey, Argon: seal.Params{Time: 99, Memory: 64, Threads: 1}}} {
		if err := Init(bad); err == nil {
			t.Errorf("%+v is taken", bad)
		}
	}
}
