package strip

import (
	"bytes"
	"image"
	"image/color/palette"
	"image/draw"
	"image/gif"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// BenchmarkStrip gives MB/s for each format, from file to file, and its ratio
// to io.Copy of the same file: what a server would do that strips nothing.
// EMBERDROP_BENCH names a folder of more pictures to measure with.
func BenchmarkStrip(b *testing.B) {
	files := map[string][]byte{
		"jpeg": jpegSample(b, 4000, 3000),
		"png":  pngSample(b, 1600, 1200),
		"gif":  largeGIF(b),
		"webp": bytes.Clone(testFiles(b, "webp")["mandel.webp"]),
	}
	if dir := os.Getenv("EMBERDROP_BENCH"); dir != "" {
		names, _ := filepath.Glob(filepath.Join(dir, "*"))
		for _, name := range names {
			if f, err := os.ReadFile(name); err == nil {
				files[filepath.Base(name)] = f
			}
		}
	}
	dir := b.TempDir()
	for name, f := range files {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, f, 0o600); err != nil {
			b.Fatal(err)
		}
		in, err := os.Open(path)
		if err != nil {
			b.Fatal(err)
		}
		out, err := os.Create(path + ".out")
		if err != nil {
			b.Fatal(err)
		}
		copied := timed(func() {
			out.Seek(0, io.SeekStart)
			// Without the short cut through the kernel that two files would take.
			io.Copy(struct{ io.Writer }{out}, struct{ io.Reader }{io.NewSectionReader(in, 0, int64(len(f)))})
		})
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			start := used()
			for b.Loop() {
				out.Seek(0, io.SeekStart)
				if _, err := Strip(out, in, int64(len(f))); err != nil {
					b.Fatal(err)
				}
			}
			took := (used() - start).Seconds() / float64(b.N)
			b.ReportMetric(copied.Seconds()/took, "of-copy")
			b.ReportMetric(float64(len(f))/took/1e6, "MB/cpu-s")
		})
	}
}

// timed is the mean processor time of a call, over a quarter of a second.
func timed(call func()) time.Duration {
	start, n := used(), 0
	for ; n == 0 || used()-start < time.Second/4; n++ {
		call()
	}
	return (used() - start) / time.Duration(n)
}

// used is the processor time that this process has had: unlike a clock it does
// not count what else the machine does.
func used() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func largeGIF(t testing.TB) []byte {
	m := picture(1000, 1000)
	p := image.NewPaletted(m.Bounds(), palette.Plan9)
	draw.Draw(p, p.Bounds(), m, image.Point{}, draw.Src)
	var b bytes.Buffer
	if err := gif.EncodeAll(&b, &gif.GIF{Image: []*image.Paletted{p, p}, Delay: []int{5, 5}}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
