package needle

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// InName is the offset of a hit in a file's or folder's name, or in the target
// of a symbolic link, instead of in a file's content.
const InName = -1

// Hit is one place where a needle was found.
type Hit struct {
	Needle, Form, File string
	Offset             int64 // bytes from the start of the file, or InName
}

func (h Hit) String() string {
	if h.Offset == InName {
		return fmt.Sprintf("%s as %s in the name of %s", h.Needle, h.Form, h.File)
	}
	return fmt.Sprintf("%s as %s at byte %d of %s", h.Needle, h.Form, h.Offset, h.File)
}

// ErrNothing means that there was no regular file to scan, so that finding
// nothing would say nothing.
var ErrNothing = errors.New("no file to scan")

// maxHits bounds the hits of one pattern in one file; a hundred prove as much
// as a million.
const maxHits = 100

// Scan looks for all needles in every regular file below the folder root, and
// in the names of everything below it. It crosses into other file systems but
// follows no symbolic link. Files that vanish while it runs are passed over,
// any other error ends it: an unread file is not a clean one. The error is
// ErrNothing when root holds no regular file.
func Scan(root string, needles []Needle) ([]Hit, error) {
	s, err := newSearch(needles)
	if err != nil {
		return nil, err
	}
	var hits []Hit
	files := 0
	err = filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) && path != root {
			return nil
		}
		if err != nil {
			return err
		}
		if path != root {
			hits = append(hits, s.name(path, entry.Name())...)
		}
		switch entry.Type() {
		case fs.ModeSymlink:
			target, err := os.Readlink(path)
			if err == nil {
				hits = append(hits, s.name(path, target)...)
			}
			return gone(err)
		case 0:
			found, err := s.file(path)
			if err == nil {
				files++
			}
			hits = append(hits, found...)
			return gone(err)
		}
		return nil
	})
	if err == nil && files == 0 {
		err = ErrNothing
	}
	if err != nil {
		return hits, fmt.Errorf("scan %s: %w", root, err)
	}
	return hits, nil
}

// gone drops the error of a file that has vanished.
func gone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// ScanFile looks for all needles in the content of one file, disk image or
// block device.
func ScanFile(path string, needles []Needle) ([]Hit, error) {
	s, err := newSearch(needles)
	if err != nil {
		return nil, err
	}
	return s.file(path)
}

// search holds all patterns of all needles. At each byte of a file the 8 bytes
// from there are hashed into a bitmap with 64 or more bits for each pattern; the
// few positions that pass are compared in full. So the time of a pass does not
// depend on the number of needles.
type search struct {
	patterns []pattern
	starts   map[uint64][]int // the first 8 bytes -> patterns
	filter   []uint64         // a bitmap over the hashes of starts
	shift    uint             // a hash is its top 64-shift bits
	longest  int              // bytes of the longest pattern
	buffer   []byte
}

type pattern struct {
	needle, form string
	bytes        []byte
}

// multiplier spreads 8 bytes over the upper bits of a product (2^64 divided by
// the golden ratio, odd; Knuth, The Art of Computer Programming, 6.4).
const multiplier = 0x9e3779b97f4a7c15

func newSearch(needles []Needle) (*search, error) {
	s := &search{starts: map[uint64][]int{}}
	for _, n := range needles {
		if len(n.Bytes) < MinBytes {
			return nil, fmt.Errorf("needle %q of %d bytes is too short to mean anything", n.Name, len(n.Bytes))
		}
		for _, form := range Forms(n.Bytes) {
			s.patterns = append(s.patterns, pattern{n.Name, form.Name, form.Bytes})
		}
	}
	if len(s.patterns) == 0 {
		return nil, errors.New("no needle to look for")
	}
	bits := uint(16) // 8 KiB, in the first level cache
	for 1<<bits < 64*len(s.patterns) {
		bits++
	}
	s.shift = 64 - bits
	s.filter = make([]uint64, 1<<bits/64)
	for i, p := range s.patterns {
		start := binary.LittleEndian.Uint64(p.bytes)
		s.starts[start] = append(s.starts[start], i)
		hash := start * multiplier >> s.shift
		s.filter[hash/64] |= 1 << (hash % 64)
		s.longest = max(s.longest, len(p.bytes))
	}
	s.buffer = make([]byte, blockSize+s.longest)
	return s, nil
}

// passes calls found for each pattern that begins in data before limit.
func (s *search) passes(data []byte, limit int, found func(pattern, at int)) {
	limit = min(limit, len(data)-7)
	filter, shift := s.filter, s.shift&63
	for at := 0; at < limit; at++ {
		start := binary.LittleEndian.Uint64(data[at:])
		hash := start * multiplier >> shift
		if filter[hash/64]>>(hash%64)&1 == 0 {
			continue
		}
		for _, i := range s.starts[start] {
			if bytes.HasPrefix(data[at:], s.patterns[i].bytes) {
				found(i, at)
			}
		}
	}
}

func (s *search) name(path, name string) (hits []Hit) {
	s.passes([]byte(name), len(name), func(i, _ int) {
		hits = append(hits, Hit{s.patterns[i].needle, s.patterns[i].form, path, InName})
	})
	return hits
}

func (s *search) file(path string) ([]Hit, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return s.stream(path, f)
}

// blockSize is how much is read at a time; it stays in the second level cache.
const blockSize = 256 << 10

// stream scans r to its end. Each position is examined once, when the longest
// pattern that could begin there is in the buffer, or r has ended.
func (s *search) stream(path string, r io.Reader) ([]Hit, error) {
	var hits []Hit
	counts := make([]int, len(s.patterns))
	buf := s.buffer
	var base int64 // offset of buf[0] in r
	held := 0      // bytes in buf
	for {
		n, err := io.ReadFull(r, buf[held:])
		held += n
		ended := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
		if err != nil && !ended {
			return hits, err
		}
		limit := held
		if !ended {
			limit = held - s.longest + 1
		}
		s.passes(buf[:held], limit, func(i, at int) {
			if counts[i]++; counts[i] <= maxHits {
				hits = append(hits, Hit{s.patterns[i].needle, s.patterns[i].form, path, base + int64(at)})
			}
		})
		if ended {
			return hits, nil
		}
		held = copy(buf, buf[limit:held])
		base += int64(limit)
	}
}

// Report lists hits one a line, at most 20, for a test's message.
func Report(hits []Hit) string {
	var b strings.Builder
	for i, hit := range hits {
		if i == 20 {
			fmt.Fprintf(&b, "and %d more\n", len(hits)-i)
			break
		}
		fmt.Fprintln(&b, hit)
	}
	return b.String()
}
