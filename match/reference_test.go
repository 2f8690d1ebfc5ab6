package match

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"image"
	"image/color"
	_ "image/png"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// drawn is a picture that any machine draws to the bit: shapes, slopes and
// grain, in whole numbers.
func drawn(w, h int, seed uint64) *image.NRGBA {
	dice := rand.New(rand.NewPCG(seed, 3))
	img := image.NewNRGBA(image.Rect(0, 0, w, h))
	slope := [6]int{}
	for i := range slope {
		slope[i] = dice.IntN(256)
	}
	for y := range h {
		for x := range w {
			img.SetNRGBA(x, y, color.NRGBA{
				uint8((slope[0]*x/w + slope[1]*y/h) / 2), uint8((slope[2]*x/w + slope[3]*y/h) / 2),
				uint8((slope[4]*x/w + slope[5]*y/h) / 2), 255,
			})
		}
	}
	for range 3 + dice.IntN(12) {
		cx, cy, rx, ry := dice.IntN(w), dice.IntN(h), 1+dice.IntN(1+w/3), 1+dice.IntN(1+h/3)
		round := dice.IntN(2) == 0
		c := color.NRGBA{uint8(dice.IntN(256)), uint8(dice.IntN(256)), uint8(dice.IntN(256)), 255}
		for y := max(0, cy-ry); y < min(h, cy+ry); y++ {
			for x := max(0, cx-rx); x < min(w, cx+rx); x++ {
				dx, dy := x-cx, y-cy
				if !round || dx*dx*ry*ry+dy*dy*rx*rx < rx*rx*ry*ry {
					img.SetNRGBA(x, y, c)
				}
			}
		}
	}
	for i := range img.Pix {
		if i%4 != 3 {
			img.Pix[i] = uint8(max(0, min(255, int(img.Pix[i])+dice.IntN(17)-8)))
		}
	}
	return img
}

// ppm writes a picture as a portable pixmap, which the reference reads without a
// decoder's opinion about colours.
func ppm(img *image.NRGBA) []byte {
	var out bytes.Buffer
	fmt.Fprintf(&out, "P6 %d %d 255\n", img.Rect.Dx(), img.Rect.Dy())
	for i := 0; i < len(img.Pix); i += 4 {
		out.Write(img.Pix[i : i+3])
	}
	return out.Bytes()
}

// vectors reads lines of testdata: fields between commas.
func vectors(t *testing.T, name string) (out [][]string) {
	t.Helper()
	file, err := os.Open(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		if line := lines.Text(); line != "" && line[0] != '#' {
			out = append(out, strings.Split(line, ","))
		}
	}
	return out
}

// sizes are those at which the algorithm takes another path, and some between.
var sizes = []image.Point{
	{4, 40}, {5, 5}, {7, 300}, {31, 17}, {63, 64}, {64, 64}, {65, 64}, {64, 128}, {100, 75}, {127, 128}, {128, 129},
	{200, 150}, {320, 240}, {511, 512}, {512, 512}, {512, 100}, {513, 512}, {100, 513}, {640, 480}, {33, 700}, {1000, 667}, {1025, 1023},
}

// On the same pixels the hash is the reference's, to the bit, in all eight
// orientations, and so is the quality.
//
// To make the vectors again, let this test write its pictures
// (EMBERDROP_PDQ_WRITE=FOLDER), and hash them with the reference's
// pdq-photo-hasher, without an option and with --pdqdih-across.
func TestSamePixels(t *testing.T) {
	folder := os.Getenv("EMBERDROP_PDQ_WRITE")
	want := map[string][]string{}
	for _, fields := range vectors(t, "reference-drawn.txt") {
		want[fields[len(fields)-1]] = fields
	}
	compared := 0
	for i, size := range sizes {
		for seed := range uint64(2) {
			img := drawn(size.X, size.Y, uint64(i)*10+seed)
			name := fmt.Sprintf("%dx%d-%d.ppm", size.X, size.Y, seed)
			if folder != "" {
				if err := os.WriteFile(filepath.Join(folder, name), ppm(img), 0o600); err != nil {
					t.Fatal(err)
				}
				continue
			}
			one, q := Hash(img)
			eight, q8 := Hashes(img)
			got := []string{one.String(), fmt.Sprint(q)}
			for _, h := range eight {
				got = append(got, h.String())
			}
			got = append(got, fmt.Sprint(q8), name)
			if strings.Join(got, ",") != strings.Join(want[name], ",") {
				t.Errorf("%s:\n got %v\nwant %v", name, got, want[name])
			}
			compared++
		}
	}
	if folder == "" && compared < 40 {
		t.Errorf("only %d pictures were compared", compared)
	}
}

// The numbers on the way to the bits are the same on machines that could fuse a
// product with a sum (GOAMD64=v3 is one). Few bits of few hashes would tell.
func TestNothingIsFused(t *testing.T) {
	h := fnv.New64a()
	for seed := range uint64(4) {
		img := drawn(300, 200, seed)
		p := lumaOf(straight(img), img.Rect)
		binary.Write(h, binary.LittleEndian, p.v)
		small := p.blocks(false)
		binary.Write(h, binary.LittleEndian, small[:])
		binary.Write(h, binary.LittleEndian, small.dct()[:])
	}
	if got := h.Sum64(); got != 0xeb5fcbd61e789336 {
		t.Errorf("%#x", got)
	}
}

// The tolerance of the authors (pdq/README.md): with another decoder, at a
// quality of 80 or more, at most 10 bits differ. Here are the smaller ones of
// their 44 test pictures; EMBERDROP_PDQ_PICTURES is pdq/data of their
// repository, with all.
func TestPublishedPictures(t *testing.T) {
	all := os.Getenv("EMBERDROP_PDQ_PICTURES")
	compared, worst := 0, 0
	for _, fields := range vectors(t, "reference-pictures.txt") {
		name := fields[len(fields)-1]
		var quality int
		fmt.Sscan(fields[1], &quality)
		want, err := ParsePDQ(fields[0])
		if err != nil {
			t.Fatal(err)
		}
		file, err := os.Open(filepath.Join(cmp.Or(all, "testdata/pictures"), filepath.FromSlash(name)))
		if os.IsNotExist(err) && all == "" {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		img, _, err := image.Decode(file)
		file.Close()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got, q := Hash(img)
		d := got.Distance(want)
		t.Logf("%3d bits, quality %d (reference %d): %s", d, q, quality, name)
		compared++
		if quality < 80 {
			continue
		}
		worst = max(worst, d)
		if d > 10 || q < 80 {
			t.Errorf("%s: %d bits differ, quality %d, the reference's %d", name, d, q, quality)
		}
	}
	t.Logf("%d pictures, at most %d bits at quality 80 or more", compared, worst)
	if compared < 12 || all != "" && compared != 44 {
		t.Errorf("%d pictures were compared", compared)
	}
}
