// Package strip removes metadata from pictures and video without touching a
// pixel or a sample. It parses each format strictly against an allowlist and
// writes the file anew: what is not on the list is not copied, and what cannot
// be understood whole is refused. It is pure: bytes in through an io.ReaderAt,
// bytes out through an io.Writer; no files, no clock, no network, no logging.
package strip

import (
	"errors"
	"fmt"
	"io"
)

// Kind is a media type that this package can strip, such as "image/jpeg".
type Kind string

// The kinds that are taken.
const (
	JPEG Kind = "image/jpeg"
	PNG  Kind = "image/png"
	GIF  Kind = "image/gif"
	WebP Kind = "image/webp"
	MP4  Kind = "video/mp4"
)

// Removed is a class of information that was found in a file and left out of
// the result, in words that a page can show.
type Removed uint16

// The classes, as bits of one set.
const (
	RemovedLocation   Removed = 1 << iota // GPS coordinates or place names
	RemovedDevice                         // camera, lens, phone, serial numbers
	RemovedTime                           // dates and times
	RemovedAuthor                         // names, copyright, contact
	RemovedSoftware                       // programs and their settings
	RemovedText                           // comments, captions, keywords
	RemovedThumbnail                      // embedded previews and second pictures
	RemovedProvenance                     // C2PA, JUMBF and similar seals
	RemovedHidden                         // bytes after the end or between the parts
	RemovedTrack                          // timed metadata, subtitles, chapters
	RemovedOther                          // anything else not on the allowlist
)

// Report says what a successful Strip did. It holds classes only, never values.
type Report struct {
	Kind    Kind
	Removed Removed
}

// UnsupportedError means the content is not of a kind that we take (HTTP 415).
// Found names what was recognised ("HEIC picture"), or is empty; Hint says in
// one sentence what the sender can do. Both are constants of this package,
// never bytes of the input.
type UnsupportedError struct {
	Found, Hint string
	Written     bool // a format that people can write: what looks like it may be nothing but text
}

func (e *UnsupportedError) Error() string {
	if e.Found == "" {
		return "not a kind of file that is taken"
	}
	return e.Found + " is not taken"
}

// ErrDamaged is wrapped by every refusal of a file whose kind is taken but whose
// structure is cut short, contradicts itself or cannot be understood whole
// (HTTP 422). The wrapping text is a constant reason for tests and operators.
var ErrDamaged = errors.New("damaged file")

func damaged(reason string) error { return fmt.Errorf("%w: %s", ErrDamaged, reason) }

// Strip recognises the content of src (size bytes) by its first bytes and writes
// it to dst without its metadata. On an error dst may hold a part of the result,
// which the caller must discard. Errors are an *UnsupportedError, ErrDamaged, or
// an error of src or dst.
func Strip(dst io.Writer, src io.ReaderAt, size int64) (Report, error) {
	kind, err := Recognise(src, size)
	if err != nil {
		return Report{}, err
	}
	var removed Removed
	switch kind {
	case JPEG:
		removed, err = stripJPEG(dst, src, size)
	case PNG:
		removed, err = stripPNG(dst, src, size)
	case GIF:
		removed, err = stripGIF(dst, src, size)
	case WebP:
		removed, err = stripWebP(dst, src, size)
	case MP4:
		removed, err = stripMP4(dst, src, size)
	default:
		err = &UnsupportedError{Found: string(kind), Hint: wanted}
	}
	if err != nil {
		return Report{}, err
	}
	return Report{Kind: kind, Removed: removed}, nil
}
