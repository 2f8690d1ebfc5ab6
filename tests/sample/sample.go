// Package sample draws photographs for tests and the demo: pictures of glowing
// embers with the metadata that a phone would write, place and serial number
// included. It needs nothing from outside.
package sample

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"math"
	"math/rand/v2"
)

// Canaries are strings that a sample photo's metadata holds and that nothing
// that comes out may hold.
var Canaries = []string{"EmberPhone", "Model E-13", "SN-4711-0815", "2026:11:22 10:13:14", "Jane Q. Public", "a comment nobody should read", "xmp:CreatorTool"}

// Picture draws embers. The same seed gives the same picture.
func Picture(width, height int, seed uint64) image.Image {
	dice := rand.New(rand.NewPCG(seed, 7))
	type glow struct{ x, y, size, heat float64 }
	glows := make([]glow, 24)
	for i := range glows {
		glows[i] = glow{
			dice.Float64() * float64(width), (0.35 + 0.65*dice.Float64()) * float64(height),
			(0.02 + 0.08*dice.Float64()) * float64(height), 0.4 + 0.6*dice.Float64(),
		}
	}
	img := image.NewRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			heat := 0.06 + 0.10*float64(y)/float64(height)
			for _, g := range glows {
				dx, dy := float64(x)-g.x, float64(y)-g.y
				heat += g.heat * math.Exp(-(dx*dx+dy*dy)/(2*g.size*g.size))
			}
			heat = min(1, heat) + 0.03*(dice.Float64()-0.5) // grain, as a sensor has
			img.SetRGBA(x, y, color.RGBA{
				R: shade(255 * math.Pow(heat, 0.6)), G: shade(200 * math.Pow(heat, 1.6)),
				B: shade(110*math.Pow(heat, 3) + 18*(1-heat)), A: 255,
			})
		}
	}
	return img
}

func shade(v float64) uint8 { return uint8(max(0, min(255, v))) }

// Photo is a JPEG of Picture with EXIF (camera, serial number, time, author,
// GPS), XMP, a comment, and bytes after its end.
func Photo(width, height int, seed uint64) []byte {
	var plain bytes.Buffer
	if err := jpeg.Encode(&plain, Picture(width, height, seed), &jpeg.Options{Quality: 92}); err != nil {
		panic(err) // into memory, of a valid picture: cannot happen
	}
	var out bytes.Buffer
	out.Write(plain.Bytes()[:2])
	segment(&out, 0xe1, append([]byte("Exif\x00\x00"), exif()...))
	segment(&out, 0xe1, []byte("http://ns.adobe.com/xap/1.0/\x00<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'><rdf:Description xmlns:xmp='http://ns.adobe.com/xap/1.0/' xmp:CreatorTool='EmberPhone'/></rdf:RDF></x:xmpmeta>"))
	segment(&out, 0xfe, []byte("a comment nobody should read"))
	out.Write(plain.Bytes()[2:])
	out.WriteString("MotionPhoto trailing bytes SN-4711-0815")
	return out.Bytes()
}

// PNG is a PNG of Picture with a text chunk.
func PNG(width, height int, seed uint64) []byte {
	var out bytes.Buffer
	if err := png.Encode(&out, Picture(width, height, seed)); err != nil {
		panic(err)
	}
	return out.Bytes()
}

func segment(out *bytes.Buffer, marker byte, body []byte) {
	out.Write([]byte{0xff, marker})
	binary.Write(out, binary.BigEndian, uint16(len(body)+2))
	out.Write(body)
}

// A TIFF tag's type and value (TIFF 6.0 section 2; Exif 2.32 section 4.6).
type tag struct {
	id    uint16
	kind  uint16 // 2 text, 4 long, 5 rational
	count uint32
	value []byte
}

func text(id uint16, s string) tag { return tag{id, 2, uint32(len(s) + 1), append([]byte(s), 0)} }

func long(id uint16, v uint32) tag { return tag{id, 4, 1, binary.BigEndian.AppendUint32(nil, v)} }

func degrees(id uint16, d, m, s uint32) tag {
	var v []byte
	for _, n := range []uint32{d, 1, m, 1, s, 1} {
		v = binary.BigEndian.AppendUint32(v, n)
	}
	return tag{id, 5, 3, v}
}

// exif is a TIFF with a main, an Exif and a GPS directory.
func exif() []byte {
	head := []byte("MM\x00*\x00\x00\x00\x08")
	sub := []tag{text(0x9003, "2026:11:22 10:13:14"), text(0xa431, "SN-4711-0815")}
	gps := []tag{text(1, "N"), degrees(2, 52, 31, 12), text(3, "E"), degrees(4, 13, 24, 18)}
	main := func(subAt, gpsAt uint32) []tag {
		return []tag{
			text(0x010f, "EmberPhone"), text(0x0110, "Model E-13"), text(0x0132, "2026:11:22 10:13:14"),
			text(0x013b, "Jane Q. Public"), long(0x8769, subAt), long(0x8825, gpsAt),
		}
	}
	mainAt := uint32(len(head))
	subAt := mainAt + uint32(len(directory(main(0, 0), mainAt)))
	gpsAt := subAt + uint32(len(directory(sub, subAt)))
	out := append(head, directory(main(subAt, gpsAt), mainAt)...)
	out = append(out, directory(sub, subAt)...)
	return append(out, directory(gps, gpsAt)...)
}

// directory writes an IFD that stands at an offset, its long values behind it.
func directory(tags []tag, at uint32) []byte {
	out := binary.BigEndian.AppendUint16(nil, uint16(len(tags)))
	far := at + 2 + 12*uint32(len(tags)) + 4
	var behind []byte
	for _, t := range tags {
		out = binary.BigEndian.AppendUint16(out, t.id)
		out = binary.BigEndian.AppendUint16(out, t.kind)
		out = binary.BigEndian.AppendUint32(out, t.count)
		if len(t.value) <= 4 {
			out = append(out, append(t.value, 0, 0, 0, 0)[:4]...)
			continue
		}
		out = binary.BigEndian.AppendUint32(out, far+uint32(len(behind)))
		behind = append(behind, t.value...)
		if len(behind)%2 == 1 {
			behind = append(behind, 0)
		}
	}
	out = append(out, 0, 0, 0, 0) // no next directory
	return append(out, behind...)
}
