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
	Pixels int // largest picture, in pixels; 0: 64 million
	Frames int // most pictures that are taken from an animation; 0: 8
}

func (l Limits) pixels() int {
	if l.Pixels > 0 {
		return l.Pixels
	}
	return 64 << 20
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
	ErrKind       = fmt.Errorf("%w: no decoder for this kind", ErrNotScanned) // video, and anything that is not a picture
	ErrLimit      = fmt.Errorf("%w: over a limit", ErrNotScanned)             // of pixels or of time
	ErrPicture    = fmt.Errorf("%w: does not decode", ErrNotScanned)
)

// Pictures decodes what is to be compared and classified: the one picture, or
// some of an animation, evenly spread over it with the first and the last among
// them. kind is a media type. It reads the size bytes of r, gives up between two
// reads when ctx ends, and holds a few pictures in RAM at a time.
//
// With an error that wraps ErrNotScanned the pictures that were decoded before
// come too: they must be looked at, and the rest counts as not scanned. Errors
// of r are among ErrPicture.
func Pictures(ctx context.Context, r io.ReaderAt, size int64, kind string, limits Limits) ([]image.Image, error) {
	src := io.NewSectionReader(timed{ctx, r}, 0, size)
	var decode func(io.Reader) (image.Image, error)
	var config func(io.Reader) (image.Config, error)
	switch kind {
	case "image/jpeg":
		decode, config = jpeg.Decode, jpeg.DecodeConfig
	case "image/png":
		decode, config = png.Decode, png.DecodeConfig
	case "image/gif":
		decode, config = gif.Decode, gif.DecodeConfig
	case "image/webp":
		decode, config = webp.Decode, webp.DecodeConfig
	default:
		return nil, ErrKind
	}
	c, err := config(src)
	if err != nil {
		return nil, because(ctx, err)
	}
	if c.Width <= 0 || c.Height <= 0 || c.Width > limits.pixels()/c.Height {
		return nil, ErrLimit
	}
	if _, err := src.Seek(0, io.SeekStart); err != nil {
		return nil, because(ctx, err)
	}
	img, err := decode(src)
	if err != nil {
		return nil, because(ctx, err)
	}
	return []image.Image{img}, nil
}

// because is ErrLimit if time ran out, else ErrPicture. A decoder's own words may
// quote the file, and do not go further.
func because(ctx context.Context, err error) error {
	if ctx.Err() != nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return ErrLimit
	}
	return ErrPicture
}

// timed is a file that cannot be read any more when ctx has ended. That is how
// decoders, which know no context, are stopped: a picture's worst case between
// two reads is a few passes over its pixels, which are limited.
type timed struct {
	ctx context.Context
	r   io.ReaderAt
}

func (t timed) ReadAt(p []byte, off int64) (int, error) {
	if err := t.ctx.Err(); err != nil {
		return 0, err
	}
	return t.r.ReadAt(p, off)
}
