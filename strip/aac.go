package strip

import (
	"bytes"
	"encoding/binary"
)

// AAC (ISO/IEC 14496-3): the configuration, and inside the frames the elements
// that encoders sign their work with. They are set to zero where they are, so
// that no size changes.

// aacConfig is what the frames' syntax depends on.
type aacConfig struct {
	object    int // 1 Main, 2 LC, 3 SSR, 4 LTP
	frequency int // samplingFrequencyIndex, 15 if given in Hz
	short     bool
}

// bitsAt reads bits from the most significant end. Reading past the end sets
// over and gives zero.
type bitsAt struct {
	b    []byte
	pos  int
	over bool
}

func (r *bitsAt) left() int { return 8*len(r.b) - r.pos }

// next is the next 64 bits but at most 7, from the top, zero past the end.
func (r *bitsAt) next() uint64 {
	var tail [8]byte
	b := r.b[min(r.pos>>3, len(r.b)):]
	if len(b) < 8 {
		copy(tail[:], b)
		b = tail[:]
	}
	return binary.BigEndian.Uint64(b) << (r.pos & 7)
}

// get reads n bits, at most 32.
func (r *bitsAt) get(n int) int {
	if n > r.left() {
		r.over = true
		r.pos = 8 * len(r.b)
		return 0
	}
	v := r.next() >> (64 - n)
	r.pos += n
	return int(v)
}

func (r *bitsAt) skip(n int) {
	if n < 0 || n > r.left() {
		r.over = true
		n = r.left()
	}
	r.pos += n
}

func (r *bitsAt) align() { r.pos = (r.pos + 7) &^ 7 }

// zero clears the n bits at the position and steps over them.
func (r *bitsAt) zero(n int) {
	if n < 0 || n > r.left() {
		r.over = true
		n = r.left()
	}
	for ; n > 0; n-- {
		r.b[r.pos>>3] &^= 0x80 >> (r.pos & 7)
		r.pos++
	}
}

// set writes the bytes of s at bit position pos.
func (r *bitsAt) set(pos int, s string) {
	for i := range len(s) * 8 {
		if s[i>>3]&(0x80>>(i&7)) != 0 {
			r.b[(pos+i)>>3] |= 0x80 >> ((pos + i) & 7)
		}
	}
}

// parseASC reads an AudioSpecificConfig (1.6.2.1) and rebuilds it: the comment of
// a program config is set to zero and what follows the last field is cut off.
func parseASC(asc []byte) (*aacConfig, []byte, Removed, error) {
	r := &bitsAt{b: append([]byte(nil), asc...)}
	c := &aacConfig{}
	removed := Removed(0)
	frequency := func() int {
		i := r.get(4)
		if i == 15 {
			r.skip(24)
		}
		return i
	}
	c.object = aacObject(r)
	c.frequency = frequency()
	channels := r.get(4)
	if c.object == 5 || c.object == 29 { // SBR, PS, given in front
		frequency()
		c.object = aacObject(r)
	}
	if r.over {
		return nil, nil, 0, damaged("AAC configuration")
	}
	if c.object < 1 || c.object > 4 {
		return nil, nil, 0, &UnsupportedError{Found: "AAC sound of an unusual kind (not AAC-LC or HE-AAC)", Hint: hintAAC}
	}
	c.short = r.get(1) == 1
	if r.get(1) == 1 {
		r.skip(14)
	}
	extension := r.get(1)
	if channels == 0 {
		removed |= scrubProgram(r)
	}
	if extension == 1 {
		r.skip(1)
	}
	if r.left() >= 16 {
		aacExtension(r, frequency)
	}
	if r.over {
		return nil, nil, 0, damaged("AAC configuration")
	}
	r.zero(-r.pos & 7)
	out := r.b[:r.pos/8]
	if len(bytes.Trim(asc[len(out):], "\x00")) > 0 {
		removed |= RemovedHidden
	}
	return c, out, removed, nil
}

func aacObject(r *bitsAt) int {
	if v := r.get(5); v != 31 {
		return v
	}
	return 32 + r.get(6)
}

// aacExtension reads the backward compatible signalling of SBR and PS, if it is
// what follows; otherwise it leaves the position where it was.
func aacExtension(r *bitsAt, frequency func() int) {
	at := r.pos
	if r.get(11) != 0x2b7 || aacObject(r) != 5 {
		r.pos = at
		return
	}
	if r.left() > 0 && r.get(1) == 1 {
		frequency()
		if r.left() >= 12 {
			at = r.pos
			if r.get(11) != 0x548 {
				r.pos = at
				return
			}
			r.skip(1)
		}
	}
}

// scrubProgram steps over a program_config_element (4.5.2.1) and clears its
// comment, where libavcodec writes its version.
func scrubProgram(r *bitsAt) Removed {
	r.skip(4 + 2 + 4)
	five := r.get(4) + r.get(4) + r.get(4) // front, side, back
	four := r.get(2) + r.get(3)            // low frequency, data
	five += r.get(4)                       // coupling
	for _, n := range []int{4, 4, 3} {     // mixdowns
		if r.get(1) == 1 {
			r.skip(n)
		}
	}
	r.skip(5*five + 4*four)
	r.align()
	return r.clear(8 * r.get(8))
}

// clear is zero, and says that software signed if there was anything to clear.
func (r *bitsAt) clear(n int) Removed {
	at, end := r.pos, r.pos+min(n, r.left())
	found := false
	for r.pos < end {
		found = r.get(1) == 1 || found
	}
	r.pos = at
	r.zero(n)
	if found {
		return RemovedSoftware
	}
	return 0
}

// Element kinds of a raw_data_block (4.4.2.1).
const (
	aacDSE = 4
	aacPCE = 5
	aacFIL = 6
	aacEND = 7
)

// scrub clears the payloads of fill, data stream and program elements in a frame
// (a raw_data_block). Fill elements that carry sound (SBR, parametric stereo,
// surround, dynamic range) stay. Elements in front of the sound are always
// found; those behind it, and bytes behind the end, only in AAC-LC and HE-AAC,
// and only if the frame can be read to its end.
func (c *aacConfig) scrub(frame []byte) (Removed, error) {
	if len(frame) > 1 && frame[0] == 0xff && frame[1]&0xf0 == 0xf0 {
		return 0, damaged("ADTS header in an MP4") // or it would be read as an end at once
	}
	r := &bitsAt{b: frame}
	removed, kind := r.scrubElements()
	if r.over {
		return 0, damaged("AAC frame")
	}
	if kind == aacEND {
		return removed | r.scrubRest(), nil
	}
	if kind < 0 || !c.canSkip() {
		return removed, nil
	}
	front := append([]byte(nil), frame...)
	skip := &aacSkip{bitsAt: r, bands: aacBandsOf[c.frequency]}
	later := Removed(0)
	for kind >= 0 && kind != aacEND && !r.over {
		skip.element(kind)
		if !r.over {
			var more Removed
			more, kind = r.scrubElements()
			later |= more
		}
	}
	if r.over || kind != aacEND {
		copy(frame, front)
		return removed, nil
	}
	return removed | later | r.scrubRest(), nil
}

// scrubElements clears elements up to the first one that is sound, or the end,
// and returns the kind of that one; -1 if there is none.
func (r *bitsAt) scrubElements() (removed Removed, kind int) {
	for !r.over && r.left() >= 3 {
		switch kind := r.get(3); kind {
		case aacFIL:
			n := r.get(4)
			if n == 15 {
				n += r.get(8) - 1
			}
			removed |= r.scrubFill(n)
		case aacDSE:
			r.skip(4)
			aligned := r.get(1)
			n := r.get(8)
			if n == 255 {
				n += r.get(8)
			}
			if aligned == 1 {
				r.align()
			}
			removed |= r.clear(8 * n)
		case aacPCE:
			removed |= scrubProgram(r)
		default:
			return removed, kind
		}
	}
	return removed, -1
}

// scrubRest clears what is behind the end of a frame.
func (r *bitsAt) scrubRest() Removed {
	if r.clear(r.left()) != 0 {
		return RemovedHidden
	}
	return 0
}

// scrubFill clears an extension_payload of n bytes (4.4.2.7) unless it is one
// that changes the sound.
func (r *bitsAt) scrubFill(n int) Removed {
	if n == 0 {
		return 0
	}
	if 8*n > r.left() {
		r.over = true
		return 0
	}
	at := r.pos
	switch kind := r.get(4); {
	case kind >= 0xb && kind <= 0xe, // dynamic range, surround, SBR
		kind == 1 && r.isFill(n): // the filling that the standard asks for
		r.pos = at + 8*n
		return 0
	}
	faac := r.isFAAC(at+4+13, at+8*n)
	r.pos = at
	removed := r.clear(8 * n)
	if faac {
		// Decoders know by this name that the first 1024 samples are silence to
		// skip; without it sound would start late. The version goes.
		r.set(at+4+13, "libfaac 0.0")
		removed &^= RemovedSoftware
	}
	return removed
}

// isFill says whether the rest of an extension_payload is the pattern of
// EXT_FILL_DATA.
func (r *bitsAt) isFill(n int) bool {
	if r.get(4) != 0 {
		return false
	}
	for range n - 1 {
		if r.get(8) != 0xa5 {
			return false
		}
	}
	return true
}

// isFAAC looks for FAAC's signature, "libfaac " and a version with a point.
func (r *bitsAt) isFAAC(pos, end int) bool {
	const name = "libfaac "
	if pos+8*(len(name)+3) > end {
		return false
	}
	r.pos = pos
	for i := range len(name) {
		if r.get(8) != int(name[i]) {
			return false
		}
	}
	digit := func() bool { c := r.get(8); return c >= '0' && c <= '9' }
	if !digit() {
		return false
	}
	for r.pos+16 <= end {
		c := r.get(8)
		if c == '.' {
			return digit()
		}
		if c < '0' || c > '9' {
			return false
		}
	}
	return false
}
