package strip

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
)

// pngOf joins chunks to a PNG.
func pngOf(chunks ...[]byte) []byte {
	return append([]byte(pngMagic), bytes.Join(chunks, nil)...)
}

func ihdr(w, h uint32, depth, colour byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, w)
	b = binary.BigEndian.AppendUint32(b, h)
	return pngChunkBytes("IHDR", string(append(b, depth, colour, 0, 0, 0)))
}

func deflated(b []byte) string {
	var out bytes.Buffer
	w := zlib.NewWriter(&out)
	w.Write(b)
	w.Close()
	return out.String()
}

// animation is an APNG of 4x4 grey pixels: a still and one frame, whose data
// has bytes put behind it.
func animation(still, frame string) []byte {
	control := func(n byte) string {
		return string([]byte{0, 0, 0, n, 0, 0, 0, 4, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 2, 0, 0})
	}
	return pngOf(ihdr(4, 4, 8, 0), pngChunkBytes("acTL", "\x00\x00\x00\x02\x00\x00\x00\x00"), pngChunkBytes("fcTL", control(0)),
		pngChunkBytes("IDAT", still), pngChunkBytes("tEXt", "Author\x00"+canary), pngChunkBytes("fcTL", control(1)),
		pngChunkBytes("fdAT", "\x00\x00\x00\x02"+frame[:5]), pngChunkBytes("fdAT", "\x00\x00\x00\x03"+frame[5:]), pngChunkBytes("IEND", ""))
}

// TestPictureDataIsCut hides bytes in the picture data itself: behind the end
// of the compressed stream, and as rows that the picture does not have.
func TestPictureDataIsCut(t *testing.T) {
	rows := make([]byte, 20)
	exact, long := deflated(rows), deflated(append(bytes.Clone(rows), strings.Repeat(canary, 9)...))
	for name, b := range map[string][]byte{
		"surplus":       pngOf(ihdr(4, 4, 8, 0), pngChunkBytes("IDAT", exact+canary), pngChunkBytes("IEND", "")),
		"surplus chunk": pngOf(ihdr(4, 4, 8, 0), pngChunkBytes("IDAT", exact), pngChunkBytes("IDAT", canary), pngChunkBytes("IEND", "")),
		"second run":    pngOf(ihdr(4, 4, 8, 0), pngChunkBytes("IDAT", exact), pngChunkBytes("tIME", "1234567"), pngChunkBytes("IDAT", canary), pngChunkBytes("IEND", "")),
		"rows":          pngOf(ihdr(4, 4, 8, 0), pngChunkBytes("IDAT", long), pngChunkBytes("IEND", "")),
		"still":         animation(exact+canary, exact),
		"frame":         animation(exact, exact+canary),
		"frame rows":    animation(exact, long),
	} {
		t.Run(name, func(t *testing.T) {
			out, removed, err := stripBytes(b)
			if err != nil || removed&RemovedHidden == 0 {
				t.Fatalf("removed %b, %v", removed, err)
			}
			checkStrip(t, b)
			names, bodies := pngChunks(t, out)
			for i, n := range names {
				body := bodies[i]
				if n == "fdAT" {
					body = body[4:]
				} else if n != "IDAT" {
					continue
				}
				r := bytes.NewReader(body)
				z, err := zlib.NewReader(r)
				if err != nil {
					t.Fatal(err)
				}
				got, err := io.ReadAll(z)
				if err != nil || !bytes.Equal(got, rows) || r.Len() > 0 {
					t.Errorf("%s: %d rows bytes, %d bytes behind, %v", n, len(got), r.Len(), err)
				}
			}
		})
	}
}

func TestUnknownFilterIsRefused(t *testing.T) {
	rows := make([]byte, 20+5) // one row too many, to take that path as well
	for _, n := range []int{20, 25} {
		for _, at := range []int{0, 15} {
			rows[at] = 5
			_, _, err := stripBytes(pngOf(ihdr(4, 4, 8, 0), pngChunkBytes("IDAT", deflated(rows[:n])), pngChunkBytes("IEND", "")))
			if !errors.Is(err, ErrDamaged) {
				t.Errorf("%d bytes, row at %d: %v", n, at, err)
			}
			rows[at] = 0
		}
	}
}

func TestChunksOfOneSize(t *testing.T) {
	out, _, err := stripBytes(pngSample(t, 400, 300))
	if err != nil {
		t.Fatal(err)
	}
	names, bodies := pngChunks(t, out)
	for i, n := range names {
		if n == "IDAT" && names[i+1] == "IDAT" && len(bodies[i]) != windowSize {
			t.Errorf("a chunk of %d bytes", len(bodies[i]))
		}
	}
	if want := []string{"IHDR", "IDAT"}; !slices.Equal(names[:2], want) {
		t.Errorf("chunks %q", names)
	}
}

// TestPNGBombs are small files that claim much.
func TestPNGBombs(t *testing.T) {
	zeros := deflated(make([]byte, 24<<20))
	var unsupported *UnsupportedError
	for name, c := range map[string]struct {
		b    []byte
		want func(error) bool
	}{
		"claim":   {pngOf(ihdr(1<<31-1, 1<<31-1, 16, 6), pngChunkBytes("IDAT", zeros)), func(err error) bool { return errors.As(err, &unsupported) }},
		"short":   {pngOf(ihdr(20000, 20000, 8, 0), pngChunkBytes("IDAT", zeros)), func(err error) bool { return errors.Is(err, ErrDamaged) }},
		"surplus": {pngOf(ihdr(1, 1, 8, 0), pngChunkBytes("IDAT", zeros), pngChunkBytes("IEND", "")), func(err error) bool { return err == nil }},
		"profile": {behindIHDR(pngSample(t, 4, 4), pngChunkBytes("iCCP", "x\x00\x00"+zeros)), func(err error) bool { return err == nil }},
		"chunk":   {pngOf(ihdr(1, 1, 8, 0), []byte("\x7f\xff\xff\xffIDAT")), func(err error) bool { return errors.Is(err, ErrDamaged) }},
	} {
		out, _, err := stripBytes(c.b)
		if !c.want(err) {
			t.Errorf("%s: %v", name, err)
		}
		if len(out) > 1000 {
			t.Errorf("%s: %d bytes are left", name, len(out))
		}
	}
}

// TestColourChunksStayInPlace: Chromium uses colour chunks behind a palette and
// libpng does not, and of sRGB and a profile each takes another. So they stay
// where they are, and a palette that is a mere suggestion becomes a constant.
func TestColourChunksStayInPlace(t *testing.T) {
	profile, err := deflateProfile(swapped())
	if err != nil {
		t.Fatal(err)
	}
	made := map[string][]byte{
		"gAMA": pngChunkBytes("gAMA", "\x00\x01\x86\xa0"), "sRGB": pngChunkBytes("sRGB", "\x00"), "iCCP": pngChunkBytes("iCCP", string(profile)),
		"PLTE": pngChunkBytes("PLTE", canary[:9]), "cHRM": pngChunkBytes("cHRM", string(make([]byte, 32))),
	}
	for in, want := range map[string]string{
		"gAMA PLTE": "gAMA", "PLTE gAMA": "PLTE gAMA", "PLTE": "", "PLTE cHRM gAMA": "PLTE gAMA cHRM",
		"sRGB iCCP": "sRGB iCCP", "iCCP sRGB": "iCCP sRGB", "PLTE iCCP": "PLTE iCCP", "sRGB PLTE iCCP": "sRGB PLTE iCCP",
		"iCCP PLTE sRGB": "iCCP PLTE sRGB", "gAMA PLTE gAMA": "gAMA",
	} {
		var chunks [][]byte
		for name := range strings.FieldsSeq(in) {
			chunks = append(chunks, made[name])
		}
		b := behindIHDR(pngSample(t, 8, 8), chunks...)
		out, _, err := stripBytes(b)
		if err != nil {
			t.Fatal(in, err)
		}
		names, bodies := pngChunks(t, out)
		if got := strings.Join(names[1:slices.Index(names, "IDAT")], " "); got != want {
			t.Errorf("%s becomes %s, want %s", in, got, want)
		}
		if i := slices.Index(names, "PLTE"); i >= 0 && !bytes.Equal(bodies[i], pngSuggestion) {
			t.Errorf("%s: the palette is %q", in, bodies[i])
		}
		checkStrip(t, b)
	}
}
