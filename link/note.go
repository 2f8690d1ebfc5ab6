package link

import (
	"bytes"
	"fmt"
	"io"
	"mime"
	"strconv"
	"unicode/utf8"

	"github.com/klauspost/compress/zstd"

	"emberdrop/strip"
	"emberdrop/vault"
)

// MaxNote is the longest note, in bytes of UTF-8.
const MaxNote = 1 << 20

// Text is the kind of a note: typed, or a file that is nothing but text.
const Text = "text/plain"

// Any is the kind of a file that is kept as it came, for download only.
const Any = "application/octet-stream"

// A note is compressed before it is sealed. Its kind in the manifest says so,
// and how long it is when opened: "text/plain; encoding=zstd; size=123".
func sealedKind(size int) string {
	return mime.FormatMediaType(Text, map[string]string{"encoding": "zstd", "size": strconv.Itoa(size)})
}

// itemOf is what a visitor is told of an item in a manifest.
func itemOf(item vault.Item) Item {
	out := Item{Kind: item.Kind, Size: item.Size}
	kind, params, err := mime.ParseMediaType(item.Kind)
	if err != nil {
		return out
	}
	if params["veil"] != "" {
		out.Kind, out.Veil = kind, true
	}
	if params["encoding"] == "zstd" {
		if size, err := strconv.ParseInt(params["size"], 10, 64); err == nil {
			out.Kind, out.Size = kind, size
		}
	}
	return out
}

// packed reports whether an item is sealed in another form than it is shown in.
func packed(item vault.Item) bool {
	_, params, err := mime.ParseMediaType(item.Kind)
	return err == nil && params["encoding"] == "zstd"
}

func itemsOf(items []vault.Item) []Item {
	out := make([]Item, len(items))
	for i, item := range items {
		out[i] = itemOf(item)
	}
	return out
}

// AddNote takes a typed note. The error is ErrNote when it is too long or not
// UTF-8, ErrEmpty, ErrTooMany, or one of the disk.
func (u *Upload) AddNote(text string) error {
	switch {
	case text == "":
		return ErrEmpty
	case len(text) > MaxNote || !utf8.ValidString(text):
		return ErrNote
	case len(u.items) == u.links.cfg.MaxItems:
		return ErrTooMany
	}
	return full(u.addNote([]byte(text)))
}

func (u *Upload) addNote(text []byte) error {
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		return err
	}
	packed := encoder.EncodeAll(text, nil)
	return u.keepItem(text, func(w io.Writer) (string, strip.Removed, error) {
		_, err := w.Write(packed)
		return sealedKind(len(text)), 0, err
	})
}

// plainText reports whether a file is nothing but text that a page can show:
// UTF-8 without control characters other than tab and line ends.
func plainText(text []byte) bool {
	for _, b := range text {
		if b < ' ' && b != '\t' && b != '\n' && b != '\r' || b == 0x7f {
			return false
		}
	}
	return utf8.Valid(text)
}

// content is an item's reader as a visitor gets it: a note opened whole into
// RAM, anything else chunk by chunk.
func content(payload *vault.Payload, n int) (io.ReadSeekCloser, error) {
	stored := payload.Manifest().Items[n]
	sealed, err := payload.Item(n)
	if err != nil {
		return nil, err
	}
	item := itemOf(stored)
	if !packed(stored) {
		return sealed, nil
	}
	defer sealed.Close()
	// The manifest is authenticated, so its size is ours; the bound is for a bug.
	if item.Size < 0 || item.Size > MaxNote {
		return nil, fmt.Errorf("note: %w", vault.ErrDamaged)
	}
	decoder, err := zstd.NewReader(sealed, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(8*MaxNote))
	if err != nil {
		return nil, err
	}
	defer decoder.Close()
	text := make([]byte, item.Size)
	if _, err := io.ReadFull(decoder, text); err != nil {
		return nil, err
	}
	return &note{Reader: bytes.NewReader(text), text: text}, nil
}

// note is an opened note; closing it wipes the text.
type note struct {
	*bytes.Reader
	text []byte
}

func (n *note) Close() error {
	clear(n.text)
	n.Reset(nil)
	return nil
}
