package strip

import (
	"bufio"
	"bytes"
	"io"
)

// JPEG markers (ITU-T T.81 table B.1), without the leading 0xff.
const (
	mSOF0 = 0xc0
	mSOF2 = 0xc2
	mDHT  = 0xc4
	mDAC  = 0xcc
	mRST0 = 0xd0
	mRST7 = 0xd7
	mSOI  = 0xd8
	mEOI  = 0xd9
	mSOS  = 0xda
	mDQT  = 0xdb
	mDNL  = 0xdc
	mDRI  = 0xdd
	mDHP  = 0xde
	mEXP  = 0xdf
	mAPP0 = 0xe0
	mCOM  = 0xfe
	mTEM  = 0x01
)

// jpegScansMost bounds the scans of one picture. A progressive one has about
// ten; every scan may cost a pass over all blocks, however short it is.
const jpegScansMost = 256

// jpegFile holds what was parsed so far. Tables are held back until a scan needs
// them, so that a table nobody uses is not copied.
type jpegFile struct {
	in      *input
	out     *bufio.Writer
	off     int64 // of the next byte to parse
	removed Removed

	jfif        bool
	adobe       int // colour transform of the Adobe segment, -1 if there is none
	orientation int // 0: no EXIF seen yet
	icc         iccChunks

	frame   *jpegFrame
	quant   [4]jpegTable
	huff    [8]jpegTable // 0..3 DC, 4..7 AC
	tables  [8]*huffman  // what huff says, built when a scan needs it
	restart int          // MCUs between restart markers, 0: none
	written int          // restart interval that the output has seen
	scans   int
	walk    jpegWalk
}

// jpegTable is the body of one DQT or DHT table.
type jpegTable struct {
	body  []byte
	fresh bool // not yet written since it was defined
}

// stripJPEG rewrites a JPEG (ITU-T T.81; JFIF; Exif 2.32; ICC.1 annex B.4) from
// its tables, its frame and its scans. It holds one window of the file, the
// colour profile and, for a progressive picture, one bit per coefficient.
func stripJPEG(dst io.Writer, src io.ReaderAt, size int64) (Removed, error) {
	j := &jpegFile{in: newInput(src, size), out: bufio.NewWriterSize(dst, windowSize), off: 2, adobe: -1}
	if err := j.parse(); err != nil {
		return 0, err
	}
	if j.scans == 0 {
		return 0, damaged("no picture data")
	}
	for _, c := range j.frame.comps {
		if !c.scanned {
			return 0, damaged("a colour has no picture data")
		}
	}
	j.out.Write([]byte{0xff, mEOI})
	return j.removed, j.out.Flush()
}

// parse reads segment after segment until the end mark or the end of the file.
func (j *jpegFile) parse() error {
	for {
		marker, err := j.marker()
		if err != nil {
			return err
		}
		switch {
		case marker == mEOI:
			if j.off < j.in.size {
				j.removed |= RemovedHidden
			}
			return nil
		case marker >= mRST0 && marker <= mRST7, marker == mTEM:
			j.removed |= RemovedHidden
			continue
		case marker == mSOI:
			return damaged("second start of picture")
		}
		body, err := j.segment()
		if err != nil {
			return err
		}
		if err := j.take(marker, body); err != nil {
			return err
		}
	}
}

// marker returns the next marker and skips what is between segments. The end
// of the file counts as the end mark once a scan is complete.
func (j *jpegFile) marker() (byte, error) {
	for j.off < j.in.size {
		b, err := j.in.rest(j.off, windowSize)
		if err != nil {
			return 0, err
		}
		i := bytes.IndexByte(b, 0xff)
		if i != 0 {
			j.removed |= RemovedHidden
			if i < 0 {
				i = len(b)
			}
			j.off += int64(i)
			continue
		}
		if j.off+2 > j.in.size {
			break
		}
		if b, err = j.in.bytes(j.off, 2); err != nil {
			return 0, err
		}
		switch b[1] {
		case 0xff: // a fill byte
			j.off++
		case 0:
			j.removed |= RemovedHidden
			j.off += 2
		default:
			m := b[1]
			j.off += 2
			return m, nil
		}
	}
	if j.scans == 0 {
		return 0, damaged("ends before the picture data")
	}
	j.off = j.in.size
	return mEOI, nil
}

// segment returns the body of the segment at off and steps over it. It stays
// valid until the next read.
func (j *jpegFile) segment() ([]byte, error) {
	b, err := j.in.bytes(j.off, 2)
	if err != nil {
		return nil, err
	}
	n := int(b[0])<<8 | int(b[1])
	if n < 2 {
		return nil, damaged("segment shorter than its length")
	}
	if b, err = j.in.bytes(j.off, n); err != nil {
		return nil, err
	}
	j.off += int64(n)
	return b[2:], nil
}

// take sorts one segment: kept in the model, refused, or left out.
func (j *jpegFile) take(marker byte, b []byte) error {
	switch {
	case marker >= mSOF0 && marker <= mSOF2:
		return j.takeFrame(marker, b)
	case marker == mDHT:
		return j.takeHuffman(b)
	case marker == mDQT:
		return j.takeQuant(b)
	case marker == mDRI:
		if len(b) != 2 {
			return damaged("restart interval of wrong length")
		}
		j.restart = int(b[0])<<8 | int(b[1])
		return nil
	case marker == mSOS:
		return j.takeScan(b)
	case marker == mDNL: // the height is in the frame already, else it was refused
		return nil
	case marker >= 0xc3 && marker <= 0xcf:
		return &UnsupportedError{Found: "lossless, hierarchical or arithmetic JPEG", Hint: hintPicture}
	case marker == mDHP, marker == mEXP:
		return &UnsupportedError{Found: "hierarchical JPEG", Hint: hintPicture}
	case marker >= mAPP0 && marker <= 0xef:
		j.takeApp(int(marker-mAPP0), b)
		return nil
	case marker == mCOM:
		j.removed |= RemovedText
		return nil
	case marker >= 0xf0 && marker <= 0xfd: // JPEG extensions: no decoder reads them
		j.removed |= RemovedOther
		return nil
	}
	return damaged("unknown marker")
}

// takeApp reads the application segments that carry something to keep, and
// says of the others what they held. Only those before the first scan count:
// that is when decoders have read them.
func (j *jpegFile) takeApp(n int, b []byte) {
	early := j.scans == 0
	switch {
	case n == 0 && has(b, 0, "JFIF\x00"):
		j.jfif = j.jfif || early && len(b) >= 14
		if len(b) > 14 {
			j.removed |= RemovedThumbnail
		}
	case n == 0 && has(b, 0, "JFXX\x00"):
		j.removed |= RemovedThumbnail
	case n == 14 && has(b, 0, "Adobe") && len(b) >= 12:
		if early {
			j.adobe = int(b[11])
		}
		if len(b) > 12 {
			j.removed |= RemovedHidden
		}
	case n == 1 && has(b, 0, "Exif\x00\x00"):
		j.takeExif(b[6:], early)
	case n == 1 && bytes.HasPrefix(b, []byte("http://ns.adobe.com/x")):
		j.removed |= xmpClasses(b)
	case n == 2 && has(b, 0, iccMark):
		if early && j.icc.add(b[len(iccMark):]) {
			return
		}
		j.removed |= RemovedOther
	case n == 2 && has(b, 0, "MPF\x00"):
		j.removed |= RemovedThumbnail
	case n == 11 && has(b, 0, "JP"):
		j.removed |= RemovedProvenance
	case n == 12 && has(b, 0, "Ducky"):
		j.removed |= RemovedSoftware
	case n == 13 && has(b, 0, "Photoshop"):
		j.removed |= photoshopClasses(b)
	default:
		j.removed |= RemovedOther
	}
}

// takeExif keeps the orientation of the first EXIF segment: browsers look at
// no other.
func (j *jpegFile) takeExif(b []byte, early bool) {
	orientation, removed := readExif(b)
	if early && j.orientation == 0 {
		j.orientation = orientation
	}
	j.removed |= removed
}

// photoshopClasses looks for the image resources that people would know
// (Adobe Photoshop file format, image resource ids).
func photoshopClasses(b []byte) Removed {
	removed := RemovedOther
	if bytes.Contains(b, []byte("8BIM\x04\x0c")) || bytes.Contains(b, []byte("8BIM\x04\x09")) {
		removed |= RemovedThumbnail
	}
	if bytes.Contains(b, []byte("8BIM\x04\x04")) { // IPTC
		removed |= RemovedText | RemovedAuthor
	}
	return removed
}

// emit writes one segment.
func (j *jpegFile) emit(marker byte, body ...[]byte) {
	n := 2
	for _, b := range body {
		n += len(b)
	}
	j.out.Write([]byte{0xff, marker, byte(n >> 8), byte(n)})
	for _, b := range body {
		j.out.Write(b) // a bufio.Writer keeps its first error for Flush
	}
}

// emitHead writes the start of the file, rebuilt from the model, and is called
// when the first scan is met.
func (j *jpegFile) emitHead() {
	j.out.Write([]byte{0xff, mSOI})
	if j.jfif {
		// Its presence says that colours are YCbCr, so it is never added.
		j.emit(mAPP0, []byte("JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"))
	}
	if j.orientation > 1 {
		j.emit(0xe1, []byte("Exif\x00\x00"), orientationTIFF(j.orientation))
	}
	if j.adobe >= 0 {
		j.emit(0xee, []byte("Adobe\x00\x64\x00\x00\x00\x00"), []byte{byte(j.adobe)})
	}
	space := map[int]string{1: "GRAY", 3: "RGB ", 4: "CMYK"}[len(j.frame.comps)]
	profile, removed := normaliseICC(j.icc.profile(), space)
	j.removed |= removed
	const most = 65533 - len(iccMark) - 2
	total := (len(profile) + most - 1) / most
	for i := 0; i < total; i++ {
		part := profile[i*most : min(len(profile), (i+1)*most)]
		j.emit(0xe2, []byte(iccMark), []byte{byte(i + 1), byte(total)}, part)
	}
}
