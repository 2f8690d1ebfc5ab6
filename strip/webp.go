package strip

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"
)

// webpFramesMost bounds an animation. Only places of frames are held.
const webpFramesMost = 16 << 10

// Flags of the VP8X chunk (WebP container specification, extended file format).
const (
	webpAnimated = 0x02
	webpExif     = 0x08
	webpAlpha    = 0x10
	webpICC      = 0x20
)

// webpFile is the typed model of a WebP. It is read whole and checked before
// the first byte is written, as the size stands at the beginning.
type webpFile struct {
	in      *input
	end     int64 // of the RIFF chunk
	removed Removed
	work    int // symbols of lossless pictures read so far

	extended      bool
	flags         byte
	width, height int // of the canvas
	profile       []byte
	orientation   int
	anim          []byte
	still         webpImage
	frames        []webpFrame
}

// webpImage is one coded picture: VP8 with or without ALPH, or VP8L.
type webpImage struct {
	alpha, data riffChunk
}

type webpFrame struct {
	head  [16]byte
	image webpImage
}

// riffChunk is a chunk's name and the place of its data.
type riffChunk struct {
	name      string
	off, size int64
	mask      byte     // the bits of the last byte that are kept
	frame     *vp8Data // of a VP8 chunk: what is kept of it
}

func (c riffChunk) end() int64 { return c.off + c.size + c.size&1 }

// length is what the chunk takes in the output, 0 if there is none.
func (c riffChunk) length() int64 {
	if c.name == "" {
		return 0
	}
	return 8 + c.size + c.size&1
}

// stripWebP rewrites a WebP (RFC 9649) from its model.
func stripWebP(dst io.Writer, src io.ReaderAt, size int64) (Removed, error) {
	w := &webpFile{in: newInput(src, size), orientation: 1}
	if err := w.parse(); err != nil {
		return 0, err
	}
	out := bufio.NewWriterSize(dst, windowSize)
	if err := w.write(out); err != nil {
		return 0, err
	}
	return w.removed, out.Flush()
}

// chunk reads the head of the chunk at off, which must lie before end.
func (w *webpFile) chunk(off, end int64) (riffChunk, error) {
	b, err := w.in.bytes(off, 8)
	if err != nil {
		return riffChunk{}, err
	}
	c := riffChunk{name: string(b[:4]), off: off + 8, size: int64(binary.LittleEndian.Uint32(b[4:])), mask: 0xff}
	if c.off+c.size > end {
		return riffChunk{}, damaged("chunk longer than the file")
	}
	return c, nil
}

func (w *webpFile) parse() error {
	b, err := w.in.bytes(0, 12)
	if err != nil {
		return err
	}
	w.end = 8 + int64(binary.LittleEndian.Uint32(b[4:]))
	if w.end > w.in.size || w.end < 12 {
		return damaged("cut short")
	}
	if w.end < w.in.size {
		w.removed |= RemovedHidden
	}
	c, err := w.chunk(12, w.end)
	if err != nil {
		return err
	}
	if c.name == "VP8X" {
		if err := w.head(c); err != nil {
			return err
		}
		if err := w.chunks(c.end()); err != nil {
			return err
		}
		return w.whole()
	}
	// The simple format is one picture; what follows is read by nobody.
	if c.name != "VP8 " && c.name != "VP8L" {
		return damaged("unknown first chunk")
	}
	w.still.data = c
	if c.end() < w.end {
		w.removed |= RemovedHidden
	}
	_, _, err = w.measure(&w.still)
	return err
}

// head reads VP8X.
func (w *webpFile) head(c riffChunk) error {
	if c.size < 10 {
		return damaged("picture header of wrong length")
	}
	b, err := w.in.bytes(c.off, 10)
	if err != nil {
		return err
	}
	w.extended, w.flags = true, b[0]&(webpAnimated|webpAlpha)
	w.width, w.height = 1+int24(b[4:]), 1+int24(b[7:])
	if b[0]&^(webpAnimated|webpAlpha|webpICC|webpExif|0x04) != 0 || b[1]|b[2]|b[3] != 0 || c.size > 10 {
		w.removed |= RemovedHidden
	}
	if int64(w.width)*int64(w.height) >= 1<<32 {
		return damaged("impossible picture size")
	}
	return nil
}

func int24(b []byte) int { return int(b[0]) | int(b[1])<<8 | int(b[2])<<16 }

// chunks sorts the chunks of an extended file into the model.
func (w *webpFile) chunks(off int64) error {
	for off < w.end {
		if off+8 > w.end {
			w.removed |= RemovedHidden
			return nil
		}
		c, err := w.chunk(off, w.end)
		if err != nil {
			return err
		}
		if err := w.take(c); err != nil {
			return err
		}
		off = c.end()
	}
	return nil
}

func (w *webpFile) take(c riffChunk) error {
	animated := w.flags&webpAnimated != 0
	switch {
	case c.name == "ICCP" && w.profile == nil && c.size <= iccMost:
		return w.takeProfile(c)
	case c.name == "EXIF":
		return w.takeExif(c)
	case c.name == "ANIM" && animated && w.anim == nil:
		b, err := w.in.bytes(c.off, int(min(c.size, 6)))
		if err != nil || len(b) < 6 {
			return damaged("animation header of wrong length")
		}
		w.anim = bytes.Clone(b)
		if c.size > 6 {
			w.removed |= RemovedHidden
		}
		return nil
	case c.name == "ANMF" && animated:
		return w.takeFrame(c)
	case c.name == "ALPH" && !animated && w.still.data.name == "" && w.still.alpha.name == "":
		w.still.alpha = c
		return nil
	case (c.name == "VP8 " || c.name == "VP8L") && !animated && w.still.data.name == "":
		w.still.data = c
		width, height, err := w.measure(&w.still)
		if err == nil && (width != w.width || height != w.height) {
			return damaged("picture of another size than its canvas")
		}
		return err
	case c.name == "XMP ":
		b, err := w.in.bytes(c.off, int(min(c.size, exifMost)))
		if err != nil {
			return err
		}
		w.removed |= xmpClasses(b)
	case c.name == "C2PA":
		w.removed |= RemovedProvenance
	default:
		w.removed |= RemovedOther
	}
	return nil
}

// takeProfile keeps the first profile, normalised.
func (w *webpFile) takeProfile(c riffChunk) error {
	p := make([]byte, c.size)
	if _, err := readFull(w.in.src, p, c.off); err != nil {
		return err
	}
	profile, removed := normaliseICC(p, "RGB ")
	w.profile = profile
	w.removed |= removed
	return nil
}

// takeExif keeps the orientation of the first EXIF chunk.
func (w *webpFile) takeExif(c riffChunk) error {
	b, err := w.in.bytes(c.off, int(min(c.size, exifMost)))
	if err != nil {
		return err
	}
	orientation, removed := readExif(bytes.TrimPrefix(b, []byte("Exif\x00\x00")))
	if w.orientation == 1 {
		w.orientation = orientation
		if bytes.Equal(b, orientationTIFF(orientation)) {
			return nil
		}
	}
	w.removed |= removed
	return nil
}

// takeFrame reads one frame of an animation: a head of 16 bytes and a picture.
func (w *webpFile) takeFrame(c riffChunk) error {
	if c.size < 16 || w.anim == nil || len(w.frames) >= webpFramesMost {
		return damaged("impossible animation frame")
	}
	b, err := w.in.bytes(c.off, 16)
	if err != nil {
		return err
	}
	f := webpFrame{head: [16]byte(b)}
	f.head[15] &= 3 // the rest is reserved
	x, y, width, height := 2*int24(b), 2*int24(b[3:]), 1+int24(b[6:]), 1+int24(b[9:])
	if x+width > w.width || y+height > w.height {
		return damaged("animation frame outside of the canvas")
	}
	end := c.off + c.size
	for off := c.off + 16; off+8 <= end && f.image.data.name == ""; {
		part, err := w.chunk(off, end)
		if err != nil {
			return err
		}
		switch {
		case part.name == "ALPH" && f.image.alpha.name == "":
			f.image.alpha = part
		case part.name == "VP8 ", part.name == "VP8L":
			f.image.data = part
		default:
			w.removed |= RemovedOther
		}
		if off = part.end(); f.image.data.name != "" && off < end {
			w.removed |= RemovedHidden
		}
	}
	gotWidth, gotHeight, err := w.measure(&f.image)
	if err != nil {
		return err
	}
	if gotWidth != width || gotHeight != height {
		return damaged("picture of another size than its frame")
	}
	w.frames = append(w.frames, f)
	return nil
}

// whole checks that the model has what its header announces.
func (w *webpFile) whole() error {
	if w.flags&webpAnimated != 0 {
		if len(w.frames) == 0 {
			return damaged("animation without frames")
		}
		return nil
	}
	if w.still.data.name == "" {
		return damaged("no picture")
	}
	return nil
}
