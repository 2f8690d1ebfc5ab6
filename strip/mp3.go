package strip

// MP3 frames (ISO/IEC 11172-3, 2.4.1 and 13818-3) inside MP4. A frame's sound
// may begin up to 511 bytes before the frame, in space that earlier frames left;
// what no frame uses is ancillary data, where encoders write their name and
// version. That space is set to zero. Header, side information and sound stay.

// mp3Region is the part of a frame behind its side information. The regions of
// all frames together are one stream, in which the sound lies.
type mp3Region struct {
	start  int64 // in the stream, bytes
	at     int   // in the sample
	sample uint32
	data   []byte
}

// mp3Clear is a range of one sample that is to be zero.
type mp3Clear struct {
	sample uint32
	at, n  int
	keep   byte // bits of the first byte that stay, from the top
}

// mp3Stream follows the stream of one track in the first pass.
type mp3Stream struct {
	recent []mp3Region // those that ancillary data may still be found in
	next   int64       // where the next region begins, bytes
	used   int64       // where the sound so far ends, bits
	clears []mp3Clear  // in the order of the samples
	done   int         // clears that the second pass has applied
}

// mp3Rates are bit rates in kbit/s and sampling rates in Hz of MPEG-1; MPEG-2 has
// rates of its own and half, MPEG-2.5 a quarter of the sampling rates.
var (
	mp3Rates = [2][16]int{
		{0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 0},
		{0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 0},
	}
	mp3Hertz = [4]int{44100, 48000, 32000, 0}
)

// mp3Frame is what the header says.
type mp3Frame struct {
	size     int
	low      int // 1: MPEG-2 or 2.5, with one granule instead of two
	channels int
	skip     int // bytes of header and checksum
}

func readMP3Header(b []byte) (mp3Frame, error) {
	if len(b) < 4 || b[0] != 0xff || b[1]&0xe0 != 0xe0 {
		return mp3Frame{}, damaged("MP3 frame")
	}
	version, layer := b[1]>>3&3, b[1]>>1&3
	if layer != 1 || version == 1 {
		return mp3Frame{}, &UnsupportedError{Found: "MP4 whose sound is not AAC", Hint: hintAAC}
	}
	h := mp3Frame{channels: 2, skip: 4}
	hertz := mp3Hertz[b[2]>>2&3]
	if version != 3 {
		h.low = 1
		hertz /= 2
	}
	if version == 0 {
		hertz /= 2
	}
	rate := mp3Rates[h.low][b[2]>>4]
	if rate == 0 || hertz == 0 {
		return mp3Frame{}, damaged("MP3 frame")
	}
	h.size = (144000>>h.low)*rate/hertz + int(b[2]>>1&1)
	if b[3]>>6 == 3 {
		h.channels = 1
	}
	if b[1]&1 == 0 {
		h.skip += 2
	}
	return h, nil
}

// sample takes the next sample of the track, which may hold several frames.
func (s *mp3Stream) sample(number uint32, b []byte) error {
	for at := 0; at < len(b); {
		h, err := readMP3Header(b[at:])
		if err != nil {
			return err
		}
		r := &bitsAt{b: b[at:]}
		r.skip(8 * h.skip)
		back, private := 9, []int{5, 3}
		if h.low == 1 {
			back, private = 8, []int{1, 2}
		}
		begin := (s.next - int64(r.get(back))) * 8
		r.skip(private[h.channels-1])
		granules, rest := 1, 51
		if h.low == 0 {
			r.skip(4 * h.channels)
			granules, rest = 2, 47
		}
		length := int64(0)
		for range granules * h.channels {
			length += int64(r.get(12))
			r.skip(rest)
		}
		if r.over || h.size > len(b)-at || r.pos > 8*h.size {
			return damaged("MP3 frame")
		}
		s.clear(begin)
		s.used = max(s.used, begin+length)
		data := append([]byte(nil), b[at+r.pos/8:at+h.size]...)
		s.recent = append(s.recent, mp3Region{s.next, at + r.pos/8, number, data})
		s.next += int64(len(data))
		at += h.size
	}
	return nil
}

// clear notes that the bits of the stream from the end of the sound to end are
// of no frame, and forgets regions that nothing can refer to any more.
func (s *mp3Stream) clear(end int64) {
	for _, r := range s.recent {
		from := max(s.used, r.start*8) - r.start*8
		to := min(end, (r.start+int64(len(r.data)))*8) - r.start*8
		if from >= to {
			continue
		}
		c := mp3Clear{sample: r.sample, at: r.at + int(from/8), n: int((to+7)/8 - from/8), keep: ^byte(0xff >> (from & 7))}
		part := r.data[from/8:][:c.n]
		dirty := part[0]&^c.keep != 0
		for _, v := range part[1:] {
			dirty = dirty || v != 0
		}
		if dirty {
			s.clears = append(s.clears, c)
		}
	}
	s.used = max(s.used, end)
	for len(s.recent) > 0 && s.recent[0].start+int64(len(s.recent[0].data)) < s.next-512 {
		s.recent = s.recent[1:]
	}
}

// finish ends the stream and marks the samples that have something to clear.
func (s *mp3Stream) finish(out *mp4Output) Removed {
	s.clear(s.next * 8)
	s.recent = nil
	for _, c := range s.clears {
		out.changed[c.sample>>6] |= 1 << (c.sample & 63)
	}
	if len(s.clears) > 0 {
		return RemovedSoftware
	}
	return 0
}

// apply clears in a sample what the first pass noted, sample after sample.
func (s *mp3Stream) apply(number uint32, b []byte) error {
	for ; s.done < len(s.clears) && s.clears[s.done].sample == number; s.done++ {
		c := s.clears[s.done]
		if c.at+c.n > len(b) {
			return damaged("file changed while it was read")
		}
		b[c.at] &= c.keep
		clear(b[c.at+1 : c.at+c.n])
	}
	return nil
}
