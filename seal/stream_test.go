package seal

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"pgregory.net/rapid"
)

func noise(seed uint64, n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)}).Read(b)
	return b
}

var testKey, testAAD = Key{1, 2, 3}, []byte("format, link, item")

func sealed(t testing.TB, key Key, aad, plain []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := NewWriter(&out, key, aad)
	if _, err := w.Write(plain); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if w.Size() != int64(len(plain)) || int64(out.Len()) != SealedSize(w.Size()) {
		t.Fatalf("%d bytes of plaintext: size %d, sealed %d", len(plain), w.Size(), out.Len())
	}
	return out.Bytes()
}

// opened opens a stream and reads all of it, in sequence and at random: both must agree.
func opened(b []byte, key Key, aad []byte) ([]byte, error) {
	r, err := NewReader(bytes.NewReader(b), int64(len(b)), key, aad)
	if err != nil {
		return nil, err
	}
	got, err := io.ReadAll(r.Stream())
	if err != nil {
		return nil, err
	}
	again, err := io.ReadAll(io.NewSectionReader(r, 0, r.Size()))
	if err != nil || !bytes.Equal(got, again) {
		return nil, fmt.Errorf("ReadAt and Read differ: %v", err)
	}
	return got, nil
}

var edges = []int{0, 1, 2, ChunkSize - 1, ChunkSize, ChunkSize + 1, 2*ChunkSize - 1, 2 * ChunkSize, 2*ChunkSize + 1, 5*ChunkSize + 17}

func TestStreamRoundTrip(t *testing.T) {
	for _, n := range edges {
		plain := noise(uint64(n), n)
		b := sealed(t, testKey, testAAD, plain)
		got, err := opened(b, testKey, testAAD)
		if err != nil || !bytes.Equal(got, plain) {
			t.Errorf("%d bytes: %v", n, err)
		}
		r, err := NewReader(bytes.NewReader(b), int64(len(b)), testKey, testAAD)
		if err != nil {
			t.Fatal(err)
		}
		if err := iotest.TestReader(r.Stream(), plain); err != nil {
			t.Errorf("%d bytes: %v", n, err)
		}
		if _, err := r.Chunk(r.Chunks(), make([]byte, SealedChunk)); err != io.EOF {
			t.Errorf("%d bytes: chunk behind the last: %v", n, err)
		}
	}
}

// However the plaintext is cut into writes, the sealed bytes are the same, and any range reads back.
func TestStreamWritesAndRanges(t *testing.T) {
	plain := noise(7, 3*ChunkSize+100)
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.SampledFrom(append(edges[:len(edges)-1:len(edges)-1], len(plain))).Draw(t, "n")
		var out bytes.Buffer
		w := NewWriter(&out, testKey, testAAD)
		for at, writes := 0, 0; at < n && writes < 20; writes++ {
			k := min(n-at, rapid.SampledFrom([]int{0, 997, 32 << 10, ChunkSize - 1, ChunkSize, ChunkSize + 1, 3 * ChunkSize}).Draw(t, "write"))
			before := bytes.Clone(plain[at : at+k])
			if m, err := w.Write(plain[at : at+k]); m != k || err != nil {
				t.Fatal(m, err)
			}
			if !bytes.Equal(before, plain[at:at+k]) {
				t.Fatal("the caller's bytes were changed")
			}
			at += k
		}
		size := int(w.Size())
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		r, err := NewReader(bytes.NewReader(out.Bytes()), int64(out.Len()), testKey, testAAD)
		if err != nil {
			t.Fatal(err)
		}
		want := bytes.NewReader(plain[:size])
		s := r.Stream()
		for range 5 {
			off := rapid.Int64Range(0, int64(size)+10).Draw(t, "off")
			p := make([]byte, rapid.IntRange(0, 2*ChunkSize+10).Draw(t, "len"))
			q := make([]byte, len(p))
			gn, gerr := r.ReadAt(p, off)
			wn, werr := want.ReadAt(q, off)
			// bytes.Reader says EOF for an empty read at the end, io.ReaderAt leaves that open.
			if gn != wn || !bytes.Equal(p, q) || (len(p) > 0 && gerr != werr) {
				t.Fatalf("ReadAt(%d, %d) = %d, %v; want %d, %v", len(p), off, gn, gerr, wn, werr)
			}
			s.Seek(off, io.SeekStart)
			want.Seek(off, io.SeekStart)
			clear(p)
			gn, gerr = io.ReadFull(s, p)
			clear(q)
			wn, werr = io.ReadFull(want, q)
			if gn != wn || !bytes.Equal(p, q) || gerr != werr {
				t.Fatalf("Read(%d) at %d = %d, %v; want %d, %v", len(p), off, gn, gerr, wn, werr)
			}
		}
	})
}

// No nonce repeats under a key.
func TestNoncesDiffer(t *testing.T) {
	seen := map[[nonceLen]byte]bool{}
	for _, n := range []uint32{0, 1, 2, 255, 256, 65535, 65536, math.MaxUint32 - 1, math.MaxUint32} {
		seen[nonceOf(n, false)], seen[nonceOf(n, true)] = true, true
	}
	if len(seen) != 18 {
		t.Errorf("%d nonces, want 18", len(seen))
	}
	if got := nonceOf(0x01020304, true); got != [nonceLen]byte{7: 1, 8: 2, 9: 3, 10: 4, 11: 1} {
		t.Errorf("nonce % x", got)
	}
}

func TestWriterCountsTo32Bits(t *testing.T) {
	w := NewWriter(io.Discard, testKey, nil)
	w.next = math.MaxUint32
	if _, err := w.Write(make([]byte, ChunkSize)); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(make([]byte, ChunkSize)); err != nil {
		t.Fatal("the last number is usable:", err)
	}
	if _, err := w.Write([]byte{1}); !errors.Is(err, ErrTooLarge) {
		t.Errorf("the counter runs over: %v", err)
	}
	if err := w.Close(); !errors.Is(err, ErrTooLarge) {
		t.Error("closed as if whole:", err)
	}
}

type failing struct {
	after int
	short bool
}

func (f *failing) Write(p []byte) (int, error) {
	if f.after--; f.after >= 0 {
		return len(p), nil
	}
	if f.short {
		return len(p) - 1, nil
	}
	return 0, os.ErrDeadlineExceeded
}

func TestWriterFails(t *testing.T) {
	for after := range 3 {
		for _, short := range []bool{false, true} {
			w := NewWriter(&failing{after, short}, testKey, testAAD)
			_, err := w.Write(noise(1, 2*ChunkSize+10))
			cerr := w.Close()
			want := os.ErrDeadlineExceeded
			if short {
				want = io.ErrShortWrite
			}
			if (after < 2 && !errors.Is(err, want)) || !errors.Is(cerr, want) {
				t.Errorf("after %d: %v, %v", after, err, cerr)
			}
			if n, err := w.Write([]byte{1}); n != 0 || !errors.Is(err, want) {
				t.Errorf("goes on after an error: %v", err)
			}
			w.Wipe()
			if err := w.Close(); !errors.Is(err, want) {
				t.Error("wiping hides the error:", err)
			}
			if !bytes.Equal(w.buf[:cap(w.buf)], make([]byte, cap(w.buf))) {
				t.Error("plaintext stays in the buffer")
			}
		}
	}
	w := NewWriter(io.Discard, testKey, testAAD)
	w.Write(noise(1, 1000))
	w.Wipe()
	if !bytes.Equal(w.buf[:cap(w.buf)], make([]byte, cap(w.buf))) {
		t.Error("plaintext stays in the buffer")
	}
	if _, err := w.Write([]byte{1}); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
}

func TestReaderErrors(t *testing.T) {
	b := sealed(t, testKey, testAAD, noise(1, 2*ChunkSize))
	broken := iotest.ErrReader(os.ErrDeadlineExceeded)
	at := readAtFunc(func(p []byte, off int64) (int, error) {
		if off == 0 {
			return broken.Read(p)
		}
		return bytes.NewReader(b).ReadAt(p, off)
	})
	r, err := NewReader(at, int64(len(b)), testKey, testAAD)
	if err != nil {
		t.Fatal(err)
	}
	s := r.Stream()
	for range 2 { // a failing disk is not damage, and the stream can go on when it recovers
		if _, err := s.Read(make([]byte, 10)); !errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, ErrDamaged) {
			t.Error(err)
		}
	}
	if _, err := s.Seek(ChunkSize, io.SeekStart); err != nil {
		t.Error(err)
	}
	if _, err := s.Read(make([]byte, 10)); err != nil {
		t.Error(err)
	}
	for _, seek := range []struct {
		off    int64
		whence int
	}{{-1, io.SeekStart}, {-2*ChunkSize - 1, io.SeekEnd}, {0, 3}} {
		if _, err := s.Seek(seek.off, seek.whence); err == nil {
			t.Errorf("seek %+v works", seek)
		}
	}
	if _, err := r.ReadAt(make([]byte, 1), -1); err == nil {
		t.Error("a negative position works")
	}
}

type readAtFunc func(p []byte, off int64) (int, error)

func (f readAtFunc) ReadAt(p []byte, off int64) (int, error) { return f(p, off) }

// Small reads open each chunk once: the measure that made the cached chunk necessary.
func TestStreamOpensEachChunkOnce(t *testing.T) {
	b := sealed(t, testKey, testAAD, noise(1, 4*ChunkSize))
	reads := 0
	at := readAtFunc(func(p []byte, off int64) (int, error) { reads++; return bytes.NewReader(b).ReadAt(p, off) })
	r, err := NewReader(at, int64(len(b)), testKey, testAAD)
	if err != nil {
		t.Fatal(err)
	}
	reads = 0
	if _, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, r.Stream(), make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	if reads != 4 {
		t.Errorf("%d reads of 4 chunks", reads)
	}
}

func TestStreamCloseWipes(t *testing.T) {
	plain := noise(1, 1000)
	b := sealed(t, testKey, testAAD, plain)
	r, err := NewReader(bytes.NewReader(b), int64(len(b)), testKey, testAAD)
	if err != nil {
		t.Fatal(err)
	}
	s := r.Stream()
	s.Read(make([]byte, 10))
	buf := s.buf
	if !bytes.Contains(buf, plain) {
		t.Fatal("the test looks at the wrong buffer")
	}
	s.Close()
	if !bytes.Equal(buf, make([]byte, len(buf))) {
		t.Error("plaintext stays in the buffer")
	}
	if _, err := s.Read(make([]byte, 10)); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	if _, err := s.Seek(0, io.SeekStart); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	if s.Size() != 1000 || s.Close() != nil {
		t.Error("size and a second close must work")
	}
	r.ReadAt(make([]byte, 1000), 0)
	if p, ok := r.pool.Get().(*[SealedChunk]byte); ok && *p != [SealedChunk]byte{} {
		t.Error("plaintext stays in the pool")
	}
}

func TestStreamCloseWhileReading(t *testing.T) {
	b := sealed(t, testKey, testAAD, noise(1, 10*ChunkSize))
	r, err := NewReader(bytes.NewReader(b), int64(len(b)), testKey, testAAD)
	if err != nil {
		t.Fatal(err)
	}
	s := r.Stream()
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			if _, err := s.Read(make([]byte, 100)); err != nil {
				if !errors.Is(err, ErrClosed) && err != io.EOF {
					t.Error(err)
				}
				return
			}
		}
	})
	for range 4 { // and the reader itself is for many
		wg.Go(func() { r.ReadAt(make([]byte, 3*ChunkSize), 100) })
	}
	time.Sleep(time.Millisecond)
	s.Close()
	wg.Wait()
}

func TestServeContent(t *testing.T) {
	plain := noise(1, 3*ChunkSize+5)
	b := sealed(t, testKey, testAAD, plain)
	r, err := NewReader(bytes.NewReader(b), int64(len(b)), testKey, testAAD)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		rng      string
		status   int
		from, to int
	}{
		{"", 200, 0, len(plain)},
		{"bytes=0-0", 206, 0, 1},
		{"bytes=65530-65545", 206, 65530, 65546},
		{"bytes=-7", 206, len(plain) - 7, len(plain)},
		{"bytes=131072-", 206, 131072, len(plain)},
		{fmt.Sprintf("bytes=%d-", len(plain)), 416, 0, 0},
	} {
		req := httptest.NewRequest("GET", "/", nil)
		if c.rng != "" {
			req.Header.Set("Range", c.rng)
		}
		rec := httptest.NewRecorder()
		s := r.Stream()
		rec.Header().Set("Content-Type", "image/jpeg")
		http.ServeContent(rec, req, "", time.Time{}, s)
		s.Close()
		if rec.Code != c.status || (c.status != 416 && !bytes.Equal(rec.Body.Bytes(), plain[c.from:c.to])) {
			t.Errorf("%q: %d, %d bytes", c.rng, rec.Code, rec.Body.Len())
		}
	}
}
