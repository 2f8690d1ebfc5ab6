package strip

import (
	"bufio"
	"encoding/binary"
)

// buildTables makes the children of stbl from what the first pass found.
func (t *mp4Track) buildTables(start int64, large bool) []*mp4Node {
	stsd := &mp4Node{kind: "stsd", head: mp4Bytes(nil).u32(0, uint32(len(t.entries)))}
	for _, e := range t.entries {
		stsd.kids = append(stsd.kids, e.build())
	}
	tables := []*mp4Node{stsd, mp4RunTable("stts", 0, t.times.runs)}
	if t.shifted {
		version := byte(0)
		if t.signed {
			version = 1
		}
		tables = append(tables, mp4RunTable("ctts", version, t.shifts.runs))
	}
	if t.hasSync {
		tables = append(tables, &mp4Node{
			kind: "stss", head: mp4Bytes(nil).u32(0, uint32(len(t.sync))), rows: 4 * int64(len(t.sync)),
			table: func(w *bufio.Writer) {
				for _, v := range t.sync {
					put32(w, v)
				}
			},
		})
	}
	tables = append(tables, &mp4Node{
		kind: "stsc", head: mp4Bytes(nil).u32(0, uint32(len(t.runs))), rows: 12 * int64(len(t.runs)),
		table: func(w *bufio.Writer) {
			for _, r := range t.runs {
				put32(w, r.first+1)
				put32(w, r.per)
				put32(w, r.desc)
			}
		},
	}, mp4SizeTable(&t.out.sizes), mp4OffsetTable(t.out.chunks, start, large))
	if t.rollFits() {
		count := uint32(len(t.roll) / 2)
		groups := append(mp4Bytes{1, 0, 0, 0}, "roll"...).u32(2, count)
		members := append(mp4Bytes{0, 0, 0, 0}, "roll"...).u32(uint32(len(t.rollMap) / 8))
		tables = append(tables, mp4Leaf("sgpd", append(groups, t.roll...)), mp4Leaf("sbgp", append(members, t.rollMap...)))
	}
	return tables
}

func mp4RunTable(kind string, version byte, runs []mp4Run) *mp4Node {
	return &mp4Node{
		kind: kind, head: mp4Bytes{version, 0, 0, 0}.u32(uint32(len(runs))), rows: 8 * int64(len(runs)),
		table: func(w *bufio.Writer) {
			for _, r := range runs {
				put32(w, r.count)
				put32(w, r.value)
			}
		},
	}
}

// mp4SizeTable writes one size for all where that is so. A size of zero cannot be
// written that way: zero there means that a list follows.
func mp4SizeTable(s *mp4Sizes) *mp4Node {
	if s.list == nil && s.same != 0 {
		return mp4Leaf("stsz", mp4Bytes(nil).u32(0, s.same, s.n))
	}
	return &mp4Node{
		kind: "stsz", head: mp4Bytes(nil).u32(0, 0, s.n), rows: 4 * int64(s.n),
		table: func(w *bufio.Writer) {
			for i := range s.n {
				put32(w, s.at(i))
			}
		},
	}
}

func mp4OffsetTable(chunks []int64, start int64, large bool) *mp4Node {
	head, n := mp4Bytes(nil).u32(0, uint32(len(chunks))), int64(len(chunks))
	if large {
		return &mp4Node{kind: "co64", head: head, rows: 8 * n, table: func(w *bufio.Writer) {
			for _, v := range chunks {
				w.Write(binary.BigEndian.AppendUint64(w.AvailableBuffer(), uint64(start+v)))
			}
		}}
	}
	return &mp4Node{kind: "stco", head: head, rows: 4 * n, table: func(w *bufio.Writer) {
		for _, v := range chunks {
			put32(w, uint32(start+v))
		}
	}}
}

// build makes a sample entry; everything in it but sizes, colour and the codec's
// configuration is the same for all.
func (e *mp4Entry) build() *mp4Node {
	b := mp4Bytes(nil).u32(0).u16(0, 1)
	if e.lengthSize != 0 {
		b = b.u32(0, 0, 0, 0).u16(e.width, e.height).u32(72<<16, 72<<16, 0).u16(1)
		b = append(b, make([]byte, 32)...).u16(24, 0xffff)
	} else {
		b = b.u32(0, 0).u16(e.channels, 16).u32(0, e.rate)
	}
	return mp4Leaf(e.kind, append(b, e.boxes...))
}
