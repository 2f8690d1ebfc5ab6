package strip

import "math/bits"

// blockMap has one bit for each coefficient that is not zero, in pages that are
// made when first needed. To refine a band one bit follows for each of them, so
// they must be known (T.81 G.1.2.3).
type blockMap struct{ pages []*[pageBlocks]uint64 }

const pageBlocks = 512

// blocksMost bounds the maps of a progressive picture to 32 MiB: 180 million
// pixels at the usual sampling.
const blocksMost = 4 << 20

// fitMaps prepares the maps of a progressive frame.
func (f *jpegFrame) fitMaps() error {
	total := 0
	for _, c := range f.comps {
		total += c.wide * c.high
	}
	if total > blocksMost {
		return &UnsupportedError{Found: "progressive JPEG of very many pixels", Hint: "send a smaller copy of it"}
	}
	for _, c := range f.comps {
		c.nonzero.pages = make([]*[pageBlocks]uint64, ceil(c.wide*c.high, pageBlocks))
	}
	return nil
}

// set adds coefficients to a block.
func (m *blockMap) set(block int, coefficients uint64) {
	if coefficients == 0 {
		return
	}
	p := &m.pages[block/pageBlocks]
	if *p == nil {
		*p = new([pageBlocks]uint64)
	}
	(*p)[block%pageBlocks] |= coefficients
}

func (m *blockMap) get(block int) uint64 {
	if p := m.pages[block/pageBlocks]; p != nil {
		return p[block%pageBlocks]
	}
	return 0
}

// walkDC walks the first scan of DC coefficients (T.81 G.1.2.1).
func (j *jpegFile) walkDC(unit []jpegBlock, n int) error {
	w := &j.walk
	for range n {
		for _, b := range unit {
			if w.bit > w.safe {
				if err := j.refill(); err != nil {
					return err
				}
			}
			size, length := b.dc.next(top(w.buf, w.bit))
			if length == 0 {
				return errNoCode
			}
			w.bit += length + int(size)
		}
	}
	return nil
}

// walkBits steps over n bits: refined DC coefficients have one for each block.
func (j *jpegFile) walkBits(n int) error {
	w := &j.walk
	for n > 0 {
		if w.bit == 8*w.n {
			if err := j.refill(); err != nil {
				return err
			}
		}
		step := min(n, 8*w.n-w.bit)
		if step <= 0 {
			return damaged("picture data is cut short")
		}
		w.bit += step
		n -= step
	}
	return nil
}

// walkAC walks a band of AC coefficients for the first time (T.81 G.1.2.2).
func (j *jpegFile) walkAC(s *jpegScan, done, n int) error {
	w, h, m := &j.walk, s.acTabs[0], &s.comps[0].nonzero
	for block, end := done, done+n; block < end; {
		if w.bit > w.safe {
			if err := j.refill(); err != nil {
				return err
			}
		}
		var set uint64
		blocks := 1
		for k := s.from; k <= s.to; k++ {
			v := top(w.buf, w.bit)
			symbol, length := h.next(v)
			if length == 0 {
				return errNoCode
			}
			run, size := int(symbol>>4), int(symbol&15)
			w.bit += length + size
			if size == 0 && run < 15 { // this block and more end here
				w.bit += run
				blocks = 1<<run + int(v<<length>>(64-run))
				break
			}
			if k += run; k > s.to {
				return errNoCode
			}
			if size > 0 {
				set |= 1 << k
			}
		}
		m.set(block, set)
		if block += blocks; block > end { // decoders disagree on what that means
			return errNoCode
		}
	}
	return nil
}

// walkRefine walks a band of AC coefficients again, for one more bit of each
// (T.81 G.1.2.3).
func (j *jpegFile) walkRefine(s *jpegScan, done, n int) error {
	w, m := &j.walk, &s.comps[0].nonzero
	ended := 0 // blocks still to come that have no new coefficient
	for block, end := done, done+n; block < end; block++ {
		if ended > 0 && block%pageBlocks == 0 && m.pages[block/pageBlocks] == nil {
			step := min(ended, pageBlocks, end-block) // nothing here to refine
			ended -= step
			block += step - 1
			continue
		}
		if w.bit > w.safe {
			if err := j.refill(); err != nil {
				return err
			}
		}
		old := m.get(block)
		k := s.from
		if ended == 0 {
			var set uint64
			var ok bool
			if k, set, ended, ok = w.refineBlock(s, old); !ok {
				return errNoCode
			}
			m.set(block, set)
		}
		if k <= s.to {
			w.bit += bits.OnesCount64(old & band(k, s.to))
			ended--
		}
	}
	if ended > 0 {
		return errNoCode
	}
	return nil
}

// band is the set of the coefficients from..to.
func band(from, to int) uint64 { return ^uint64(0) << from & (^uint64(0) >> (63 - to)) }

// refineBlock walks the symbols of one block whose coefficients old were set
// before. It returns where they end, the new coefficients, and how many blocks
// end there, this one included; 0 if the block is full.
func (w *jpegWalk) refineBlock(s *jpegScan, old uint64) (k int, set uint64, ended int, ok bool) {
	for k = s.from; k <= s.to; {
		v := top(w.buf, w.bit)
		symbol, length := s.acTabs[0].next(v)
		if length == 0 {
			return 0, 0, 0, false
		}
		run, size := int(symbol>>4), int(symbol&15)
		w.bit += length
		if size == 0 && run < 15 {
			w.bit += run
			return k, set, 1<<run + int(v<<length>>(64-run)), true
		}
		if size > 1 {
			return 0, 0, 0, false
		}
		w.bit += size // the sign
		zeros := ^old & band(k, s.to)
		for ; run > 0 && zeros != 0; run-- {
			zeros &= zeros - 1
		}
		if zeros == 0 { // a run of zeros may reach over the end, a coefficient must not
			w.bit += bits.OnesCount64(old & band(k, s.to))
			return s.to + 1, set, 0, size == 0
		}
		at := bits.TrailingZeros64(zeros)
		w.bit += bits.OnesCount64(old & band(k, at))
		if size == 1 {
			set |= 1 << at
		}
		k = at + 1
	}
	return k, set, 0, true
}
