package strip

// This file steps over the sound elements of an AAC-LC frame (ISO/IEC 14496-3,
// 4.4.2), whose lengths are written nowhere: the only way to the elements behind
// them is to read every code.

// Sound elements of a raw_data_block.
const (
	aacSCE = 0
	aacCPE = 1
	aacCCE = 2
	aacLFE = 3
)

// aacWindow is what ics_info says.
type aacWindow struct {
	short  bool
	bands  int   // max_sfb
	groups []int // windows in each group
}

// aacSkip reads the elements of one frame. Reading past the end, or what cannot
// be, sets over.
type aacSkip struct {
	*bitsAt
	bands aacBands
	books [8][64]uint8 // codebook of each band of each group
}

// canSkip says whether sound elements can be stepped over: AAC-LC of 1024
// samples at a sampling rate of the table.
func (c *aacConfig) canSkip() bool {
	return c.object == 2 && !c.short && c.frequency < len(aacBandsOf)
}

// element steps over one sound element whose kind has been read.
func (s *aacSkip) element(kind int) {
	s.skip(4)
	switch kind {
	case aacSCE, aacLFE:
		s.channel(nil)
	case aacCPE:
		var w *aacWindow
		if s.get(1) == 1 {
			w = s.window()
			if s.get(2) == 1 {
				s.skip(len(w.groups) * w.bands)
			}
		}
		s.channel(w)
		s.channel(w)
	case aacCCE:
		s.coupling()
	}
}

// coupling reads a coupling_channel_element.
func (s *aacSkip) coupling() {
	switched := s.get(1)
	lists := 0
	for range s.get(3) + 1 {
		lists++
		pair := s.get(1)
		s.skip(4)
		if pair == 1 && s.get(2) == 3 {
			lists++
		}
	}
	s.skip(1 + 1 + 2)
	w := s.channel(nil)
	for range lists - 1 {
		if switched == 1 || s.get(1) == 1 {
			s.scale()
			continue
		}
		for g := range w.groups {
			for _, book := range s.books[g][:w.bands] {
				if book != 0 {
					s.scale()
				}
			}
		}
	}
}

// window reads ics_info.
func (s *aacSkip) window() *aacWindow {
	s.skip(1)
	w := &aacWindow{short: s.get(2) == 2, groups: []int{1}}
	s.skip(1)
	if !w.short {
		w.bands = s.get(6)
		s.fail(s.get(1) == 1) // prediction, which LC does not have
		s.fail(w.bands > len(s.bands.long))
		return w
	}
	w.bands = s.get(4)
	for range 7 {
		if s.get(1) == 1 {
			w.groups[len(w.groups)-1]++
		} else {
			w.groups = append(w.groups, 1)
		}
	}
	s.fail(w.bands > len(s.bands.short))
	return w
}

func (s *aacSkip) fail(when bool) {
	if when {
		s.over = true
	}
}

// channel reads an individual_channel_stream; w is nil if it has a window of its
// own. It returns the window.
func (s *aacSkip) channel(w *aacWindow) *aacWindow {
	s.skip(8)
	if w == nil {
		w = s.window()
	}
	if s.over {
		return &aacWindow{}
	}
	s.sections(w)
	noise := false
	for g := range w.groups {
		for _, book := range s.books[g][:w.bands] {
			switch {
			case book == 0:
			case book == 13 && !noise:
				noise = true
				s.skip(9)
			default:
				s.scale()
			}
		}
	}
	if s.get(1) == 1 { // pulses
		s.fail(w.short)
		n := s.get(2) + 1
		s.skip(6 + 9*n)
	}
	if s.get(1) == 1 {
		s.shaping(w)
	}
	s.fail(s.get(1) == 1) // gain control, which LC does not have
	s.spectrum(w)
	return w
}

// sections reads section_data.
func (s *aacSkip) sections(w *aacWindow) {
	bits := 5
	if w.short {
		bits = 3
	}
	for g := range w.groups {
		for k := 0; k < w.bands && !s.over; {
			book, n := s.get(4), 0
			for {
				step := s.get(bits)
				n += step
				if step != 1<<bits-1 || s.over {
					break
				}
			}
			if s.fail(book == 12 || n > w.bands-k); s.over {
				return
			}
			for range n {
				s.books[g][k] = uint8(book)
				k++
			}
		}
	}
}

// shaping reads tns_data.
func (s *aacSkip) shaping(w *aacWindow) {
	windows, count, length, order := 1, 2, 6, 5
	if w.short {
		windows, count, length, order = 8, 1, 4, 3
	}
	for range windows {
		filters := s.get(count)
		if filters == 0 {
			continue
		}
		bits := 3 + s.get(1)
		for range filters {
			s.skip(length)
			if n := s.get(order); n > 0 {
				s.skip(1)
				s.skip(n * (bits - s.get(1)))
			}
		}
	}
}

// spectrum reads spectral_data.
func (s *aacSkip) spectrum(w *aacWindow) {
	widths := s.bands.long
	if w.short {
		widths = s.bands.short
	}
	for g, windows := range w.groups {
		for k, book := range s.books[g][:w.bands] {
			if book == 0 || book > 11 {
				continue
			}
			if s.band(int(book), int(widths[k])*windows/aacBooks[book].dim); s.over {
				return
			}
		}
	}
}

// band reads n codes of the spectrum.
func (s *aacSkip) band(book, n int) {
	b, fast := &aacBooks[book], &aacFast[book]
	for n > 0 && !s.over {
		// A look-up needs aacFastBits of the 57 bits that there are.
		v, taken := s.next(), 0
		e := 1
		for ; n > 0 && taken <= 57-aacFastBits; n-- {
			if e = int(fast[v>>(64-aacFastBits)]); e == 0 {
				break
			}
			v <<= e & 63
			taken += e
		}
		s.skip(taken)
		if e != 0 || s.over {
			continue
		}
		n--
		if i := s.code(b.codes); b.after != "" && !s.over {
			s.after(b.after[i])
		}
	}
}

// scale reads one scale factor.
func (s *aacSkip) scale() {
	if e := aacFast[0][s.next()>>(64-aacFastBits)]; e != 0 {
		s.skip(int(e))
		return
	}
	s.code(aacScale)
}

// aacFast says by the next bits how many of them a code takes with its signs; 0
// if the code is longer or has an escape. Number 0 is for scale factors.
var aacFast = aacFastTables()

const aacFastBits = 10

func aacFastTables() (tables [12][1 << aacFastBits]uint8) {
	for book := range tables {
		b := aacBooks[book]
		if book == 0 {
			b.codes = aacScale
		}
		for v := range tables[book] {
			s := aacSkip{bitsAt: &bitsAt{b: []byte{byte(v >> (aacFastBits - 8)), byte(v << (16 - aacFastBits)), 0, 0}}}
			i := s.code(b.codes)
			if s.over || s.pos > aacFastBits {
				continue
			}
			if b.after != "" {
				if b.after[i] >= 'a' {
					continue
				}
				s.after(b.after[i])
			}
			tables[book][v] = uint8(s.pos)
		}
	}
	return tables
}

// after steps over the signs and escapes behind a code.
func (s *aacSkip) after(what byte) {
	signs, escapes := int(what-'0'), 0
	switch what {
	case 'a':
		signs, escapes = 1, 1
	case 'b':
		signs, escapes = 2, 1
	case 'c':
		signs, escapes = 2, 2
	}
	s.skip(signs)
	for range escapes {
		n := 4
		for s.get(1) == 1 && !s.over {
			n++
		}
		s.skip(n)
	}
}

// code reads one code of a codebook and returns its number.
func (s *aacSkip) code(counts []uint8) int {
	bits, code, first, index := s.next(), 0, 0, 0
	for i, n := range counts {
		code = code<<1 | int(bits>>63)
		bits <<= 1
		if first <<= 1; code-first < int(n) {
			s.skip(i + 1)
			return index + code - first
		}
		index += int(n)
		first += int(n)
	}
	s.over = true
	return 0
}
