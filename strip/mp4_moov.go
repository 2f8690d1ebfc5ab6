package strip

import "encoding/binary"

// The typed model of a movie: everything that the result's moov is built from.
// Times are not in it, nor names, languages or identifiers.

type mp4Movie struct {
	timescale  uint32
	matrix     [36]byte
	tracks     []*mp4Track
	fragmented bool // has mvex: samples may be in moof boxes
}

type mp4Track struct {
	id        uint32 // in the source; the result counts from 1
	handler   string // "vide" or "soun"
	flags     uint32 // enabled, in movie, in preview, size is aspect ratio
	layer     uint16
	group     uint16
	volume    uint16
	matrix    [36]byte
	width     uint32 // 16.16
	height    uint32
	timescale uint32
	entries   []*mp4Entry
	edits     []mp4Edit
	roll      []byte // bodies of sgpd and sbgp 'roll', rebuilt
	rollMap   []byte

	sizes   mp4Sizes
	times   mp4Runs // decoding time deltas
	shifts  mp4Runs // composition offsets, as bits of an int32 if signed
	shifted bool    // has composition offsets at all
	signed  bool
	sync    []uint32 // numbers of the sync samples, from 1
	hasSync bool     // without it every sample is one
	runs    []mp4ChunkRun
	chunks  []int64 // offsets in the source

	fragment mp4Defaults
	decode   mp4Decode
	out      mp4Output
	mp3      mp3Stream
}

// mp4Edit is one row of an edit list (8.6.6).
type mp4Edit struct {
	length uint64 // in the movie's timescale
	start  int64  // in the track's; -1: nothing is shown
	rate   uint32
}

// mp4MaxTracks bounds kept and dropped tracks together.
const mp4MaxTracks = 64

// readMovie reads moov (8.2.1).
func (f *mp4File) readMovie(moov mp4Box) (*mp4Movie, error) {
	m := &mp4Movie{}
	var header, extends bool
	var traks []mp4Box
	defaults := map[uint32]mp4Defaults{}
	err := f.children(moov.body, moov.end, func(b mp4Box) error {
		switch b.kind {
		case "mvhd":
			if header {
				return damaged("two movie headers")
			}
			header = true
			return f.readMovieHeader(b, m)
		case "trak":
			if traks = append(traks, b); len(traks) > mp4MaxTracks {
				return damaged("too many tracks")
			}
			return nil
		case "mvex":
			if extends {
				return damaged("two movie extends boxes")
			}
			extends, m.fragmented = true, true
			return f.readExtends(b, defaults)
		case "pssh":
			return errMP4Encrypted
		case "cmov":
			return damaged("compressed movie header")
		}
		return f.drop(b)
	})
	if err != nil {
		return nil, err
	}
	if !header {
		return nil, damaged("no movie header")
	}
	chapters := map[uint32]bool{}
	for _, b := range traks {
		t, err := f.readTrack(b, chapters)
		if err != nil {
			return nil, err
		}
		if t != nil {
			m.tracks = append(m.tracks, t)
		}
	}
	return m, f.chooseTracks(m, chapters, defaults)
}

// chooseTracks drops the tracks that others use as chapters and checks that
// numbers are unique.
func (f *mp4File) chooseTracks(m *mp4Movie, chapters map[uint32]bool, defaults map[uint32]mp4Defaults) error {
	seen := map[uint32]bool{}
	kept := m.tracks[:0]
	var samples uint64
	for _, t := range m.tracks {
		if t.id == 0 || seen[t.id] {
			return damaged("track numbers")
		}
		seen[t.id] = true
		if chapters[t.id] {
			f.removed |= RemovedTrack
			continue
		}
		t.fragment = defaults[t.id]
		samples += uint64(t.sizes.n)
		kept = append(kept, t)
	}
	m.tracks = kept
	if len(kept) == 0 {
		return &UnsupportedError{Found: "MP4 without a video or sound track", Hint: hintVideo}
	}
	if samples > mp4MaxSamples {
		return damaged("too many samples")
	}
	return nil
}

func (f *mp4File) readMovieHeader(b mp4Box, m *mp4Movie) error {
	version, _, h, err := f.full(b, 96, 108)
	if err != nil {
		return err
	}
	if version == 1 && len(h) < 108 || version > 1 {
		return damaged("movie header")
	}
	times := h[:8]
	rest := h[8:]
	if version == 1 {
		times, rest = h[:16], h[16:]
	}
	f.sawTimes(times)
	m.timescale = binary.BigEndian.Uint32(rest)
	if version == 1 {
		rest = rest[4:]
	}
	copy(m.matrix[:], rest[8+16:])
	if m.timescale == 0 {
		return damaged("timescale")
	}
	return nil
}

// sawTimes notes creation and modification times that are set.
func (f *mp4File) sawTimes(b []byte) {
	for _, c := range b {
		if c != 0 {
			f.removed |= RemovedTime
		}
	}
}

// readTrack reads one trak (8.3.1); nil for a track that is left out. It notes
// in chapters which tracks this one uses as its chapters or thumbnails.
func (f *mp4File) readTrack(trak mp4Box, chapters map[uint32]bool) (*mp4Track, error) {
	t := &mp4Track{}
	var header, media, edts mp4Box
	err := f.children(trak.body, trak.end, func(b mp4Box) error {
		switch b.kind {
		case "tkhd":
			return once(&header, b)
		case "mdia":
			return once(&media, b)
		case "edts":
			return once(&edts, b)
		case "tref":
			return f.readReferences(b, chapters)
		}
		return f.drop(b)
	})
	if err != nil {
		return nil, err
	}
	if header.kind == "" || media.kind == "" {
		return nil, damaged("track without header or media")
	}
	if err := f.readTrackHeader(header, t); err != nil {
		return nil, err
	}
	keep, err := f.readMedia(media, t)
	if err != nil || !keep {
		return nil, err
	}
	if edts.kind != "" {
		err = f.children(edts.body, edts.end, func(b mp4Box) error {
			if b.kind != "elst" {
				return f.drop(b)
			}
			if t.edits != nil {
				return damaged("two edit lists")
			}
			return f.readEdits(b, t)
		})
	}
	return t, err
}

// once keeps b in place, which must be empty.
func once(place *mp4Box, b mp4Box) error {
	if place.kind != "" {
		return damaged("the same box twice")
	}
	*place = b
	return nil
}

func (f *mp4File) readReferences(tref mp4Box, chapters map[uint32]bool) error {
	return f.children(tref.body, tref.end, func(b mp4Box) error {
		if b.kind != "chap" && b.kind != "thmb" {
			return nil
		}
		ids, err := f.at(b.body, int(min(b.len(), 4*mp4MaxTracks)))
		if err != nil {
			return err
		}
		for ; len(ids) >= 4; ids = ids[4:] {
			chapters[binary.BigEndian.Uint32(ids)] = true
		}
		return nil
	})
}

// readTrackHeader reads tkhd (8.3.2).
func (f *mp4File) readTrackHeader(b mp4Box, t *mp4Track) error {
	version, flags, h, err := f.full(b, 80, 92)
	if err != nil {
		return err
	}
	if version == 1 && len(h) < 92 || version > 1 {
		return damaged("track header")
	}
	t.flags = flags & 0xf
	times, rest := h[:8], h[8:]
	if version == 1 {
		times, rest = h[:16], h[16:]
	}
	f.sawTimes(times)
	t.id = binary.BigEndian.Uint32(rest)
	rest = rest[12:] // number, reserved, duration
	if version == 1 {
		rest = rest[4:]
	}
	t.layer = binary.BigEndian.Uint16(rest[8:])
	t.group = binary.BigEndian.Uint16(rest[10:])
	t.volume = binary.BigEndian.Uint16(rest[12:])
	copy(t.matrix[:], rest[16:])
	t.width = binary.BigEndian.Uint32(rest[52:])
	t.height = binary.BigEndian.Uint32(rest[56:])
	return nil
}

// readEdits reads elst (8.6.6).
func (f *mp4File) readEdits(b mp4Box, t *mp4Track) error {
	version, _, _, err := f.full(b, 4, 4)
	if err != nil {
		return err
	}
	width := 12
	if version == 1 {
		width = 20
	}
	t.edits = []mp4Edit{}
	return f.fewRows(b, 0, width, 1<<16, func(row []byte) error {
		var e mp4Edit
		if version == 1 {
			e.length, e.start = binary.BigEndian.Uint64(row), int64(binary.BigEndian.Uint64(row[8:]))
		} else {
			e.length, e.start = uint64(binary.BigEndian.Uint32(row)), int64(int32(binary.BigEndian.Uint32(row[4:])))
		}
		e.rate = binary.BigEndian.Uint32(row[width-4:])
		if e.start < -1 || e.start > 1<<62 || e.length > 1<<56 {
			return damaged("edit list")
		}
		t.edits = append(t.edits, e)
		return nil
	})
}

// readMedia reads mdia (8.4). It says whether the track is one that is kept.
func (f *mp4File) readMedia(mdia mp4Box, t *mp4Track) (bool, error) {
	var header, handler, info mp4Box
	err := f.children(mdia.body, mdia.end, func(b mp4Box) error {
		switch b.kind {
		case "mdhd":
			return once(&header, b)
		case "hdlr":
			return once(&handler, b)
		case "minf":
			return once(&info, b)
		}
		return f.drop(b)
	})
	if err != nil {
		return false, err
	}
	if header.kind == "" || handler.kind == "" || info.kind == "" {
		return false, damaged("media without header, handler or tables")
	}
	_, _, h, err := f.full(handler, 8, 256)
	if err != nil {
		return false, err
	}
	t.handler = string(h[4:8])
	for _, c := range h[min(20, len(h)):] {
		if c != 0 {
			f.removed |= RemovedSoftware // the handler's name is its maker's
		}
	}
	if t.handler != "vide" && t.handler != "soun" {
		f.removed |= RemovedTrack
		return false, nil
	}
	if err := f.readMediaHeader(header, t); err != nil {
		return false, err
	}
	return f.readInfo(info, t)
}

// readMediaHeader reads mdhd (8.4.2).
func (f *mp4File) readMediaHeader(b mp4Box, t *mp4Track) error {
	version, _, h, err := f.full(b, 20, 32)
	if err != nil {
		return err
	}
	if version == 1 && len(h) < 32 || version > 1 {
		return damaged("media header")
	}
	times, rest := h[:8], h[8:]
	if version == 1 {
		times, rest = h[:16], h[16:]
	}
	f.sawTimes(times)
	t.timescale = binary.BigEndian.Uint32(rest)
	if t.timescale == 0 {
		return damaged("timescale")
	}
	return nil
}
