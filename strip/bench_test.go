package strip

import (
	"bytes"
	"image"
	"image/color/palette"
	"image/draw"
	"image/gif"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/klauspost/compress/zlib"
)

// BenchmarkStrip gives MB/s for each format, from file to file, and its ratio
// to io.Copy of the same file, what a server would do that strips nothing, and
// to the whole process of exiftool; for PNG to klauspost's inflating alone too. EMBERDROP_BENCH names a folder of more files
// to measure with.
func BenchmarkStrip(b *testing.B) {
	files := map[string][]byte{
		"jpeg": jpegSample(b, 4000, 3000),
		"mp4":  largeMP4(b),
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
		exiftool := exiftoolTime(path)
		var packed []byte // of a PNG: what must be inflated in any case
		if has(f, 0, pngMagic) {
			names, bodies := pngChunks(b, f)
			for i, n := range names {
				if n == "IDAT" {
					packed = append(packed, bodies[i]...)
				}
			}
		}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			var stripped, copied, inflated time.Duration // in turns: the machine may be busy
			for b.Loop() {
				out.Seek(0, io.SeekStart)
				start := used()
				if _, err := Strip(out, in, int64(len(f))); err != nil {
					b.Fatal(err)
				}
				stripped += used() - start
				b.StopTimer()
				out.Seek(0, io.SeekStart)
				start = used()
				// Without the short cut through the kernel that two files would take.
				io.Copy(struct{ io.Writer }{out}, struct{ io.Reader }{io.NewSectionReader(in, 0, int64(len(f)))})
				copied += used() - start
				if packed != nil {
					start = used()
					z, err := zlib.NewReader(bytes.NewReader(packed))
					if err != nil {
						b.Fatal(err)
					}
					io.Copy(io.Discard, z)
					inflated += used() - start
				}
				b.StartTimer()
			}
			took := stripped.Seconds() / float64(b.N)
			b.ReportMetric(copied.Seconds()/stripped.Seconds(), "of-copy")
			b.ReportMetric(float64(len(f))/took/1e6, "MB/cpu-s")
			if packed != nil {
				b.ReportMetric(inflated.Seconds()/stripped.Seconds(), "of-inflate")
			}
			b.ReportMetric(exiftool.Seconds()/took, "times-exiftool")
		})
	}
}

// exiftoolTime is the processor time of exiftool that removes all it can from a
// file; 0 if it is not installed or does not take the file.
func exiftoolTime(path string) time.Duration {
	cmd := exec.Command("exiftool", "-q", "-all=", "-o", path+".exiftool", path)
	if cmd.Run() != nil {
		return 0
	}
	return cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
}

// largeMP4 is about 10 MB of noisy video with sound.
func largeMP4(t testing.TB) []byte {
	b, err := os.ReadFile(ffmpeg(t, "bench.mp4", "-f", "lavfi", "-i", "testsrc2=s=1280x720:r=30:d=6,noise=alls=40:allf=t",
		"-f", "lavfi", "-i", "sine=440:d=6", "-c:v", "libx264", "-preset", "ultrafast", "-b:v", "14M", "-c:a", "aac"))
	if err != nil {
		t.Fatal(err)
	}
	return b
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
