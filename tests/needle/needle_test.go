package needle

import (
	"bytes"
	"crypto/rand"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	mathrand "math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

func write(t testing.TB, path string, parts ...[]byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, bytes.Join(parts, nil), 0o600); err != nil {
		t.Fatal(err)
	}
}

func scan(t testing.TB, root string, needles ...Needle) []Hit {
	t.Helper()
	hits, err := Scan(root, needles)
	if err != nil {
		t.Fatal(err)
	}
	return hits
}

// Every way of writing a secret, alone and in the middle of a longer one, is
// found; the same file without it is clean, and so is one with another secret.
func TestEveryForm(t *testing.T) {
	b32, b64, b64url := base32.StdEncoding, base64.StdEncoding, base64.URLEncoding
	writings := map[string]func([]byte) string{
		"raw":       func(b []byte) string { return string(b) },
		"hex":       hex.EncodeToString,
		"HEX":       func(b []byte) string { return strings.ToUpper(hex.EncodeToString(b)) },
		"base32":    func(b []byte) string { return strings.ToLower(b32.WithPadding(base32.NoPadding).EncodeToString(b)) },
		"base32=":   func(b []byte) string { return strings.ToLower(b32.EncodeToString(b)) },
		"BASE32":    b32.WithPadding(base32.NoPadding).EncodeToString,
		"BASE32=":   b32.EncodeToString,
		"base64":    b64.WithPadding(base64.NoPadding).EncodeToString,
		"base64=":   b64.EncodeToString,
		"base64url": b64url.WithPadding(base64.NoPadding).EncodeToString,
		"base64url=": func(b []byte) string {
			return b64url.EncodeToString(b)
		},
	}
	for form, encode := range writings {
		for _, size := range []int{8, 9, 16, 31, 32, 33, 100} {
			for before := range 6 {
				secret := random(size)
				written := encode(slices.Concat(random(before), secret, random(mathrand.IntN(7))))
				file := filepath.Join(t.TempDir(), "file")
				write(t, file, random(1000), []byte(written), random(1000))
				hits := scan(t, filepath.Dir(file), Needle{"secret", secret}, Needle{"other", random(size)})
				if len(hits) != 1 || hits[0].Needle != "secret" || hits[0].File != file || hits[0].Offset < 1000 || hits[0].Offset > 1012 {
					t.Fatalf("%s of %d bytes behind %d: %v", form, size, before, hits)
				}
				// base64url without - and _ is base64 as well, and hex without letters has no case.
				want := strings.TrimSuffix(form, "=")
				if want == "HEX" && written == strings.ToLower(written) {
					want = "hex"
				}
				if hits[0].Form != want && want != "base64url" {
					t.Errorf("%s is reported as %s", form, hits[0].Form)
				}
			}
		}
	}
	clean := filepath.Join(t.TempDir(), "file")
	write(t, clean, random(1<<20))
	if hits := scan(t, filepath.Dir(clean), Needle{"secret", random(8)}); len(hits) > 0 {
		t.Errorf("found in a random file: %v", hits)
	}
}

// A pattern around a buffer's border is found once, with the right offset,
// whatever piece sizes the reader gives.
func TestBorders(t *testing.T) {
	secret := random(100)
	written := []byte(hex.EncodeToString(secret)) // the longest pattern: nothing to spare at a border
	s, err := newSearch([]Needle{{"secret", secret}})
	if err != nil {
		t.Fatal(err)
	}
	s.buffer = make([]byte, 1000+s.longest) // small, as every position around its border is tried
	border := len(s.buffer)
	content := random(2*border + 50)
	for _, near := range []int{0, border - s.longest, border, 2*border - s.longest, len(content) - len(written)} {
		for at := near - 230; at <= near+230; at++ {
			if at < 0 || at+len(written) > len(content) {
				continue
			}
			dirty := slices.Clone(content)
			copy(dirty[at:], written)
			var r io.Reader = bytes.NewReader(dirty)
			if at%3 == 0 {
				r = iotest.HalfReader(r)
			}
			hits, err := s.stream("f", r)
			if want := (Hit{"secret", "hex", "f", int64(at)}); err != nil || len(hits) != 1 || hits[0] != want {
				t.Fatalf("at %d: %v %v", at, hits, err)
			}
			// Cut by one byte at the file's end it is not there.
			hits, err = s.stream("f", bytes.NewReader(dirty[:at+len(written)-1]))
			if err != nil || len(hits) > 0 {
				t.Fatalf("cut at %d: %v %v", at, hits, err)
			}
		}
	}
}

// Against the obvious search, on text of few letters where patterns begin
// alike, overlap and nearly match all the time.
func TestAgainstNaive(t *testing.T) {
	source := mathrand.New(mathrand.NewPCG(1, 2))
	letters := func(n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = "ab"[source.IntN(2)]
		}
		return b
	}
	for range 300 {
		text := letters(3000)
		var needles []Needle
		for i := range 20 {
			needles = append(needles, Needle{fmt.Sprint(i), letters(8 + source.IntN(6))})
		}
		var want, got []string
		for _, n := range needles {
			for at := range text {
				if bytes.HasPrefix(text[at:], n.Bytes) {
					want = append(want, fmt.Sprint(n.Name, " ", at))
				}
			}
		}
		s, err := newSearch(needles)
		if err != nil {
			t.Fatal(err)
		}
		hits, err := s.stream("f", bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		for _, h := range hits {
			got = append(got, fmt.Sprint(h.Needle, " ", h.Offset))
		}
		slices.Sort(want)
		slices.Sort(got)
		if !slices.Equal(want, got) || len(want) == 0 {
			t.Fatalf("got %v\nwant %v", got, want)
		}
	}
}

func TestNames(t *testing.T) {
	root, secret := t.TempDir(), random(32)
	needle := Needle{"secret", secret}
	write(t, filepath.Join(root, "innocent", "file"), []byte("x"))
	if hits := scan(t, root, needle); len(hits) > 0 {
		t.Fatalf("found where nothing is: %v", hits)
	}
	text := hex.EncodeToString(secret)
	inFile, inFolder := filepath.Join(root, "a", "link-"+text+".tmp"), filepath.Join(root, "b-"+text, "file")
	inFifoless, link := filepath.Join(root, "c-"+text), filepath.Join(root, "link")
	write(t, inFile)
	write(t, inFolder, []byte("y"))
	if err := errors.Join(os.Mkdir(inFifoless, 0o700), os.Symlink("nowhere/"+text, link)); err != nil {
		t.Fatal(err)
	}
	want := []Hit{
		{"secret", "hex", inFile, InName},
		{"secret", "hex", filepath.Dir(inFolder), InName},
		{"secret", "hex", inFifoless, InName},
		{"secret", "hex", link, InName},
	}
	if hits := scan(t, root, needle); !slices.Equal(hits, want) {
		t.Errorf("got %v\nwant %v", hits, want)
	}
}

func TestRefusals(t *testing.T) {
	full := t.TempDir()
	write(t, filepath.Join(full, "file"), []byte("x"))
	good := []Needle{{"secret", random(32)}}
	if _, err := Scan(t.TempDir(), good); !errors.Is(err, ErrNothing) {
		t.Errorf("an empty folder: %v, want ErrNothing", err)
	}
	if _, err := Scan(filepath.Join(full, "absent"), good); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an absent folder: %v", err)
	}
	if _, err := Scan(full, nil); err == nil {
		t.Error("no needle is taken")
	}
	if _, err := Scan(full, []Needle{{"short", random(MinBytes - 1)}}); err == nil {
		t.Error("a short needle is taken")
	}
	if hits, err := Scan(filepath.Join(full, "file"), good); err != nil || len(hits) > 0 {
		t.Errorf("a file as root: %v %v", hits, err)
	}
	if os.Geteuid() != 0 { // root reads everything
		write(t, filepath.Join(full, "closed"), []byte("x"))
		os.Chmod(filepath.Join(full, "closed"), 0)
		if _, err := Scan(full, good); !errors.Is(err, fs.ErrPermission) {
			t.Errorf("an unreadable file: %v", err)
		}
	}
}

func TestManyHitsAreBounded(t *testing.T) {
	file := filepath.Join(t.TempDir(), "zeros")
	write(t, file, make([]byte, 1<<20))
	hits, err := ScanFile(file, []Needle{{"zeros", make([]byte, 16)}})
	if err != nil || len(hits) != maxHits {
		t.Errorf("%d hits, %v, want %d", len(hits), err, maxHits)
	}
	if lines := strings.Count(Report(hits), "\n"); lines != 21 {
		t.Errorf("the report has %d lines", lines)
	}
}

func TestWindows(t *testing.T) {
	dull := append(bytes.Repeat([]byte("the same old story, "), 500), make([]byte, 10_000)...)
	entropy := random(20_000)
	windows := Windows("photo", slices.Concat(dull, entropy), 32, 40)
	if n := len(windows); n != 20 && n != 21 { // one more may straddle the edge
		t.Fatalf("%d windows, want 20 of 40: half of the content is dull", n)
	}
	file := filepath.Join(t.TempDir(), "image")
	write(t, file, random(777), entropy[5000:5600])
	hits, err := ScanFile(file, windows)
	if err != nil || len(hits) != 1 {
		t.Errorf("a fragment of 600 bytes gives %v, %v, want the one window in it", hits, err)
	}
	for _, none := range [][]Needle{Windows("d", dull, 32, 10), Windows("short", random(20), 32, 10),
		Windows("empty", nil, 32, 10), Windows("small", entropy, 4, 10), Windows("zero", entropy, 32, 0)} {
		if len(none) > 0 {
			t.Errorf("windows where none should be: %v", none)
		}
	}
	ends := 0
	for _, w := range Windows("tight", entropy[:100], 32, 50) {
		at := 0
		fmt.Sscanf(w.Name, "tight@%d", &at)
		if at < ends || !bytes.Equal(w.Bytes, entropy[at:at+32]) {
			t.Errorf("%s overlaps or is misnamed", w.Name)
		}
		ends = at + 32
	}
}

// BenchmarkScan compares one pass for many needles with reading and comparing
// only (bytes.Index for one needle): time per byte must not grow with needles.
func BenchmarkScan(b *testing.B) {
	file := filepath.Join(b.TempDir(), "image")
	content := random(64 << 20)
	write(b, file, content)
	for _, count := range []int{1, 10, 500} {
		b.Run(fmt.Sprint("needles=", count), func(b *testing.B) {
			var needles []Needle
			for i := range count {
				needles = append(needles, Needle{fmt.Sprint(i), random(32)})
			}
			b.SetBytes(int64(len(content)))
			for b.Loop() {
				if hits, err := ScanFile(file, needles); err != nil || len(hits) > 0 {
					b.Fatal(hits, err)
				}
			}
		})
	}
	b.Run("baseline=bytes.Index", func(b *testing.B) {
		secret := random(32)
		b.SetBytes(int64(len(content)))
		for b.Loop() {
			raw, err := os.ReadFile(file)
			if err != nil || bytes.Contains(raw, secret) {
				b.Fatal(err)
			}
		}
	})
}
