package strip

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
)

// dirty are pictures with everything that can be put into them, and the classes
// that a page must name.
func dirty(t testing.TB) map[string]struct {
	b    []byte
	want Removed
} {
	type sample = struct {
		b    []byte
		want Removed
	}
	everything := RemovedLocation | RemovedDevice | RemovedTime | RemovedSoftware | RemovedThumbnail
	xmp := "<x:xmpmeta x:xmptk='" + canary + "' exif:GPSLatitude='1' dc:creator='me'>"
	j, p, g := jpegSample(t, 40, 31), pngSample(t, 40, 31), gifSample(t, 40, 31, 3)
	w := testFiles(t, "webp")["lossy.webp"][12:]
	wide, high := byte(89), byte(69)
	vp8x := riffBytes("VP8X", string([]byte{0x2c, 0, 0, 0, wide, 0, 0, high, 0, 0}))
	comment := "\x21\xfe\x0b" + canary + "\x00"
	return map[string]sample{
		"jpeg exif": {behindSOI(j, segment(0xe1, "Exif\x00\x00"+string(exifSample(6)))), everything},
		"jpeg xmp": {behindSOI(j, segment(0xe1, "http://ns.adobe.com/xap/1.0/\x00"+xmp), segment(0xe1, "http://ns.adobe.com/xmp/extension/\x00"+xmp)),
			RemovedLocation | RemovedAuthor | RemovedSoftware},
		"jpeg others": {behindSOI(j, segment(0xed, "Photoshop 3.0\x008BIM\x04\x04"+canary), segment(0xeb, "JP"+canary), segment(0xe2, "MPF\x00"+canary),
			segment(0xfe, canary), segment(0xe0, "JFXX\x00"+canary), segment(0xe5, canary)),
			RemovedText | RemovedAuthor | RemovedProvenance | RemovedThumbnail | RemovedOther},
		"jpeg between":  {bytes.Replace(j, []byte{0xff, 0xc4}, append([]byte(canary), 0xff, 0xff, 0xc4), 1), RemovedHidden},
		"jpeg trailing": {append(bytes.Clone(j), "\x00\x00\x00\x18ftypmp42"+canary...), RemovedHidden},
		"jpeg slack":    {append(bytes.Clone(j[:len(j)-2]), canary+"\xff\xd9"...), RemovedHidden},
		"png text": {behindIHDR(p, pngChunkBytes("tEXt", "Author\x00"+canary), pngChunkBytes("iTXt", "XML:com.adobe.xmp\x00"+xmp), pngChunkBytes("tIME", "1234567"),
			pngChunkBytes("eXIf", string(exifSample(8))), pngChunkBytes("caBX", canary), pngChunkBytes("prVt", canary)),
			everything | RemovedAuthor | RemovedProvenance | RemovedOther},
		"png trailing": {append(bytes.Clone(p), canary...), RemovedHidden},
		"png profile":  {behindIHDR(p, pngChunkBytes("iCCP", pngProfileSample(t))), RemovedOther},
		"gif":          {behindScreen(g, comment, "\x21\xff\x0bXMP DataXMP"+string([]byte{byte(len(xmp))})+xmp+"\x00"), RemovedText | RemovedLocation},
		"gif trailing": {append(bytes.Clone(g), canary...), RemovedHidden},
		"webp": {append(webpBytes(vp8x, riffBytes("ICCP", string(iccSample("RGB "))), w, riffBytes("EXIF", string(exifSample(6))), riffBytes("XMP ", xmp),
			riffBytes("IART", canary)), canary...), everything | RemovedHidden | RemovedAuthor | RemovedOther},
		"webp slack":          {lossySlack(t), RemovedHidden},
		"webp lossless slack": {losslessSlack(t, "lossless.webp"), RemovedHidden},
		"webp palette slack":  {losslessSlack(t, "palette.webp"), RemovedHidden},
		"webp simple":         {webpBytes(w, riffBytes("EXIF", canary)), RemovedHidden},
	}
}

// losslessSlack puts bytes behind the data of a lossless picture, in its chunk.
func losslessSlack(t testing.TB, name string) []byte {
	b := testFiles(t, "webp")[name]
	n := binary.LittleEndian.Uint32(b[16:])
	return webpBytes(riffBytes("VP8L", string(b[20:20+n])+canary))
}

// lossySlack puts bytes behind each of the two partitions of a lossy picture.
func lossySlack(t testing.TB) []byte {
	b := bytes.Clone(testFiles(t, "webp")["lossy.webp"])
	n, first := binary.LittleEndian.Uint32(b[16:]), int24(b[20:])>>5
	tag := int24(b[20:])&0x1f | (first+len(canary))<<5
	copy(b[20:], []byte{byte(tag), byte(tag >> 8), byte(tag >> 16)})
	return webpBytes(riffBytes("VP8 ", string(b[20:30+first])+canary+string(b[30+first:20+n])+canary))
}

func pngProfileSample(t testing.TB) string {
	b, err := deflateProfile(iccSample("RGB "))
	if err != nil {
		t.Fatal(err)
	}
	return canary + string(b[3:])
}

func TestNothingButThePicture(t *testing.T) {
	for name, s := range dirty(t) {
		t.Run(name, func(t *testing.T) {
			out, removed, err := stripBytes(s.b)
			if err != nil {
				t.Fatal(err)
			}
			if removed&s.want != s.want {
				t.Errorf("removed %011b, want %011b", removed, s.want)
			}
			for _, word := range []string{canary, "GPS", "Photoshop", "ftyp", "xmpmeta", "MPF", "JFXX"} {
				if bytes.Contains(out, []byte(word)) {
					t.Errorf("%s is still there", word)
				}
			}
			checkStrip(t, s.b)
		})
	}
}

func TestCleanPictureLosesNothing(t *testing.T) {
	for name, b := range map[string][]byte{"jpeg": jpegSample(t, 33, 9), "png": pngSample(t, 33, 9), "gif": gifSample(t, 33, 9, 2), "webp": testFiles(t, "webp")["lossy.webp"]} {
		if _, removed, err := stripBytes(b); err != nil || removed != 0 {
			t.Errorf("%s: removed %b, %v", name, removed, err)
		}
	}
}

func TestOrientationStays(t *testing.T) {
	for o := byte(1); o <= 8; o++ {
		want := orientationTIFF(int(o))
		vp8x := riffBytes("VP8X", string([]byte{8, 0, 0, 0, 89, 0, 0, 69, 0, 0}))
		for name, b := range map[string][]byte{
			"jpeg": behindSOI(jpegSample(t, 8, 8), segment(0xe1, "Exif\x00\x00"+string(exifSample(o))), segment(0xe1, "Exif\x00\x00"+string(exifSample(o%8+1)))),
			"png":  behindIHDR(pngSample(t, 8, 8), pngChunkBytes("eXIf", string(exifSample(o)))),
			"webp": webpBytes(vp8x, testFiles(t, "webp")["lossy.webp"][12:], riffBytes("EXIF", string(exifSample(o)))),
		} {
			out, _, err := stripBytes(b)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if bytes.Contains(out, want) != (o > 1) || bytes.Count(out, []byte("MM\x00*")) > 1 {
				t.Errorf("%s: orientation %d is lost, or kept twice", name, o)
			}
		}
	}
}

func TestRecognise(t *testing.T) {
	ftyp := func(brands string) string { return "\x00\x00\x00" + string(rune(8+len(brands))) + "ftyp" + brands }
	for in, want := range map[string]string{
		ftyp("isom\x00\x00\x02\x00isomavc1"):               "video/mp4",
		ftyp("mp42\x00\x00\x00\x00isom"):                   "video/mp4",
		ftyp("XXXX\x00\x00\x00\x00mp41"):                   "video/mp4",
		ftyp("heic\x00\x00\x00\x00mif1heic"):               "HEIC picture",
		ftyp("mif1\x00\x00\x00\x00mif1heic"):               "HEIC picture",
		ftyp("mif1\x00\x00\x00\x00avifmif1"):               "AVIF picture",
		ftyp("mif1\x00\x00\x00\x00mif1miaf"):               "HEIF picture",
		ftyp("qt  \x00\x00\x00\x00qt  "):                   "QuickTime (MOV) video",
		"\x00\x00\x00\x08wide\x00\x00":                     "QuickTime (MOV) video",
		"\x1aE\xdf\xa3....":                                "Matroska or WebM video",
		"RIFF....AVI LIST":                                 "AVI video",
		"\x30\x26\xb2\x75\x8e\x66\xcf\x11..":               "Windows Media (WMV) video",
		"%PDF-1.7":                                         "PDF document",
		"<?xml version='1.0'?>\n<!-- x --><svg xmlns=''/>": "SVG drawing",
		"\xef\xbb\xbf <svg>":                               "SVG drawing",
		"II*\x00\x08\x00\x00\x00":                          "TIFF or camera raw picture",
		"BM\x00\x01\x00\x00\x00\x00\x00\x00":               "BMP picture",
		"PK\x03\x04":                                       "ZIP archive or Office document",
		"hello":                                            "",
		"":                                                 "",
	} {
		kind, err := Recognise(strings.NewReader(in), int64(len(in)))
		got := string(kind)
		var unsupported *UnsupportedError
		if errors.As(err, &unsupported) {
			got = unsupported.Found
			if unsupported.Hint == "" {
				t.Errorf("%q: no hint", in)
			}
		} else if err != nil {
			t.Errorf("%q: %v", in, err)
		}
		if got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

// TestEveryCut cuts pictures at every length: refused with a class, or whole.
func TestEveryCut(t *testing.T) {
	for _, list := range seeds(t) {
		for _, b := range list {
			for n := 0; n < len(b); n += 1 + len(b)/400 {
				checkStrip(t, b[:n])
			}
		}
	}
}

// TestClaims writes huge values into every place of small files: lengths,
// counts, sizes and offsets that promise more than there is.
func TestClaims(t *testing.T) {
	values, step := []uint32{0xffffffff, 0x7fffffff, 0xfffffff8}, 15
	if os.Getenv("EMBERDROP_SOAK") != "" {
		values, step = append(values, 0x80000000, 0), 40
	}
	for kind, list := range seeds(t) {
		for _, b := range list[:min(4, len(list))] {
			for at := 4; at < min(len(b)-4, 600); at += 1 + at/step {
				for _, v := range values {
					c := bytes.Clone(b)
					binary.BigEndian.PutUint32(c[at:], v)
					if kind == PNG {
						mendPNG(c)
					}
					checkStrip(t, c)
				}
			}
		}
	}
}

// TestManyParts gives each format 65535 parts to drop.
func TestManyParts(t *testing.T) {
	for name, b := range map[string][]byte{
		"jpeg": behindSOI(jpegSample(t, 8, 8), bytes.Repeat(segment(0xe1, "Exif\x00\x00"+string(exifSample(6))), 65535)),
		"icc":  behindSOI(jpegSample(t, 8, 8), bytes.Repeat(segment(0xe2, iccMark+"\x01\xff"+canary), 65535)),
		"dht":  behindSOI(jpegSample(t, 8, 8), bytes.Repeat(segment(0xc4, "\x03"+strings.Repeat("\x00", 15)+"\x0b"+canary), 65535)),
		"png":  behindIHDR(pngSample(t, 8, 8), bytes.Repeat(pngChunkBytes("tEXt", "k\x00"+canary), 65535)),
		"gif":  behindScreen(gifSample(t, 8, 8, 1), strings.Repeat("\x21\xfe\x0b"+canary+"\x00", 65535)),
		"webp": webpBytes(testFiles(t, "webp")["animated.webp"][12:], bytes.Repeat(riffBytes("XMP ", canary), 65535)),
		"mp4":  madeMP4{behind: bytes.Repeat(mp4box("uuid", canary), 65535)}.bytes(),
	} {
		var out bytes.Buffer
		allocated := testing.AllocsPerRun(1, func() {
			out.Reset()
			if _, err := Strip(&out, bytes.NewReader(b), int64(len(b))); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		})
		if out.Len() > 4096 || bytes.Contains(out.Bytes(), []byte(canary)) {
			t.Errorf("%s: %d bytes are left", name, out.Len())
		}
		t.Logf("%s: %d bytes, %.0f allocations", name, len(b), allocated)
	}
}

// failSource is a source that fails.
type failSource struct{ err error }

func (f failSource) ReadAt(b []byte, off int64) (int, error) { return 0, f.err }

func TestErrorsOfSourceAndSink(t *testing.T) {
	broken := errors.New("broken")
	if _, err := Strip(io.Discard, failSource{broken}, 100); !errors.Is(err, broken) {
		t.Error("the source's error is lost:", err)
	}
	b := jpegSample(t, 64, 64)
	if _, err := Strip(io.Discard, bytes.NewReader(b), int64(len(b))+1000); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Error("a source shorter than it said:", err)
	}
	for _, list := range seeds(t) {
		for _, b := range list {
			if _, err := Strip(failSink{broken}, bytes.NewReader(b), int64(len(b))); !errors.Is(err, broken) {
				t.Error("the sink's error is lost:", err)
			}
		}
	}
}

type failSink struct{ err error }

func (f failSink) Write(b []byte) (int, error) { return 0, f.err }
