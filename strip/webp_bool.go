package strip

import "math/bits"

// boolReader decodes the arithmetic code of one VP8 partition (RFC 6386 section
// 7). It loads a byte only when a decision depends on it, so that what it has
// loaded is what the partition needs.
type boolReader struct {
	in     *input
	off    int64 // of the next byte to load into buf
	end    int64 // of the partition
	buf    [1024]byte
	at, n  int // the next byte of buf, and how many there are
	taken  int64
	spread uint32 // range minus 1
	value  uint32
	ready  int // bits of value that are loaded
	over   bool
	err    error // of the source
}

func (r *boolReader) start(in *input, off, size int64) {
	*r = boolReader{in: in, off: off, end: off + size, spread: 254}
}

// load appends the next byte to value.
func (r *boolReader) load() {
	if r.at == r.n {
		r.at, r.n = 0, int(min(r.end-r.off, int64(len(r.buf))))
		if r.n == 0 || r.err != nil {
			r.over, r.n = true, 0
			r.ready += 8
			return
		}
		_, r.err = readFull(r.in.src, r.buf[:r.n], r.off)
		r.off += int64(r.n)
	}
	r.value |= uint32(r.buf[r.at]) << (8 - r.ready)
	r.at++
	r.taken++
	r.ready += 8
}

// bit decodes one decision; prob is how likely it is false, of 256.
func (r *boolReader) bit(prob byte) bool {
	if r.ready < 8 {
		r.load()
	}
	split := r.spread*uint32(prob)>>8 + 1
	is := r.value >= split<<8
	if is {
		r.spread -= split
		r.value -= split << 8
	} else {
		r.spread = split - 1
	}
	if r.spread < 127 {
		shift := bits.LeadingZeros8(uint8(r.spread + 1))
		r.spread = (r.spread+1)<<shift - 1
		r.value <<= shift
		r.ready -= shift
	}
	return is
}

// uint decodes n even decisions, the highest first.
func (r *boolReader) uint(n int) (v int) {
	for range n {
		v <<= 1
		if r.bit(128) {
			v |= 1
		}
	}
	return v
}

// skip steps over a number of n bits with a sign, if a flag says that there is one.
func (r *boolReader) skip(n int) {
	if r.bit(128) {
		r.uint(n + 1)
	}
}
