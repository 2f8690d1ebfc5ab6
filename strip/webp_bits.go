package strip

import "encoding/binary"

// bitReader reads a range of a file bit by bit, the lowest first, as VP8L does.
// Behind the end it gives zeros, and check says so.
type bitReader struct {
	in   *input
	off  int64 // of the next byte that is not in bits
	end  int64
	buf  []byte // the part of the window from off on
	bits uint64
	n    int   // bits in bits
	err  error // of the source
}

// fill makes sure that at least 56 bits are there.
func (r *bitReader) fill() {
	if len(r.buf) >= 8 {
		r.bits |= binary.LittleEndian.Uint64(r.buf) << r.n
		taken := (63 - r.n) >> 3
		r.buf, r.off, r.n = r.buf[taken:], r.off+int64(taken), r.n+8*taken
		return
	}
	for r.n < 56 {
		var b byte
		switch {
		case len(r.buf) > 0:
			b = r.buf[0]
			r.buf = r.buf[1:]
		case r.off < r.end:
			if r.buf, r.err = r.in.rest(r.off, r.end-r.off); r.err != nil {
				r.end = r.off
				continue
			}
			b = r.buf[0]
			r.buf = r.buf[1:]
		}
		r.bits |= uint64(b) << r.n
		r.n += 8
		r.off++ // behind the end too: used compares with it
	}
}

// read returns the next n bits, at most 32.
func (r *bitReader) read(n int) uint32 {
	r.fill()
	v := uint32(r.bits & (1<<n - 1))
	r.bits >>= n
	r.n -= n
	return v
}

// used is the offset behind the last byte of which a bit was read, and how many
// bits of that byte were.
func (r *bitReader) used() (off int64, bits int) {
	return r.off - int64(r.n/8), 8 - r.n%8
}

// check says whether what was read so far was there.
func (r *bitReader) check() error {
	if r.err != nil {
		return r.err
	}
	if off, _ := r.used(); off > r.end {
		return damaged("picture data is cut short")
	}
	return nil
}

// prefixCode is one prefix code of VP8L (RFC 9649 section 3.7.2).
type prefixCode struct {
	fast   [256]uint16 // symbol<<4 | length by the next 8 bits; 0: longer
	count  [16]uint16  // codes by length
	symbol []uint16    // in the order of their codes
	single bool        // one symbol that takes no bits
}

// newPrefixCode builds a code from the length of each symbol. It must be
// complete.
func newPrefixCode(lengths []byte) (*prefixCode, error) {
	c := &prefixCode{}
	used := 0
	for _, l := range lengths {
		c.count[l]++
		if l > 0 {
			used++
		}
	}
	c.count[0] = 0
	c.symbol = make([]uint16, used)
	var next [17]int
	left := 1
	for l := 1; l < 16; l++ {
		next[l+1] = next[l] + int(c.count[l])
		left = left<<1 - int(c.count[l])
		if left < 0 {
			return nil, damaged("prefix code of wrong form")
		}
	}
	for s, l := range lengths {
		if l > 0 {
			c.symbol[next[l]] = uint16(s)
			next[l]++
		}
	}
	if used == 1 {
		c.single = true
		return c, nil
	}
	if used == 0 || left != 0 {
		return nil, damaged("prefix code of wrong form")
	}
	code, k := 0, 0
	for l := 1; l <= 8; l++ {
		for range c.count[l] {
			reversed := 0
			for b := range l {
				reversed |= code >> b & 1 << (l - 1 - b)
			}
			for f := reversed; f < 256; f += 1 << l {
				c.fast[f] = c.symbol[k]<<4 | uint16(l)
			}
			code, k = code+1, k+1
		}
		code <<= 1
	}
	return c, nil
}

// next reads one symbol. The caller has filled r with 15 bits or more.
func (c *prefixCode) next(r *bitReader) int {
	if c.single {
		return int(c.symbol[0])
	}
	if e := c.fast[r.bits&0xff]; e != 0 {
		r.bits >>= e & 15
		r.n -= int(e & 15)
		return int(e >> 4)
	}
	code, first, index := 0, 0, 0
	for l := 1; l < 16; l++ {
		code |= int(r.bits >> (l - 1) & 1)
		count := int(c.count[l])
		if code-first < count {
			r.bits >>= l
			r.n -= l
			return int(c.symbol[index+code-first])
		}
		index, first, code = index+count, (first+count)<<1, code<<1
	}
	return 0 // not reached: the code is complete
}
