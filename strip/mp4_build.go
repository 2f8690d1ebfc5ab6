package strip

import (
	"bufio"
	"encoding/binary"
	"math"
)

// mp4Node is a box of the result: fixed bytes, then a table that is written
// row by row, then child boxes.
type mp4Node struct {
	kind  string
	head  []byte
	rows  int64 // bytes that table writes
	table func(w *bufio.Writer)
	kids  []*mp4Node
}

func (n *mp4Node) size() int64 {
	size := 8 + int64(len(n.head)) + n.rows
	for _, k := range n.kids {
		size += k.size()
	}
	return size
}

func (n *mp4Node) write(w *bufio.Writer) {
	var h [8]byte
	binary.BigEndian.PutUint32(h[:], uint32(n.size()))
	copy(h[4:], n.kind)
	w.Write(h[:])
	w.Write(n.head)
	if n.table != nil {
		n.table(w)
	}
	for _, k := range n.kids {
		k.write(w)
	}
}

// mp4Bytes builds the fixed part of a box.
type mp4Bytes []byte

func (b mp4Bytes) u16(v ...uint16) mp4Bytes {
	for _, x := range v {
		b = binary.BigEndian.AppendUint16(b, x)
	}
	return b
}

func (b mp4Bytes) u32(v ...uint32) mp4Bytes {
	for _, x := range v {
		b = binary.BigEndian.AppendUint32(b, x)
	}
	return b
}

// wide writes v in 32 bits or, for version 1 of a box, in 64.
func (b mp4Bytes) wide(version byte, v uint64) mp4Bytes {
	if version == 1 {
		return binary.BigEndian.AppendUint64(b, v)
	}
	return b.u32(uint32(v))
}

func mp4Leaf(kind string, body mp4Bytes) *mp4Node { return &mp4Node{kind: kind, head: body} }

// put32 writes v; bufio keeps the first error until Flush.
func put32(w *bufio.Writer, v uint32) {
	w.Write(binary.BigEndian.AppendUint32(w.AvailableBuffer(), v))
}

// mp4FileType is the same for every result (ISO/IEC 14496-12, 4.3).
var mp4FileType = append([]byte{0, 0, 0, 32}, "ftypisom\x00\x00\x02\x00isomiso2avc1mp41"...)

// writeMovie writes everything but the sample data, which has total bytes and
// must follow.
func writeMovie(w *bufio.Writer, m *mp4Movie, total int64) error {
	moov, err := m.build(0, false)
	if err != nil {
		return err
	}
	header := mp4Bytes(nil).u32(uint32(total+8), 0)
	if total+8 > math.MaxUint32 {
		header = mp4Bytes(nil).u32(1, 0).wide(1, uint64(total+16))
	}
	copy(header[4:], "mdat")
	start := func() int64 { return int64(len(mp4FileType)) + moov.size() + int64(len(header)) }
	large := start()+total > math.MaxUint32
	if moov, err = m.build(0, large); err == nil {
		moov, err = m.build(start(), large)
	}
	if err != nil {
		return err
	}
	if moov.size() > math.MaxUint32 {
		return damaged("tables too large")
	}
	w.Write(mp4FileType)
	moov.write(w)
	_, err = w.Write(header)
	return err
}

// build makes moov for sample data that begins at start.
func (m *mp4Movie) build(start int64, large bool) (*mp4Node, error) {
	moov := &mp4Node{kind: "moov"}
	var longest uint64
	for i, t := range m.tracks {
		trak, length, err := t.build(uint32(i+1), m.timescale, start, large)
		if err != nil {
			return nil, err
		}
		longest = max(longest, length)
		moov.kids = append(moov.kids, trak)
	}
	version := mp4Version(longest)
	h := mp4Bytes{version, 0, 0, 0}.wide(version, 0).wide(version, 0).u32(m.timescale).wide(version, longest)
	h = h.u32(0x10000).u16(0x100, 0).u32(0, 0)
	h = append(h, m.matrix[:]...).u32(0, 0, 0, 0, 0, 0, uint32(len(m.tracks)+1))
	moov.kids = append([]*mp4Node{mp4Leaf("mvhd", h)}, moov.kids...)
	return moov, nil
}

func mp4Version(v uint64) byte {
	if v > math.MaxUint32 {
		return 1
	}
	return 0
}

// build makes trak and says how long it is in the movie's timescale.
func (t *mp4Track) build(id, timescale uint32, start int64, large bool) (*mp4Node, uint64, error) {
	length, err := t.length(timescale)
	if err != nil {
		return nil, 0, err
	}
	version := mp4Version(length)
	h := mp4Bytes{version, 0, 0, byte(t.flags)}.wide(version, 0).wide(version, 0).u32(id, 0).wide(version, length)
	h = h.u32(0, 0).u16(t.layer, t.group, t.volume, 0)
	h = append(h, t.matrix[:]...).u32(t.width, t.height)
	trak := &mp4Node{kind: "trak", kids: []*mp4Node{mp4Leaf("tkhd", h)}}
	if len(t.edits) > 0 {
		trak.kids = append(trak.kids, &mp4Node{kind: "edts", kids: []*mp4Node{t.buildEdits()}})
	}
	trak.kids = append(trak.kids, t.buildMedia(start, large))
	return trak, length, nil
}

// length is the sum of the edits or, without them, of the samples. An edit of
// length zero means everything.
func (t *mp4Track) length(timescale uint32) (uint64, error) {
	var sum uint64
	for _, e := range t.edits {
		if e.length == 0 {
			sum = 0
			break
		}
		sum += e.length // at most 2^16 rows of 2^56 would overflow: checked below
		if sum > math.MaxInt64 {
			return 0, damaged("edit list")
		}
	}
	if sum > 0 {
		return sum, nil
	}
	return scaleUp(t.times.sum(), uint64(timescale), uint64(t.timescale))
}

func (t *mp4Track) buildEdits() *mp4Node {
	version := byte(0)
	for _, e := range t.edits {
		if e.length > math.MaxUint32 || e.start > math.MaxInt32 {
			version = 1
		}
	}
	b := mp4Bytes{version, 0, 0, 0}.u32(uint32(len(t.edits)))
	for _, e := range t.edits {
		b = b.wide(version, e.length).wide(version, uint64(e.start)).u32(e.rate)
	}
	return mp4Leaf("elst", b)
}

// languageNone is "und" in mdhd's packed form (8.4.2.3).
const languageNone = 0x55c4

func (t *mp4Track) buildMedia(start int64, large bool) *mp4Node {
	length := t.times.sum()
	version := mp4Version(length)
	header := mp4Bytes{version, 0, 0, 0}.wide(version, 0).wide(version, 0).u32(t.timescale).wide(version, length).u16(languageNone, 0)
	handler := append(mp4Bytes(nil).u32(0, 0), t.handler...).u32(0, 0, 0)
	handler = append(handler, 0)
	kind := mp4Leaf("smhd", mp4Bytes(nil).u32(0, 0))
	if t.handler == "vide" {
		kind = mp4Leaf("vmhd", mp4Bytes(nil).u32(1, 0, 0))
	}
	self := &mp4Node{kind: "dref", head: mp4Bytes(nil).u32(0, 1), kids: []*mp4Node{mp4Leaf("url ", mp4Bytes{0, 0, 0, 1})}}
	return &mp4Node{kind: "mdia", kids: []*mp4Node{
		mp4Leaf("mdhd", header),
		mp4Leaf("hdlr", handler),
		{kind: "minf", kids: []*mp4Node{
			kind,
			{kind: "dinf", kids: []*mp4Node{self}},
			{kind: "stbl", kids: t.buildTables(start, large)},
		}},
	}}
}
