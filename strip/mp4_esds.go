package strip

import "encoding/binary"

// readAudioEntry reads an AudioSampleEntry of kind mp4a (ISO/IEC 14496-12,
// 12.2.3; 14496-14, 5.6), also in QuickTime's version 1 with the descriptor
// inside a wave box.
func (f *mp4File) readAudioEntry(b mp4Box, e *mp4Entry) error {
	if b.len() < 28 {
		return damaged("sound description")
	}
	h, err := f.at(b.body, 28)
	if err != nil {
		return err
	}
	skip := int64(28)
	switch version := binary.BigEndian.Uint16(h[8:]); version {
	case 0:
	case 1:
		skip += 16
	default:
		return &UnsupportedError{Found: "QuickTime sound description", Hint: hintAAC}
	}
	e.channels, e.rate = binary.BigEndian.Uint16(h[16:]), binary.BigEndian.Uint32(h[24:])
	if b.len() < skip {
		return damaged("sound description")
	}
	var esds mp4Box
	err = f.children(b.body+skip, b.end, func(c mp4Box) error {
		switch c.kind {
		case "sinf":
			return errMP4Encrypted
		case "esds":
			return once(&esds, c)
		case "wave":
			return f.children(c.body, c.end, func(d mp4Box) error {
				if d.kind == "esds" {
					return once(&esds, d)
				}
				return nil
			})
		}
		return f.dropQuiet(c)
	})
	if err != nil {
		return err
	}
	if esds.kind == "" {
		return damaged("no sound configuration")
	}
	if esds.len() > mp4MaxConfig {
		return damaged("sound configuration too large")
	}
	_, _, d, err := f.full(esds, 0, mp4MaxConfig)
	if err != nil {
		return err
	}
	out, removed, err := rebuildESDS(d, e)
	f.removed |= removed
	e.boxes = mp4AppendBox(nil, "esds", out)
	return err
}

// descriptor reads one descriptor of class tag (ISO/IEC 14496-1, 8.3.3) from
// the front of b and returns its body.
func descriptor(b []byte, tag byte) ([]byte, error) {
	if len(b) < 2 || b[0] != tag {
		return nil, damaged("sound configuration")
	}
	size, i := 0, 1
	for {
		if i >= len(b) || i > 4 {
			return nil, damaged("sound configuration")
		}
		size = size<<7 | int(b[i]&0x7f)
		i++
		if b[i-1] < 0x80 {
			break
		}
	}
	if size > len(b)-i {
		return nil, damaged("sound configuration")
	}
	return b[i : i+size], nil
}

// rebuildESDS rebuilds an elementary stream descriptor (14496-1, 7.2.6.5): the
// kind of stream and, for AAC, its AudioSpecificConfig. Identifiers, bit rates
// and buffer sizes are zero.
func rebuildESDS(b []byte, e *mp4Entry) ([]byte, Removed, error) {
	es, err := descriptor(b, 3)
	if err != nil {
		return nil, 0, err
	}
	if len(es) < 3 {
		return nil, 0, damaged("sound configuration")
	}
	skip := 3
	if es[2]&0x80 != 0 {
		skip += 2
	}
	if es[2]&0x40 != 0 {
		return nil, 0, &UnsupportedError{Found: "video whose data is in another file", Hint: "export it as one self-contained file"}
	}
	if es[2]&0x20 != 0 {
		skip += 2
	}
	if len(es) < skip {
		return nil, 0, damaged("sound configuration")
	}
	config, err := descriptor(es[skip:], 4)
	if err != nil {
		return nil, 0, err
	}
	if len(config) < 13 {
		return nil, 0, damaged("sound configuration")
	}
	kind, inner := config[0], []byte(nil)
	removed := Removed(0)
	switch kind {
	case 0x40, 0x66, 0x67, 0x68: // MPEG-4 audio, MPEG-2 AAC
		asc, err := descriptor(config[13:], 5)
		if err != nil {
			return nil, 0, err
		}
		e.aac, inner, removed, err = parseASC(asc)
		if err != nil {
			return nil, 0, err
		}
	case 0x69, 0x6b: // MPEG-2 and MPEG-1 layer 3
	default:
		return nil, 0, &UnsupportedError{Found: "MP4 whose sound is not AAC", Hint: hintAAC}
	}
	out := append([]byte{kind, 5<<2 | 1}, make([]byte, 11)...)
	if inner != nil {
		out = appendDescriptor(out, 5, inner)
	}
	out = appendDescriptor([]byte{0, 0, 0}, 4, out)
	out = appendDescriptor(out, 6, []byte{2})
	return append(make([]byte, 4), appendDescriptor(nil, 3, out)...), removed, nil
}

// appendDescriptor writes the length in four bytes always, as most writers do.
func appendDescriptor(dst []byte, tag byte, body []byte) []byte {
	n := len(body)
	dst = append(dst, tag, 0x80|byte(n>>21), 0x80|byte(n>>14&0x7f), 0x80|byte(n>>7&0x7f), byte(n&0x7f))
	return append(dst, body...)
}
