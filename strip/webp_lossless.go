package strip

// What a lossless picture may ask for. libwebp writes at most 2600 groups of
// codes, and a map of them of at most 2600 blocks.
const (
	vp8lGroupsMost = 2600
	vp8lMapMost    = 1 << 20
	vp8lWorkMost   = 1 << 28 // symbols read in one file
)

// vp8l walks a lossless picture (RFC 9649 section 3): it reads every symbol to
// find where the last one ends. Pixels are kept of one small picture only, the
// map from blocks to groups of codes.
type vp8l struct {
	r    bitReader
	work *int
}

type vp8lGroup struct{ green, red, blue, alpha, distance *prefixCode }

// measureLossless walks a picture at off and returns the size of its data and
// which bits of the last byte belong to it.
func (w *webpFile) measureLossless(off, end int64, width, height int) (size int64, mask byte, err error) {
	d := &vp8l{r: bitReader{in: w.in, off: off, end: end}, work: &w.work}
	seen := 0
	for d.r.read(1) == 1 {
		if err := d.r.check(); err != nil {
			return 0, 0, err
		}
		kind := d.r.read(2)
		if seen&(1<<kind) != 0 {
			return 0, 0, damaged("transform given twice")
		}
		seen |= 1 << kind
		switch kind {
		case 0, 1: // predictor and colour: a picture of blocks
			bits := int(d.r.read(3)) + 2
			err = d.image(blocks(width, bits), blocks(height, bits), false, nil)
		case 3: // palette: pixels may be packed
			colours := int(d.r.read(8)) + 1
			err = d.image(colours, 1, false, nil)
			switch {
			case colours <= 2:
				width = blocks(width, 3)
			case colours <= 4:
				width = blocks(width, 2)
			case colours <= 16:
				width = blocks(width, 1)
			}
		}
		if err != nil {
			return 0, 0, err
		}
	}
	if err := d.image(width, height, true, nil); err != nil {
		return 0, 0, err
	}
	last, bits := d.r.used()
	return last - off, byte(1<<bits - 1), nil
}

func blocks(n, bits int) int { return (n + 1<<bits - 1) >> bits }

// image walks one entropy-coded picture; into, if not nil, receives its pixels.
func (d *vp8l) image(width, height int, main bool, into []uint32) error {
	cacheBits := 0
	if d.r.read(1) == 1 {
		if cacheBits = int(d.r.read(4)); cacheBits < 1 || cacheBits > 11 {
			return damaged("colour cache of impossible size")
		}
	}
	groups, bits := 1, 0
	var blockMap []uint32
	if main && d.r.read(1) == 1 {
		bits = int(d.r.read(3)) + 2
		n := blocks(width, bits) * blocks(height, bits)
		if n > vp8lMapMost {
			return &UnsupportedError{Found: "WebP of very many pixels", Hint: "send a smaller copy of it"}
		}
		blockMap = make([]uint32, n)
		if err := d.image(blocks(width, bits), blocks(height, bits), false, blockMap); err != nil {
			return err
		}
		for i, p := range blockMap {
			blockMap[i] = p >> 8 & 0xffff
			groups = max(groups, int(blockMap[i])+1)
		}
		if groups > vp8lGroupsMost {
			return damaged("too many prefix codes")
		}
	}
	list := make([]vp8lGroup, groups)
	for i := range list {
		g := &list[i]
		for k, c := range []**prefixCode{&g.green, &g.red, &g.blue, &g.alpha, &g.distance} {
			symbols := []int{280, 256, 256, 256, 40}[k]
			if k == 0 && cacheBits > 0 {
				symbols += 1 << cacheBits
			}
			var err error
			if *c, err = d.code(symbols); err != nil {
				return err
			}
		}
	}
	return d.pixels(width, height, list, blockMap, bits, cacheBits, into)
}

// pixels walks the pixels of a picture whose codes are known.
func (d *vp8l) pixels(width, height int, groups []vp8lGroup, blockMap []uint32, bits, cacheBits int, into []uint32) error {
	var cache []uint32
	if into != nil {
		cache = make([]uint32, 1<<cacheBits)
	}
	keep := func(at int, p uint32) {
		into[at] = p
		if cacheBits > 0 {
			cache[p*0x1e35a7bd>>(32-cacheBits)] = p
		}
	}
	r, total := &d.r, width*height
	g := &groups[0]
	if blockMap == nil && into == nil && g.green.single && g.green.symbol[0] < 256 &&
		g.red.single && g.blue.single && g.alpha.single {
		return r.check() // one colour that takes no bits
	}
	for at := 0; at < total; {
		if *d.work++; *d.work > vp8lWorkMost {
			return &UnsupportedError{Found: "WebP of very many pixels", Hint: "send a smaller copy of it"}
		}
		if *d.work&0xfff == 0 {
			if err := r.check(); err != nil {
				return err
			}
		}
		if blockMap != nil {
			g = &groups[blockMap[(at/width)>>bits*blocks(width, bits)+(at%width)>>bits]]
		}
		r.fill()
		green := g.green.next(r)
		switch {
		case green < 256:
			red := g.red.next(r)
			r.fill()
			blue := g.blue.next(r)
			alpha := g.alpha.next(r)
			if into != nil {
				keep(at, uint32(alpha)<<24|uint32(red)<<16|uint32(green)<<8|uint32(blue))
			}
			at++
		case green < 280:
			length := d.extra(green - 256)
			r.fill()
			distance := planeDistance(d.extra(g.distance.next(r)), width)
			if distance > at || length > total-at {
				return damaged("copy from outside of the picture")
			}
			if into == nil {
				at += length
				continue
			}
			for range length {
				keep(at, into[at-distance])
				at++
			}
		default:
			if into != nil {
				keep(at, cache[green-280])
			}
			at++
		}
	}
	return r.check()
}

// extra reads the value of a length or distance symbol (RFC 9649 section 3.6.2.2).
func (d *vp8l) extra(symbol int) int {
	if symbol < 4 {
		return symbol + 1
	}
	bits := (symbol - 2) >> 1
	return (2+symbol&1)<<bits + int(d.r.read(bits)) + 1
}

// planeCodes are the neighbours that short distance codes stand for: rows up in
// the high half, 8 minus the column in the low half (RFC 9649 section 3.6.2.2).
const planeCodes = "\x18\x07\x17\x19\x28\x06\x27\x29\x16\x1a\x26\x2a\x38\x05\x37\x39\x15\x1b\x36\x3a" +
	"\x25\x2b\x48\x04\x47\x49\x14\x1c\x35\x3b\x46\x4a\x24\x2c\x58\x45\x4b\x34\x3c\x03" +
	"\x57\x59\x13\x1d\x56\x5a\x23\x2d\x44\x4c\x55\x5b\x33\x3d\x68\x02\x67\x69\x12\x1e" +
	"\x66\x6a\x22\x2e\x54\x5c\x43\x4d\x65\x6b\x32\x3e\x78\x01\x77\x79\x53\x5d\x11\x1f" +
	"\x64\x6c\x42\x4e\x76\x7a\x21\x2f\x75\x7b\x31\x3f\x63\x6d\x52\x5e\x00\x74\x7c\x41" +
	"\x4f\x10\x20\x62\x6e\x30\x73\x7d\x51\x5f\x40\x72\x7e\x61\x6f\x50\x71\x7f\x60\x70"

func planeDistance(code, width int) int {
	if code > len(planeCodes) {
		return code - len(planeCodes)
	}
	c := int(planeCodes[code-1])
	return max(1, c>>4*width+8-c&15)
}

// code reads one prefix code (RFC 9649 section 3.7.2.1).
func (d *vp8l) code(symbols int) (*prefixCode, error) {
	lengths := make([]byte, symbols)
	r := &d.r
	if r.read(1) == 1 { // one or two symbols
		two := r.read(1) == 1
		s := r.read(1 + 7*int(r.read(1)))
		if int(s) >= symbols {
			return nil, damaged("prefix code of wrong form")
		}
		lengths[s] = 1
		if two {
			if s = r.read(8); int(s) >= symbols {
				return nil, damaged("prefix code of wrong form")
			}
			lengths[s] = 1
		}
		return newPrefixCode(lengths)
	}
	var codeLengths [19]byte
	n := int(r.read(4)) + 4
	if n > 19 {
		return nil, damaged("prefix code of wrong form")
	}
	for i := range n {
		codeLengths["\x11\x12\x00\x01\x02\x03\x04\x05\x10\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f"[i]] = byte(r.read(3))
	}
	c, err := newPrefixCode(codeLengths[:])
	if err != nil {
		return nil, err
	}
	most := symbols
	if r.read(1) == 1 {
		bits := 2 + 2*int(r.read(3))
		if most = 2 + int(r.read(bits)); most > symbols {
			return nil, damaged("prefix code of wrong form")
		}
	}
	if err := d.lengths(c, lengths, most); err != nil {
		return nil, err
	}
	return newPrefixCode(lengths)
}

// lengths reads the code lengths of the symbols, at most most codes of them.
func (d *vp8l) lengths(c *prefixCode, lengths []byte, most int) error {
	r := &d.r
	before := byte(8)
	for s := 0; s < len(lengths) && most > 0; most-- {
		r.fill()
		l := c.next(r)
		if l < 16 {
			lengths[s] = byte(l)
			s++
			if l > 0 {
				before = byte(l)
			}
			continue
		}
		repeat, value := 3, byte(0)
		switch l {
		case 16:
			repeat, value = repeat+int(r.read(2)), before
		case 17:
			repeat += int(r.read(3))
		case 18:
			repeat = 11 + int(r.read(7))
		}
		if repeat > len(lengths)-s {
			return damaged("prefix code of wrong form")
		}
		for range repeat {
			lengths[s] = value
			s++
		}
	}
	return r.check()
}
