package seal

import (
	"bytes"
	"errors"
	"io"
	"testing"
)

// chunksOf cuts a sealed stream at its chunks.
func chunksOf(b []byte) (c [][]byte) {
	for len(b) > SealedChunk {
		c, b = append(c, b[:SealedChunk:SealedChunk]), b[SealedChunk:]
	}
	return append(c, b)
}

func TestStreamRefusesRearranged(t *testing.T) {
	for _, n := range []int{2 * ChunkSize, 3 * ChunkSize, 3*ChunkSize + 5} {
		a, b := chunksOf(sealed(t, testKey, testAAD, noise(1, n))), chunksOf(sealed(t, Key{9}, testAAD, noise(2, n)))
		other := chunksOf(sealed(t, testKey, []byte("another item"), noise(3, n)))
		k := len(a)
		cases := map[string][][]byte{
			"first two exchanged": append([][]byte{a[1], a[0]}, a[2:]...),
			"first twice":         append([][]byte{a[0]}, a...),
			"first left out":      a[1:],
			"last left out":       a[:k-1],
			"last twice":          append(a[:k:k], a[k-1]),
			"continued":           append(a[:k:k], a...),
			"only the last":       a[k-1:],
			"first of another":    append([][]byte{b[0]}, a[1:]...),
			"last of another":     append(a[:k-1:k-1], b[k-1]),
			"first of another item under the same key": append([][]byte{other[0]}, a[1:]...),
			"last of another item under the same key":  append(a[:k-1:k-1], other[k-1]),
			"empty behind": append(a[:k:k], sealed(t, testKey, testAAD, nil)),
			"nothing":      nil,
		}
		for what, c := range cases {
			if _, err := opened(bytes.Join(c, nil), testKey, testAAD); !errors.Is(err, ErrDamaged) {
				t.Errorf("%d bytes, %s: %v", n, what, err)
			}
		}
		if _, err := opened(bytes.Join(a, nil), testKey, testAAD); err != nil {
			t.Error("the test itself is wrong:", err)
		}
	}
}

// A cut stream is refused at open, before anything could be served, at whatever length.
func TestStreamRefusesEveryCut(t *testing.T) {
	b := sealed(t, testKey, testAAD, noise(1, 2*ChunkSize+40))
	lengths := []int{}
	for n := range len(b) {
		if n < 100 || n%SealedChunk < 50 || n%SealedChunk > SealedChunk-50 || n%509 == 0 || n > len(b)-100 {
			lengths = append(lengths, n)
		}
	}
	for _, n := range lengths {
		if _, err := NewReader(bytes.NewReader(b[:n]), int64(n), testKey, testAAD); !errors.Is(err, ErrDamaged) {
			t.Fatalf("cut to %d: %v", n, err)
		}
		// And when the length is believed to be what it was.
		if _, err := NewReader(bytes.NewReader(b[:n]), int64(len(b)), testKey, testAAD); !errors.Is(err, ErrDamaged) {
			t.Fatalf("cut to %d of %d: %v", n, len(b), err)
		}
	}
	small := sealed(t, testKey, testAAD, noise(1, 100))
	for n := range len(small) {
		if _, err := NewReader(bytes.NewReader(small[:n]), int64(n), testKey, testAAD); !errors.Is(err, ErrDamaged) {
			t.Fatalf("cut to %d: %v", n, err)
		}
	}
	for _, more := range []int{1, 15, 16, 17, 32, ChunkSize, SealedChunk} {
		long := append(bytes.Clone(small), make([]byte, more)...)
		if _, err := NewReader(bytes.NewReader(long), int64(len(long)), testKey, testAAD); !errors.Is(err, ErrDamaged) {
			t.Fatalf("%d bytes more: %v", more, err)
		}
	}
}

func TestStreamRefusesEveryFlip(t *testing.T) {
	small := sealed(t, testKey, testAAD, noise(1, 100))
	for bit := range len(small) * 8 {
		bad := bytes.Clone(small)
		bad[bit/8] ^= 1 << (bit % 8)
		if got, err := opened(bad, testKey, testAAD); !errors.Is(err, ErrDamaged) {
			t.Fatalf("bit %d: %v, %d bytes", bit, err, len(got))
		}
	}
	plain := noise(2, 2*ChunkSize+100)
	big := sealed(t, testKey, testAAD, plain)
	for at := 0; at < len(big); at += 1021 {
		bad := bytes.Clone(big)
		bad[at] ^= 0x80
		if _, err := opened(bad, testKey, testAAD); !errors.Is(err, ErrDamaged) {
			t.Fatalf("byte %d: %v", at, err)
		}
		// What was read before the damage is right, and the damaged chunk gives not one byte.
		r, err := NewReader(bytes.NewReader(bad), int64(len(bad)), testKey, testAAD)
		if err != nil {
			continue // in the last chunk
		}
		got, err := io.ReadAll(r.Stream())
		if want := at / SealedChunk * ChunkSize; !errors.Is(err, ErrDamaged) || !bytes.Equal(got, plain[:want]) {
			t.Fatalf("byte %d: %d bytes came out, want %d (%v)", at, len(got), want, err)
		}
	}
}

func TestStreamNeedsKeyAndAAD(t *testing.T) {
	b := sealed(t, testKey, testAAD, noise(1, 10))
	if _, err := opened(b, NewKey(), testAAD); !errors.Is(err, ErrDamaged) {
		t.Error("another key:", err)
	}
	for _, aad := range [][]byte{nil, testAAD[1:], append(bytes.Clone(testAAD), 0)} {
		if _, err := opened(b, testKey, aad); !errors.Is(err, ErrDamaged) {
			t.Errorf("additional data %q: %v", aad, err)
		}
	}
	aad := bytes.Clone(testAAD)
	var out bytes.Buffer
	w := NewWriter(&out, testKey, aad)
	clear(aad) // the writer has its own copy
	w.Close()
	if _, err := opened(out.Bytes(), testKey, testAAD); err != nil {
		t.Error(err)
	}
}

// FuzzReader feeds anything as a sealed stream. The seeds are whole ones, so a mutation is a forgery attempt.
func FuzzReader(f *testing.F) {
	known := map[string]bool{}
	for _, n := range []int{0, 1, 100, ChunkSize, ChunkSize + 1} {
		plain := noise(uint64(n), n)
		known[string(plain)] = true
		f.Add(sealed(f, testKey, testAAD, plain))
	}
	if len(known) != 5 {
		f.Fatal("no seeds")
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if got, err := opened(b, testKey, testAAD); err == nil && !known[string(got)] {
			t.Errorf("%d bytes were accepted that were never sealed", len(got))
		}
	})
}
