// Command preview writes every page in every state, from made-up data, to a
// folder, for whoever designs: go run ./views/preview FOLDER
package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"log"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"rsc.io/qr"

	"emberdrop/views"
	"emberdrop/views/samples"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) != 2 {
		log.Print("usage: preview FOLDER")
		os.Exit(2)
	}
	if err := run(os.Args[1]); err != nil {
		log.Fatal(err)
	}
}

func run(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, a := range views.Assets() {
		if err := os.WriteFile(filepath.Join(dir, a.Path), a.Body, 0o644); err != nil {
			return err
		}
	}
	var dusk bytes.Buffer
	if err := jpeg.Encode(&dusk, drawDusk(1200, 800), nil); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "dusk.jpg"), dusk.Bytes(), 0o644); err != nil {
		return err
	}
	code, err := qr.Encode(strings.Repeat("http://sample.onion/s/", 6), qr.L)
	if err != nil {
		return err
	}
	data := "data:image/png;base64," + base64.StdEncoding.EncodeToString(code.PNG())

	words, err := views.NewCatalogue()
	if err != nil {
		return err
	}
	for _, w := range words.All() {
		for _, s := range samples.All(w, "/dusk.jpg", data) {
			var page bytes.Buffer
			if err := s.Page.Render(context.Background(), &page); err != nil {
				return fmt.Errorf("%s: %w", s.Name, err)
			}
			// Served from a folder, a page's own addresses have no host before them.
			local := progressFrame.ReplaceAllString(page.String(), `src="/progress-part.`+w.Lang()+`.html"`)
			local = strings.NewReplacer(`href="/`, `href="./`, `src="/`, `src="./`).Replace(local)
			local = languageLink.ReplaceAllString(local, `href="`+s.Name+`.$1.html"`)
			name := s.Name + "." + w.Lang() + ".html"
			if err := os.WriteFile(filepath.Join(dir, name), []byte(local), 0o644); err != nil {
				return err
			}
			fmt.Println(filepath.Join(dir, name))
		}
	}
	return nil
}

var (
	progressFrame = regexp.MustCompile(`src="/progress/[^"]*"`)
	languageLink  = regexp.MustCompile(`href="\?lang=([^"]*)"`)
)

// drawDusk draws a sky, a low sun and hills: a picture that belongs to nobody.
func drawDusk(w, h int) image.Image {
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			t := float64(y) / float64(h)
			c := color.RGBA{uint8(40 + 200*t), uint8(36 + 96*t), uint8(84 - 20*t), 255}
			if d := math.Hypot(float64(x)-.68*float64(w), float64(y)-.62*float64(h)); d < .08*float64(h) {
				c = color.RGBA{255, 214, 150, 255}
			}
			for i := range 3 {
				ridge := .66 + .1*float64(i) + .045*math.Sin(float64(x)/(170-40*float64(i))+2*float64(i))
				if t > ridge {
					c = color.RGBA{uint8(70 - 22*i), uint8(38 - 11*i), uint8(48 - 13*i), 255}
				}
			}
			m.Set(x, y, c)
		}
	}
	return m
}
