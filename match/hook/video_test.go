package hook

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"emberdrop/match"
)

// film is a video of so many seconds with a key frame each second, whose red
// says which second it is.
func film(t *testing.T, size string, seconds int, more ...string) []byte {
	t.Helper()
	program, err := exec.LookPath("ffmpeg")
	if errors.Is(err, exec.ErrNotFound) && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "film.mp4")
	args := append([]string{
		"-loglevel", "error", "-f", "lavfi", "-i", fmt.Sprintf("nullsrc=s=%s:r=2:d=%d,format=gbrp,geq=r='floor(T)*8':g=64:b=128", size, seconds),
		"-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "2", "-keyint_min", "2", "-sc_threshold", "0", "-threads", "1",
	}, more...)
	if out, err := exec.CommandContext(t.Context(), program, append(args, name)...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// seconds reads from the pictures when they were.
func seconds(pictures []image.Image) (at []int) {
	for _, p := range pictures {
		r, _, _, _ := p.At(p.Bounds().Dx()/2, p.Bounds().Dy()/2).RGBA()
		at = append(at, int(r>>8+4)/8)
	}
	return at
}

// TestVideo: the pictures are key frames, evenly spread, in shape and size as
// promised. The cage is not here but in tests/, with the program itself.
func TestVideo(t *testing.T) {
	for _, test := range []struct {
		size    string
		seconds int
		most    int
		more    []string
		want    string
	}{
		{"64x48", 3, 0, nil, "[0 1 2] 64x48"},
		{"64x48", 20, 8, nil, "[0 4 8 12 16] 64x48"},
		{"64x48", 9, 8, []string{"-movflags", "faststart"}, "[0 2 4 6 8] 64x48"},
		{"64x48", 9, 3, nil, "[0 4 8] 64x48"},
		{"64x48", 9, 1, nil, "[0] 64x48"},
		{"2048x512", 1, 0, nil, "[0] 1024x256"},
		{"48x1100", 1, 0, nil, "[0] 45x1024"},
	} {
		data := film(t, test.size, test.seconds, test.more...)
		v := Video{Command: FFmpeg("ffmpeg"), Timeout: patience, Frames: test.most}
		pictures, err := v.Pictures(t.Context(), bytes.NewReader(data), int64(len(data)))
		if err != nil {
			t.Errorf("%s of %d s: %v", test.size, test.seconds, err)
			continue
		}
		got := fmt.Sprint(seconds(pictures), " ", pictures[0].Bounds().Dx(), "x", pictures[0].Bounds().Dy())
		if got != test.want {
			t.Errorf("%s of %d s: %s, want %s", test.size, test.seconds, got, test.want)
		}
	}
}

// TestVideoNotScanned: what does not decode, and a decoder that fails, hangs,
// is not there or writes nonsense: not scanned.
func TestVideoNotScanned(t *testing.T) {
	data := film(t, "64x48", 3)
	for name, broken := range map[string][]byte{
		"nothing": nil, "noise": bytes.Repeat([]byte("noise"), 1000), "a cut video": data[:len(data)/2],
		"another kind": []byte("\x89PNG\r\n\x1a\n"), "a playlist": []byte("ffconcat version 1.0\nfile /etc/passwd\n"),
	} {
		v := Video{Command: FFmpeg("ffmpeg"), Timeout: patience}
		if pictures, err := v.Pictures(t.Context(), bytes.NewReader(broken), int64(len(broken))); !errors.Is(err, match.ErrNotScanned) {
			t.Errorf("%s: %d pictures, %v", name, len(pictures), err)
		}
	}
	const good = "P6\n2 1\n255\nabcdef"
	for script, pictures := range map[string]int{
		"exit 0": 0, "exit 1": 0, "kill -9 $$": 0, "echo nonsense": 0,
		"printf '" + good + "'; exit 1":                               1,
		"printf '" + good + "P6'":                                     1,
		"printf '" + good + good[:14] + "'":                           1,
		"printf 'P6\\n2 1\\n65535\\nabcdefabcdef'":                    0,
		"printf 'P6\\n0 1\\n255\\n'":                                  0,
		"printf 'P6\\n2000 2000\\n255\\n'; cat /dev/zero":             0,
		"printf 'P6\\n99999999999999999999 2\\n255\\nx'":              0,
		"cat /dev/zero":                                               0,
		"printf '" + good + "'; sleep 20":                             1,
		"while :; do printf '" + strings.Repeat(good, 50) + "'; done": 4,
	} {
		v := Video{Command: []string{"/bin/sh", "-c", script}, Timeout: patience, Frames: 4}
		if strings.Contains(script, "sleep") || strings.Contains(script, "while") {
			v.Timeout = 300 * time.Millisecond
		}
		for ; ; v.Timeout *= 10 { // on a busy machine even the first picture may come too late
			got, err := v.Pictures(t.Context(), bytes.NewReader(data), int64(len(data)))
			none := pictures > 0 && len(got) == 0
			if none && v.Timeout < patience {
				continue
			}
			if !errors.Is(err, match.ErrNotScanned) || len(got) > pictures || none {
				t.Errorf("%.60s: %d pictures, %v", script, len(got), err)
			}
			break
		}
	}
	for name, v := range map[string]Video{
		"no decoder": {}, "a decoder that is not there": {Command: []string{"/nowhere"}}, "too large": {Command: FFmpeg("ffmpeg"), MaxSize: 10},
	} {
		if _, err := v.Pictures(t.Context(), bytes.NewReader(data), int64(len(data))); !errors.Is(err, match.ErrNotScanned) {
			t.Errorf("%s: %v", name, err)
		}
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	v := Video{Command: FFmpeg("ffmpeg")}
	if _, err := v.Pictures(gone, bytes.NewReader(data), int64(len(data))); !errors.Is(err, match.ErrNotScanned) {
		t.Error(err)
	}
}
