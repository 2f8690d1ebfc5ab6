package strip

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"image"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
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
		t.Fatalf("another picture: %v, %x", err, b)
	}
}

func FuzzJPEG(f *testing.F) { fuzzKind(f, JPEG, mendJPEG) }
func FuzzPNG(f *testing.F)  { fuzzKind(f, PNG, mendPNG) }
func FuzzGIF(f *testing.F)  { fuzzKind(f, GIF, mendGIF) }
func FuzzWebP(f *testing.F) { fuzzKind(f, WebP, mendWebP) }

// The mend functions put back what an input needs to be read at all, so that
// mutations reach deeper than the first bytes.
func mendJPEG(b []byte) { copy(b, "\xff\xd8\xff") }
func mendGIF(b []byte)  { copy(b, "GIF89a") }

func mendWebP(b []byte) {
	if len(b) >= 12 {
		copy(b, "RIFF")
		binary.LittleEndian.PutUint32(b[4:], uint32(len(b)-8))
		copy(b[8:], "WEBP")
	}
}

// TestMutations does a little of what the fuzz targets do, in every run and
// always the same: changed, cut, doubled and moved bytes in every seed.
// EMBERDROP_MUTATIONS is how many for each seed.
func TestMutations(t *testing.T) {
	n, err := strconv.Atoi(cmp.Or(os.Getenv("EMBERDROP_MUTATIONS"), "150"))
	if err != nil {
		t.Fatal(err)
	}
	mend := map[Kind]func([]byte){JPEG: mendJPEG, PNG: mendPNG, GIF: mendGIF, WebP: mendWebP}
	random := rand.New(rand.NewPCG(1, uint64(n)))
	for kind, list := range seeds(t) {
		for _, seed := range list {
			for range n {
				b := mutate(random, seed)
				mend[kind](b)
				checkStrip(t, b)
			}
		}
	}
}

func mutate(random *rand.Rand, seed []byte) []byte {
	b := bytes.Clone(seed)
	for range 1 + random.IntN(4) {
		at := random.IntN(len(b))
		if random.IntN(3) > 0 { // heads matter more than data
			at = random.IntN(min(len(b), 700))
		}
		n := min(len(b)-at, 1+random.IntN(40))
		switch random.IntN(7) {
		case 0:
			b[at] = byte(random.IntN(256))
		case 1:
			b[at] ^= 1 << random.IntN(8)
		case 2:
			b[at] += byte(random.IntN(5)) - 2
		case 3:
			b = slices.Delete(b, at, at+min(n, len(b)-1))
		case 4:
			b = slices.Insert(b, at, bytes.Clone(b[at:at+n])...)
		case 5:
			b = slices.Insert(b, random.IntN(len(b)), bytes.Clone(b[at:at+n])...)
		case 6:
			b[at] = []byte{0, 0xff, 0x7f, 0x80, 1}[random.IntN(5)]
		}
	}
	return b
}

// mendPNG sets every checksum right, else hardly any mutation would be read.
func mendPNG(b []byte) {
	copy(b, pngMagic)
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
