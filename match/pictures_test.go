package match

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// step is one frame of an animation that tests make.
type step struct {
	box     image.Rectangle
	tone    uint8 // palette index of the whole box; 0 is transparent
	dispose byte  // as GIF has it: 1 keep, 2 clear, 3 back
}

var tones = color.Palette{color.NRGBA{}, color.NRGBA{255, 0, 0, 255}, color.NRGBA{0, 255, 0, 255}, color.NRGBA{0, 0, 255, 255}, color.NRGBA{255, 255, 255, 255}}

// The steps differ in place, in what they leave behind, and in transparency.
var steps = []step{
	{image.Rect(0, 0, 64, 48), 1, 1}, {image.Rect(8, 6, 40, 40), 2, 2}, {image.Rect(20, 20, 64, 48), 3, 3},
	{image.Rect(0, 0, 10, 10), 4, 1}, {image.Rect(0, 0, 64, 48), 0, 1}, {image.Rect(30, 10, 34, 46), 3, 2}, {image.Rect(2, 2, 60, 8), 2, 1},
}

// seen plays the steps pixel by pixel.
func seen(steps []step) (out []*image.NRGBA) {
	canvas := image.NewNRGBA(image.Rect(0, 0, 64, 48))
	fill := func(box image.Rectangle, c color.Color) {
		for y := box.Min.Y; y < box.Max.Y; y++ {
			for x := box.Min.X; x < box.Max.X; x++ {
				canvas.Set(x, y, c)
			}
		}
	}
	for _, s := range steps {
		before := bytes.Clone(canvas.Pix)
		if s.tone != 0 {
			fill(s.box, tones[s.tone])
		}
		shown := image.NewNRGBA(canvas.Rect)
		copy(shown.Pix, canvas.Pix)
		out = append(out, shown)
		switch s.dispose {
		case 2:
			fill(s.box, color.Transparent)
		case 3:
			copy(canvas.Pix, before)
		}
	}
	return out
}

func (s step) image() *image.Paletted {
	img := image.NewPaletted(s.box, tones)
	for i := range img.Pix {
		img.Pix[i] = s.tone
	}
	return img
}

func gifOf(t testing.TB, steps []step) []byte {
	all := &gif.GIF{Config: image.Config{Width: 64, Height: 48, ColorModel: tones}}
	for _, s := range steps {
		all.Image, all.Delay, all.Disposal = append(all.Image, s.image()), append(all.Delay, 10), append(all.Disposal, s.dispose)
	}
	var out bytes.Buffer
	if err := gif.EncodeAll(&out, all); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// pngOf is an animated PNG; hidden says that its picture is not the first frame.
func pngOf(t testing.TB, steps []step, hidden bool) []byte {
	var out, data bytes.Buffer
	chunk := func(kind string, data []byte) {
		binary.Write(&out, binary.BigEndian, uint32(len(data)))
		body := append([]byte(kind), data...)
		out.Write(body)
		binary.Write(&out, binary.BigEndian, crc32.ChecksumIEEE(body))
	}
	number := func(n ...int) (b []byte) {
		for _, n := range n {
			b = binary.BigEndian.AppendUint32(b, uint32(n))
		}
		return b
	}
	// The chunks of a plain PNG of one step.
	plain := func(s step) map[string][]byte {
		img := image.NewPaletted(image.Rect(0, 0, s.box.Dx(), s.box.Dy()), tones)
		copy(img.Pix, s.image().Pix)
		data.Reset()
		if err := png.Encode(&data, img); err != nil {
			t.Fatal(err)
		}
		chunks := map[string][]byte{}
		for b := data.Bytes()[8:]; len(b) > 0; {
			n := binary.BigEndian.Uint32(b)
			chunks[string(b[4:8])] = append(chunks[string(b[4:8])], b[8:8+n]...)
			b = b[12+n:]
		}
		return chunks
	}
	first := plain(step{image.Rect(0, 0, 64, 48), 4, 1})
	if !hidden {
		first = plain(steps[0])
	}
	out.WriteString(pngMagic)
	chunk("IHDR", first["IHDR"])
	chunk("acTL", number(len(steps), 0))
	chunk("PLTE", first["PLTE"])
	chunk("tRNS", first["tRNS"])
	if hidden {
		chunk("IDAT", first["IDAT"])
	}
	sequence := 0
	for i, s := range steps {
		control := number(sequence, s.box.Dx(), s.box.Dy(), s.box.Min.X, s.box.Min.Y)
		chunk("fcTL", append(control, 0, 1, 0, 10, s.dispose-1, 1))
		sequence++
		pixels := plain(s)["IDAT"]
		if i == 0 && !hidden {
			chunk("IDAT", pixels)
			continue
		}
		for _, part := range [][]byte{pixels[:5], pixels[5:]} {
			chunk("fdAT", append(number(sequence), part...))
			sequence++
		}
	}
	chunk("IEND", nil)
	return out.Bytes()
}

func pictures(file []byte, kind string, limits Limits) ([]image.Image, error) {
	return Pictures(context.Background(), bytes.NewReader(file), int64(len(file)), kind, limits)
}

// differing says how many pixels of two pictures look different.
func differing(a, b image.Image) (n int) {
	if a.Bounds() != b.Bounds() {
		return -1
	}
	for y := a.Bounds().Min.Y; y < a.Bounds().Max.Y; y++ {
		for x := a.Bounds().Min.X; x < a.Bounds().Max.X; x++ {
			p, q := color.NRGBAModel.Convert(a.At(x, y)).(color.NRGBA), color.NRGBAModel.Convert(b.At(x, y)).(color.NRGBA)
			if p != q && (p.A != 0 || q.A != 0) {
				n++
			}
		}
	}
	return n
}

// Every frame of an animation comes as it is seen, in all three formats.
// testdata/steps.webp was made of gifOf(steps) by gif2webp.
func TestAnimations(t *testing.T) {
	webp, err := os.ReadFile("testdata/steps.webp")
	if err != nil {
		t.Fatal(err)
	}
	cover := []*image.NRGBA{seen([]step{{image.Rect(0, 0, 64, 48), 4, 1}})[0]}
	backFirst := append([]step{{image.Rect(0, 0, 64, 48), 2, 3}}, steps...)
	for _, test := range []struct {
		name, kind string
		file       []byte
		want       []*image.NRGBA
	}{
		{"GIF", "image/gif", gifOf(t, steps), seen(steps)},
		{"PNG", "image/png", pngOf(t, steps, false), seen(steps)},
		{"PNG with a picture of its own", "image/png", pngOf(t, steps, true), append(cover, seen(steps)...)},
		{"GIF that goes back at once", "image/gif", gifOf(t, backFirst), seen(backFirst)},
		{"PNG that goes back at once", "image/png", pngOf(t, backFirst, false), seen(backFirst)},
		{"WebP", "image/webp", webp, slices.Delete(seen(steps), 4, 5)}, // gif2webp leaves out the step that changes nothing
	} {
		got, err := pictures(test.file, test.kind, Limits{Frames: 100})
		if err != nil || len(got) != len(test.want) {
			t.Errorf("%s: %d pictures, %v, want %d", test.name, len(got), err, len(test.want))
			continue
		}
		for i := range got {
			if n := differing(got[i], test.want[i]); n != 0 {
				t.Errorf("%s: picture %d: %d pixels differ", test.name, i, n)
			}
		}
		some, err := pictures(test.file, test.kind, Limits{Frames: 2})
		if err != nil || len(some) > 3 {
			t.Errorf("%s: %d pictures of at most 2 frames, %v", test.name, len(some), err)
			continue
		}
		if n := differing(some[len(some)-1], test.want[len(test.want)-1]); n != 0 {
			t.Errorf("%s: the last frame is not among 2: %d pixels differ", test.name, n)
		}
	}
}

func TestSpread(t *testing.T) {
	for _, test := range []struct {
		count, n int
		want     string
	}{{1, 8, "[0]"}, {3, 8, "[0 1 2]"}, {10, 2, "[0 9]"}, {10, 1, "[0]"}, {100, 4, "[0 33 66 99]"}, {10, 0, "[0]"}} {
		picked := spread(test.count, test.n)
		got := []int{}
		for i := range test.count {
			if picked[i] {
				got = append(got, i)
			}
		}
		if fmt.Sprint(got) != test.want {
			t.Errorf("%d of %d: %v, want %s", test.n, test.count, got, test.want)
		}
	}
}

// What cannot be looked at, or not whole, is said to be so, and what has been
// decoded before comes along.
func TestNotScanned(t *testing.T) {
	var photo, plain bytes.Buffer
	if err := jpeg.Encode(&photo, drawn(200, 100, 1), nil); err != nil {
		t.Fatal(err)
	}
	if err := png.Encode(&plain, drawn(200, 100, 1)); err != nil {
		t.Fatal(err)
	}
	moving := gifOf(t, steps)
	outside := bytes.Clone(pngOf(t, steps, false))
	at := bytes.Index(outside, []byte("fcTL")) // the second frame's
	at += 4 + bytes.Index(outside[at+4:], []byte("fcTL"))
	binary.BigEndian.PutUint32(outside[at+8:], 1<<31)
	binary.BigEndian.PutUint32(outside[at+12:], 1<<31)
	badFrame := bytes.Clone(moving)
	badFrame = badFrame[:len(badFrame)-20]
	for _, test := range []struct {
		name, kind string
		file       []byte
		limits     Limits
		pictures   int
		want       error
	}{
		{"a JPEG", "image/jpeg", photo.Bytes(), Limits{}, 1, nil},
		{"a PNG", "image/png", plain.Bytes(), Limits{}, 1, nil},
		{"a video", "video/mp4", []byte("\x00\x00\x00\x18ftypmp42"), Limits{}, 0, ErrKind},
		{"a note", "text/plain", []byte("hello"), Limits{}, 0, ErrKind},
		{"a JPEG that is too large", "image/jpeg", photo.Bytes(), Limits{Pixels: 19_999}, 0, ErrLimit},
		{"a JPEG just not too large", "image/jpeg", photo.Bytes(), Limits{Pixels: 20_000}, 1, nil},
		{"a cut JPEG", "image/jpeg", photo.Bytes()[:300], Limits{}, 0, ErrPicture},
		{"a cut PNG", "image/png", plain.Bytes()[:300], Limits{}, 0, ErrPicture},
		{"an empty file", "image/gif", nil, Limits{}, 0, ErrPicture},
		{"another kind", "image/webp", photo.Bytes(), Limits{}, 0, ErrPicture},
		{"an animation with a canvas that is too large", "image/gif", moving, Limits{Pixels: 64*48 - 1}, 0, ErrLimit},
		{"an animation of which one picture fits", "image/gif", moving, Limits{Pixels: 64 * 48}, 1, nil},
		{"a frame outside of the canvas", "image/png", outside, Limits{}, 1, ErrPicture},
		{"a cut GIF", "image/gif", badFrame, Limits{}, 0, ErrPicture},
	} {
		got, err := pictures(test.file, test.kind, test.limits)
		if len(got) != test.pictures || !errors.Is(err, test.want) || test.want != nil && !errors.Is(err, ErrNotScanned) {
			t.Errorf("%s: %d pictures, %v, want %d, %v", test.name, len(got), err, test.pictures, test.want)
		}
	}
	// Very many frames: the work is bounded, and the rest is said to be unseen.
	many := make([]step, 40)
	for i := range many {
		many[i] = step{image.Rect(0, 0, 64, 48), uint8(1 + i%4), 1}
	}
	if got, err := pictures(gifOf(t, many), "image/gif", Limits{Pixels: 64 * 48}); len(got) != 1 || !errors.Is(err, ErrLimit) {
		t.Errorf("40 frames: %d pictures, %v", len(got), err)
	}
	// Time that has run out, and a file that cannot be read.
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for _, file := range [][]byte{photo.Bytes(), moving} {
		kind := map[bool]string{true: "image/gif", false: "image/jpeg"}[file[0] == 'G']
		if got, err := Pictures(ctx, bytes.NewReader(file), int64(len(file)), kind, Limits{}); len(got) != 0 || !errors.Is(err, ErrLimit) {
			t.Errorf("%s after its time: %d pictures, %v", kind, len(got), err)
		}
		if _, err := Pictures(context.Background(), brokenFile{}, 1000, kind, Limits{}); !errors.Is(err, ErrPicture) {
			t.Errorf("%s that cannot be read: %v", kind, err)
		}
	}
}

type brokenFile struct{}

func (brokenFile) ReadAt([]byte, int64) (int, error) { return 0, io.ErrClosedPipe }

// Every kind of file that strip passes on decodes here.
func TestStrippedKinds(t *testing.T) {
	for _, test := range []struct{ kind, folder string }{{"image/jpeg", "jpeg"}, {"image/png", "png"}, {"image/gif", "gif"}, {"image/webp", "webp"}} {
		files, err := filepath.Glob("../strip/testdata/" + test.folder + "/*")
		if err != nil || len(files) < 2 {
			t.Fatalf("%d files, %v", len(files), err)
		}
		for _, name := range files {
			file, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			got, err := pictures(file, test.kind, Limits{})
			if err != nil || len(got) == 0 {
				t.Errorf("%s: %d pictures, %v", name, len(got), err)
			}
		}
	}
}

func FuzzPictures(f *testing.F) {
	var photo bytes.Buffer
	if err := jpeg.Encode(&photo, drawn(16, 16, 1), nil); err != nil {
		f.Fatal(err)
	}
	webp, err := os.ReadFile("testdata/steps.webp")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(photo.Bytes(), uint8(0))
	f.Add(pngOf(f, steps, true), uint8(1))
	f.Add(gifOf(f, steps), uint8(2))
	f.Add(webp, uint8(3))
	kinds := []string{"image/jpeg", "image/png", "image/gif", "image/webp"}
	f.Fuzz(func(t *testing.T, file []byte, kind uint8) {
		limits := Limits{Pixels: 1 << 16, Frames: 4}
		got, err := pictures(file, kinds[int(kind)%len(kinds)], limits)
		if err == nil && len(got) == 0 || err != nil && !errors.Is(err, ErrNotScanned) {
			t.Fatalf("%d pictures, %v", len(got), err)
		}
		for _, img := range got {
			if img.Bounds().Dx()*img.Bounds().Dy() > limits.Pixels {
				t.Fatalf("%v", img.Bounds())
			}
			lookups(img)
		}
	})
}
