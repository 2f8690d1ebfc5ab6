// Command reference draws the test pictures of match/classify and unpacks them
// for the runtime that its answers are compared with. `just reference` does
// all of it; the results are in testdata, so that tests need neither Node nor a
// network.
//
//	reference draw FOLDER      writes the drawn pictures as PNG
//	reference unpack FROM TO   writes every PNG in FROM as TO/name.WxH.rgb
package main

import (
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
)

func main() {
	var err error
	switch {
	case len(os.Args) == 3 && os.Args[1] == "draw":
		err = draw(os.Args[2])
	case len(os.Args) == 4 && os.Args[1] == "unpack":
		err = unpack(os.Args[2], os.Args[3])
	default:
		fmt.Fprintln(os.Stderr, "usage: reference draw FOLDER | unpack FROM TO")
		os.Exit(2)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "reference:", err)
		os.Exit(1)
	}
}

// Sizes: 224 by 224 goes into the network as it is; the others are shrunk,
// stretched and squashed on the way, but are too small to be cut in parts.
func draw(folder string) error {
	for _, p := range []struct {
		name          string
		width, height int
		at            func(x, y float64, dice *rand.Rand) [3]float64 // x, y and colours from 0 to 1
	}{
		{"grey", 224, 224, func(x, y float64, _ *rand.Rand) [3]float64 { return [3]float64{.5, .5, .5} }},
		{"noise", 224, 224, func(x, y float64, dice *rand.Rand) [3]float64 {
			return [3]float64{float64(dice.IntN(16)) / 15, float64(dice.IntN(16)) / 15, float64(dice.IntN(16)) / 15}
		}},
		{"plasma", 224, 224, plasma},
		{"shapes", 224, 224, shapes},
		{"clay", 224, 224, clay},
		{"dusk", 440, 300, dusk},
		{"page", 300, 400, page},
		{"tiny", 5, 3, plasma},
		{"tall", 100, 440, clay},
	} {
		img := image.NewRGBA(image.Rect(0, 0, p.width, p.height))
		dice := rand.New(rand.NewPCG(1, 2))
		for y := range p.height {
			for x := range p.width {
				c := p.at(float64(x)/float64(p.width), float64(y)/float64(p.height), dice)
				img.SetRGBA(x, y, color.RGBA{shade(c[0]), shade(c[1]), shade(c[2]), 255})
			}
		}
		if err := write(filepath.Join(folder, p.name+".png"), img); err != nil {
			return err
		}
	}
	return nil
}

func shade(v float64) uint8 { return uint8(max(0, min(255, math.Round(255*v)))) }

// plasma is sums of waves in all colours.
func plasma(x, y float64, _ *rand.Rand) [3]float64 {
	wave := func(a, b, c float64) float64 {
		return .5 + .25*math.Sin(a*x+b*y+c) + .25*math.Sin(9*math.Hypot(x-.4, y-.6)+a*y*x)
	}
	return [3]float64{wave(11, 3, 0), wave(4, 13, 1), wave(7, -9, 2)}
}

// shapes is a child's house: flat colours, black outlines.
func shapes(x, y float64, _ *rand.Rand) [3]float64 {
	roof := math.Abs(x-.5) - (y - .2)
	wall := max(math.Abs(x-.5)-.3, math.Abs(y-.7)-.2)
	sun := math.Hypot(x-.85, y-.15) - .1
	switch {
	case math.Abs(wall) < .008 || math.Abs(roof) < .01 && y < .5 || math.Abs(sun) < .008:
		return [3]float64{0, 0, 0}
	case sun < 0:
		return [3]float64{1, .9, .1}
	case roof < 0 && y < .5 && y > .2:
		return [3]float64{.8, .2, .1}
	case wall < 0:
		return [3]float64{.95, .85, .6}
	case y > .85:
		return [3]float64{.3, .7, .2}
	}
	return [3]float64{.6, .8, 1}
}

// clay is soft bumps in earthen colours.
func clay(x, y float64, _ *rand.Rand) [3]float64 {
	light := .15
	for _, b := range [][3]float64{{.3, .3, .2}, {.6, .45, .25}, {.45, .75, .22}, {.8, .8, .1}} {
		d := math.Hypot(x-b[0], y-b[1]) / b[2]
		light = max(light, .9*math.Sqrt(max(0, 1-d*d))+.1*(b[0]-x))
	}
	return [3]float64{.95 * light, .72 * light, .6 * light}
}

// dusk is a sky over hills.
func dusk(x, y float64, _ *rand.Rand) [3]float64 {
	for i, base := range []float64{.85, .7, .55} {
		hill := base + .06*math.Sin(7*x*float64(i+1)+float64(i)) + .02*math.Sin(31*x+float64(2*i))
		if y > hill {
			dark := .05 + .12*float64(i)
			return [3]float64{dark, dark * 1.1, dark * 1.5}
		}
	}
	return [3]float64{.2 + 1.3*y, .25 + .6*y, .5 - .1*y}
}

// page is lines of something like writing.
func page(x, y float64, _ *rand.Rand) [3]float64 {
	line, within := math.Modf(y * 28)
	word := math.Sin(x*90+line*17) + math.Sin(x*41+line*5)
	if x > .1 && x < .9-.2*math.Mod(line*.37, 1) && line > 2 && line < 26 && within > .3 && within < .75 && word > -.4 {
		return [3]float64{.1, .1, .15}
	}
	return [3]float64{.98, .97, .94}
}

func write(name string, img image.Image) error {
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	defer file.Close()
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(file, img); err != nil {
		return err
	}
	return file.Close()
}

// unpack writes pictures as the bytes that the reference runtime takes.
func unpack(from, to string) error {
	names, err := filepath.Glob(filepath.Join(from, "*.png"))
	if err != nil {
		return err
	}
	for _, name := range names {
		file, err := os.Open(name)
		if err != nil {
			return err
		}
		img, err := png.Decode(file)
		file.Close()
		if err != nil {
			return err
		}
		var raw []byte
		for y := img.Bounds().Min.Y; y < img.Bounds().Max.Y; y++ {
			for x := img.Bounds().Min.X; x < img.Bounds().Max.X; x++ {
				r, g, b, _ := img.At(x, y).RGBA()
				raw = append(raw, byte(r>>8), byte(g>>8), byte(b>>8))
			}
		}
		base := strings.TrimSuffix(filepath.Base(name), ".png")
		name := fmt.Sprintf("%s.%dx%d.rgb", base, img.Bounds().Dx(), img.Bounds().Dy())
		if err := os.WriteFile(filepath.Join(to, name), raw, 0o644); err != nil {
			return err
		}
	}
	return nil
}
