package strip

import (
	"encoding/binary"
	"slices"
)

// What limits a multiProcessElementsType (ICC.1:2022 section 10.16).
const (
	iccElementsMost = 16
	iccSegmentsMost = 256
	iccChannelsMost = 16
)

// iccElements rebuilds a multiProcessElementsType from its elements.
func iccElements(b []byte) ([]byte, bool) {
	be := binary.BigEndian
	if len(b) < 16 {
		return nil, false
	}
	n := int(be.Uint32(b[12:]))
	in, out := int(be.Uint16(b[8:])), int(be.Uint16(b[10:]))
	if n < 1 || n > iccElementsMost || len(b) < 16+8*n || in < 1 || in > iccChannelsMost || out < 1 || out > iccChannelsMost {
		return nil, false
	}
	built := slices.Clone(b[:16+8*n])
	for i := range n {
		e, ok := iccPart(b, b[16+8*i:])
		if !ok || len(e) < 12 {
			return nil, false
		}
		channels := int(be.Uint16(e[8:]))
		if channels != in { // each element takes what the one before gave
			return nil, false
		}
		in = int(be.Uint16(e[10:]))
		if in < 1 || in > iccChannelsMost {
			return nil, false
		}
		if e, ok = iccElement(e, channels, in); !ok {
			return nil, false
		}
		built = iccPlace(built, 16+8*i, e)
	}
	return built, in == out
}

// iccPart returns what an entry of a position table, offset and size, points at.
func iccPart(b, entry []byte) ([]byte, bool) {
	off, size := int64(binary.BigEndian.Uint32(entry)), int64(binary.BigEndian.Uint32(entry[4:]))
	if off+size > int64(len(b)) {
		return nil, false
	}
	return b[off : off+size], true
}

// iccPlace appends a part, padded to four bytes, and enters it at a position table.
func iccPlace(built []byte, entry int, part []byte) []byte {
	binary.BigEndian.PutUint32(built[entry:], uint32(len(built)))
	binary.BigEndian.PutUint32(built[entry+4:], uint32(len(part)))
	built = append(built, part...)
	return append(built, make([]byte, -len(part)&3)...)
}

// iccElement rebuilds one element: a matrix, a table or a set of curves.
func iccElement(e []byte, in, out int) (built []byte, ok bool) {
	switch string(e[:4]) {
	case "matf":
		built, ok = iccFixed(e, 12+4*(in*out+out))
	case "clut":
		if len(e) < 28 {
			return nil, false
		}
		nodes, fits := iccGrid(e[12 : 12+in])
		if !fits {
			return nil, false
		}
		if built, ok = iccFixed(e, 28+4*nodes*out); ok {
			clear(built[12+in : 28])
		}
	case "cvst":
		if in != out || len(e) < 12+8*in {
			return nil, false
		}
		built = slices.Clone(e[:12+8*in])
		for i := range in {
			part, fits := iccPart(e, e[12+8*i:])
			if !fits {
				return nil, false
			}
			if part, fits = iccSegmentedCurve(part); !fits {
				return nil, false
			}
			built = iccPlace(built, 12+8*i, part)
		}
		ok = true
	}
	if ok {
		clear(built[4:8])
	}
	return built, ok
}

// iccSegmentedCurve rebuilds a curve of formula and sampled segments
// (ICC.1:2022 10.16.4).
func iccSegmentedCurve(b []byte) ([]byte, bool) {
	be := binary.BigEndian
	if len(b) < 12 || string(b[:4]) != "curf" {
		return nil, false
	}
	n := int(be.Uint16(b[8:]))
	at := 12 + 4*(n-1)
	if n < 1 || n > iccSegmentsMost || len(b) < at {
		return nil, false
	}
	built := slices.Clone(b[:at])
	clear(built[4:8])
	clear(built[10:12])
	for range n {
		s := b[at:]
		if len(s) < 12 {
			return nil, false
		}
		size := 0
		switch string(s[:4]) {
		case "parf":
			form := be.Uint16(s[8:])
			if form > 2 {
				return nil, false
			}
			size = 12 + 4*[]int{4, 5, 5}[form]
		case "samf":
			count := be.Uint32(s[8:])
			if count > 1<<16 {
				return nil, false
			}
			size = 12 + 4*int(count)
		}
		if size == 0 || len(s) < size {
			return nil, false
		}
		start := len(built)
		built = append(built, s[:size]...)
		clear(built[start+4 : start+8])
		if string(s[:4]) == "parf" {
			clear(built[start+10 : start+12])
		}
		at += size
	}
	return built, true
}
