package strip

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"os"
	"path/filepath"
	"testing"
)

// canary stands for every private word that a file may hold: no output may
// contain it.
const canary = "CANARY-9f3a"

// picture draws something with edges, gradients and noise.
func picture(w, h int) *image.RGBA {
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			n := uint32(x*7919+y*104729) * 2654435761
			m.Set(x, y, color.RGBA{byte(x * 3), byte(y*5) ^ byte(n>>29), byte(n >> 24 & 31), 255})
		}
	}
	return m
}

func jpegSample(t testing.TB, w, h int) []byte {
	var b bytes.Buffer
	if err := jpeg.Encode(&b, picture(w, h), &jpeg.Options{Quality: 90}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func pngSample(t testing.TB, w, h int) []byte {
	var b bytes.Buffer
	if err := png.Encode(&b, picture(w, h)); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func gifSample(t testing.TB, w, h, frames int) []byte {
	g := &gif.GIF{LoopCount: 2}
	for i := range frames {
		m := image.NewPaletted(image.Rect(0, 0, w, h), color.Palette{color.Black, color.White, color.RGBA{255, 0, 0, 255}, color.Transparent})
		for p := range m.Pix {
			m.Pix[p] = byte(uint32(p*p+i) * 2654435761 >> 30)
		}
		g.Image, g.Delay, g.Disposal = append(g.Image, m), append(g.Delay, 7+i), append(g.Disposal, gif.DisposalBackground)
	}
	var b bytes.Buffer
	if err := gif.EncodeAll(&b, g); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// testFiles are the pictures of testdata/<format>, made by cjpeg, cwebp,
// img2webp, ffmpeg and ImageMagick from drawings of their own.
func testFiles(t testing.TB, format string) map[string][]byte {
	names, err := filepath.Glob(filepath.Join("testdata", format, "*"))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		files[filepath.Base(name)] = b
	}
	return files
}

// segment is one JPEG segment.
func segment(marker byte, body string) []byte {
	b := []byte{0xff, marker, byte((len(body) + 2) >> 8), byte(len(body) + 2)}
	return append(b, body...)
}

// behindSOI puts segments at the start of a JPEG.
func behindSOI(b []byte, segments ...[]byte) []byte {
	out := append([]byte{}, b[:2]...)
	for _, s := range segments {
		out = append(out, s...)
	}
	return append(out, b[2:]...)
}

// pngChunkBytes is one PNG chunk with its checksum.
func pngChunkBytes(name, body string) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(len(body)))
	b = append(append(b, name...), body...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[4:]))
}

// behindIHDR puts chunks behind the header of a PNG.
func behindIHDR(b []byte, chunks ...[]byte) []byte {
	out := append([]byte{}, b[:33]...)
	for _, c := range chunks {
		out = append(out, c...)
	}
	return append(out, b[33:]...)
}

// pngChunks lists the chunks of a PNG.
func pngChunks(t testing.TB, b []byte) (names []string, bodies [][]byte) {
	for b = b[8:]; len(b) >= 12; {
		n := int(binary.BigEndian.Uint32(b))
		if n+12 > len(b) {
			t.Fatal("chunk outside of the file")
		}
		names, bodies = append(names, string(b[4:8])), append(bodies, b[8:8+n])
		b = b[12+n:]
	}
	return names, bodies
}

// riffBytes is one RIFF chunk.
func riffBytes(name, body string) []byte {
	b := binary.LittleEndian.AppendUint32([]byte(name), uint32(len(body)))
	b = append(b, body...)
	return append(b, make([]byte, len(body)&1)...)
}

// webpBytes joins chunks to a WebP.
func webpBytes(chunks ...[]byte) []byte {
	b := []byte("WEBP")
	for _, c := range chunks {
		b = append(b, c...)
	}
	return append(binary.LittleEndian.AppendUint32([]byte("RIFF"), uint32(len(b))), b...)
}

// exifSample is an EXIF body with an orientation, a maker, GPS, a date and a
// thumbnail directory.
func exifSample(orientation byte) []byte {
	le := binary.LittleEndian
	entry := func(tag, typ uint16, count, value uint32) []byte {
		b := le.AppendUint16(nil, tag)
		b = le.AppendUint16(b, typ)
		b = le.AppendUint32(b, count)
		return le.AppendUint32(b, value)
	}
	b := []byte("II*\x00\x08\x00\x00\x00\x05\x00")
	const text, gps, thumb = 74, 90, 108
	b = append(b, entry(0x010f, 2, uint32(len(canary)+1), text)...)
	b = append(b, entry(0x0112, 3, 1, uint32(orientation))...)
	b = append(b, entry(0x0131, 2, uint32(len(canary)+1), text)...)
	b = append(b, entry(0x0132, 2, uint32(len(canary)+1), text)...)
	b = append(b, entry(0x8825, 4, 1, gps)...)
	b = le.AppendUint32(b, thumb)
	b = append(b, canary+"\x00\x00\x00\x00\x00"...)
	b = append(b, "\x01\x00"...)
	b = append(b, entry(1, 2, 2, 'N')...)
	b = le.AppendUint32(b, 0)
	b = append(b, "\x01\x00"...)
	b = append(b, entry(0x0201, 4, 1, 0)...)
	return le.AppendUint32(b, 0)
}

// behindScreen puts blocks behind the screen and the colours of a GIF.
func behindScreen(b []byte, blocks ...string) []byte {
	at := 13
	if b[10]&0x80 != 0 {
		at += 3 << (b[10]&7 + 1)
	}
	out := append([]byte{}, b[:at]...)
	for _, block := range blocks {
		out = append(out, block...)
	}
	return append(out, b[at:]...)
}
