package classify

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// TestWeights: what is embedded is what the package published. The sums are
// those in extract, which refuses anything else.
func TestWeights(t *testing.T) {
	const want = "fee38f0bcbad1a223b8301c014bbf78984365aef5ab08fc3289ed4229ab67f0e"
	if got := fmt.Sprintf("%x", sha256.Sum256([]byte(weights))); got != want || len(weights) != 4300775 {
		t.Errorf("weights.bin: %d bytes, SHA-256 %s", len(weights), got)
	}
	p, err := newPlan([]byte(graph), len(weights))
	if err != nil {
		t.Fatal(err)
	}
	kinds, products := map[string]int{}, 0
	for _, l := range p.layers {
		kinds[l.Op]++
		switch l.Op {
		case "depthwise":
			products += l.side * l.side * 9 * l.Out
		case "conv":
			products += l.side * l.side * 9 * l.In * l.Out
		case "pointwise":
			products += l.side * l.side * l.In * l.Out
		}
	}
	if got := fmt.Sprint(kinds); got != "map[conv:1 dense:1 depthwise:17 pointwise:34]" {
		t.Errorf("layers: %s", got)
	}
	bytes := 0
	for _, n := range append(p.buffers[:], p.columns, p.weights, side*side*3) {
		bytes += 4 * n
	}
	t.Logf("%d million products, %.1f MiB of work space", products/1e6, float64(bytes)/(1<<20))
	if bytes > 20<<20 {
		t.Errorf("%d bytes of work space", bytes)
	}
	if notice, err := os.ReadFile("LICENSES"); err != nil || strings.Count(string(notice), "MIT License") < 2 || !strings.Contains(string(notice), "Apache License") {
		t.Errorf("LICENSES is not whole: %v", err)
	}
}

// pictures are the test pictures with what the reference runtime says of them.
func pictures(t testing.TB) (images map[string]image.Image, scores map[string]Scores) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "scores.json"))
	if err != nil {
		t.Fatal(err)
	}
	var listed map[string][5]float32
	if err := json.Unmarshal(text, &listed); err != nil {
		t.Fatal(err)
	}
	images, scores = map[string]image.Image{}, map[string]Scores{}
	for name, s := range listed {
		file, err := os.Open(filepath.Join("testdata", name+".png"))
		if err != nil {
			t.Fatal(err)
		}
		images[name], err = png.Decode(file)
		file.Close()
		if err != nil {
			t.Fatal(err)
		}
		scores[name] = Scores{s[0], s[1], s[2], s[3], s[4]}
	}
	return images, scores
}

func apart(a, b Scores) (worst float64) {
	for _, d := range []float32{a.Drawing - b.Drawing, a.Hentai - b.Hentai, a.Neutral - b.Neutral, a.Porn - b.Porn, a.Sexy - b.Sexy} {
		worst = max(worst, math.Abs(float64(d)))
	}
	return worst
}

func model(t testing.TB) *Model {
	t.Helper()
	m, err := New()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// ways are the two forms of the kernels, where there are two. Short runs take
// the quick one: those are the ones with the race detector, which makes the
// other take a minute.
func ways() map[string]bool {
	switch {
	case !vectors():
		return map[string]bool{"plain": false}
	case testing.Short():
		return map[string]bool{"vector": true}
	}
	return map[string]bool{"plain": false, "vector": true}
}

// TestReference: the answers are those of the reference runtime (reference/),
// for pictures that are shrunk and stretched, and for those of 224 by 224,
// which test the network alone.
func TestReference(t *testing.T) {
	images, scores := pictures(t)
	m := model(t)
	for way, fast := range ways() {
		m.net.fast = fast
		var alone, whole float64
		for name, img := range images {
			got, err := m.Picture(t.Context(), img)
			if err != nil {
				t.Fatal(err)
			}
			d := apart(got, scores[name])
			if d > 1e-3 || math.IsNaN(d) {
				t.Errorf("%s, %s: %.6f, want %.6f", way, name, got, scores[name])
			}
			if img.Bounds().Dx() == side && img.Bounds().Dy() == side {
				alone = max(alone, d)
			}
			whole = max(whole, d)
		}
		t.Logf("%s kernels: at most %.1e from the reference, the network alone %.1e", way, whole, alone)
	}
}

// counted is a context that ends after so many questions.
type counted struct {
	context.Context
	left *int
	err  error
}

func (c counted) Err() error {
	if *c.left--; *c.left < 0 {
		return c.err
	}
	return nil
}

// TestTooSlow: a deadline ends the work between two layers, wherever it is, and
// the next picture finds a model that is free and clean.
func TestTooSlow(t *testing.T) {
	images, scores := pictures(t)
	m := model(t)
	for _, left := range []int{0, 1, 7, 30, len(m.net.layers) - 1} {
		for _, why := range []error{context.DeadlineExceeded, context.Canceled} {
			_, err := m.Picture(counted{t.Context(), &left, why}, images["plasma"])
			if !errors.Is(err, why) || errors.Is(err, ErrTooSlow) != (why == context.DeadlineExceeded) {
				t.Errorf("after %d layers: %v", left, err)
			}
			clean(t, m)
		}
	}
	gone, cancel := context.WithTimeout(t.Context(), -1)
	defer cancel()
	m.busy <- struct{}{} // somebody else's picture
	if _, err := m.Picture(gone, images["plasma"]); !errors.Is(err, ErrTooSlow) {
		t.Errorf("in the queue: %v", err)
	}
	<-m.busy
	got, err := m.Picture(t.Context(), images["plasma"])
	if err != nil || apart(got, scores["plasma"]) > 1e-3 {
		t.Errorf("afterwards: %v, %v", got, err)
	}
	clean(t, m)
}

// clean demands that nothing of a picture is left in the buffers.
func clean(t *testing.T, m *Model) {
	t.Helper()
	for name, buffer := range map[string][]float32{
		"input": m.net.input, "columns": m.net.columns, "0": m.net.buffers[0], "1": m.net.buffers[1], "2": m.net.buffers[2],
	} {
		for _, v := range buffer {
			if v != 0 {
				t.Fatalf("buffer %s still holds something of the picture", name)
			}
		}
	}
}

// TestOneAtATime: many callers get the right answers, out of one work space.
func TestOneAtATime(t *testing.T) {
	images, scores := pictures(t)
	m := model(t)
	type answer struct {
		name string
		got  Scores
		err  error
	}
	answers := make(chan answer)
	for name := range images {
		go func() {
			got, err := m.Picture(t.Context(), images[name])
			answers <- answer{name, got, err}
		}()
	}
	for range images {
		if a := <-answers; a.err != nil || apart(a.got, scores[a.name]) > 1e-3 {
			t.Errorf("%s: %v %v, want %v", a.name, a.got, a.err, scores[a.name])
		}
	}
}

// TestBoundedMemory: once it has its work space, a picture costs nothing, large
// or small.
func TestBoundedMemory(t *testing.T) {
	m := model(t)
	look := func(img image.Image) uint64 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if _, err := m.Picture(t.Context(), img); err != nil {
			t.Fatal(err)
		}
		runtime.ReadMemStats(&after)
		return after.TotalAlloc - before.TotalAlloc
	}
	first := look(image.NewGray(image.Rect(0, 0, 8, 8)))
	second := look(image.NewYCbCr(image.Rect(0, 0, 4000, 3000), image.YCbCrSubsampleRatio420))
	t.Logf("the first picture allocates %.1f MiB, one of 12 megapixels then %d bytes", float64(first)/(1<<20), second)
	if first > 20<<20 || second > 64<<10 {
		t.Error("that is too much")
	}
}

func TestParts(t *testing.T) {
	for _, test := range []struct {
		w, h int
		want string
	}{
		{1, 1, "1x1"}, {447, 447, "447x447"}, {440, 300, "440x300"}, {100, 440, "100x440"},
		{449, 448, "449x448 224x224 225x224 224x224 225x224"},
		{4000, 3000, "4000x3000 2000x1500 2000x1500 2000x1500 2000x1500"},
		{300, 650, "300x650 300x325 300x325"},
		{1000, 300, "1000x300 333x300 333x300 334x300"},
		{1000, 10000, "1000x10000 1000x2500 1000x2500 1000x2500 1000x2500"},
		{30000, 1, "30000x1 7500x1 7500x1 7500x1 7500x1"},
	} {
		whole := image.Rect(-7, 11, test.w-7, test.h+11)
		var got []string
		area := 0
		for i, r := range parts(whole) {
			got = append(got, fmt.Sprintf("%dx%d", r.Dx(), r.Dy()))
			if r.Empty() || !r.In(whole) {
				t.Errorf("%dx%d: %v", test.w, test.h, r)
			}
			if i > 0 {
				area += r.Dx() * r.Dy()
			}
		}
		if strings.Join(got, " ") != test.want || area != 0 && area != test.w*test.h {
			t.Errorf("%dx%d: %q, which cover %d", test.w, test.h, got, area)
		}
	}
}

// TestCollage: what is one of four pictures in a collage counts as if it stood alone.
func TestCollage(t *testing.T) {
	images, _ := pictures(t)
	m := model(t)
	clay := images["tall"]
	quarter := image.Rect(0, 0, 448, 448)
	collage := image.NewRGBA(image.Rect(0, 0, 896, 896))
	draw.Draw(collage, collage.Bounds(), image.White, image.Point{}, draw.Src)
	for y := range 448 {
		for x := range 448 {
			collage.Set(448+x, y, clay.At(x*100/448, y*440/448))
		}
	}
	alone := image.NewRGBA(quarter)
	draw.Draw(alone, quarter, collage, image.Pt(448, 0), draw.Src)
	m.net.allocate()
	sample(m.net.input, alone, quarter, white)
	want, err := m.net.run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	sample(m.net.input, collage, collage.Bounds(), white)
	shrunk, err := m.net.run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got, err := m.Picture(t.Context(), collage)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("alone %.3f, as a quarter of a collage %.3f, of which the whole says %.3f", want.Porn, got.Porn, shrunk.Porn)
	if got.Porn < want.Porn-1e-6 || got.Porn < shrunk.Porn || got.Porn < 0.1 {
		t.Errorf("%v", got)
	}
}

// TestSeeThrough: what shows on black only, or on white only, is seen: the
// answer is that of the two pictures that a visitor may see.
func TestSeeThrough(t *testing.T) {
	images, _ := pictures(t)
	m := model(t)
	clay := images["tall"]
	holed := image.NewNRGBA(clay.Bounds())
	for y := range 440 {
		for x := range 100 {
			r, g, b, _ := clay.At(x, y).RGBA()
			light := max(r, g, b) >> 8
			of := func(v uint32) uint8 { return uint8(min(255, (v>>8)*255/max(light, 1))) }
			holed.SetNRGBA(x, y, color.NRGBA{of(r), of(g), of(b), uint8(light)})
		}
	}
	var want Scores
	for _, under := range []image.Image{image.White, image.Black} {
		seen := image.NewRGBA(holed.Bounds())
		draw.Draw(seen, seen.Bounds(), under, image.Point{}, draw.Src)
		draw.Draw(seen, seen.Bounds(), holed, image.Point{}, draw.Over)
		got, err := m.Picture(t.Context(), seen)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%.3f", got)
		want = want.highest(got)
	}
	if got, err := m.Picture(t.Context(), holed); err != nil || apart(got, want) > 0.02 {
		t.Errorf("%v %v, want %v", got, err, want)
	}
}

// plainImage hides the quick way to its pixels.
type plainImage struct{ image.Image }

// TestAnyPicture: every kind, place and size of picture gets an answer, and the
// same pixels the same one.
func TestAnyPicture(t *testing.T) {
	images, scores := pictures(t)
	m := model(t)
	moved := image.NewNRGBA64(images["shapes"].Bounds().Add(image.Pt(-1000, 77)))
	draw.Draw(moved, moved.Bounds(), images["shapes"], image.Point{}, draw.Src)
	for _, img := range []image.Image{plainImage{images["shapes"]}, moved} {
		if got, err := m.Picture(t.Context(), img); err != nil || apart(got, scores["shapes"]) > 1e-3 {
			t.Errorf("%T: %v %v", img, got, err)
		}
	}
	for _, img := range []image.Image{
		image.NewGray16(image.Rect(0, 0, 1, 1)), image.NewCMYK(image.Rect(3, 3, 4, 900)),
		image.NewYCbCr(image.Rect(0, 0, 17, 3), image.YCbCrSubsampleRatio410),
		image.NewPaletted(image.Rect(0, 0, 2, 2), color.Palette{color.Black}), image.NewAlpha(image.Rect(0, 0, 9, 9)),
	} {
		got, err := m.Picture(t.Context(), img)
		if sum := got.Drawing + got.Hentai + got.Neutral + got.Porn + got.Sexy; err != nil || !(sum > 0.99 && sum < 3) {
			t.Errorf("%T: %v %v", img, got, err)
		}
	}
	for _, r := range []image.Rectangle{{}, image.Rect(0, 0, 10, 0), {image.Pt(5, 5), image.Pt(1, 1)}} {
		if _, err := m.Picture(t.Context(), &image.Gray{Rect: r}); !errors.Is(err, ErrEmpty) {
			t.Errorf("%v: %v", r, err)
		}
	}
}

// TestDamagedGraph: files that do not fit each other are refused, not run.
func TestDamagedGraph(t *testing.T) {
	for old, bad := range map[string]string{
		`"in":24,`: `"in":25,`, `"stride":2`: `"stride":3`, `"add":45`: `"add":99`, `"op":"dense"`: `"op":"other"`,
		`"at":4291810`: `"at":4291820`, `"at":3990080`: `"at":-1`, `"out":5,`: `"out":6,`, "[\n{": "{", `"add":21`: `"add":2`,
	} {
		changed := strings.Replace(graph, old, bad, 1)
		if changed == graph {
			t.Fatalf("%s is not there", old)
		}
		if _, err := newPlan([]byte(changed), len(weights)); !errors.Is(err, errGraph) {
			t.Errorf("%s for %s: %v", bad, old, err)
		}
	}
	if _, err := newPlan([]byte(graph), len(weights)-1); !errors.Is(err, errGraph) {
		t.Errorf("a byte is missing: %v", err)
	}
	if _, err := newPlan([]byte("[]"), 0); !errors.Is(err, errGraph) {
		t.Errorf("nothing: %v", err)
	}
}
