package strip

import "encoding/binary"

// mp4Entry is one sample entry of stsd (8.5.2), in the form that is written.
type mp4Entry struct {
	kind   string // "avc1", "avc3" or "mp4a"
	width  uint16
	height uint16
	boxes  []byte // child boxes, rebuilt

	lengthSize int // avc: bytes of the length in front of every NAL unit

	channels uint16
	rate     uint32     // 16.16
	aac      *aacConfig // nil for MP3
}

const (
	hintHEVC = "on the phone set the camera to Most Compatible (iPhone: Settings, Camera, Formats) and film again, or convert it: ffmpeg -i in.mp4 -c:v libx264 -c:a aac out.mp4"
	hintH264 = "convert it to H.264 with AAC sound: ffmpeg -i in.mp4 -c:v libx264 -c:a aac out.mp4"
	hintAAC  = "convert its sound to AAC: ffmpeg -i in.mp4 -c:v copy -c:a aac out.mp4"
)

var errMP4Encrypted = &UnsupportedError{Found: "encrypted (copy-protected) video", Hint: "send a copy without protection"}

// mp4Codecs names what is found in place of H.264 and AAC.
var mp4Codecs = map[string]*UnsupportedError{
	"hvc1": {Found: "HEVC (H.265) video", Hint: hintHEVC}, "hev1": {Found: "HEVC (H.265) video", Hint: hintHEVC},
	"dvh1": {Found: "Dolby Vision (HEVC) video", Hint: hintHEVC}, "dvhe": {Found: "Dolby Vision (HEVC) video", Hint: hintHEVC},
	"hvc2": {Found: "HEVC (H.265) video", Hint: hintHEVC}, "hev2": {Found: "HEVC (H.265) video", Hint: hintHEVC},
	"vvc1": {Found: "VVC (H.266) video", Hint: hintH264}, "vvi1": {Found: "VVC (H.266) video", Hint: hintH264},
	"av01": {Found: "AV1 video", Hint: hintH264}, "vp08": {Found: "VP8 video", Hint: hintH264}, "vp09": {Found: "VP9 video", Hint: hintH264},
	"mp4v": {Found: "MPEG-4 Visual video", Hint: hintH264}, "s263": {Found: "H.263 video", Hint: hintH264}, "h263": {Found: "H.263 video", Hint: hintH264},
	"avc2": {Found: "layered H.264 video", Hint: hintH264}, "svc1": {Found: "layered H.264 video", Hint: hintH264}, "mvc1": {Found: "layered H.264 video", Hint: hintH264},
	"mjpa": {Found: "Motion JPEG video", Hint: hintH264}, "mjpb": {Found: "Motion JPEG video", Hint: hintH264},
	"apch": {Found: "ProRes video", Hint: hintH264}, "apcn": {Found: "ProRes video", Hint: hintH264}, "apcs": {Found: "ProRes video", Hint: hintH264},
	"apco": {Found: "ProRes video", Hint: hintH264}, "ap4h": {Found: "ProRes video", Hint: hintH264},
	"samr": {Found: "AMR sound", Hint: hintAAC}, "sawb": {Found: "AMR sound", Hint: hintAAC}, "sawp": {Found: "AMR sound", Hint: hintAAC},
	"ac-3": {Found: "Dolby (AC-3) sound", Hint: hintAAC}, "ec-3": {Found: "Dolby (E-AC-3) sound", Hint: hintAAC}, "ac-4": {Found: "Dolby (AC-4) sound", Hint: hintAAC},
	"Opus": {Found: "Opus sound", Hint: hintAAC}, "fLaC": {Found: "FLAC sound", Hint: hintAAC}, "alac": {Found: "Apple Lossless sound", Hint: hintAAC},
	"dtsc": {Found: "DTS sound", Hint: hintAAC}, "dtse": {Found: "DTS sound", Hint: hintAAC}, "dtsh": {Found: "DTS sound", Hint: hintAAC}, "dtsl": {Found: "DTS sound", Hint: hintAAC},
	"sowt": {Found: "PCM sound", Hint: hintAAC}, "twos": {Found: "PCM sound", Hint: hintAAC}, "lpcm": {Found: "PCM sound", Hint: hintAAC}, "ipcm": {Found: "PCM sound", Hint: hintAAC},
	"fpcm": {Found: "PCM sound", Hint: hintAAC}, "raw ": {Found: "PCM sound", Hint: hintAAC}, "in24": {Found: "PCM sound", Hint: hintAAC}, "in32": {Found: "PCM sound", Hint: hintAAC},
	"ulaw": {Found: "PCM sound", Hint: hintAAC}, "alaw": {Found: "PCM sound", Hint: hintAAC}, "ima4": {Found: "ADPCM sound", Hint: hintAAC}, ".mp3": {Found: "MP3 sound of a QuickTime video", Hint: hintAAC},
	"encv": errMP4Encrypted, "enca": errMP4Encrypted, "drmi": errMP4Encrypted, "drms": errMP4Encrypted,
}

// mp4Stills are sample entries of pictures: cover art and chapter pictures.
var mp4Stills = map[string]bool{"jpeg": true, "png ": true, "tiff": true, "gif ": true, "mjp2": true}

// readDescriptions reads stsd. It says whether the track is kept: a track of
// still pictures beside the video is not.
func (f *mp4File) readDescriptions(stsd mp4Box, t *mp4Track, local []bool) (bool, error) {
	if stsd.len() < 8 {
		return false, damaged("box too short")
	}
	still := false
	err := f.children(stsd.body+8, stsd.end, func(b mp4Box) error {
		if len(t.entries) >= 16 {
			return damaged("too many sample descriptions")
		}
		if t.handler == "vide" && mp4Stills[b.kind] {
			still = true
			return nil
		}
		h, err := f.at(b.body, int(min(b.len(), 8)))
		if err != nil {
			return err
		}
		if len(h) < 8 {
			return damaged("sample description")
		}
		ref := int(binary.BigEndian.Uint16(h[6:]))
		e := &mp4Entry{kind: b.kind}
		switch {
		case t.handler == "vide" && (b.kind == "avc1" || b.kind == "avc3"):
			err = f.readVideoEntry(b, e)
		case t.handler == "soun" && b.kind == "mp4a":
			err = f.readAudioEntry(b, e)
		case mp4Codecs[b.kind] != nil:
			return mp4Codecs[b.kind]
		case t.handler == "vide":
			return &UnsupportedError{Found: "MP4 whose video is not H.264", Hint: hintH264}
		default:
			return &UnsupportedError{Found: "MP4 whose sound is not AAC", Hint: hintAAC}
		}
		if err != nil {
			return err
		}
		if ref < 1 || ref > len(local) {
			return damaged("data reference")
		}
		if !local[ref-1] {
			return &UnsupportedError{Found: "video whose data is in another file", Hint: "export it as one self-contained file"}
		}
		t.entries = append(t.entries, e)
		return nil
	})
	if err != nil {
		return false, err
	}
	if still && len(t.entries) == 0 {
		f.stills = true
		f.removed |= RemovedThumbnail
		return false, nil
	}
	if still || len(t.entries) == 0 {
		return false, damaged("sample descriptions")
	}
	return true, nil
}

// readVideoEntry reads a VisualSampleEntry with its AVC configuration
// (ISO/IEC 14496-12, 12.1.3; 14496-15, 5.4.2).
func (f *mp4File) readVideoEntry(b mp4Box, e *mp4Entry) error {
	if b.len() < 78 {
		return damaged("video description")
	}
	h, err := f.at(b.body, 78)
	if err != nil {
		return err
	}
	e.width, e.height = binary.BigEndian.Uint16(h[24:]), binary.BigEndian.Uint16(h[26:])
	for _, c := range h[42:74] {
		if c != 0 {
			f.removed |= RemovedSoftware // compressor name
		}
	}
	seen := map[string]bool{}
	err = f.children(b.body+78, b.end, func(c mp4Box) error {
		if c.kind == "sinf" {
			return errMP4Encrypted
		}
		if !mp4VideoBoxes[c.kind] || seen[c.kind] || c.kind == "colr" && c.len() > mp4MaxConfig {
			return f.dropQuiet(c)
		}
		if c.len() > mp4MaxConfig {
			return damaged("video configuration too large")
		}
		body, err := f.at(c.body, int(c.len()))
		if err != nil {
			return err
		}
		out, err := f.videoBox(c.kind, body, e)
		if err != nil || out == nil {
			return err
		}
		seen[c.kind] = true
		e.boxes = mp4AppendBox(e.boxes, c.kind, out)
		return nil
	})
	if err != nil {
		return err
	}
	if !seen["avcC"] {
		return damaged("no H.264 configuration")
	}
	return nil
}

// mp4MaxConfig bounds a configuration box: parameter sets of real encoders have
// some hundred bytes, profiles some thousand.
const mp4MaxConfig = 32 << 10

var mp4VideoBoxes = map[string]bool{"avcC": true, "pasp": true, "colr": true, "clap": true, "fiel": true, "mdcv": true, "clli": true}

// videoBox rebuilds the body of a box in a video sample entry; nil: left out.
func (f *mp4File) videoBox(kind string, b []byte, e *mp4Entry) ([]byte, error) {
	fixed := map[string]int{"pasp": 8, "clap": 32, "fiel": 2, "mdcv": 24, "clli": 4}
	switch {
	case kind == "avcC":
		out, removed, err := rebuildAVCC(b, e)
		f.removed |= removed
		return out, err
	case kind == "colr":
		return f.colour(b), nil
	case len(b) < fixed[kind]:
		return nil, damaged("video description")
	}
	return append([]byte(nil), b[:fixed[kind]]...), nil
}

// colour rebuilds colr: numbers of the colour space, or a profile without what
// identifies its maker.
func (f *mp4File) colour(b []byte) []byte {
	switch {
	case has(b, 0, "nclx") && len(b) >= 11:
		return append(append([]byte(nil), b[:10]...), b[10]&0x80)
	case has(b, 0, "nclc") && len(b) >= 10:
		return append([]byte(nil), b[:10]...)
	case has(b, 0, "prof"):
		profile, removed := normaliseICC(b[4:], "RGB ")
		f.removed |= removed
		if profile != nil {
			return append([]byte("prof"), profile...)
		}
		return nil
	}
	f.removed |= RemovedOther
	return nil
}

// rebuildAVCC rebuilds an AVCDecoderConfigurationRecord (14496-15, 5.3.3.1) with
// sequence and picture parameter sets only: cameras put SEI messages there too.
func rebuildAVCC(b []byte, e *mp4Entry) ([]byte, Removed, error) {
	if len(b) < 7 || b[0] != 1 {
		return nil, 0, damaged("H.264 configuration")
	}
	e.lengthSize = int(b[4]&3) + 1
	if e.lengthSize == 3 {
		return nil, 0, damaged("NAL length size")
	}
	var sets [2][][]byte // sequence, picture
	removed := Removed(0)
	rest := b[5:]
	for i, mask := range []byte{0x1f, 0xff} {
		if len(rest) < 1 {
			return nil, 0, damaged("H.264 configuration")
		}
		n := int(rest[0] & mask)
		rest = rest[1:]
		for ; n > 0; n-- {
			if len(rest) < 2 || len(rest)-2 < int(binary.BigEndian.Uint16(rest)) {
				return nil, 0, damaged("H.264 configuration")
			}
			size := int(binary.BigEndian.Uint16(rest))
			nalSplit(rest[2:2+size], func(u []byte) {
				if int(u[0]&0x9f) != nalSPS+i || len(u) < 2 {
					removed |= RemovedOther
					return
				}
				sets[i] = append(sets[i], u)
			})
			rest = rest[2+size:]
		}
	}
	if len(sets[0]) > 31 || len(sets[1]) > 255 {
		return nil, 0, damaged("H.264 configuration")
	}
	out := []byte{1, b[1], b[2], b[3], 0xfc | b[4]&3}
	for i, reserved := range []byte{0xe0, 0} {
		out = append(out, reserved|byte(len(sets[i])))
		for _, u := range sets[i] {
			out = append(binary.BigEndian.AppendUint16(out, uint16(len(u))), u...)
		}
	}
	if b[1] != 66 && b[1] != 77 && b[1] != 88 && len(rest) >= 4 {
		out = append(out, 0xfc|rest[0]&3, 0xf8|rest[1]&7, 0xf8|rest[2]&7, 0)
	}
	return out, removed, nil
}

func mp4AppendBox(dst []byte, kind string, body []byte) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(8+len(body)))
	return append(append(dst, kind...), body...)
}
