package tests

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"emberdrop/match"
	"emberdrop/match/hook"
)

// TestVideoPictures: the program, as the decoder that it becomes, gives pictures
// of a video out of its cage. What the cage keeps out is tested in harden; that
// it is there shows in a program which must not run in it.
func TestVideoPictures(t *testing.T) {
	ffmpeg := tool(t, "ffmpeg")
	name := filepath.Join(t.TempDir(), "film.mp4")
	if out, err := exec.CommandContext(t.Context(), ffmpeg, "-loglevel", "error", "-f", "lavfi", "-i", "testsrc=s=1280x720:r=10:d=6",
		"-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "10", name).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	film, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	video := hook.Video{Command: []string{theProgram(t), "video-pictures", ffmpeg}, Timeout: time.Minute}
	start := time.Now()
	pictures, err := video.Pictures(t.Context(), bytes.NewReader(film), int64(len(film)))
	if err != nil || len(pictures) != 6 {
		t.Fatalf("%d pictures, %v", len(pictures), err)
	}
	t.Logf("6 pictures in %v", time.Since(start))
	for _, p := range pictures {
		if got := fmt.Sprint(p.Bounds().Size()); got != "(1024,576)" {
			t.Errorf("a picture of %s", got)
		}
	}
	// A script needs a shell, which is not let in: outside it would write a picture.
	script := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(script, []byte("#!/bin/sh\nprintf 'P6\\n1 1\\n255\\nabc'\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	loose := hook.Video{Command: []string{script}}
	if pictures, err := loose.Pictures(t.Context(), bytes.NewReader(film), int64(len(film))); err != nil || len(pictures) != 1 {
		t.Errorf("control: %d pictures, %v", len(pictures), err)
	}
	video.Command[2] = script
	if pictures, err := video.Pictures(t.Context(), bytes.NewReader(film), int64(len(film))); !errors.Is(err, match.ErrNotScanned) || len(pictures) != 0 {
		t.Errorf("a script ran in the cage: %d pictures, %v", len(pictures), err)
	}
}
