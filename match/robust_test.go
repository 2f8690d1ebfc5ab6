package match

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/gif"
	"image/jpeg"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	xdraw "golang.org/x/image/draw"
)

// scene looks like a photo to a hash: clouds of all sizes in three colours, with
// a horizon and some things in front.
func scene(w, h int, seed uint64) *image.RGBA {
	dice := rand.New(rand.NewPCG(seed, 11))
	horizon := 0.2 + 0.6*dice.Float64()
	var clouds [3]*image.Gray16
	for i := range clouds {
		clouds[i] = clouded(w, h, dice)
	}
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		light := 0.35 + 0.5*float64(y)/float64(h)
		if float64(y) < horizon*float64(h) {
			light = 1 - 0.4*float64(y)/float64(h)
		}
		for x := range w {
			var c [3]uint8
			for i := range c {
				v := float64(clouds[i].Gray16At(x, y).Y)/65535*0.3 + float64(clouds[0].Gray16At(x, y).Y)/65535*0.7
				c[i] = uint8(max(0, min(255, 255*v*light+20*dice.Float64()-10)))
			}
			img.SetRGBA(x, y, color.RGBA{c[0], c[1], c[2], 255})
		}
	}
	for range 4 + dice.IntN(8) {
		thing(img, dice)
	}
	return img
}

// clouded adds random grids of growing fineness and falling weight.
func clouded(w, h int, dice *rand.Rand) *image.Gray16 {
	sum := make([]float64, w*h)
	for cells, weight := 2, 1.0; cells <= 64; cells, weight = cells*2, weight*0.6 {
		grid := image.NewGray16(image.Rect(0, 0, cells+1, cells+1))
		for i := range grid.Pix {
			grid.Pix[i] = uint8(dice.Uint32())
		}
		large := image.NewGray16(image.Rect(0, 0, w, h))
		xdraw.BiLinear.Scale(large, large.Rect, grid, grid.Rect, xdraw.Src, nil)
		for i := range sum {
			sum[i] += weight * (float64(large.Pix[2*i]) - 127)
		}
	}
	most := 1.0
	for _, v := range sum {
		most = max(most, math.Abs(v))
	}
	out := image.NewGray16(image.Rect(0, 0, w, h))
	for i, v := range sum {
		out.SetGray16(i%w, i/w, color.Gray16{uint16(32767 + 32767*v/most)})
	}
	return out
}

func thing(img *image.RGBA, dice *rand.Rand) {
	w, h := img.Rect.Dx(), img.Rect.Dy()
	cx, cy := dice.IntN(w), dice.IntN(h)
	rx, ry := 1+w/40+dice.IntN(w/6), 1+h/40+dice.IntN(h/6)
	base := [3]float64{dice.Float64() * 255, dice.Float64() * 255, dice.Float64() * 255}
	for y := max(0, cy-ry); y < min(h, cy+ry); y++ {
		for x := max(0, cx-rx); x < min(w, cx+rx); x++ {
			dx, dy := float64(x-cx)/float64(rx), float64(y-cy)/float64(ry)
			if r := dx*dx + dy*dy; r < 1 {
				shade := 1 - 0.6*r*(1+dx)/2
				img.SetRGBA(x, y, color.RGBA{uint8(base[0] * shade), uint8(base[1] * shade), uint8(base[2] * shade), 255})
			}
		}
	}
}

// edit is what someone does to a picture to send it again.
type edit struct {
	name string
	do   func(image.Image) image.Image
	must int // of a hundred pictures the bank has to notice so many
}

func copied(img image.Image) *image.RGBA {
	out := image.NewRGBA(image.Rect(0, 0, img.Bounds().Dx(), img.Bounds().Dy()))
	draw.Draw(out, out.Rect, img, img.Bounds().Min, draw.Src)
	return out
}

func resized(img image.Image, percent int) image.Image {
	b := img.Bounds()
	out := image.NewRGBA(image.Rect(0, 0, max(1, b.Dx()*percent/100), max(1, b.Dy()*percent/100)))
	xdraw.CatmullRom.Scale(out, out.Rect, img, b, xdraw.Src, nil)
	return out
}

func asJPEG(img image.Image, quality int) image.Image {
	var file bytes.Buffer
	if err := jpeg.Encode(&file, img, &jpeg.Options{Quality: quality}); err != nil {
		panic(err)
	}
	out, err := jpeg.Decode(&file)
	if err != nil {
		panic(err)
	}
	return out
}

func asGIF(img image.Image) image.Image {
	var file bytes.Buffer
	if err := gif.Encode(&file, img, nil); err != nil {
		panic(err)
	}
	out, err := gif.Decode(&file)
	if err != nil {
		panic(err)
	}
	return out
}

// placed moves every pixel of a picture; swap exchanges width and height.
func placed(img image.Image, swap bool, to func(x, y, w, h int) (int, int)) image.Image {
	from := copied(img)
	w, h := from.Rect.Dx(), from.Rect.Dy()
	out := image.NewRGBA(from.Rect)
	if swap {
		out = image.NewRGBA(image.Rect(0, 0, h, w))
	}
	for y := range h {
		for x := range w {
			u, v := to(x, y, w, h)
			out.SetRGBA(u, v, from.RGBAAt(x, y))
		}
	}
	return out
}

func mirrored(img image.Image) image.Image {
	return placed(img, false, func(x, y, w, h int) (int, int) { return w - 1 - x, y })
}

func rotated(img image.Image) image.Image {
	return placed(img, true, func(x, y, w, h int) (int, int) { return h - 1 - y, x })
}

// cropped cuts percents of the sides off.
func cropped(img image.Image, left, top, right, bottom int) image.Image {
	b := img.Bounds()
	return copied(copied(img).SubImage(image.Rect(b.Dx()*left/100, b.Dy()*top/100, b.Dx()*(100-right)/100, b.Dy()*(100-bottom)/100)))
}

// bordered adds a frame of percents of width and height.
func bordered(img image.Image, c color.Color, x, y int) image.Image {
	b := img.Bounds()
	dx, dy := b.Dx()*x/100, b.Dy()*y/100
	out := image.NewRGBA(image.Rect(0, 0, b.Dx()+2*dx, b.Dy()+2*dy))
	draw.Draw(out, out.Rect, image.NewUniform(c), image.Point{}, draw.Src)
	draw.Draw(out, b.Sub(b.Min).Add(image.Pt(dx, dy)), img, b.Min, draw.Src)
	return out
}

func edits() []edit {
	white, black, pink := color.White, color.Black, color.RGBA{230, 120, 160, 255}
	return []edit{
		{"as is", func(m image.Image) image.Image { return m }, 100},
		{"resized to 50 %", func(m image.Image) image.Image { return resized(m, 50) }, 100},
		{"JPEG quality 30", func(m image.Image) image.Image { return asJPEG(m, 30) }, 100},
		{"mirrored", mirrored, 100},
		{"rotated by 90 degrees", rotated, 100},
		{"cropped by 10 %, all around", func(m image.Image) image.Image { return cropped(m, 5, 5, 5, 5) }, 100},
		{"white border of 5 %", func(m image.Image) image.Image { return bordered(m, white, 5, 5) }, 100},
		{"black bars of 20 %", func(m image.Image) image.Image { return bordered(m, black, 0, 20) }, 100},
		{"pink frame, then JPEG quality 50", func(m image.Image) image.Image { return asJPEG(bordered(m, pink, 8, 8), 50) }, 80},
		{"white border, black bars", func(m image.Image) image.Image { return bordered(bordered(m, white, 4, 4), black, 15, 0) }, 80},
		{"mirrored, 50 %, quality 30", func(m image.Image) image.Image { return asJPEG(resized(mirrored(m), 50), 30) }, 80},
		{"rotated, cropped by 10 %, quality 50", func(m image.Image) image.Image { return asJPEG(rotated(cropped(m, 5, 5, 5, 5)), 50) }, 80},
		{"GIF", asGIF, 100},
		{"cropped by 20 %, all around", func(m image.Image) image.Image { return cropped(m, 10, 10, 10, 10) }, 100},
		{"cropped by 10 % at the left", func(m image.Image) image.Image { return cropped(m, 10, 0, 0, 0) }, 100},
		{"cropped by 10 % at the top", func(m image.Image) image.Image { return cropped(m, 0, 10, 0, 0) }, 100},
		{"cropped by 10 % at a corner", func(m image.Image) image.Image { return cropped(m, 0, 0, 10, 10) }, 100},
		{"cropped by 20 % at the bottom", func(m image.Image) image.Image { return cropped(m, 0, 0, 0, 20) }, 100},
		{"cropped to a square", func(m image.Image) image.Image {
			b := m.Bounds()
			if over := 100 * (b.Dx() - b.Dy()) / b.Dx() / 2; over > 0 {
				return cropped(m, over, 0, over, 0)
			}
			over := 100 * (b.Dy() - b.Dx()) / b.Dy() / 2
			return cropped(m, 0, over, 0, over)
		}, 100},
		{"a thing over a tenth of it", func(m image.Image) image.Image {
			out := copied(m)
			w, h := out.Rect.Dx(), out.Rect.Dy()
			draw.Draw(out, image.Rect(w/3, h/3, w/3+w*32/100, h/3+h*32/100), image.NewUniform(pink), image.Point{}, draw.Src)
			return out
		}, 0},
	}
}

// photos gives pictures from a folder, scaled down to what makes a test quick.
func photos(t *testing.T, folder string, most int) (out []image.Image) {
	t.Helper()
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || len(out) == most {
			return err
		}
		kind := map[string]string{".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png", ".gif": "image/gif", ".webp": "image/webp"}[strings.ToLower(filepath.Ext(path))]
		file, err := os.ReadFile(path)
		if err != nil || kind == "" {
			return err
		}
		all, err := Pictures(context.Background(), bytes.NewReader(file), int64(len(file)), kind, Limits{Frames: 1})
		if err != nil || len(all) == 0 {
			return nil // corpora of tests of other programs hold broken files
		}
		img := all[0]
		if side := max(img.Bounds().Dx(), img.Bounds().Dy()); side > 900 {
			img = resized(img, 90000/side)
		}
		if _, quality := Hash(img); quality >= MinQuality && min(img.Bounds().Dx(), img.Bounds().Dy()) >= 64 {
			out = append(out, img)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// What is in the bank is noticed when it comes again in another form, and
// nothing else is. With -v it prints how far each form is away.
//
// Pictures are drawn ones, those of testdata, and all of EMBERDROP_CORPUS and of
// EMBERDROP_PHOTOS, where these are set.
func TestBankNotices(t *testing.T) {
	if testing.Short() {
		t.Skip("much arithmetic, and nothing that races")
	}
	sources := photos(t, "testdata/pictures/bridge-mods", 1)
	sources = append(sources, photos(t, "testdata/pictures/reg-test-input/labelme-subset", 3)...)
	for seed := range uint64(3) {
		sources = append(sources, scene(480+int(seed)*40, 360, seed))
	}
	if folder := os.Getenv("EMBERDROP_PHOTOS"); folder != "" {
		sources = append(sources, photos(t, folder, 24)...)
	}
	type row struct{ block, hold, missed, far int }
	rows := make([]row, len(edits()))
	for i, source := range sources {
		bank, err := NewBank(strings.NewReader(""), nil)
		if err != nil {
			t.Fatal(err)
		}
		if n, err := bank.Add("K1", "2026-11-22", BankEntries(nil, []image.Image{source})); err != nil || n == 0 {
			t.Fatalf("picture %d: %d entries, %v", i, n, err)
		}
		set := NewSet(bank)
		for j, e := range edits() {
			v := set.Check(nil, []image.Image{e.do(source)})
			switch v.Action {
			case Block:
				rows[j].block++
			case Hold:
				rows[j].hold++
			default:
				rows[j].missed++
				t.Logf("picture %d, %s: passed", i, e.name)
			}
			for _, f := range v.Findings {
				rows[j].far = max(rows[j].far, f.Distance)
			}
		}
	}
	t.Logf("%d pictures:", len(sources))
	t.Logf("%-40s %7s %7s %7s %9s", "", "blocked", "held", "missed", "farthest")
	for j, e := range edits() {
		t.Logf("%-40s %7d %7d %7d %9d", e.name, rows[j].block, rows[j].hold, rows[j].missed, rows[j].far)
		if noticed := rows[j].block + rows[j].hold; noticed*100 < e.must*len(sources) {
			t.Errorf("%s: noticed %d times of %d", e.name, noticed, len(sources))
		}
	}
}

// different leaves out pictures that are there already: folders hold some in
// several sizes.
func different(all []image.Image) (out []image.Image) {
	var seen []words
	for _, img := range all {
		_, own := lookups(img)
		if !slices.ContainsFunc(own, func(w words) bool {
			return slices.ContainsFunc(seen, func(other words) bool { return w.distance(other) <= 12 })
		}) {
			out = append(out, img)
		}
		seen = append(seen, own...)
	}
	return out
}

// Unrelated pictures pass, also when the bank holds many others.
func TestUnrelatedPass(t *testing.T) {
	if testing.Short() {
		t.Skip("much arithmetic, and nothing that races")
	}
	var all []image.Image
	for seed := range uint64(200) {
		all = append(all, scene(240, 180, 1000+seed))
	}
	for _, name := range []string{"EMBERDROP_CORPUS", "EMBERDROP_PHOTOS"} {
		if folder := os.Getenv(name); folder != "" {
			all = append(all, different(photos(t, folder, 400))...)
		}
	}
	bank, err := NewBank(strings.NewReader(""), nil)
	if err != nil {
		t.Fatal(err)
	}
	// Each is compared with those that were taken down before it.
	set, nearest := NewSet(bank), 256
	taken := []words{}
	for i, img := range all {
		if v := set.Check(nil, []image.Image{img}); v.Action != Pass {
			t.Errorf("picture %d of %d: %v", i, len(all), v.Findings)
		}
		_, own := lookups(img)
		for _, w := range own {
			for _, other := range taken {
				nearest = min(nearest, w.distance(other))
			}
		}
		if i%20 != 0 {
			continue
		}
		entries := BankEntries(nil, []image.Image{img})
		for _, e := range entries {
			taken = append(taken, PDQ(e.Sum).words())
		}
		if _, err := bank.Add(fmt.Sprint("K", i), "2026-11-22", entries); err != nil {
			t.Fatal(err)
		}
	}
	if len(all) < 200 {
		t.Errorf("only %d pictures were tried", len(all))
	}
	t.Logf("%d pictures against a bank of up to %d entries: the nearest is %d bits away", len(all), bank.Len(), nearest)
}
