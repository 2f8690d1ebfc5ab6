package strip

// A picture's coded data is walked, not decoded: how many bits a symbol takes
// with the bits behind it is all that is needed to find where the last block
// ends. What a decoder would not read after that point is not copied.

// fastBits is how many bits the look-up of one symbol takes.
const fastBits = 11

// huffman is one Huffman table (T.81 annex C and F.2.2.3).
type huffman struct {
	fast   [1 << fastBits]uint16 // length<<8 | symbol; 0: longer than fastBits
	many   []uint16              // for sequential AC: see buildMany
	skip   *[1 << fastBits]byte  // for sequential DC: see buildSkip
	least  [18]int32             // by length: the smallest code, -1 if none
	most   [18]int32             // by length: the largest code, -1 if none
	first  [18]int32             // by length: the index of its first symbol
	symbol []byte
}

// manyWidth is how many bits a look-up for several symbols takes, and the rest
// are the fields of what it finds.
const (
	manyWidth = 12
	manyBits  = 0x3f // bits of all symbols with the bits behind them
	manyShift = 6    // above: how far the coefficients advance
	manyEOB   = 64   // is added to that if the block ends then
	manyNone  = 127  // instead of that: look for one symbol
)

// newHuffman builds a table from a DHT body: class and number, 16 counts, symbols.
func newHuffman(body []byte, dc bool) (*huffman, error) {
	h := &huffman{symbol: body[17:]}
	code, k := int32(0), int32(0)
	for length := 1; length <= 16; length++ {
		n := int32(body[length])
		h.least[length], h.most[length], h.first[length] = code, code+n-1, k
		if code+n > 1<<length {
			return nil, damaged("huffman table with too many codes")
		}
		for i := range n {
			symbol := h.symbol[k+i]
			if dc && symbol > 15 {
				return nil, damaged("huffman table with an impossible symbol")
			}
			if length <= fastBits {
				from := (code + i) << (fastBits - length)
				for f := range int32(1) << (fastBits - length) {
					h.fast[from+f] = uint16(length)<<8 | uint16(symbol)
				}
			}
		}
		code, k = (code+n)<<1, k+n
	}
	return h, nil
}

// next decodes the symbol at the top of v. A length of 0 is no code at all.
func (h *huffman) next(v uint64) (symbol byte, length int) {
	if e := h.fast[v>>(64-fastBits)]; e != 0 {
		return byte(e), int(e >> 8)
	}
	for length = fastBits + 1; length <= 16; length++ {
		code := int32(v >> (64 - length))
		if code >= h.least[length] && code <= h.most[length] {
			return h.symbol[h.first[length]+code-h.least[length]], length
		}
	}
	return 0, 0
}

// buildMany makes the table by which a sequential AC walk takes several symbols
// at once: as many as have their codes whole in manyWidth bits. The bits behind
// the last symbol may reach further, as only their number counts.
func (h *huffman) buildMany() {
	if h.many != nil {
		return
	}
	h.many = make([]uint16, 1<<manyWidth)
	for i := range h.many {
		used, steps, end := 0, 0, 0
		for used < manyWidth {
			symbol, length := h.next(uint64(i) << (64 - manyWidth + used))
			run, size := int(symbol>>4), int(symbol&15)
			if length == 0 || used+length > manyWidth || size == 0 && run > 0 && run < 15 {
				break
			}
			used += length + size
			if symbol == 0 {
				end = manyEOB
				break
			}
			steps += run + 1
		}
		h.many[i] = manyNone << manyShift
		if used > 0 && steps < 63 {
			h.many[i] = uint16((end+steps)<<manyShift | used)
		}
	}
}

// buildSkip makes the table of how many bits a DC symbol takes with the bits
// behind it; 0: its code is longer than fastBits, or there is none.
func (h *huffman) buildSkip() {
	if h.skip != nil {
		return
	}
	h.skip = new([1 << fastBits]byte)
	for i, e := range h.fast {
		if e != 0 {
			h.skip[i] = byte(e>>8) + byte(e)
		}
	}
}
