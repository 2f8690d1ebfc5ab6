package match

import (
	"context"
	"errors"
	"fmt"
	"image"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"

	"golang.org/x/image/webp"
)

// Limits bound what Pictures does with one item.
type Limits struct {
	// Pixels is the size of the largest picture that is decoded, and of all that
	// are taken from an animation together. Decoding takes up to 12 bytes of RAM
	// for each, the result up to 8; a JPEG that would take more, as a progressive
	// one may, is over the limit with fewer pixels. 0: 50 million.
	Pixels int
	// Frames is how many pictures are taken from an animation. 0: 8.
	Frames int
}

func (l Limits) pixels() int {
	if l.Pixels > 0 {
		return l.Pixels
	}
	return 50_000_000
}

func (l Limits) frames() int {
	if l.Frames > 0 {
		return l.Frames
	}
	return 8
}

// ErrNotScanned is wrapped by every error of Pictures: not all of the item could
// be looked at, and whoever decides must be told so. The others say why.
var (
	ErrNotScanned = errors.New("not scanned")
	ErrKind       = fmt.Errorf("%w: no decoder for this kind", ErrNotScanned) // video, and what is no picture
	ErrLimit      = fmt.Errorf("%w: over a limit", ErrNotScanned)             // of pixels, frames or time
	ErrPicture    = fmt.Errorf("%w: does not decode", ErrNotScanned)
)

// Pictures decodes what is to be compared and classified: the one picture, or
// some of an animation (GIF, PNG or WebP), spread evenly over its frames with
// the first and the last among them. kind is a media type. It reads the size
// bytes of r and gives up between two reads when ctx ends.
//
// With an error that wraps ErrNotScanned the pictures that were decoded before
// come too: they must be looked at, and the rest counts as not scanned. An error
// of r is ErrPicture. The caller bounds how many decode at a time.
func Pictures(ctx context.Context, r io.ReaderAt, size int64, kind string, limits Limits) (pictures []image.Image, err error) {
	// The decoders are other people's code, and the file is a stranger's.
	defer func() {
		if recover() != nil {
			err = ErrPicture
		}
	}()
	src := &input{ctx: ctx, r: r, size: size}
	var still stillDecoder
	var frames func(*input) (film, error)
	switch kind {
	case "image/jpeg":
		still = stillDecoder{configOf(jpeg.DecodeConfig), jpeg.Decode, heavyJPEG}
	case "image/png":
		still, frames = stillDecoder{configOf(png.DecodeConfig), png.Decode, nil}, framesOfPNG
	case "image/gif":
		still, frames = stillDecoder{configOf(gif.DecodeConfig), gif.Decode, nil}, framesOfGIF
	case "image/webp":
		still, frames = stillDecoder{webpConfig, webp.Decode, nil}, framesOfWebP
	default:
		return nil, ErrKind
	}
	var moving film
	if frames != nil {
		if moving, err = frames(src); err != nil {
			return nil, src.because(err)
		}
	}
	if !moving.only {
		img, err := still.decode(src, limits)
		if err != nil {
			return nil, err
		}
		pictures = append(pictures, img)
	}
	more, err := moving.pictures(src, limits)
	return append(pictures, more...), err
}

// stillDecoder decodes one picture.
type stillDecoder struct {
	config func(*input) (image.Config, error)
	image  func(io.Reader) (image.Image, error)
	heavy  func(*input, image.Config, Limits) bool // takes more RAM than its pixels say; nil: none does
}

func (d stillDecoder) decode(src *input, limits Limits) (image.Image, error) {
	c, err := d.config(src)
	if err != nil {
		return nil, src.because(err)
	}
	if c.Width <= 0 || c.Height <= 0 || c.Width > limits.pixels()/c.Height {
		return nil, ErrLimit
	}
	if d.heavy != nil && d.heavy(src, c, limits) {
		return nil, ErrLimit
	}
	img, err := d.image(src.section(0, src.size))
	if err != nil {
		return nil, src.because(err)
	}
	return img, nil
}

func configOf(decode func(io.Reader) (image.Config, error)) func(*input) (image.Config, error) {
	return func(src *input) (image.Config, error) { return decode(src.section(0, src.size)) }
}

// input is a file that cannot be read any more when ctx has ended. That is how
// decoders, which know no context, are stopped: what they do between two reads
// is a few passes over the pixels, which are limited.
type input struct {
	ctx  context.Context
	r    io.ReaderAt
	size int64

	window []byte // what read has read ahead, from start on
	start  int64
}

func (s *input) ReadAt(p []byte, off int64) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	return s.r.ReadAt(p, off)
}

// section is a part of the file; what lies outside of the file is cut off.
func (s *input) section(from, to int64) *io.SectionReader {
	from, to = max(from, 0), min(to, s.size)
	return io.NewSectionReader(s, from, max(to-from, 0))
}

// read fills p from off on. It reads ahead, since who hops from chunk to chunk
// asks for few bytes at a time, and the file may be sealed in larger pieces.
func (s *input) read(p []byte, off int64) error {
	if off < 0 || off > s.size-int64(len(p)) {
		return io.ErrUnexpectedEOF
	}
	if off < s.start || off+int64(len(p)) > s.start+int64(len(s.window)) {
		window := make([]byte, min(max(int64(len(p)), 16<<10), s.size-off))
		if _, err := io.ReadFull(s.section(off, s.size), window); err != nil {
			return err
		}
		s.window, s.start = window, off
	}
	copy(p, s.window[off-s.start:])
	return nil
}

// because is ErrLimit if time ran out, else ErrPicture. A decoder's own words may
// quote the file, and go no further.
func (s *input) because(err error) error {
	if s.ctx.Err() != nil || errors.Is(err, ErrLimit) {
		return ErrLimit
	}
	return ErrPicture
}
