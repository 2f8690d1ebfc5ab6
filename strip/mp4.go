package strip

import (
	"bufio"
	"io"
)

// Buffers of the two ways a file is read, jumping from header to header and
// through the samples, and of what is written.
const (
	mp4HeaderWindow = 64 << 10
	mp4SampleWindow = 256 << 10
	mp4OutBuffer    = 256 << 10 // chunks of sound are small
)

// mp4MaxTables bounds the boxes that describe samples (moov and moof together).
const mp4MaxTables = 64 << 20

// stripMP4 writes an MP4 file (ISO/IEC 14496-12 and -14) with H.264 video and AAC
// or MP3 sound anew: ftyp, moov, mdat. The boxes are built from a typed model,
// so nothing reaches the result that the model has no place for; samples are
// copied without the NAL units and AAC elements that say something of the
// sender. The file is read twice; only the sample tables are kept in memory.
func stripMP4(dst io.Writer, src io.ReaderAt, size int64) (Removed, error) {
	f := &mp4File{mp4Window: newMP4Window(src, size, mp4HeaderWindow)}
	m, media, err := f.readFile()
	if err != nil {
		return 0, err
	}
	used, err := media.checkAmount(m.tracks)
	if err != nil {
		return 0, err
	}
	if used < media.total && f.removed&RemovedTrack == 0 {
		f.removed |= RemovedHidden
	}
	filter := &mp4Filter{w: newMP4Window(src, size, mp4SampleWindow)}
	total, err := filter.measure(m, media)
	if err != nil {
		return 0, err
	}
	out := bufio.NewWriterSize(dst, mp4OutBuffer)
	if err := writeMovie(out, m, total); err != nil {
		return 0, err
	}
	filter.dst = out
	if err := filter.write(m); err != nil {
		return 0, err
	}
	return f.removed | filter.removed, out.Flush()
}

// readFile reads the boxes of the file into the model.
func (f *mp4File) readFile() (*mp4Movie, *mp4Media, error) {
	if err := f.readBrand(); err != nil {
		return nil, nil, err
	}
	var moov mp4Box
	var moofs []mp4Box
	var tables int64
	media := &mp4Media{}
	for off := int64(0); off < f.size; {
		b, err := f.box(off, f.size)
		if err != nil {
			// A camera may append what is not a box (Samsung's SEFT trailer). It is
			// left out, but only behind a movie that is complete.
			if moov.kind != "" && media.boxes != nil {
				f.removed |= RemovedHidden
				break
			}
			return nil, nil, err
		}
		switch b.kind {
		case "ftyp":
		case "moov":
			err = once(&moov, b)
			tables += b.len()
		case "moof":
			moofs = append(moofs, b)
			tables += b.len()
		case "mdat":
			media.boxes = append(media.boxes, b)
			media.total += b.len()
		case "pssh":
			err = errMP4Encrypted
		default:
			err = f.drop(b)
		}
		if err != nil {
			return nil, nil, err
		}
		off = b.end
	}
	switch {
	case moov.kind == "":
		return nil, nil, damaged("no movie box")
	case tables > mp4MaxTables:
		return nil, nil, damaged("tables too large")
	}
	m, err := f.readMovie(moov)
	if err != nil {
		return nil, nil, err
	}
	return m, media, f.readFragments(moofs, m)
}

// readBrand refuses QuickTime's own brand: its sound and colour follow other
// rules.
func (f *mp4File) readBrand() error {
	b, err := f.box(0, f.size)
	if err != nil {
		return err
	}
	if b.kind != "ftyp" || b.len() < 8 {
		return damaged("no file type")
	}
	h, err := f.at(b.body, 8)
	if err != nil {
		return err
	}
	if string(h[:4]) == "qt  " {
		return &UnsupportedError{Found: "QuickTime (MOV) video", Hint: hintMOV}
	}
	return nil
}

// readFragments adds the samples of fragments and leaves out tracks that have
// none at all.
func (f *mp4File) readFragments(moofs []mp4Box, m *mp4Movie) error {
	if len(moofs) > 0 && !m.fragmented {
		return damaged("fragments of a movie that has none")
	}
	for _, t := range m.tracks {
		f.samples += int64(t.sizes.n)
		t.decode = mp4Decode{started: t.sizes.n > 0, next: t.times.sum()}
	}
	for _, b := range moofs {
		if err := f.readFragment(b, m); err != nil {
			return err
		}
	}
	kept, video := m.tracks[:0], false
	for _, t := range m.tracks {
		if t.sizes.n > 0 {
			kept = append(kept, t)
			video = video || t.handler == "vide"
		}
	}
	m.tracks = kept
	if len(kept) == 0 {
		return damaged("no samples")
	}
	if f.stills && !video {
		return &UnsupportedError{Found: "MP4 whose video is a series of pictures", Hint: hintH264}
	}
	if len(moofs) == 0 {
		return nil
	}
	return m.rebase()
}
