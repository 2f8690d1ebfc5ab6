package strip

import (
	"bytes"
	"encoding/binary"
)

// exifMost bounds how much of an EXIF or XMP body is looked at. A JPEG segment
// is below it; a longer PNG or WebP chunk is judged by its beginning.
const exifMost = 64 << 10

// What limits a walk over the directories of a hostile EXIF body.
const (
	exifDirs    = 16
	exifEntries = 512
)

// readExif walks the directories of an EXIF body (a TIFF file: Exif 2.32 section
// 4.6, TIFF 6.0) and returns the orientation of its first directory, 1 if there
// is none, and the classes of what it holds. Anything unreadable is RemovedOther:
// the body is dropped in any case, only the words on a page depend on this.
func readExif(b []byte) (orientation int, removed Removed) {
	orientation = 1
	order, ok := tiffOrder(b)
	if !ok {
		return 1, RemovedOther
	}
	w := exifWalk{b: b, order: order, left: exifEntries, seen: map[uint32]bool{}}
	next := w.dir(order.Uint32(b[4:]), dirMain)
	if w.orientation != 0 {
		orientation = w.orientation
	}
	if next != 0 { // the second directory describes the thumbnail
		w.dir(next, dirThumb)
		w.removed |= RemovedThumbnail
	}
	return orientation, w.removed
}

func tiffOrder(b []byte) (binary.ByteOrder, bool) {
	switch {
	case len(b) < 14:
		return nil, false
	case has(b, 0, "II*\x00"):
		return binary.LittleEndian, true
	case has(b, 0, "MM\x00*"):
		return binary.BigEndian, true
	}
	return nil, false
}

type exifWalk struct {
	b           []byte
	order       binary.ByteOrder
	left        int             // entries that may still be read
	seen        map[uint32]bool // directories visited: cycles end here
	orientation int
	removed     Removed
}

type dirKind int

const (
	dirMain dirKind = iota
	dirSub
	dirGPS
	dirThumb
)

// dir reads one directory and the ones it points at; it returns the offset of
// the next one in the chain, or 0.
func (w *exifWalk) dir(off uint32, kind dirKind) (next uint32) {
	if w.seen[off] || len(w.seen) >= exifDirs || int64(off)+2 > int64(len(w.b)) {
		return 0
	}
	w.seen[off] = true
	n := int(w.order.Uint16(w.b[off:]))
	entries := w.b[off+2:]
	for i := 0; i < n; i++ {
		if len(entries) < 12 || w.left == 0 {
			return 0
		}
		w.left--
		w.entry(entries[:12], kind)
		entries = entries[12:]
	}
	if len(entries) < 4 {
		return 0
	}
	return w.order.Uint32(entries)
}

func (w *exifWalk) entry(e []byte, kind dirKind) {
	tag, typ, count := w.order.Uint16(e), w.order.Uint16(e[2:]), w.order.Uint32(e[4:])
	switch {
	case kind == dirGPS:
		w.removed |= RemovedLocation
	case kind == dirMain && tag == 0x0112:
		// Renderers take a SHORT only; the first one wins.
		if v := int(w.order.Uint16(e[8:])); w.orientation == 0 && typ == 3 && count == 1 && v >= 1 && v <= 8 {
			w.orientation = v
		}
	case tag == 0x8769 || tag == 0xa005 || tag == 0x014a: // Exif, interoperability, sub directories
		w.dir(w.order.Uint32(e[8:]), dirSub)
	case tag == 0x8825:
		w.dir(w.order.Uint32(e[8:]), dirGPS)
		w.removed |= RemovedLocation
	default:
		w.removed |= exifClass(tag)
	}
}

// exifClass sorts the tags of Exif 2.32, TIFF 6.0 and the XP tags of Windows.
func exifClass(tag uint16) Removed {
	switch tag {
	case 0x010f, 0x0110, 0x927c, 0xa430, 0xa431, 0xa432, 0xa433, 0xa434, 0xa435, 0xc614, 0xc62f:
		if tag == 0xa430 {
			return RemovedAuthor
		}
		return RemovedDevice
	case 0x0132, 0x9003, 0x9004, 0x9010, 0x9011, 0x9012, 0x9290, 0x9291, 0x9292, 0x882a:
		return RemovedTime
	case 0x013b, 0x8298, 0x9c9d:
		return RemovedAuthor
	case 0x0131, 0x013c, 0x000b:
		return RemovedSoftware
	case 0x010e, 0x9286, 0x9c9b, 0x9c9c, 0x9c9e, 0x9c9f, 0x010d, 0x011d:
		return RemovedText
	case 0x0201, 0x0202, 0x501b:
		return RemovedThumbnail
	}
	return RemovedOther
}

// xmpWords are what a simple search of an XMP packet looks for. It is a search,
// not a parse: the packet is dropped in any case.
var xmpWords = []struct {
	word  string
	class Removed
}{
	{"GPS", RemovedLocation}, {"photoshop:City", RemovedLocation}, {"Iptc4xmpCore:Location", RemovedLocation},
	{"photoshop:Country", RemovedLocation}, {"LocationCreated", RemovedLocation}, {"tiff:Make", RemovedDevice},
	{"tiff:Model", RemovedDevice}, {"SerialNumber", RemovedDevice}, {"aux:Lens", RemovedDevice},
	{"CreateDate", RemovedTime}, {"ModifyDate", RemovedTime}, {"DateTime", RemovedTime}, {"DateCreated", RemovedTime},
	{"MetadataDate", RemovedTime}, {"dc:creator", RemovedAuthor}, {"dc:rights", RemovedAuthor}, {"xmpRights", RemovedAuthor},
	{"photoshop:Credit", RemovedAuthor}, {"CreatorTool", RemovedSoftware}, {"softwareAgent", RemovedSoftware},
	{"xmptk", RemovedSoftware}, {"dc:description", RemovedText}, {"dc:title", RemovedText}, {"dc:subject", RemovedText},
	{"xmpGImg", RemovedThumbnail}, {"GDepth", RemovedThumbnail}, {"GainMap", RemovedThumbnail}, {"c2pa", RemovedProvenance},
}

// xmpClasses returns RemovedOther, or the classes whose words occur in b.
func xmpClasses(b []byte) Removed {
	var removed Removed
	for _, w := range xmpWords {
		if bytes.Contains(b, []byte(w.word)) {
			removed |= w.class
		}
	}
	if removed == 0 {
		return RemovedOther
	}
	return removed
}

// orientationTIFF is an EXIF body that holds the orientation and nothing else.
func orientationTIFF(orientation int) []byte {
	return []byte{'M', 'M', 0, '*', 0, 0, 0, 8, 0, 1,
		1, 0x12, 0, 3, 0, 0, 0, 1, 0, byte(orientation), 0, 0, 0, 0, 0, 0}
}
