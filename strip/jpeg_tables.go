package strip

import "slices"

// jpegFrame is the frame header (T.81 B.2.2).
type jpegFrame struct {
	progressive   bool
	header        []byte // the segment's body, as it was
	marker        byte
	width, height int
	hMax, vMax    int
	comps         []*jpegComp
}

// jpegComp is one colour component.
type jpegComp struct {
	id, h, v, tq byte
	wide, high   int // blocks in a scan of this component alone
	scanned      bool
	nonzero      blockMap
}

// takeFrame reads the one frame header. Its body is fixed by its fields, so
// that it can be written as it was.
func (j *jpegFile) takeFrame(marker byte, b []byte) error {
	if j.frame != nil {
		return damaged("second frame")
	}
	if len(b) < 6 || len(b) != 6+3*int(b[5]) {
		return damaged("frame header of wrong length")
	}
	f := &jpegFrame{
		progressive: marker == mSOF2, marker: marker, header: slices.Clone(b),
		height: int(b[1])<<8 | int(b[2]), width: int(b[3])<<8 | int(b[4]),
	}
	if b[0] != 8 {
		return &UnsupportedError{Found: "JPEG of more than 8 bits", Hint: hintPicture}
	}
	if f.width == 0 || f.height == 0 || b[5] == 0 || b[5] > 4 {
		return damaged("frame without size or colours")
	}
	for c := b[6:]; len(c) > 0; c = c[3:] {
		comp := &jpegComp{id: c[0], h: c[1] >> 4, v: c[1] & 15, tq: c[2]}
		if comp.h < 1 || comp.h > 4 || comp.v < 1 || comp.v > 4 || comp.tq > 3 {
			return damaged("colour with impossible sampling")
		}
		if f.comp(comp.id) != nil {
			return damaged("two colours of one name")
		}
		f.hMax, f.vMax = max(f.hMax, int(comp.h)), max(f.vMax, int(comp.v))
		f.comps = append(f.comps, comp)
	}
	for _, c := range f.comps {
		c.wide = ceil(ceil(f.width*int(c.h), f.hMax), 8)
		c.high = ceil(ceil(f.height*int(c.v), f.vMax), 8)
	}
	j.frame = f
	if f.progressive {
		return f.fitMaps()
	}
	return nil
}

func (f *jpegFrame) comp(id byte) *jpegComp {
	for _, c := range f.comps {
		if c.id == id {
			return c
		}
	}
	return nil
}

func ceil(a, b int) int { return (a + b - 1) / b }

// takeQuant reads quantisation tables (T.81 B.2.4.1).
func (j *jpegFile) takeQuant(b []byte) error {
	for len(b) > 0 {
		n := 65
		if b[0]>>4 == 1 {
			n = 129
		}
		if b[0]>>4 > 1 || b[0]&15 > 3 || len(b) < n {
			return damaged("quantisation table of wrong form")
		}
		t := &j.quant[b[0]&15]
		if same := slices.Equal(t.body, b[:n]); !same {
			// Some decoders take the first of two tables and some the last.
			if j.frame != nil && j.frame.progressive && j.scans > 0 {
				return damaged("quantisation table after the first scan")
			}
			*t = jpegTable{body: slices.Clone(b[:n]), fresh: true}
		}
		b = b[n:]
	}
	return nil
}

// takeHuffman reads Huffman tables (T.81 B.2.4.2).
func (j *jpegFile) takeHuffman(b []byte) error {
	for len(b) > 0 {
		if len(b) < 17 || b[0]>>4 > 1 || b[0]&15 > 3 {
			return damaged("huffman table of wrong form")
		}
		n := 17
		for _, c := range b[1:17] {
			n += int(c)
		}
		if n > 17+256 || len(b) < n {
			return damaged("huffman table of wrong length")
		}
		i := b[0]>>4*4 + b[0]&15
		if !slices.Equal(j.huff[i].body, b[:n]) {
			j.huff[i] = jpegTable{body: slices.Clone(b[:n]), fresh: true}
			j.tables[i] = nil
		}
		b = b[n:]
	}
	return nil
}

// jpegScan is a scan header (T.81 B.2.3) with its tables looked up.
type jpegScan struct {
	comps          []*jpegComp
	dc, ac         []byte // table numbers, one for each component
	from, to       int    // spectral selection
	high, low      int    // successive approximation
	restart, mcus  int
	dcTabs, acTabs []*huffman
}

// takeScan reads a scan header, writes what the scan needs and then its data.
func (j *jpegFile) takeScan(b []byte) error {
	if j.frame == nil {
		return damaged("picture data before the frame")
	}
	if j.scans++; j.scans > jpegScansMost {
		return damaged("too many scans")
	}
	s, err := j.parseScan(b)
	if err != nil {
		return err
	}
	if j.scans == 1 {
		j.emitHead()
	}
	if err := j.emitTables(s); err != nil {
		return err
	}
	header := []byte{byte(len(s.comps))}
	for i, c := range s.comps {
		header = append(header, c.id, s.dc[i]<<4|s.ac[i])
		c.scanned = true
	}
	j.emit(mSOS, header, []byte{byte(s.from), byte(s.to), byte(s.high<<4 | s.low)})
	return j.scanData(s)
}

func (j *jpegFile) parseScan(b []byte) (*jpegScan, error) {
	if len(b) < 4 || b[0] < 1 || b[0] > 4 || len(b) != 4+2*int(b[0]) {
		return nil, damaged("scan header of wrong length")
	}
	s := &jpegScan{restart: j.restart, to: 63}
	blocks := 0
	for i := range int(b[0]) {
		c := j.frame.comp(b[1+2*i])
		if c == nil || slices.Contains(s.comps, c) {
			return nil, damaged("scan of an unknown colour")
		}
		dc, ac := b[2+2*i]>>4, b[2+2*i]&15
		if dc > 3 || ac > 3 {
			return nil, damaged("scan with an impossible table")
		}
		s.comps, s.dc, s.ac = append(s.comps, c), append(s.dc, dc), append(s.ac, ac)
		blocks += int(c.h) * int(c.v)
	}
	if len(s.comps) > 1 && blocks > 10 {
		return nil, damaged("scan with too many blocks in a unit")
	}
	s.mcus = s.comps[0].wide * s.comps[0].high
	if len(s.comps) > 1 {
		s.mcus = ceil(j.frame.width, 8*j.frame.hMax) * ceil(j.frame.height, 8*j.frame.vMax)
	}
	if !j.frame.progressive { // decoders ignore the three fields
		return s, nil
	}
	t := b[len(b)-3:]
	s.from, s.to, s.high, s.low = int(t[0]), int(t[1]), int(t[2]>>4), int(t[2]&15)
	switch {
	case s.from > s.to, s.to > 63, s.from == 0 && s.to != 0, s.from > 0 && len(s.comps) > 1:
		return nil, damaged("scan of an impossible band")
	case s.low > 13, s.high != 0 && s.high != s.low+1:
		return nil, damaged("scan of impossible precision")
	}
	// A table that the scan does not use is named 0, so that its number tells nothing.
	for i := range s.comps {
		if s.from > 0 || s.high > 0 {
			s.dc[i] = 0
		}
		if s.from == 0 {
			s.ac[i] = 0
		}
	}
	return s, nil
}

// emitTables writes the tables that the scan needs and the output has not seen:
// before the first scan all quantisation tables and the frame.
func (j *jpegFile) emitTables(s *jpegScan) error {
	comps := s.comps
	if j.scans == 1 {
		comps = j.frame.comps
	}
	for _, c := range comps {
		t := &j.quant[c.tq]
		if t.body == nil && slices.Contains(s.comps, c) {
			return damaged("missing quantisation table")
		}
		if t.fresh {
			j.emit(mDQT, t.body)
			t.fresh = false
		}
	}
	if j.scans == 1 {
		j.emit(j.frame.marker, j.frame.header)
	}
	for i := range s.comps {
		var err error
		var dc, ac *huffman
		if s.from == 0 && s.high == 0 {
			dc, err = j.table(s.dc[i])
		}
		if s.to > 0 && err == nil {
			ac, err = j.table(4 + s.ac[i])
		}
		if err != nil {
			return err
		}
		s.dcTabs, s.acTabs = append(s.dcTabs, dc), append(s.acTabs, ac)
	}
	if j.written != s.restart {
		j.emit(mDRI, []byte{byte(s.restart >> 8), byte(s.restart)})
		j.written = s.restart
	}
	return nil
}

// table builds Huffman table i, unless it is built, and writes it, unless it is
// written.
func (j *jpegFile) table(i byte) (*huffman, error) {
	t := &j.huff[i]
	if t.body == nil {
		return nil, damaged("missing huffman table")
	}
	if j.tables[i] == nil {
		h, err := newHuffman(t.body, i < 4)
		if err != nil {
			return nil, err
		}
		j.tables[i] = h
	}
	if t.fresh {
		j.emit(mDHT, t.body)
		t.fresh = false
	}
	return j.tables[i], nil
}
