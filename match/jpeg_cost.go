package match

import (
	"bytes"
	"encoding/binary"
	"image"
)

// bytesMost is how much RAM decoding takes for each of Limits.Pixels.
const bytesMost = 12

// segmentsMost is how many parts of a JPEG are looked at before its first scan. A
// camera writes some tens, and previews and depth maps some more.
const segmentsMost = 4096

// Markers of a JPEG: ITU-T T.81, table B.1; the one of Adobe is T.872, 6.5.3.
const (
	markSOI   = 0xd8
	markSOF0  = 0xc0
	markSOF1  = 0xc1
	markSOF2  = 0xc2
	markSOS   = 0xda
	markAPP14 = 0xee
)

// heavyJPEG reports whether image/jpeg would take more RAM for a file than limits
// has for it. The number of pixels does not say: of a progressive picture it holds
// all coefficients, as int32, beside the samples.
func heavyJPEG(src *input, c image.Config, limits Limits) bool {
	f, known := frameOfJPEG(src)
	if !known { // nothing that a camera writes: the most that it could be
		f = jpegFrame{progressive: true, wide: true, samples: 4, h: 1, v: 1}
	}
	each := int64(f.samples)
	if f.progressive {
		each *= 1 + 4
	}
	width, height := whole(c.Width, 8*f.h), whole(c.Height, 8*f.v)
	blocks := width / int64(f.h) * (height / int64(f.v)) // pixels, for each sample of a unit
	bytes := blocks * each
	if f.wide {
		bytes += 4 * int64(c.Width) * int64(c.Height)
	}
	return bytes > bytesMost*int64(limits.pixels())
}

// whole is n rounded up to a multiple of unit.
func whole(n, unit int) int64 { return int64((n + unit - 1) / unit * unit) }

// jpegFrame is what the RAM for a JPEG depends on.
type jpegFrame struct {
	progressive bool
	wide        bool // made into 4 bytes a pixel at the end: CMYK and RGB
	samples     int  // of all components, in a unit of h times v
	h, v        int  // the greatest sampling factors
}

// frameOfJPEG reads what stands before the first scan.
func frameOfJPEG(src *input) (f jpegFrame, known bool) {
	var head [4]byte
	if src.read(head[:2], 0) != nil || head[0] != 0xff || head[1] != markSOI {
		return f, false
	}
	at, rgb := int64(2), false
	for range segmentsMost {
		if src.read(head[:], at) != nil || head[0] != 0xff {
			return f, false
		}
		if head[1] == 0xff { // a fill byte
			at++
			continue
		}
		size := int64(binary.BigEndian.Uint16(head[2:])) // of itself and what follows
		switch head[1] {
		case markSOS:
			f.wide = f.wide || rgb && f.samples > 1
			return f, f.samples > 0
		case markSOF0, markSOF1, markSOF2:
			body := make([]byte, max(size-2, 0))
			if f.samples > 0 || src.read(body, at+4) != nil || !f.read(body) {
				return f, false
			}
			f.progressive = head[1] == markSOF2
		case markAPP14:
			var adobe [12]byte // name, version, two flags of 16 bits, transform
			if size >= 14 && src.read(adobe[:], at+4) == nil && string(adobe[:5]) == "Adobe" {
				rgb = adobe[11] == 0
			}
		}
		at += 2 + size
	}
	return f, false
}

// read takes a frame header: T.81, B.2.2.
func (f *jpegFrame) read(body []byte) bool {
	if len(body) < 6 || body[5] == 0 || len(body) != 6+3*int(body[5]) {
		return false
	}
	var names []byte
	for part := body[6:]; len(part) > 0; part = part[3:] {
		h, v := int(part[1]>>4), int(part[1]&15)
		if h == 0 || v == 0 {
			return false
		}
		names = append(names, part[0])
		f.samples += h * v
		f.h, f.v = max(f.h, h), max(f.v, v)
	}
	if len(names) == 1 { // never subsampled, whatever it says: A.2
		f.samples, f.h, f.v = 1, 1, 1
	}
	f.wide = len(names) == 4 || bytes.Equal(names, []byte("RGB"))
	return true
}
