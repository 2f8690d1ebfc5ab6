package client

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"emberdrop/seal"
	"emberdrop/strip"
)

// What a sender seals is one file of kind Sealed, version 1:
//
//	 0  14  magic: 89 "emberdrop" 0D 0A 1A 0A
//	14   2  version, 0001; numbers are big-endian
//	16      one sealed stream (seal.Writer) to the end of the file: chunks of
//	        64 KiB plaintext and 16 bytes tag, under the key behind the link's #,
//	        with the 16 bytes above as additional data
//
// The stream's plaintext, P bytes:
//
//	     0  the items without their metadata, one right after the other
//	        zeros, as many as make P = Padme(items + 2048)
//	P-2048  the manifest
//
// The manifest, at the end because sizes are known only after stripping, and of
// one size so that it tells nothing of what is in it:
//
//	0  2  n, the number of items, 1 to 50
//	2  2  c, bytes of the caption, 0 to 800
//	4  c  the caption, UTF-8, at most 200 characters
//	   n  times 9 bytes: kind (1 JPEG, 2 PNG, 3 GIF, 4 WebP, 5 MP4, 6 note),
//	      then its size in bytes (8)
//	      zeros to 2048
//
// Why it is safe: the key is 32 random bytes for this one stream, so no nonce
// repeats under it; the last chunk is authenticated before anything is believed,
// every other before a byte of it is used; the version is bound to every chunk.
// The host learns P, which is padded, and nothing else.
const (
	magic        = "\x89emberdrop\r\n\x1a\n"
	header       = magic + "\x00\x01"
	manifestSize = 2048
	maxSealed    = 50  // items
	maxCaption   = 200 // characters
	// MaxNote is the longest note, in bytes of UTF-8: what a server takes.
	MaxNote = 1 << 20
)

// kinds are the kinds of items in a container by their number, never renumbered.
var kinds = [...]Kind{1: Kind(strip.JPEG), Kind(strip.PNG), Kind(strip.GIF), Kind(strip.WebP), Kind(strip.MP4), Note}

// The errors of containers.
var (
	// ErrSealed means a container that does not open: damaged, cut, not one, or
	// the key is of another. Which of them cannot be known.
	ErrSealed = errors.New("the sealed content does not open: it is damaged, or the key behind the # is not its own")
	// ErrVersion means a container of a newer program.
	ErrVersion = errors.New("this was sealed by a newer emberdrop")
	// ErrContent means a note or caption that cannot be sealed, or too many items.
	ErrContent = errors.New("cannot be sealed")
)

// Sealer writes a container. It is for one goroutine.
type Sealer struct {
	w     *seal.Writer
	items []Item
}

// NewSealer begins a container under key, which must be fresh.
func NewSealer(w io.Writer, key seal.Key) (*Sealer, error) {
	if _, err := io.WriteString(w, header); err != nil {
		return nil, err
	}
	return &Sealer{w: seal.NewWriter(w, key, []byte(header))}, nil
}

// File strips a file's metadata and adds it. Errors are those of strip.Strip,
// and ErrContent; after one the container is of no use.
func (s *Sealer) File(src io.ReaderAt, size int64) error {
	before := s.w.Size()
	report, err := strip.Strip(s.w, src, size)
	if err != nil {
		return err
	}
	return s.add(Kind(report.Kind), s.w.Size()-before)
}

// Note adds a text. The error is ErrContent.
func (s *Sealer) Note(text string) error {
	if text == "" || len(text) > MaxNote || !utf8.ValidString(text) {
		return fmt.Errorf("the note %w: it is empty, more than 1 MiB, or not UTF-8", ErrContent)
	}
	if _, err := io.WriteString(s.w, text); err != nil {
		return err
	}
	return s.add(Note, int64(len(text)))
}

func (s *Sealer) add(kind Kind, size int64) error {
	if len(s.items) == maxSealed {
		return fmt.Errorf("more than %d items %w", maxSealed, ErrContent)
	}
	s.items = append(s.items, Item{kind, size})
	return nil
}

// Close adds the padding and the manifest. The error is ErrContent, or the
// writer's.
func (s *Sealer) Close(caption string) error {
	manifest, err := encode(caption, s.items)
	if err != nil {
		return err
	}
	padding := seal.Padme(s.w.Size()+manifestSize) - manifestSize - s.w.Size()
	if _, err := io.CopyN(s.w, zeros{}, padding); err != nil {
		return err
	}
	if _, err := s.w.Write(manifest); err != nil {
		return err
	}
	return s.w.Close()
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func encode(caption string, items []Item) ([]byte, error) {
	if !utf8.ValidString(caption) || utf8.RuneCountInString(caption) > maxCaption {
		return nil, fmt.Errorf("the caption %w: it has more than %d characters, or is not UTF-8", ErrContent, maxCaption)
	}
	out := make([]byte, 0, manifestSize)
	out = binary.BigEndian.AppendUint16(out, uint16(len(items)))
	out = binary.BigEndian.AppendUint16(out, uint16(len(caption)))
	out = append(out, caption...)
	for _, item := range items {
		out = append(out, numberOf(item.Kind))
		out = binary.BigEndian.AppendUint64(out, uint64(item.Size))
	}
	return out[:manifestSize], nil // 4 + 4 bytes for each of 200 characters + 50 items of 9 fit
}

func numberOf(kind Kind) byte {
	for i, k := range kinds {
		if k == kind {
			return byte(i)
		}
	}
	return 0
}

// Opened is a container that has been opened. Items fail when they are read if
// they are damaged.
type Opened struct {
	Caption string
	Items   []Item
	stream  *seal.Reader
}

// Open opens a container of size bytes. Errors are ErrSealed, ErrVersion, or r's.
func Open(r io.ReaderAt, size int64, key seal.Key) (*Opened, error) {
	head := make([]byte, len(header))
	if _, err := io.ReadFull(io.NewSectionReader(r, 0, size), head); err != nil || !bytes.HasPrefix(head, []byte(magic)) {
		return nil, ErrSealed
	}
	if string(head) != header {
		return nil, ErrVersion
	}
	body := io.NewSectionReader(r, int64(len(header)), size-int64(len(header)))
	stream, err := seal.NewReader(body, body.Size(), key, []byte(header))
	if err != nil {
		return nil, sealed(err)
	}
	if stream.Size() < manifestSize {
		return nil, ErrSealed
	}
	manifest := make([]byte, manifestSize)
	if _, err := stream.ReadAt(manifest, stream.Size()-manifestSize); err != nil {
		return nil, sealed(err)
	}
	o := &Opened{stream: stream}
	if o.Caption, o.Items, err = decode(manifest); err != nil {
		return nil, err
	}
	sum := int64(manifestSize)
	for _, item := range o.Items {
		sum += item.Size // each is at most the stream's size, see decode
	}
	if sum > stream.Size() || seal.Padme(sum) != stream.Size() {
		return nil, ErrSealed
	}
	return o, nil
}

func sealed(err error) error {
	if errors.Is(err, seal.ErrDamaged) {
		return ErrSealed
	}
	return err
}

// decode is the inverse of encode, and takes nothing else.
func decode(manifest []byte) (caption string, items []Item, err error) {
	n, c := int(binary.BigEndian.Uint16(manifest)), int(binary.BigEndian.Uint16(manifest[2:]))
	if n < 1 || n > maxSealed || c > 4*maxCaption {
		return "", nil, ErrSealed
	}
	caption = string(manifest[4 : 4+c])
	rest := manifest[4+c:]
	for range n {
		number, size := int(rest[0]), int64(binary.BigEndian.Uint64(rest[1:]))
		if number < 1 || number >= len(kinds) || size < 0 || size > seal.MaxPlain {
			return "", nil, ErrSealed
		}
		items = append(items, Item{kinds[number], size})
		rest = rest[9:]
	}
	again, err := encode(caption, items)
	if err != nil || !bytes.Equal(again, manifest) {
		return "", nil, ErrSealed
	}
	return caption, items, nil
}

// Verify opens everything and keeps nothing of it. The error is ErrSealed.
func (o *Opened) Verify() error {
	for n := range o.Items {
		if err := o.Copy(io.Discard, n); err != nil {
			return err
		}
	}
	return nil
}

// Copy writes item n, counted from 0, to w. A damaged part is ErrSealed and is
// not written.
func (o *Opened) Copy(w io.Writer, n int) error {
	at := int64(0)
	for _, before := range o.Items[:n] {
		at += before.Size
	}
	s := o.stream.Stream()
	defer s.Close()
	if _, err := s.Seek(at, io.SeekStart); err != nil {
		return err
	}
	_, err := io.CopyN(w, s, o.Items[n].Size)
	return sealed(err)
}
