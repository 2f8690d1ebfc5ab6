package client

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"emberdrop/seal"
	"emberdrop/strip"
	"emberdrop/tests/sample"
)

// contain seals notes, and photos without their metadata.
func contain(t rapid.TB, key seal.Key, caption string, photos [][]byte, notes ...string) []byte {
	t.Helper()
	var out bytes.Buffer
	s, err := NewSealer(&out, key)
	if err != nil {
		t.Fatal(err)
	}
	for _, note := range notes {
		if err := s.Note(note); err != nil {
			t.Fatal(err)
		}
	}
	for _, photo := range photos {
		if err := s.File(bytes.NewReader(photo), int64(len(photo))); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(caption); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func open(file []byte, key seal.Key) (*Opened, error) {
	return Open(bytes.NewReader(file), int64(len(file)), key)
}

func read(t rapid.TB, o *Opened, n int) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := o.Copy(&out, n); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestContainer(t *testing.T) {
	key := seal.NewKey()
	photo := sample.Photo(640, 480, 1)
	file := contain(t, key, "a caption · 信", [][]byte{photo, sample.PNG(160, 120, 2)}, "a note")
	o, err := open(file, key)
	if err != nil || o.Caption != "a caption · 信" || len(o.Items) != 3 {
		t.Fatalf("%v: %+v", err, o)
	}
	var want bytes.Buffer
	if _, err := strip.Strip(&want, bytes.NewReader(photo), int64(len(photo))); err != nil {
		t.Fatal(err)
	}
	if o.Items[0] != (Item{Note, 6}) || o.Items[1] != (Item{"image/jpeg", int64(want.Len())}) || o.Items[2].Kind != "image/png" {
		t.Fatalf("items %v", o.Items)
	}
	if string(read(t, o, 0)) != "a note" || !bytes.Equal(read(t, o, 1), want.Bytes()) {
		t.Fatal("what comes out is not what went in")
	}
	// What the host sees is the format, and one of few sizes.
	if !strings.HasPrefix(string(file), "\x89emberdrop\r\n\x1a\n\x00\x01") {
		t.Fatalf("it begins with %q", file[:16])
	}
	plain, err := seal.PlainSize(int64(len(file)) - 16)
	if err != nil || seal.Padme(plain) != plain {
		t.Fatalf("%d bytes are not padded (%v)", plain, err)
	}
}

// Whatever notes and caption: they come back, and the size is that of the padded sum.
func TestContainerRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		notes := rapid.SliceOfN(rapid.StringN(1, -1, 100_000), 1, maxSealed).Draw(t, "notes")
		caption := rapid.StringN(0, maxCaption, -1).Draw(t, "caption")
		key := seal.NewKey()
		file := contain(t, key, caption, nil, notes...)
		o, err := open(file, key)
		if err != nil || o.Caption != caption || len(o.Items) != len(notes) {
			t.Fatalf("%v: %+v", err, o)
		}
		sum := int64(manifestSize)
		for n, note := range notes {
			sum += int64(len(note))
			if string(read(t, o, n)) != note {
				t.Fatalf("note %d changed", n)
			}
		}
		if want := 16 + seal.SealedSize(seal.Padme(sum)); int64(len(file)) != want {
			t.Fatalf("%d bytes, want %d", len(file), want)
		}
	})
}

// Every flipped bit, every cut and every other key is noticed before anything is used.
func TestContainerDamaged(t *testing.T) {
	key := seal.NewKey()
	file := contain(t, key, "", nil, "a note")
	if _, err := open(file, seal.NewKey()); !errors.Is(err, ErrSealed) {
		t.Fatalf("another key: %v", err)
	}
	for bit := range 8 * len(file) {
		file[bit/8] ^= 1 << (bit % 8)
		_, err := open(file, key)
		file[bit/8] ^= 1 << (bit % 8)
		want := ErrSealed
		if bit/8 == 14 || bit/8 == 15 {
			want = ErrVersion
		}
		if !errors.Is(err, want) {
			t.Fatalf("bit %d flipped: %v", bit, err)
		}
	}
	for size := range file {
		if _, err := open(file[:size], key); !errors.Is(err, ErrSealed) {
			t.Fatalf("cut to %d bytes: %v", size, err)
		}
	}
	// In a long one the damage may be where only reading finds it.
	long := contain(t, key, "", nil, strings.Repeat("x", 500_000))
	long[100_000] ^= 1
	o, err := open(long, key)
	if err != nil {
		t.Fatal(err)
	}
	if err := o.Verify(); !errors.Is(err, ErrSealed) {
		t.Fatalf("damage inside: %v", err)
	}
}

// A sender who has the key can still send nonsense: it is refused.
func TestContainerNonsense(t *testing.T) {
	good, err := encode("caption", []Item{{Note, 100}})
	if err != nil {
		t.Fatal(err)
	}
	change := func(at int, b ...byte) []byte {
		m := bytes.Clone(good)
		copy(m[at:], b)
		return m
	}
	for name, c := range map[string]struct {
		manifest []byte
		zeros    int64 // before it
	}{
		"as it should be":    {good, seal.Padme(100+manifestSize) - manifestSize},
		"no items":           {change(0, 0, 0), 100},
		"51 items":           {change(0, 0, 51), 100},
		"a long caption":     {change(2, 0xff, 0xff), 100},
		"no such kind":       {change(11, 7), 100},
		"kind 0":             {change(11, 0), 100},
		"a negative size":    {change(12, 0x80), 100},
		"more than there is": {change(12, 0, 0, 0, 1), 100},
		"something behind":   {change(manifestSize-1, 1), seal.Padme(100+manifestSize) - manifestSize},
		"not UTF-8":          {change(4, 0xff), seal.Padme(100+manifestSize) - manifestSize},
		"too much padding":   {good, 100_000},
		"no padding":         {good, 100},
		"not even that":      {good[:manifestSize-1], 0},
	} {
		t.Run(name, func(t *testing.T) {
			key := seal.NewKey()
			var out bytes.Buffer
			out.WriteString(header)
			w := seal.NewWriter(&out, key, []byte(header))
			io.CopyN(w, zeros{}, c.zeros)
			w.Write(c.manifest)
			w.Close()
			if _, err := open(out.Bytes(), key); (err == nil) != (name == "as it should be") || err != nil && !errors.Is(err, ErrSealed) {
				t.Fatal(err)
			}
		})
	}
}

func FuzzManifest(f *testing.F) {
	good, _ := encode("caption", []Item{{Note, 100}, {"image/png", 1 << 40}})
	f.Add(good)
	f.Fuzz(func(t *testing.T, raw []byte) {
		manifest := make([]byte, manifestSize)
		copy(manifest, raw)
		caption, items, err := decode(manifest)
		if err != nil {
			return
		}
		if again, err := encode(caption, items); err != nil || !bytes.Equal(again, manifest) {
			t.Fatal("it can be written in two ways")
		}
	})
}

func TestNotContained(t *testing.T) {
	s, err := NewSealer(io.Discard, seal.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	for _, note := range []string{"", "\xff", strings.Repeat("x", MaxNote+1)} {
		if err := s.Note(note); !errors.Is(err, ErrContent) {
			t.Errorf("a note of %d bytes: %v", len(note), err)
		}
	}
	var unsupported *strip.UnsupportedError
	if err := s.File(strings.NewReader("only words"), 10); !errors.As(err, &unsupported) {
		t.Errorf("a text file: %v", err)
	}
	if err := s.Close(strings.Repeat("é", maxCaption+1)); !errors.Is(err, ErrContent) {
		t.Errorf("a long caption: %v", err)
	}
	for range maxSealed {
		if err := s.Note("x"); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Note("x"); !errors.Is(err, ErrContent) {
		t.Errorf("one item too many: %v", err)
	}
}

// The largest manifest there can be fits its page.
func TestLargestManifest(t *testing.T) {
	caption := strings.Repeat("🔥", maxCaption)
	items := make([]Item, maxSealed)
	for i := range items {
		items[i] = Item{Note, MaxNote}
	}
	manifest, err := encode(caption, items)
	if err != nil || len(manifest) != manifestSize {
		t.Fatalf("%d bytes, %v", len(manifest), err)
	}
	if text, got, err := decode(manifest); err != nil || text != caption || len(got) != maxSealed {
		t.Fatalf("%d items, %v", len(got), err)
	}
	if binary.BigEndian.Uint16(manifest) != maxSealed {
		t.Fatal("the number of items is not where the format says")
	}
}

// The spool gives the same bytes as often as wanted, and its file, which has no
// name, holds none of them.
func TestSpool(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	s, err := NewSpool()
	if err != nil {
		t.Fatal(err)
	}
	content := bytes.Repeat([]byte("what a sealed file holds; "), 10_000)
	if _, err := s.Write(content); err != nil {
		t.Fatal(err)
	}
	file, err := s.File()
	if err != nil || file.Size != int64(len(content)) {
		t.Fatalf("%d bytes, %v", file.Size, err)
	}
	for range 2 {
		if got, err := io.ReadAll(file.Open()); err != nil || !bytes.Equal(got, content) {
			t.Fatalf("%d bytes, %v", len(got), err)
		}
	}
	raw := make([]byte, seal.SealedSize(file.Size))
	if _, err := s.file.ReadAt(raw, 0); err != nil || !seal.Plaintext && bytes.Contains(raw, content[:26]) {
		t.Fatalf("the temporary file holds it as it is (%v)", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) > 0 {
		t.Fatalf("left behind: %q", left)
	}
	if _, err := os.Stat(dir); err != nil {
		t.Fatal(err)
	}
}
