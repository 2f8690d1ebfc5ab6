package match

import (
	"bytes"
	"encoding/binary"
	"errors"
	"image"
	"io"

	"golang.org/x/image/webp"
)

// framesOfWebP finds the frames of an animated WebP (RFC 9649, 2.7.1.1).
func framesOfWebP(src *input) (f film, err error) {
	const animation = 0x02
	var head [30]byte
	if err := src.read(head[:], 0); err != nil || string(head[12:16]) != "VP8X" || head[20]&animation == 0 {
		return f, nil // not animated; the decoder says what is wrong with it
	}
	f.only = true
	f.canvas = image.Rect(0, 0, 1+uint24(head[24:]), 1+uint24(head[27:]))
	err = riffChunks(src, 12, riffEnd(src, head[:]), func(kind string, from, to int64) error {
		if kind != "ANMF" {
			return nil
		}
		if len(f.frames) == framesMost {
			f.more = true
			return io.EOF
		}
		var b [16]byte
		if err := src.read(b[:], from); err != nil {
			return err
		}
		w, h := 1+uint24(b[6:]), 1+uint24(b[9:])
		one := frame{box: image.Rect(0, 0, w, h).Add(image.Pt(2*uint24(b[0:]), 2*uint24(b[3:]))), over: b[15]&2 == 0}
		if b[15]&1 != 0 {
			one.dispose = disposeClear
		}
		one.decode = func() (image.Image, error) { return webpFrame(src, from+16, to, w, h) }
		f.frames = append(f.frames, one)
		return nil
	})
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return f, err
}

func uint24(b []byte) int { return int(b[0]) | int(b[1])<<8 | int(b[2])<<16 }

// riffEnd is where the file ends by its own word, or by the last byte.
func riffEnd(src *input, head []byte) int64 {
	return min(src.size, 8+int64(binary.LittleEndian.Uint32(head[4:])))
}

// riffChunks calls see with every chunk between two places, until it fails.
func riffChunks(src *input, at, end int64, see func(kind string, from, to int64) error) error {
	for at+8 <= end {
		var b [8]byte
		if err := src.read(b[:], at); err != nil {
			return err
		}
		from := at + 8
		to := from + int64(binary.LittleEndian.Uint32(b[4:]))
		if to > end {
			return io.ErrUnexpectedEOF
		}
		if err := see(string(b[:4]), from, to); err != nil {
			return err
		}
		at = to + to&1
	}
	return nil
}

// webpFrame decodes the chunks of a frame as a WebP of its own.
func webpFrame(src *input, from, to int64, w, h int) (image.Image, error) {
	const alpha = 0x10
	hasAlpha := false
	body := []io.Reader{nil, nil}
	size := int64(4)
	err := riffChunks(src, from, to, func(kind string, from, to int64) error {
		if kind != "ALPH" && kind != "VP8 " && kind != "VP8L" {
			return nil
		}
		if err := fits(src, kind, from, w, h); err != nil {
			return err
		}
		hasAlpha = hasAlpha || kind == "ALPH"
		body = append(body, src.section(from-8, to), bytes.NewReader(make([]byte, to&1)))
		size += to - from + 8 + to&1
		return nil
	})
	if err != nil {
		return nil, err
	}
	var extended []byte
	if hasAlpha {
		extended = append([]byte("VP8X\x0a\x00\x00\x00"), alpha, 0, 0, 0, byte(w-1), byte((w-1)>>8), byte((w-1)>>16), byte(h-1), byte((h-1)>>8), byte((h-1)>>16))
		size += int64(len(extended))
	}
	head := binary.LittleEndian.AppendUint32([]byte("RIFF"), uint32(size))
	body[0], body[1] = bytes.NewReader(append(head, "WEBP"...)), bytes.NewReader(extended)
	return webp.Decode(io.MultiReader(body...))
}

// webpConfig gives a still picture's size, as the container says it. A picture
// in it of another size is an error: the decoder would take the size from there.
func webpConfig(src *input) (c image.Config, err error) {
	if c, err = webp.DecodeConfig(src.section(0, src.size)); err != nil {
		return c, err
	}
	var head [8]byte
	if err := src.read(head[:], 0); err != nil {
		return c, err
	}
	return c, riffChunks(src, 12, riffEnd(src, head[:]), func(kind string, from, to int64) error {
		return fits(src, kind, from, c.Width, c.Height)
	})
}

// fits says whether a chunk is not a picture of another size (RFC 6386, 9.1, and
// RFC 9649, 3.4).
func fits(src *input, kind string, at int64, w, h int) error {
	var b [10]byte
	var gotW, gotH int
	switch kind {
	case "VP8 ":
		if err := src.read(b[:], at); err != nil {
			return err
		}
		gotW, gotH = int(binary.LittleEndian.Uint16(b[6:]))&0x3fff, int(binary.LittleEndian.Uint16(b[8:]))&0x3fff
	case "VP8L":
		if err := src.read(b[:5], at); err != nil {
			return err
		}
		sizes := binary.LittleEndian.Uint32(b[1:])
		gotW, gotH = int(sizes&0x3fff)+1, int(sizes>>14&0x3fff)+1
	default:
		return nil
	}
	if gotW != w || gotH != h {
		return errFrame
	}
	return nil
}
