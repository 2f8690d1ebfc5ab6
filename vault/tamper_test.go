package vault

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"testing"

	"emberdrop/seal"

	"github.com/cockroachdb/pebble/v2/vfs"
)

func readFile(t testing.TB, cfg Config, name string) []byte {
	t.Helper()
	f, err := cfg.FS.Open(cfg.path(name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, fi.Size())
	if n, err := f.ReadAt(b, 0); n != len(b) {
		t.Fatal(n, err)
	}
	return b
}

// replaceFile gives a file other bytes and another length.
func replaceFile(t testing.TB, cfg Config, name string, b []byte) {
	t.Helper()
	f, err := cfg.FS.Create(cfg.path(name), vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Write(bytes.Clone(b)); err != nil {
		t.Fatal(err)
	}
}

// layout says where the parts of a payload are, by arithmetic and not by reading it.
type layout struct {
	items                              []int64 // where each begins
	manifest, padding, trailer, length int64
}

func (c content) layout(t testing.TB) (l layout) {
	t.Helper()
	at := int64(pageLen)
	for _, it := range c.items {
		l.items = append(l.items, at)
		at += seal.SealedSize(int64(len(it)))
	}
	plain, err := c.manifest().encode()
	if err != nil {
		t.Fatal(err)
	}
	l.manifest = at
	l.padding = at + seal.SealedSize(int64(len(plain)))
	l.length = seal.Padme(l.padding + trailerLen)
	l.trailer = l.length - trailerLen
	return l
}

// Every byte of a small payload, with several flips each: what matters is refused, what does not matter changes
// nothing, and header and whatever follows its page are caught by Verify without a key.
func TestFlipAnywhere(t *testing.T) {
	for _, pass := range []string{"", "passphrase"} {
		t.Run("passphrase="+pass, func(t *testing.T) {
			c := content{caption: "a caption", passphrase: pass, items: [][]byte{noise(1, 100), {}, noise(2, 30)}}
			v := newVault(t, vfs.NewMem())
			secret := seal.NewToken()
			st := c.mustWrite(t, v, secret)
			whole, l := readFile(t, v.cfg, st.Name), c.layout(t)
			if int64(len(whole)) != l.length || l.trailer-l.padding < 16 {
				t.Fatalf("the layout is not as thought: %d bytes, %+v", len(whole), l)
			}
			f, err := v.cfg.FS.OpenReadWrite(v.cfg.path(st.Name), vfs.WriteCategoryUnspecified)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			for at := range int64(len(whole)) {
				masks := []byte{1 << (at % 8)}
				switch {
				case at > headerLen+4 && at < pageLen-1 && at%7 != 0:
					continue // random bytes that nothing reads
				case pass != "" && at > headerLen+4 && at%11 != 0:
					continue // each open costs an Argon2id
				case at < headerLen+4:
					masks = []byte{1, 2, 4, 8, 16, 32, 64, 128, 255}
				}
				for _, mask := range masks {
					f.WriteAt([]byte{whole[at] ^ mask}, at)
					opened, verified := c.check(t, v, st.Name, secret), v.Verify(st.Name, st.Size, st.Sum)
					secretPart := at < headerLen
					padding := at >= l.padding && at < l.trailer
					free := (at < pageLen && !secretPart) || padding
					switch {
					case free && opened != nil:
						t.Fatalf("byte %d^%#x in padding: %v", at, mask, opened)
					case !free && !errors.Is(opened, ErrDamaged) && !(pass != "" && at < pageLen && errors.Is(opened, ErrPassphrase)):
						t.Fatalf("byte %d^%#x: %v", at, mask, opened)
					case (at < headerLen || at >= pageLen) && !errors.Is(verified, ErrDamaged):
						t.Fatalf("byte %d^%#x is not seen without a key: %v", at, mask, verified)
					}
				}
				f.WriteAt(whole[at:at+1:at+1], at)
			}
			if err := c.check(t, v, st.Name, secret); err != nil {
				t.Fatal("the test broke the file:", err)
			}
		})
	}
}

func TestEveryLength(t *testing.T) {
	c := content{caption: "a caption", items: [][]byte{noise(1, 100), noise(2, 30)}}
	v := newVault(t, vfs.NewMem())
	secret := seal.NewToken()
	st := c.mustWrite(t, v, secret)
	whole := readFile(t, v.cfg, st.Name)
	for n := range len(whole) {
		replaceFile(t, v.cfg, st.Name, whole[:n])
		if err := c.check(t, v, st.Name, secret); !errors.Is(err, ErrDamaged) {
			t.Fatalf("cut to %d of %d: %v", n, len(whole), err)
		}
		if err := v.Verify(st.Name, st.Size, st.Sum); !errors.Is(err, ErrDamaged) {
			t.Fatalf("cut to %d: verify says %v", n, err)
		}
		if n < pageLen {
			if _, err := v.Locked(st.Name); !errors.Is(err, ErrDamaged) {
				t.Fatalf("cut to %d: %v", n, err)
			}
		}
	}
	l := c.layout(t)
	for _, more := range []int{1, 16, trailerLen, 1000, pageLen} {
		longer := append(bytes.Clone(whole), make([]byte, more)...)
		replaceFile(t, v.cfg, st.Name, longer)
		if err := c.check(t, v, st.Name, secret); !errors.Is(err, ErrDamaged) {
			t.Fatalf("%d bytes more: %v", more, err)
		}
		// With the trailer at the new end, and padding taken out or put in before it.
		moved := append(bytes.Clone(longer[:len(longer)-trailerLen]), whole[l.trailer:]...)
		replaceFile(t, v.cfg, st.Name, moved)
		if err := c.check(t, v, st.Name, secret); !errors.Is(err, ErrDamaged) {
			t.Fatalf("%d bytes more padding: %v", more, err)
		}
	}
	shorter := append(bytes.Clone(whole[:l.trailer-8]), whole[l.trailer:]...)
	replaceFile(t, v.cfg, st.Name, shorter)
	if err := c.check(t, v, st.Name, secret); !errors.Is(err, ErrDamaged) {
		t.Fatal("less padding:", err)
	}
}

// A cut in the middle of a big item is refused by Open, not by a later read.
func TestOpenSeesEveryLastChunk(t *testing.T) {
	c := content{items: [][]byte{noise(1, 2*seal.ChunkSize), noise(2, seal.ChunkSize+1), {}}}
	v := newVault(t, vfs.NewMem())
	secret := seal.NewToken()
	st := c.mustWrite(t, v, secret)
	l := c.layout(t)
	ends := append(l.items[1:], l.manifest)
	for i, end := range ends {
		whole := readFile(t, v.cfg, st.Name)
		bad := bytes.Clone(whole)
		bad[end-1] ^= 1
		replaceFile(t, v.cfg, st.Name, bad)
		if p, err := v.Open(st.Name, secret, ""); !errors.Is(err, ErrDamaged) {
			t.Errorf("item %d: opened, %v", i, err)
			p.Close()
		}
		replaceFile(t, v.cfg, st.Name, whole)
	}
	// The first chunk is only seen when it is read: that is the price of opening 200 MB at once.
	bad := readFile(t, v.cfg, st.Name)
	bad[pageLen] ^= 1
	replaceFile(t, v.cfg, st.Name, bad)
	p, err := v.Open(st.Name, secret, "")
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	r, _ := p.Item(0)
	if n, err := r.Read(make([]byte, 10)); n != 0 || !errors.Is(err, ErrDamaged) {
		t.Errorf("%d bytes, %v", n, err)
	}
}

// Parts are exchanged within a payload, and between payloads of the same link, host and vault: the hardest case.
func TestSplice(t *testing.T) {
	const n = 2 * seal.ChunkSize
	v := newVault(t, vfs.NewMem())
	secret := seal.NewToken()
	a := content{caption: "a", items: [][]byte{noise(1, n), noise(2, n)}}
	b := content{caption: "b", items: [][]byte{noise(3, n), noise(4, n)}}
	sa, sb := a.mustWrite(t, v, secret), b.mustWrite(t, v, secret)
	wa, wb, l := readFile(t, v.cfg, sa.Name), readFile(t, v.cfg, sb.Name), a.layout(t)
	if len(wa) != len(wb) {
		t.Fatal("sizes differ")
	}
	one, two, mani, end := l.items[0], l.items[1], l.manifest, int64(len(wa))
	cut := func(w []byte, from, to int64) []byte { return w[from:to:to] }
	chunk := int64(seal.SealedChunk)
	for what, parts := range map[string][][]byte{
		"items exchanged":             {cut(wa, 0, one), cut(wa, two, mani), cut(wa, one, two), cut(wa, mani, end)},
		"item twice":                  {cut(wa, 0, one), cut(wa, one, two), cut(wa, one, two), cut(wa, mani, end)},
		"item left out":               {cut(wa, 0, two), cut(wa, mani, end)},
		"chunks exchanged":            {cut(wa, 0, one), cut(wa, one+chunk, two), cut(wa, one, one+chunk), cut(wa, two, end)},
		"first chunk of the other":    {cut(wa, 0, one), cut(wb, one, one+chunk), cut(wa, one+chunk, end)},
		"item of the other":           {cut(wa, 0, one), cut(wb, one, two), cut(wa, two, end)},
		"items of the other":          {cut(wa, 0, one), cut(wb, one, mani), cut(wa, mani, end)},
		"manifest of the other":       {cut(wa, 0, mani), cut(wb, mani, l.padding), cut(wa, l.padding, end)},
		"trailer of the other":        {cut(wa, 0, l.trailer), cut(wb, l.trailer, end)},
		"header of the other":         {cut(wb, 0, pageLen), cut(wa, pageLen, end)},
		"server half of the other":    {cut(wa, 0, 36), cut(wb, 36, 68), cut(wa, 68, end)},
		"wrapped key of the other":    {cut(wa, 0, 68), cut(wb, 68, 116), cut(wa, 116, end)},
		"everything but the header":   {cut(wa, 0, pageLen), cut(wb, pageLen, end)},
		"items and manifest of other": {cut(wa, 0, one), cut(wb, one, l.padding), cut(wa, l.padding, end)},
	} {
		spliced := bytes.Join(parts, nil)
		// The header's checksum is for rot. Whoever splices makes it fit again.
		sum := sha256.Sum256(spliced[:sumAt])
		copy(spliced[sumAt:], sum[:])
		replaceFile(t, v.cfg, sa.Name, spliced)
		// Reading all: a first chunk is not seen by Open.
		if err := a.check(t, v, sa.Name, secret); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", what, err)
		}
	}
	// The whole file under another name is the same payload. That is fine: the log says which name is whose.
	replaceFile(t, v.cfg, sa.Name, wb)
	if err := b.check(t, v, sa.Name, secret); err != nil {
		t.Error(err)
	}
	if err := v.Verify(sa.Name, sa.Size, sa.Sum); !errors.Is(err, ErrDamaged) {
		t.Error("the log's sum does not see it:", err)
	}
}

// wantFiles says which files there are besides the key.
func wantFiles(t testing.TB, cfg Config, want ...string) {
	t.Helper()
	top, err := cfg.FS.List(cfg.Dir)
	if err != nil {
		t.Fatal(err)
	}
	staged, err := cfg.FS.List(cfg.path(stagingDir))
	if err != nil {
		t.Fatal(err)
	}
	left := map[string]bool{}
	for _, name := range append(top, staged...) {
		left[name] = true
	}
	delete(left, keyFile)
	delete(left, stagingDir)
	for _, name := range want {
		if !left[name] {
			t.Errorf("%s is not there", name)
		}
		delete(left, name)
	}
	if len(left) != 0 {
		t.Errorf("left on the disk: %v", left)
	}
}
