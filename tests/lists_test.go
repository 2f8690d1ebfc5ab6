package tests

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/gif"
	"image/jpeg"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	xdraw "golang.org/x/image/draw"

	"emberdrop/match"
	"emberdrop/tests/instance"
	"emberdrop/tests/sample"
)

func encoded(t *testing.T, img image.Image, quality int) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := jpeg.Encode(&out, img, &jpeg.Options{Quality: quality}); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// redrawn draws a picture of another size, each pixel from a place in the old one.
func redrawn(img image.Image, w, h int, from func(x, y int) (int, int)) image.Image {
	out := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			u, v := from(x, y)
			out.Set(x, y, img.At(u, v))
		}
	}
	return out
}

// TestBlockedPictureComesAgain: what is in the bank is refused by the running
// program, in all the forms in which people send a picture again, and others are taken.
func TestBlockedPictureComesAgain(t *testing.T) {
	t.Parallel()
	const w, h = 640, 480
	bad := sample.Picture(w, h, 77)
	data := freshData(t)
	if err := os.Mkdir(filepath.Join(data, "lists"), 0o700); err != nil {
		t.Fatal(err)
	}
	var bank strings.Builder
	for _, e := range match.BankEntries(nil, []image.Image{bad}) {
		fmt.Fprintf(&bank, "%s CASE 2026-11-22\n", e)
	}
	if err := os.WriteFile(filepath.Join(data, "lists", "bank"), []byte(bank.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	_, client := servePlain(t, data)

	half := image.NewRGBA(image.Rect(0, 0, w/2, h/2))
	xdraw.CatmullRom.Scale(half, half.Rect, bad, bad.Bounds(), draw.Src, nil)
	framed := image.NewRGBA(image.Rect(0, 0, w+60, h+60))
	draw.Draw(framed, framed.Rect, image.White, image.Point{}, draw.Src)
	draw.Draw(framed, image.Rect(30, 30, w+30, h+30), bad, image.Point{}, draw.Src)
	var still, moving bytes.Buffer
	if err := png.Encode(&still, bad); err != nil {
		t.Fatal(err)
	}
	grey := make(color.Palette, 256)
	for i := range grey {
		grey[i] = color.Gray{uint8(i)}
	}
	film := &gif.GIF{}
	for _, img := range []image.Image{sample.Picture(w, h, 1), bad} { // harmless at first sight
		frame := image.NewPaletted(image.Rect(0, 0, w, h), grey)
		draw.Draw(frame, frame.Rect, img, image.Point{}, draw.Src)
		film.Image, film.Delay = append(film.Image, frame), append(film.Delay, 100)
	}
	if err := gif.EncodeAll(&moving, film); err != nil {
		t.Fatal(err)
	}
	forms := []struct {
		name string
		file []byte
	}{
		{"as is", still.Bytes()},
		{"as a JPEG with metadata", sample.Photo(w, h, 77)},
		{"resized to 50 %", encoded(t, half, 90)},
		{"JPEG quality 30", encoded(t, bad, 30)},
		{"mirrored", encoded(t, redrawn(bad, w, h, func(x, y int) (int, int) { return w - 1 - x, y }), 90)},
		{"rotated by 90 degrees", encoded(t, redrawn(bad, h, w, func(x, y int) (int, int) { return y, h - 1 - x }), 90)},
		{"cropped by 10 %", encoded(t, redrawn(bad, w*9/10, h*9/10, func(x, y int) (int, int) { return x + w/20, y + h/20 }), 90)},
		{"cropped at one side", encoded(t, redrawn(bad, w*9/10, h, func(x, y int) (int, int) { return x + w/10, y }), 90)},
		{"bordered", encoded(t, framed, 90)},
		{"in the last frame of an animation", moving.Bytes()},
	}
	send := func(file []byte) (int, string) {
		up, err := client.Upload(t.Context(), "http://drop.test/", instance.File("x", file))
		if err != nil {
			t.Fatal(err)
		}
		return up.Status, string(up.Body)
	}
	words := ""
	for _, form := range forms {
		code, body := send(form.file)
		if words == "" {
			words = body
		}
		if code != 422 || body != words {
			t.Errorf("%s: %d %.200s", form.name, code, body)
		}
	}
	for seed := range uint64(8) {
		if code, body := send(sample.Photo(w, h, seed)); code != 201 {
			t.Errorf("another picture: %d %.200s", code, body)
		}
	}
	if out := succeeds(t, "lists", "--data", data); !strings.Contains(out, fmt.Sprintf("the bank, matches: %d", len(forms))) {
		t.Errorf("the operator sees %s", out)
	}
}

// TestUnscannedPictures: a picture over the limits is held, which without an
// operator key is a refusal, or what the operator says; and nothing is decoded
// while there is nothing to compare with.
func TestUnscannedPictures(t *testing.T) {
	photo := sample.Photo(640, 480, 5)
	for _, c := range []struct {
		unscanned, list string
		want            int
	}{{"hold", "", 201}, {"hold", "md5 000102030405060708090a0b0c0d0e0f", 422}, {"pass", "md5 000102030405060708090a0b0c0d0e0f", 201}, {"block", "md5 000102030405060708090a0b0c0d0e0f", 422}} {
		data := freshData(t)
		if c.list != "" {
			file := filepath.Join(t.TempDir(), "list")
			if err := os.WriteFile(file, []byte(c.list), 0o600); err != nil {
				t.Fatal(err)
			}
			succeeds(t, "lists", "add", "--data", data, "--name", "a", file)
		}
		_, client := servePlain(t, data, "--scan-pixels", "1000", "--unscanned", c.unscanned)
		up, err := client.Upload(t.Context(), "http://drop.test/", instance.File("x", photo))
		if err != nil || up.Status != c.want {
			t.Errorf("%+v: %d %v", c, up.Status, err)
		}
	}
}
