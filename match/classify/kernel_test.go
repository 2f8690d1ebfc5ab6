package classify

import (
	"image"
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// TestKernelsAgree: plain and vector kernels give the same sums but for
// rounding, at every length there is, and write nothing beside their block.
func TestKernelsAgree(t *testing.T) {
	if !vectors() {
		t.Skip("this processor has no vector kernels")
	}
	dice := rand.New(rand.NewPCG(3, 4))
	random := func(n int) []float32 {
		out := make([]float32, n)
		for i := range out {
			out[i] = float32(dice.NormFloat64())
		}
		return out
	}
	const untouched = 12345
	guarded := func(n int) []float32 {
		out := make([]float32, n)
		for i := range out {
			out[i] = untouched
		}
		return out
	}
	compare := func(what string, count int, fast, plain []float32) {
		t.Helper()
		for i := range fast {
			if (fast[i] == untouched) != (plain[i] == untouched) ||
				math.Abs(float64(fast[i]-plain[i])) > 1e-5*(1+math.Sqrt(float64(count))) {
				t.Fatalf("%s of %d: place %d is %v, want %v", what, count, i, fast[i], plain[i])
			}
		}
	}
	inf := float32(math.Inf(1))
	for _, count := range []int{1, 2, 24, 27, 48, 136, 1344} {
		for _, ends := range [][2]float32{{0, 6}, {-inf, inf}} {
			n := network{real: random(2 * across * count), bias: random(2 * across)}
			stride, step := count+dice.IntN(20), across+dice.IntN(20)
			from := random((tall-1)*stride + count) // not one number more
			fast, plain := guarded((tall-1)*step+across+30), guarded((tall-1)*step+across+30)
			n.block(plain, from, across, count, stride, step, ends[0], ends[1])
			n.fast = true
			n.block(fast, from, across, count, stride, step, ends[0], ends[1])
			compare("block", count, fast, plain)
		}
	}
	for _, count := range []int{across, 3 * across, 84 * across} {
		n := network{real: random(9 * count), bias: random(count)}
		var taps [9][]float32
		for i := range taps {
			taps[i] = random(count)
		}
		fast, plain := guarded(count+30), guarded(count+30)
		n.pixel(plain[:count], &taps)
		n.fast = true
		n.pixel(fast[:count], &taps)
		compare("pixel", 9, fast, plain)
	}
}

// BenchmarkPicture is one view of one picture, and what the vector kernels are
// worth: both forms run in turn, and the best of each is compared.
func BenchmarkPicture(b *testing.B) {
	m := model(b)
	img := image.NewYCbCr(image.Rect(0, 0, 400, 300), image.YCbCrSubsampleRatio420)
	best := map[string]time.Duration{}
	for b.Loop() {
		for way, fast := range ways() {
			m.net.fast = fast
			start := time.Now()
			if _, err := m.Picture(b.Context(), img); err != nil {
				b.Fatal(err)
			}
			if took := time.Since(start); best[way] == 0 || took < best[way] {
				best[way] = took
			}
		}
	}
	for way, took := range best {
		b.ReportMetric(float64(took.Microseconds())/1000, way+"-ms")
	}
	if vectors() {
		b.ReportMetric(float64(best["plain"])/float64(best["vector"]), "plain/vector")
	}
}
