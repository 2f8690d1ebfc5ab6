package vault

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"testing"

	"emberdrop/seal"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// cheap makes passphrases cost nothing worth waiting for.
var cheap = seal.Params{Time: 1, Memory: 64, Threads: 1}

func testConfig(fs vfs.FS) Config {
	return Config{FS: fs, Dir: "data/vault", HostKey: seal.Key{1, 2, 3}, Argon: cheap}
}

// newVault makes a vault whose folder has survived its first sync.
func newVault(t testing.TB, fs vfs.FS) *Vault {
	t.Helper()
	return newVaultAt(t, testConfig(fs))
}

func newVaultAt(t testing.TB, cfg Config) *Vault {
	t.Helper()
	if err := Init(cfg); err != nil {
		t.Fatal(err)
	}
	for dir := cfg.Dir; dir != cfg.FS.PathDir(dir); dir = cfg.FS.PathDir(dir) {
		if err := cfg.syncDir(cfg.FS.PathDir(dir)); err != nil {
			t.Fatal(err)
		}
	}
	v, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// noise is n bytes that do not repeat and are the same for the same seed.
func noise(seed uint64, n int) []byte {
	b := make([]byte, n)
	var s [32]byte
	s[0], s[1] = byte(seed), byte(seed>>8)
	rand.NewChaCha8(s).Read(b)
	return b
}

// content is a link's payload in the clear.
type content struct {
	caption, passphrase string
	items               [][]byte
}

func (c content) manifest() Manifest {
	m := Manifest{Caption: c.caption}
	for _, it := range c.items {
		m.Items = append(m.Items, Item{Kind: "image/jpeg", Size: int64(len(it))})
	}
	return m
}

func (c content) write(v *Vault, secret seal.Token) (Stored, error) {
	d, err := v.Create(secret)
	if err != nil {
		return Stored{}, err
	}
	for _, it := range c.items {
		w, err := d.Item()
		if err != nil {
			d.Abort()
			return Stored{}, err
		}
		_, werr := w.Write(it)
		if err := errors.Join(werr, w.Close()); err != nil {
			d.Abort()
			return Stored{}, err
		}
	}
	return d.Commit(c.manifest(), c.passphrase)
}

func (c content) mustWrite(t testing.TB, v *Vault, secret seal.Token) Stored {
	t.Helper()
	st, err := c.write(v, secret)
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// check opens a payload and compares all of it. An error is that of Open or of a read.
func (c content) check(t testing.TB, v *Vault, name string, secret seal.Token) error {
	t.Helper()
	p, err := v.Open(name, secret, c.passphrase)
	if err != nil {
		return err
	}
	defer p.Close()
	m, want := p.Manifest(), c.manifest()
	if m.Caption != want.Caption || len(m.Items) != len(want.Items) {
		t.Fatalf("manifest is %+v, want %+v", m, want)
	}
	for i, it := range c.items {
		if m.Items[i] != want.Items[i] {
			t.Fatalf("item %d is %+v, want %+v", i, m.Items[i], want.Items[i])
		}
		r, err := p.Item(i)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(r)
		if err != nil {
			return err
		}
		if !bytes.Equal(got, it) {
			t.Fatalf("item %d has other bytes", i)
		}
	}
	return nil
}

func TestRoundTrip(t *testing.T) {
	const c = seal.ChunkSize
	for name, what := range map[string]content{
		"nothing":    {},
		"caption":    {caption: "grüße"},
		"one":        {items: [][]byte{noise(1, 1000)}, caption: "x"},
		"passphrase": {items: [][]byte{noise(1, 1000)}, passphrase: "correct horse"},
		"empty item": {items: [][]byte{{}, noise(2, 5), {}}},
		"edges": {items: [][]byte{noise(1, c-1), noise(2, c), noise(3, c+1), noise(4, 2*c-1), noise(5, 2*c),
			noise(6, 2*c+1), noise(7, 1), {}, noise(8, 3*c)}},
	} {
		t.Run(name, func(t *testing.T) {
			v := newVault(t, vfs.NewMem())
			secret := seal.NewToken()
			st := what.mustWrite(t, v, secret)
			if err := what.check(t, v, st.Name, secret); err != nil {
				t.Fatal(err)
			}
			if st.ID != seal.LinkID(secret, v.cfg.HostKey) {
				t.Error("another id")
			}
			if seal.Padme(st.Size) != st.Size {
				t.Errorf("%d bytes are not padded", st.Size)
			}
			if err := v.Verify(st.Name, st.Size, st.Sum); err != nil {
				t.Error(err)
			}
			if used, err := v.Used(); err != nil || used != st.Size {
				t.Errorf("used %d, %v; want %d", used, err, st.Size)
			}
			if locked, err := v.Locked(st.Name); err != nil || locked != (what.passphrase != "") {
				t.Errorf("locked %v, %v", locked, err)
			}
			if left, err := v.Leftovers(); err != nil || len(left) != 0 {
				t.Errorf("left over %v, %v", left, err)
			}
			// And from a process that starts now.
			v2, err := Open(v.cfg)
			if err != nil {
				t.Fatal(err)
			}
			if err := what.check(t, v2, st.Name, secret); err != nil {
				t.Fatal(err)
			}
		})
	}
}
