package strip

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"image"
	"testing"
	"time"
)

// seeds are the inputs that the fuzz targets begin with: every generated kind
// of picture, and each of them with things to remove.
func seeds(t testing.TB) map[Kind][][]byte {
	s := map[Kind][][]byte{
		JPEG: {jpegSample(t, 20, 17), behindSOI(jpegSample(t, 9, 9), segment(0xe1, "Exif\x00\x00"+string(exifSample(6))),
			segment(0xfe, canary), segment(0xe2, iccMark+"\x01\x01"+string(iccSample("RGB "))))},
		PNG: {pngSample(t, 20, 17), behindIHDR(pngSample(t, 9, 9), pngChunkBytes("eXIf", string(exifSample(3))),
			pngChunkBytes("tEXt", "Author\x00"+canary))},
		GIF: {gifSample(t, 20, 17, 2), gifSample(t, 3, 1, 1)},
	}
	for format, kind := range map[string]Kind{"jpeg": JPEG, "png": PNG, "gif": GIF, "webp": WebP} {
		for _, b := range testFiles(t, format) {
			s[kind] = append(s[kind], b)
		}
	}
	return s
}

func TestFuzzSeedsAreThere(t *testing.T) {
	for kind, list := range seeds(t) {
		if len(list) < 4 {
			t.Errorf("%s: %d seeds", kind, len(list))
		}
		for _, b := range list {
			if got, err := Recognise(bytes.NewReader(b), int64(len(b))); got != kind || err != nil {
				t.Errorf("%s: a seed is %s, %v", kind, got, err)
			}
			if _, _, err := stripBytes(b); err != nil {
				t.Errorf("%s: a seed is refused: %v", kind, err)
			}
		}
	}
}

func fuzzKind(f *testing.F, kind Kind, mend func([]byte)) {
	for _, b := range seeds(f)[kind] {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if mend != nil {
			mend(b)
		}
		if got, err := Recognise(bytes.NewReader(b), int64(len(b))); err != nil || got != kind {
			return
		}
		checkStrip(t, b)
	})
}

// checkStrip holds the laws for any input: refused with a class, or a result
// that is bounded, stays as it is when stripped again, and shows the same.
func checkStrip(t *testing.T, b []byte) {
	start := time.Now()
	out, _, err := stripBytes(b)
	if took := time.Since(start); took > 10*time.Second {
		t.Fatalf("took %v", took)
	}
	if err != nil {
		var unsupported *UnsupportedError
		if !errors.Is(err, ErrDamaged) && !errors.As(err, &unsupported) {
			t.Fatalf("refused without a class: %v", err)
		}
		return
	}
	if len(out) > 2*len(b)+4096 {
		t.Fatalf("%d bytes out of %d", len(out), len(b))
	}
	again, removed, err := stripBytes(out)
	if err != nil || removed != 0 || !bytes.Equal(again, out) {
		t.Fatalf("twice is not once: %v, removed %b, %d and %d bytes", err, removed, len(out), len(again))
	}
	kind, _ := Recognise(bytes.NewReader(b), int64(len(b)))
	if kind == WebP {
		return // the decoder is another process
	}
	if c, _, err := image.DecodeConfig(bytes.NewReader(b)); err != nil || c.Width*c.Height > 1<<18 {
		return
	}
	before, err := pixels(kind, b)
	if err != nil {
		return
	}
	if after, err := pixels(kind, out); err != nil || after != before {
		t.Fatalf("another picture: %v", err)
	}
}

func FuzzJPEG(f *testing.F) { fuzzKind(f, JPEG, nil) }
func FuzzPNG(f *testing.F)  { fuzzKind(f, PNG, mendPNG) }
func FuzzGIF(f *testing.F)  { fuzzKind(f, GIF, nil) }
func FuzzWebP(f *testing.F) { fuzzKind(f, WebP, nil) }

// mendPNG sets every checksum right, else hardly any mutation would be read.
func mendPNG(b []byte) {
	for at := 8; at+12 <= len(b); {
		n := int64(binary.BigEndian.Uint32(b[at:]))
		if int64(at)+12+n > int64(len(b)) {
			return
		}
		end := at + 8 + int(n)
		binary.BigEndian.PutUint32(b[end:], crc32.ChecksumIEEE(b[at+4:end]))
		at = end + 4
	}
}
