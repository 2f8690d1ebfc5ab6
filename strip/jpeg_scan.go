package strip

import (
	"bytes"
	"encoding/binary"
)

// walkPad is more than the bits of one block can take: 64 symbols of 16 bits
// with 15 bits behind each are 248 bytes.
const walkPad = 512

// jpegWalk is a position in the data between two markers, with the stuffed
// zeros taken out. What is behind the position is written as it leaves buf.
type jpegWalk struct {
	buf   []byte
	n     int  // bytes of buf that are data; walkPad zeros follow
	bit   int  // position
	safe  int  // up to this position a block can be walked without a look
	whole bool // the data up to the next marker is in buf
}

// scanData walks the data of one scan, interval by interval, and copies it.
func (j *jpegFile) scanData(s *jpegScan) error {
	unit := s.unit()
	for done := 0; ; {
		n := s.mcus - done
		if s.restart > 0 {
			n = min(n, s.restart)
		}
		j.walk.start()
		if err := j.refill(); err != nil {
			return err
		}
		if err := j.interval(s, unit, done, n); err != nil {
			return err
		}
		if err := j.finish(); err != nil {
			return err
		}
		if done += n; done == s.mcus {
			return nil
		}
		number := byte((done/s.restart - 1) & 7)
		if b, err := j.in.bytes(j.off, 2); err != nil || b[1] != mRST0+number {
			return damaged("picture data is cut short or out of order")
		}
		j.out.WriteByte(0xff)
		j.out.WriteByte(mRST0 + number)
		j.off += 2
	}
}

// jpegBlock names the tables of one block of a unit (MCU).
type jpegBlock struct{ dc, ac *huffman }

func (s *jpegScan) unit() []jpegBlock {
	var unit []jpegBlock
	for i, c := range s.comps {
		n := 1
		if len(s.comps) > 1 {
			n = int(c.h) * int(c.v)
		}
		for range n {
			unit = append(unit, jpegBlock{s.dcTabs[i], s.acTabs[i]})
		}
	}
	return unit
}

// interval walks n units, the first of which is number done of the scan.
func (j *jpegFile) interval(s *jpegScan, unit []jpegBlock, done, n int) error {
	switch {
	case !j.frame.progressive:
		return j.walkSequential(unit, n)
	case s.from == 0 && s.high == 0:
		return j.walkDC(unit, n)
	case s.from == 0:
		return j.walkBits(n * len(unit))
	case s.high == 0:
		return j.walkAC(s, done, n)
	}
	return j.walkRefine(s, done, n)
}

func (w *jpegWalk) start() {
	if w.buf == nil {
		w.buf = make([]byte, windowSize+walkPad)
	}
	w.n, w.bit, w.whole = 0, 0, false
}

// refill writes what has been walked and reads on, up to the next marker. It
// fails if the position is behind the end of the data.
func (j *jpegFile) refill() error {
	w := &j.walk
	if w.bit > 8*w.n {
		return damaged("picture data is cut short")
	}
	if w.whole {
		return nil
	}
	walked := w.bit >> 3
	j.stuff(w.buf[:walked])
	w.n = copy(w.buf, w.buf[walked:w.n])
	w.bit &= 7
	for w.n < windowSize && !w.whole {
		if err := j.unstuff(); err != nil {
			return err
		}
	}
	clear(w.buf[w.n:min(w.n+walkPad, len(w.buf))])
	w.safe = 8 * (w.n - walkPad/2)
	if w.whole {
		w.safe = 8 * w.n
	}
	return nil
}

// unstuff appends the data up to the next 0xff, and that if it is data.
func (j *jpegFile) unstuff() error {
	w := &j.walk
	if j.off >= j.in.size {
		w.whole = true
		return nil
	}
	b, err := j.in.rest(j.off, int64(windowSize-w.n))
	if err != nil {
		return err
	}
	i := bytes.IndexByte(b, 0xff)
	if i < 0 {
		i = len(b)
	}
	w.n += copy(w.buf[w.n:], b[:i])
	j.off += int64(i)
	if i == len(b) {
		return nil
	}
	if len(b) < i+2 {
		if j.off+2 > j.in.size {
			w.whole = true
			return nil
		}
		if b, err = j.in.bytes(j.off, 2); err != nil {
			return err
		}
		i = 0
	}
	switch b[i+1] {
	case 0:
		w.buf[w.n] = 0xff
		w.n++
		j.off += 2
	case 0xff: // a fill byte before a marker
		j.off++
	default:
		w.whole = true
	}
	return nil
}

// stuff writes data with a zero behind every 0xff.
func (j *jpegFile) stuff(b []byte) {
	for len(b) > 0 {
		i := bytes.IndexByte(b, 0xff)
		if i < 0 {
			j.out.Write(b)
			return
		}
		j.out.Write(b[:i+1])
		j.out.WriteByte(0)
		b = b[i+1:]
	}
}

// finish ends an interval: the bits that fill its last byte are set to one, as
// T.81 F.1.2.3 asks, and what follows up to the marker is left out.
func (j *jpegFile) finish() error {
	w := &j.walk
	if w.bit > 8*w.n {
		return damaged("picture data is cut short")
	}
	end := (w.bit + 7) >> 3
	if w.bit&7 != 0 {
		w.buf[end-1] |= 0xff >> (w.bit & 7)
	}
	j.stuff(w.buf[:end])
	if end < w.n {
		j.removed |= RemovedHidden
	}
	for w.n = 0; !w.whole; w.n = 0 {
		if err := j.unstuff(); err != nil {
			return err
		}
		if w.n > 0 {
			j.removed |= RemovedHidden
		}
	}
	return nil
}

// top returns at least 57 bits from bit position p on.
func top(b []byte, p int) uint64 {
	return binary.BigEndian.Uint64(b[p>>3:]) << (p & 7)
}

var errNoCode = damaged("picture data does not decode")

// walkSequential walks whole blocks (T.81 F.2.2). The next bits of the data are
// in v, from the top: n of them count, of which the first is bit 8*at-n. What
// else is in v comes again with the next load.
func (j *jpegFile) walkSequential(unit []jpegBlock, n int) error {
	for _, b := range unit {
		b.dc.buildSkip()
		b.ac.buildMany()
	}
	w := &j.walk
	v, have, at := uint64(0), uint(0), 0
	for range n {
		for _, b := range unit {
			if have == 0 || 8*at-int(have) > w.safe {
				if at > 0 {
					w.bit = 8*at - int(have)
				}
				if err := j.refill(); err != nil {
					return err
				}
				at = w.bit>>3 + 1
				v, have = uint64(w.buf[at-1])<<56<<(w.bit&7), uint(8-w.bit&7)
			}
			if v, have, at = walkBlock(w.buf, v, have, at, b.dc, b.ac); at == 0 {
				return errNoCode
			}
		}
	}
	w.bit = 8*at - int(have)
	return nil
}

// walkBlock walks one block and returns where it ends; at is 0 if it does not
// decode.
func walkBlock(buf []byte, v uint64, n uint, at int, dc, ac *huffman) (uint64, uint, int) {
	many := (*[1 << manyWidth]uint16)(ac.many)
	v |= binary.BigEndian.Uint64(buf[at:]) >> (n & 63) // now there are 56 or more
	at += int(63-n) >> 3
	n |= 56
	bits := uint(dc.skip[v>>(64-fastBits)])
	if bits == 0 {
		size, length := dc.next(v)
		if length == 0 {
			return 0, 0, 0
		}
		bits = uint(length) + uint(size)
	}
	v <<= bits & 63
	n -= bits
	for k := uint(1); ; {
		v |= binary.BigEndian.Uint64(buf[at:]) >> (n & 63)
		at += int(63-n) >> 3
		n |= 56
		// Two look-ups take at most 2*(12+15) bits.
		e := uint(many[v>>(64-manyWidth)])
		if k += e >> manyShift; k < 64 {
			v <<= e & manyBits
			n -= e & manyBits
			e = uint(many[v>>(64-manyWidth)])
			if k += e >> manyShift; k < 64 {
				v <<= e & manyBits
				n -= e & manyBits
				continue
			}
		}
		steps := e >> manyShift
		if k == 64 || steps >= manyEOB && steps != manyNone && k-manyEOB < 64 { // the block ends with a symbol of e
			return v << (e & manyBits), n - e&manyBits, at
		}
		k -= steps
		// One symbol: a long code, or the block may end within several.
		v |= binary.BigEndian.Uint64(buf[at:]) >> (n & 63)
		at += int(63-n) >> 3
		n |= 56
		symbol, length := ac.next(v)
		bits := uint(length) + uint(symbol&15)
		v <<= bits & 63
		n -= bits
		switch {
		case length == 0:
			return 0, 0, 0
		case symbol == 0:
			return v, n, at
		case symbol&15 == 0 && symbol < 0xf0: // has a meaning in progressive pictures only
			return 0, 0, 0
		}
		if k += uint(symbol>>4) + 1; k >= 64 {
			if k > 64 {
				return 0, 0, 0
			}
			return v, n, at
		}
	}
}
