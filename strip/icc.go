package strip

import (
	"bytes"
	"encoding/binary"
	"slices"
)

// iccMark begins an APP2 segment with a part of a profile (ICC.1:2022 annex B.4).
const iccMark = "ICC_PROFILE\x00"

// iccMost bounds a profile. Large ones of printing presses have 1 to 3 MB.
const iccMost = 4 << 20

// iccTagsMost bounds the tag table.
const iccTagsMost = 100

// iccChunks collects the parts of a profile from a JPEG.
type iccChunks struct {
	parts [256][]byte
	total byte
	size  int
	bad   bool
}

// add takes one part: its number from 1, the number of parts, its bytes. It
// says whether the part can belong to a profile.
func (c *iccChunks) add(b []byte) bool {
	if len(b) < 2 || b[0] == 0 || b[0] > b[1] || c.total != 0 && c.total != b[1] ||
		c.parts[b[0]] != nil || c.size+len(b) > iccMost {
		c.bad = true
		return false
	}
	c.total = b[1]
	c.parts[b[0]] = slices.Clone(b[2:])
	c.size += len(b)
	return true
}

// profile joins the parts; nil if one is missing, as decoders do.
func (c *iccChunks) profile() []byte {
	if c.bad || c.total == 0 {
		return nil
	}
	parts := c.parts[1 : int(c.total)+1]
	for _, p := range parts {
		if p == nil {
			return nil
		}
	}
	return bytes.Join(parts, nil)
}

// iccTags are the tags that a renderer computes colours from, in the order in
// which they are written. Everything else identifies: makers, models, serials,
// calibration dates, measurements.
var iccTags = []string{"wtpt", "chad", "rXYZ", "gXYZ", "bXYZ", "rTRC", "gTRC", "bTRC", "kTRC",
	"A2B0", "A2B1", "A2B2", "D2B0", "D2B1", "D2B2", "cicp"}

type iccTag struct {
	name string
	body []byte
}

// normaliseICC rebuilds a profile (ICC.1:2022) with the header fields and tags
// that colours depend on and nothing else. space is the colour space of the
// picture's data. It returns nil if there is no profile, or one that a renderer
// would not use.
func normaliseICC(p []byte, space string) ([]byte, Removed) {
	if p == nil {
		return nil, 0
	}
	be := binary.BigEndian
	if len(p) < 132 || !has(p, 36, "acsp") || !has(p, 16, space) || len(space) != 4 ||
		int64(be.Uint32(p)) > int64(len(p)) || be.Uint32(p) < 132 {
		return nil, RemovedOther
	}
	p = p[:be.Uint32(p)]
	if !slices.Contains([]string{"mntr", "scnr", "prtr", "spac"}, string(p[12:16])) ||
		!has(p, 20, "XYZ ") && !has(p, 20, "Lab ") || p[8] < 2 || p[8] > 4 {
		return nil, RemovedOther
	}
	tags, ok := readICCTags(p)
	if !ok {
		return nil, RemovedOther
	}
	out := writeICC(p, tags, iccStrict(p))
	if bytes.Equal(out, p) {
		return out, 0
	}
	return out, RemovedOther
}

// readICCTags finds the tags of the allowlist and checks every one.
func readICCTags(p []byte) ([]iccTag, bool) {
	be := binary.BigEndian
	n := be.Uint32(p[128:])
	if n > iccTagsMost || 132+12*int(n) > len(p) {
		return nil, false
	}
	found := map[string][]byte{}
	for e := p[132 : 132+12*n]; len(e) > 0; e = e[12:] {
		off, size := int64(be.Uint32(e[4:])), int64(be.Uint32(e[8:]))
		name := string(e[:4])
		if !slices.Contains(iccTags, name) {
			continue
		}
		if off < 132 || off+size > int64(len(p)) || found[name] != nil {
			return nil, false
		}
		body, ok := iccBody(name, p[off:off+size])
		if !ok {
			return nil, false
		}
		found[name] = body
	}
	var tags []iccTag
	for _, name := range iccTags {
		if body := found[name]; body != nil {
			tags = append(tags, iccTag{name, body})
		}
	}
	return tags, len(tags) > 0
}

// iccWhite is the illuminant of the connection space, D50 (ICC.1:2022, 7.2.16).
var iccWhite = []byte{0, 0, 0xf6, 0xd6, 0, 1, 0, 0, 0, 0, 0xd3, 0x2d}

// iccStrict says whether Chromium would use a profile. It ignores one whose
// header has another illuminant than D50, give or take 0.01, or that has any
// tag outside of it; others use both. The header of the result must not change
// that, or the picture would change its colours.
func iccStrict(p []byte) bool {
	be := binary.BigEndian
	for i := range 3 {
		d := int64(int32(be.Uint32(p[68+4*i:]))) - int64(be.Uint32(iccWhite[4*i:]))
		if d < -655 || d > 655 {
			return false
		}
	}
	for e := p[132 : 132+12*be.Uint32(p[128:])]; len(e) > 0; e = e[12:] {
		off, size := int64(be.Uint32(e[4:])), int64(be.Uint32(e[8:]))
		if size < 4 || off+size > int64(len(p)) {
			return false
		}
	}
	return true
}

// writeICC lays out header, tag table and bodies; equal bodies are shared, as
// most profiles do with their three curves.
func writeICC(p []byte, tags []iccTag, strict bool) []byte {
	be := binary.BigEndian
	text := iccText(p[8])
	tags = append([]iccTag{{"desc", text[0]}, {"cprt", text[1]}}, tags...)
	head := make([]byte, 132+12*len(tags))
	copy(head[8:12], []byte{p[8], p[9], 0, 0})
	copy(head[12:24], p[12:24])
	// A constant date: some readers refuse an empty one.
	copy(head[24:36], []byte{0x07, 0xd0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0})
	copy(head[36:40], "acsp")
	head[67] = p[67] & 3
	if strict {
		copy(head[68:80], iccWhite)
	}
	be.PutUint32(head[128:], uint32(len(tags)))
	out := head
	for i, t := range tags {
		off := 0
		for k, u := range tags[:i] {
			if bytes.Equal(u.body, t.body) {
				off = int(be.Uint32(out[132+12*k+4:]))
				break
			}
		}
		if off == 0 {
			off = len(out)
			out = append(out, t.body...)
			out = append(out, make([]byte, -len(t.body)&3)...)
		}
		e := out[132+12*i:]
		copy(e, t.name)
		be.PutUint32(e[4:], uint32(off))
		be.PutUint32(e[8:], uint32(len(t.body)))
	}
	be.PutUint32(out, uint32(len(out)))
	return out
}

// iccText is the description and copyright that every profile must have:
// textDescriptionType and textType up to version 2, multiLocalizedUnicodeType
// from version 4 (ICC.1:2001 6.5.17 and 6.5.18, ICC.1:2022 10.15).
func iccText(version byte) [2][]byte {
	if version < 4 {
		desc := make([]byte, 90+4)
		copy(desc, "desc\x00\x00\x00\x00\x00\x00\x00\x04ICC\x00")
		return [2][]byte{desc, []byte("text\x00\x00\x00\x00CC0\x00")}
	}
	mluc := func(s string) []byte {
		b := []byte("mluc\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x0cenUS\x00\x00\x00\x06\x00\x00\x00\x1c")
		for _, c := range s {
			b = append(b, 0, byte(c))
		}
		return b
	}
	return [2][]byte{mluc("ICC"), mluc("CC0")}
}
