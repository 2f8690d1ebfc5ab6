package strip

import (
	"bytes"
	"io"
	"math/bits"
)

// nalFilter writes the samples of a video track without the NAL units that are
// not on the allowlist. It runs twice over every sample: first with dst nil, to
// learn the new size, then to write those samples that the first run did not
// find equal already.
type nalFilter struct {
	w          *mp4Window
	dst        io.Writer
	lengthSize int

	n       int64 // bytes of the sample written or counted so far
	changed bool  // the result is not the source
	removed Removed
}

// sample filters the sample of n bytes at off.
func (f *nalFilter) sample(off, n int64) error {
	f.n, f.changed = 0, false
	end := off + n
	for off < end {
		if end-off < int64(f.lengthSize) {
			return f.padding(off, end)
		}
		h, err := f.w.at(off, f.lengthSize)
		if err != nil {
			return err
		}
		size := int64(0)
		for _, c := range h {
			size = size<<8 | int64(c)
		}
		off += int64(f.lengthSize)
		if size > end-off {
			return damaged("NAL unit larger than its sample")
		}
		if err := f.units(off, size); err != nil {
			return err
		}
		off += size
	}
	return nil
}

// padding accepts a few zero bytes where a length would have to be.
func (f *nalFilter) padding(off, end int64) error {
	b, err := f.w.at(off, int(end-off))
	if err != nil {
		return err
	}
	if len(bytes.Trim(b, "\x00")) > 0 {
		return damaged("bytes after the last NAL unit")
	}
	f.changed = true
	return nil
}

// units does for n bytes at off, of any length, what nalSplit does in memory.
func (f *nalFilter) units(off, n int64) error {
	end, start := off+n, off
	if n == 0 {
		f.changed = true // an empty unit is left out
		return nil
	}
	for start < end {
		first, stop, next, err := f.unit(start, end)
		if err != nil {
			return err
		}
		if next > end {
			next = end
		} else {
			f.changed = true // a start code becomes a length
		}
		if stop > start {
			if err := f.write(first, start, stop-start); err != nil {
				return err
			}
		}
		start = next
	}
	return nil
}

// unit finds where the unit at start ends and where the next one begins, which
// is past end if there is none.
func (f *nalFilter) unit(start, end int64) (first byte, stop, next int64, err error) {
	last := byte(1) // the byte before the window's first
	for at := start; ; {
		b, err := f.w.some(at, end-at)
		if err != nil {
			return 0, 0, 0, err
		}
		if at == start {
			first = b[0]
		}
		if i := nalStart(b); i >= 0 {
			stop = at + int64(i)
			if i > 0 {
				last = b[i-1]
			}
			if last == 0 && stop > start {
				stop--
			}
			return first, stop, at + int64(i) + 3, nil
		}
		if at+int64(len(b)) >= end {
			return first, end, end + 1, nil
		}
		// A start code may lie across two windows; some gives at least three
		// bytes unless fewer are left, so this always advances.
		step := int64(len(b) - 2)
		last = b[step-1]
		at += step
	}
}

// write puts one unit, which begins with first, into the result, if it may.
func (f *nalFilter) write(first byte, off, n int64) error {
	kind := first & 0x1f
	switch {
	case first&0x80 != 0: // forbidden_zero_bit: decoders skip it
	case nalKeep[kind]:
		if err := f.length(n); err != nil {
			return err
		}
		f.n += n
		if f.dst == nil {
			return nil
		}
		return f.w.copyTo(f.dst, off, n)
	case kind == nalSEI && n <= seiMost:
		b, err := f.w.at(off, int(n))
		if err != nil {
			return err
		}
		out, removed := filterSEI(b)
		f.removed |= removed
		return f.rebuilt(out, b)
	case kind == nalAUD && n >= 2:
		b, err := f.w.at(off, int(min(n, 3)))
		if err != nil {
			return err
		}
		return f.rebuilt([]byte{nalAUD, b[1]&0xe0 | 0x10}, b)
	case kind == 10 || kind == 11: // end of sequence, of stream
		b, err := f.w.at(off, int(min(n, 2)))
		if err != nil {
			return err
		}
		return f.rebuilt([]byte{kind}, b)
	case kind == 12: // filler
	case kind == nalSEI:
		f.removed |= RemovedOther
	default:
		f.removed |= RemovedOther
	}
	f.changed = true
	return nil
}

// rebuilt writes out in the place of the unit b.
func (f *nalFilter) rebuilt(out, b []byte) error {
	if !bytes.Equal(out, b) {
		f.changed = true
	}
	if len(out) == 0 {
		return nil
	}
	if err := f.length(int64(len(out))); err != nil {
		return err
	}
	f.n += int64(len(out))
	if f.dst == nil {
		return nil
	}
	_, err := f.dst.Write(out)
	return err
}

// length writes the length in front of a unit.
func (f *nalFilter) length(n int64) error {
	if bits.Len64(uint64(n)) > 8*f.lengthSize {
		return damaged("NAL unit too long for its length")
	}
	f.n += int64(f.lengthSize)
	if f.dst == nil {
		return nil
	}
	b := [4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}
	_, err := f.dst.Write(b[4-f.lengthSize:])
	return err
}
