package strip

import (
	"encoding/binary"
	"slices"
)

// iccTypes are the types that each tag may have (ICC.1:2022 section 9).
var iccTypes = map[string][]string{
	"wtpt": {"XYZ "}, "rXYZ": {"XYZ "}, "gXYZ": {"XYZ "}, "bXYZ": {"XYZ "},
	"chad": {"sf32"}, "cicp": {"cicp"},
	"rTRC": {"curv", "para"}, "gTRC": {"curv", "para"}, "bTRC": {"curv", "para"}, "kTRC": {"curv", "para"},
	"A2B0": {"mft1", "mft2", "mAB "}, "A2B1": {"mft1", "mft2", "mAB "}, "A2B2": {"mft1", "mft2", "mAB "},
	"D2B0": {"mpet"}, "D2B1": {"mpet"}, "D2B2": {"mpet"},
}

// iccBody checks one tag body down to its innermost table and returns it
// rebuilt: what no field of its type accounts for is left out, so that nothing
// can hide between the tables.
func iccBody(name string, b []byte) ([]byte, bool) {
	if len(b) < 8 || !slices.Contains(iccTypes[name], string(b[:4])) {
		return nil, false
	}
	var out []byte
	ok := false
	switch string(b[:4]) {
	case "XYZ ":
		out, ok = iccFixed(b, 20)
	case "sf32":
		out, ok = iccFixed(b, 8+9*4)
	case "cicp":
		out, ok = iccFixed(b, 12)
	case "curv", "para":
		var n int
		if n, ok = iccCurve(b); ok {
			out = append(out, b[:n]...)
		}
	case "mft1", "mft2":
		out, ok = iccTable(b)
	case "mAB ":
		out, ok = iccLutAToB(b)
	case "mpet":
		out, ok = iccElements(b)
	}
	if ok {
		clear(out[4:8]) // reserved
	}
	return out, ok
}

func iccFixed(b []byte, n int) ([]byte, bool) {
	if len(b) < n {
		return nil, false
	}
	return slices.Clone(b[:n]), true
}

// iccCurve returns the length of a curveType or parametricCurveType.
func iccCurve(b []byte) (int, bool) {
	if len(b) < 12 {
		return 0, false
	}
	n := 0
	switch string(b[:4]) {
	case "curv":
		count := binary.BigEndian.Uint32(b[8:])
		if count > 1<<16 {
			return 0, false
		}
		n = 12 + 2*int(count)
	case "para":
		form := binary.BigEndian.Uint16(b[8:])
		if form > 4 || b[10]|b[11] != 0 {
			return 0, false
		}
		n = 12 + 4*[]int{1, 3, 4, 5, 7}[form]
	default:
		return 0, false
	}
	return n, n <= len(b)
}

// iccGrid returns how many nodes a colour table has, up to a bound that no
// profile within iccMost can reach.
func iccGrid(points []byte) (int, bool) {
	nodes := 1
	for _, p := range points {
		if p < 1 || nodes > iccMost/int(p) {
			return 0, false
		}
		nodes *= int(p)
	}
	return nodes, true
}

// iccTable rebuilds a lut8Type or lut16Type, whose parts follow one another.
func iccTable(b []byte) ([]byte, bool) {
	if len(b) < 52 {
		return nil, false
	}
	in, out, grid := int(b[8]), int(b[9]), b[10]
	if in < 1 || in > 4 || out < 1 || out > 4 || b[11] != 0 {
		return nil, false
	}
	head, inEntries, outEntries, width := 48, 256, 256, 1
	if string(b[:4]) == "mft2" {
		head, width = 52, 2
		inEntries, outEntries = int(binary.BigEndian.Uint16(b[48:])), int(binary.BigEndian.Uint16(b[50:]))
	}
	nodes, ok := iccGrid([]byte{grid, grid, grid, grid}[:in])
	if !ok {
		return nil, false
	}
	return iccFixed(b, head+width*(in*inEntries+nodes*out+out*outEntries))
}

// iccLutAToB rebuilds a lutAToBType: B curves, matrix, M curves, table and A
// curves, each at an offset of its own, laid out one after the other.
func iccLutAToB(b []byte) ([]byte, bool) {
	if len(b) < 32 {
		return nil, false
	}
	in, out := int(b[8]), int(b[9])
	if in < 1 || in > 4 || out != 3 {
		return nil, false
	}
	be := binary.BigEndian
	parts := []func([]byte) ([]byte, bool){
		func(p []byte) ([]byte, bool) { return iccCurves(p, out) },
		func(p []byte) ([]byte, bool) { return iccFixed(p, 12*4) },
		func(p []byte) ([]byte, bool) { return iccCurves(p, out) },
		func(p []byte) ([]byte, bool) { return iccCLUT(p, in, out) },
		func(p []byte) ([]byte, bool) { return iccCurves(p, in) },
	}
	built := make([]byte, 32)
	copy(built, b[:10])
	for i, part := range parts {
		off := be.Uint32(b[12+4*i:])
		if off == 0 {
			continue
		}
		if off < 32 || off > uint32(len(b)) {
			return nil, false
		}
		body, ok := part(b[off:])
		if !ok {
			return nil, false
		}
		be.PutUint32(built[12+4*i:], uint32(len(built)))
		built = append(built, body...)
		built = append(built, make([]byte, -len(built)&3)...)
	}
	// An A curve needs the table, and B curves are always there.
	if be.Uint32(built[12:]) == 0 || be.Uint32(built[28:]) != 0 && be.Uint32(built[24:]) == 0 {
		return nil, false
	}
	return built, true
}

// iccCurves rebuilds n curves, each padded to four bytes.
func iccCurves(b []byte, n int) ([]byte, bool) {
	var built []byte
	for range n {
		size, ok := iccCurve(b)
		if !ok {
			return nil, false
		}
		at := len(built)
		built = append(built, b[:size]...)
		clear(built[at+4 : at+8])
		built = append(built, make([]byte, -size&3)...)
		b = b[min(len(b), size+-size&3):]
	}
	return built, true
}

// iccCLUT rebuilds the table of a lutAToBType.
func iccCLUT(b []byte, in, out int) ([]byte, bool) {
	if len(b) < 20 || b[16] < 1 || b[16] > 2 {
		return nil, false
	}
	nodes, ok := iccGrid(b[:in])
	if !ok {
		return nil, false
	}
	built, ok := iccFixed(b, 20+nodes*out*int(b[16]))
	if ok {
		clear(built[in:16])
		clear(built[17:20])
	}
	return built, ok
}
