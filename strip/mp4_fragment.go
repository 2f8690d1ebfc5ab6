package strip

import (
	"encoding/binary"
	"math"
)

// Movie fragments (ISO/IEC 14496-12, 8.8) are read into the same tables that a
// moov box has, so that the result is always one plain file.

// mp4Defaults are the values of trex or, once tfhd has changed some, of one
// track fragment.
type mp4Defaults struct{ desc, duration, size, flags uint32 }

// mp4Decode is where the decoding time of a fragmented track stands.
type mp4Decode struct {
	started bool
	base    uint64 // decoding time of the first sample
	next    uint64 // of the sample after the last one, counted from base
}

func (f *mp4File) readExtends(mvex mp4Box, defaults map[uint32]mp4Defaults) error {
	return f.children(mvex.body, mvex.end, func(b mp4Box) error {
		if b.kind != "trex" {
			return nil
		}
		_, _, h, err := f.full(b, 20, 20)
		if err != nil {
			return err
		}
		id := binary.BigEndian.Uint32(h)
		if _, ok := defaults[id]; ok || len(defaults) >= mp4MaxTracks {
			return damaged("track defaults")
		}
		defaults[id] = mp4Defaults{
			desc:     binary.BigEndian.Uint32(h[4:]),
			duration: binary.BigEndian.Uint32(h[8:]),
			size:     binary.BigEndian.Uint32(h[12:]),
			flags:    binary.BigEndian.Uint32(h[16:]),
		}
		return nil
	})
}

// readFragment adds the samples of one moof to the tracks.
func (f *mp4File) readFragment(moof mp4Box, m *mp4Movie) error {
	next := moof.off // where data begins for a track without an offset
	return f.children(moof.body, moof.end, func(b mp4Box) error {
		switch b.kind {
		case "mfhd":
			return nil
		case "pssh":
			return errMP4Encrypted
		case "traf":
			end, err := f.readTrackFragment(b, m, moof.off, next)
			next = end
			return err
		}
		return f.drop(b)
	})
}

// mp4Fragment is one traf while it is read.
type mp4Fragment struct {
	mp4Defaults
	track *mp4Track
	base  int64 // data offsets count from here
	data  int64 // where the next run's data is, if it does not say
}

// readTrackFragment reads traf (8.8.6) and returns where its data ends. The
// header comes first in it; everything else may come in any order, but the time
// is needed before the runs.
func (f *mp4File) readTrackFragment(traf mp4Box, m *mp4Movie, moof, next int64) (int64, error) {
	var header, start mp4Box
	var runs []mp4Box
	err := f.children(traf.body, traf.end, func(b mp4Box) error {
		switch b.kind {
		case "tfhd":
			return once(&header, b)
		case "tfdt":
			return once(&start, b)
		case "trun":
			runs = append(runs, b)
			return nil
		case "senc":
			return errMP4Encrypted
		case "saiz", "saio", "sbgp", "sgpd", "subs", "sdtp":
			return nil
		}
		return f.drop(b)
	})
	if err != nil {
		return 0, err
	}
	if header.kind == "" {
		return 0, damaged("track fragment without header")
	}
	g := &mp4Fragment{}
	if err := f.readFragmentHeader(header, m, g, moof, next); err != nil {
		return 0, err
	}
	if g.track != nil {
		if start.kind != "" {
			err = f.readFragmentTime(start, g.track)
		} else {
			err = g.track.startAt(g.track.decode.base + g.track.decode.next)
		}
	}
	for _, b := range runs {
		if err == nil {
			err = f.readRun(b, g)
		}
	}
	return g.data, err
}

// readFragmentHeader reads tfhd (8.8.7). The track stays nil if it is one that
// is left out; its runs are still walked for where their data ends.
func (f *mp4File) readFragmentHeader(b mp4Box, m *mp4Movie, g *mp4Fragment, moof, next int64) error {
	_, flags, h, err := f.full(b, 4, 28)
	if err != nil {
		return err
	}
	id := binary.BigEndian.Uint32(h)
	for _, t := range m.tracks {
		if t.id == id {
			g.track, g.mp4Defaults = t, t.fragment
		}
	}
	h = h[4:]
	ok := true
	take := func(bit uint32, n int) []byte {
		if flags&bit == 0 {
			return nil
		}
		if len(h) < n {
			ok = false
			return nil
		}
		v := h[:n]
		h = h[n:]
		return v
	}
	g.base = next
	if flags&0x20000 != 0 {
		g.base = moof
	}
	if v := take(1, 8); v != nil {
		u := binary.BigEndian.Uint64(v)
		ok = u <= uint64(f.size)
		g.base = int64(min(u, uint64(f.size)))
	}
	for _, field := range []struct {
		bit uint32
		v   *uint32
	}{{2, &g.desc}, {8, &g.duration}, {0x10, &g.size}, {0x20, &g.flags}} {
		if v := take(field.bit, 4); v != nil {
			*field.v = binary.BigEndian.Uint32(v)
		}
	}
	if !ok || g.track != nil && (g.desc == 0 || int64(g.desc) > int64(len(g.track.entries))) {
		return damaged("track fragment header")
	}
	g.data = g.base
	return nil
}

func (f *mp4File) readFragmentTime(b mp4Box, t *mp4Track) error {
	version, _, h, err := f.full(b, 4, 8)
	if err != nil {
		return err
	}
	v := uint64(binary.BigEndian.Uint32(h))
	if version == 1 {
		if len(h) < 8 {
			return damaged("box too short")
		}
		v = binary.BigEndian.Uint64(h)
	}
	if v > math.MaxInt64 {
		return damaged("fragment time")
	}
	return t.startAt(v)
}

// startAt sets the decoding time of the next sample. The first one is the base;
// later ones must agree with the durations so far, or the duration of the
// sample before is made to fit, as players in effect do.
func (t *mp4Track) startAt(v uint64) error {
	d := &t.decode
	if !d.started {
		d.started, d.base = true, v
		return nil
	}
	if v < d.base {
		return damaged("fragments out of order")
	}
	v -= d.base
	if v == d.next {
		return nil
	}
	k := len(t.times.runs) - 1
	if k < 0 {
		return damaged("fragment time")
	}
	last := int64(t.times.runs[k].value)
	fit := last + int64(v) - int64(d.next)
	if fit < 0 || fit > math.MaxUint32 {
		return damaged("fragment time")
	}
	t.times.cut(t.times.n - 1)
	t.times.add(1, uint32(fit))
	d.next = v
	return nil
}

// readRun reads trun (8.8.8).
func (f *mp4File) readRun(b mp4Box, g *mp4Fragment) error {
	version, flags, h, err := f.full(b, 4, 12)
	if err != nil {
		return err
	}
	n := binary.BigEndian.Uint32(h)
	h, skip := h[4:], int64(4)
	first := uint32(0)
	for _, bit := range []uint32{1, 4} {
		if flags&bit == 0 {
			continue
		}
		if len(h) < 4 {
			return damaged("box too short")
		}
		v := binary.BigEndian.Uint32(h)
		h, skip = h[4:], skip+4
		if bit == 1 {
			g.data = g.base + int64(int32(v))
		} else {
			first = v
		}
	}
	return f.readRunRows(b, g, mp4TrunRows{n: n, skip: skip, flags: flags, first: first, hasFirst: flags&4 != 0, signed: version != 0})
}

type mp4TrunRows struct {
	n        uint32
	skip     int64
	flags    uint32
	first    uint32
	hasFirst bool
	signed   bool
}

// readRunRows reads the samples of a trun.
func (f *mp4File) readRunRows(b mp4Box, g *mp4Fragment, r mp4TrunRows) error {
	width := 0
	for bit := uint32(0x100); bit <= 0x800; bit <<= 1 {
		if r.flags&bit != 0 {
			width += 4
		}
	}
	if int64(r.n)*int64(width) > b.len()-4-r.skip {
		return damaged("run longer than its box")
	}
	if f.samples += int64(r.n); f.samples > min(mp4MaxSamples, f.size) {
		return damaged("too many samples")
	}
	if r.n == 0 {
		return nil
	}
	start, off := g.data, b.body+4+r.skip
	for i := range r.n {
		s := mp4Sample{duration: g.duration, size: g.size, flags: g.flags, signed: r.signed}
		row, err := f.at(off, width)
		if err != nil {
			return err
		}
		for k, v := range []*uint32{&s.duration, &s.size, &s.flags, &s.shift} {
			if r.flags&(0x100<<k) != 0 {
				*v = binary.BigEndian.Uint32(row)
				row = row[4:]
			}
		}
		if i == 0 && r.hasFirst {
			s.flags = r.first
		}
		s.shifted = r.flags&0x800 != 0
		off += int64(width)
		g.data += int64(s.size) // at most 2^23 samples of 2^32: no overflow
		if g.track != nil {
			if err := g.track.add(s); err != nil {
				return err
			}
		}
	}
	if g.track == nil {
		return nil
	}
	return g.track.addChunk(start, r.n, g.desc)
}

// mp4Sample is one row of a trun.
type mp4Sample struct {
	duration, size, flags, shift uint32
	shifted, signed              bool
}

// add appends one sample of a fragment to the tables.
func (t *mp4Track) add(s mp4Sample) error {
	n := t.sizes.n
	t.sizes.add(s.size)
	t.times.add(1, s.duration)
	if t.decode.next += uint64(s.duration); t.decode.next > math.MaxInt64 {
		return damaged("fragment time")
	}
	if s.shifted && !t.shifted {
		t.shifted = true
		t.shifts.add(n, 0)
	}
	if t.shifted {
		t.shifts.add(1, s.shift)
		t.signed = t.signed || s.signed && int32(s.shift) < 0
	}
	nonSync := s.flags&0x10000 != 0 && t.handler == "vide"
	if nonSync && !t.hasSync {
		t.hasSync = true
		for i := range n {
			t.sync = append(t.sync, i+1)
		}
	}
	if t.hasSync && !nonSync {
		t.sync = append(t.sync, n+1)
	}
	return nil
}

// addChunk appends a chunk of per samples at off.
func (t *mp4Track) addChunk(off int64, per, desc uint32) error {
	if len(t.chunks) >= mp4MaxChunks {
		return damaged("too many chunks")
	}
	t.addRun(mp4ChunkRun{uint32(len(t.chunks)), per, desc})
	t.chunks = append(t.chunks, off)
	return nil
}
