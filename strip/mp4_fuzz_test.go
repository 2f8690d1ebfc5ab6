package strip

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

const mp4Seeds = "testdata/mp4"

// TestMP4Seeds: the fuzzer begins with real files of every shape. Set
// EMBERDROP_WRITE_SEEDS=1 to make them anew with ffmpeg.
func TestMP4Seeds(t *testing.T) {
	if os.Getenv("EMBERDROP_WRITE_SEEDS") == "1" {
		writeMP4Seeds(t)
	}
	paths, err := filepath.Glob(mp4Seeds + "/*")
	if err != nil || len(paths) < 10 {
		t.Fatalf("%d seeds in %s, want at least 10 (%v)", len(paths), mp4Seeds, err)
	}
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if len(b) < 500 || len(b) > 20_000 {
			t.Errorf("%s has %d bytes", path, len(b))
		}
		out, _, err := stripMade(b)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		checkMP4Clean(t, out)
	}
}

func writeMP4Seeds(t *testing.T) {
	if err := os.MkdirAll(mp4Seeds, 0o755); err != nil {
		t.Fatal(err)
	}
	tiny := []string{"-f", "lavfi", "-i", "testsrc2=s=16x16:r=10:d=0.5", "-f", "lavfi", "-i", "sine=440:r=8000:d=0.5"}
	video := []string{"-c:v", "libx264", "-g", "3", "-bf", "1", "-b:a", "8k", "-metadata", "title=seed"}
	for name, args := range map[string][]string{
		"plain.mp4":     {"-c:a", "aac", "-metadata", "location=+1.0+2.0/"},
		"faststart.mp4": {"-c:a", "aac", "-movflags", "+faststart"},
		"fragments.mp4": {"-c:a", "aac", "-movflags", "frag_keyframe+empty_moov+default_base_moof"},
		"hybrid.mp4":    {"-c:a", "aac", "-movflags", "frag_keyframe"},
		"dash.mp4":      {"-c:a", "aac", "-movflags", "dash+frag_every_frame+negative_cts_offsets"},
		"timecode.mp4":  {"-c:a", "aac", "-timecode", "01:02:03:04"},
		"mp3.mp4":       {"-c:a", "libmp3lame", "-ar", "16000"},
		"stereo.mp4":    {"-c:a", "aac", "-ac", "2"},
		"surround.mp4":  {"-c:a", "aac", "-ac", "6", "-ar", "48000"},
		"program.mp4":   {"-c:a", "aac", "-af", "pan=2.1|c0=c0|c1=c0|c2=c0"},
		"avc3.mp4":      {"-an", "-tag:v", "avc3"},
		"sei.mp4":       {"-an", "-x264opts", "nal-hrd=vbr:vbv-maxrate=50:vbv-bufsize=50:aud=1:pic-struct=1"},
	} {
		path := ffmpeg(t, name, append(append(append([]string(nil), tiny...), video...), args...)...)
		b, err := os.ReadFile(path)
		if err == nil {
			err = os.WriteFile(filepath.Join(mp4Seeds, name), b, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	made := madeMP4{co64: true, samples: [][]byte{nals(append(append(bytes.Clone(madeSEI), 0, 0, 1), madeSlice...))}, behind: mp4box("uuid", bytes.Repeat([]byte("xmp"), 20))}
	if err := os.WriteFile(filepath.Join(mp4Seeds, "made.mp4"), made.bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// FuzzMP4: no panic; a refusal is one of the two kinds; a result is no longer
// than little more than the source, and stripping it changes and reports nothing.
func FuzzMP4(f *testing.F) {
	paths, _ := filepath.Glob(mp4Seeds + "/*")
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		out, _, err := stripMade(b)
		if err != nil {
			var unsupported *UnsupportedError
			if !errors.Is(err, ErrDamaged) && !errors.As(err, &unsupported) {
				t.Fatalf("an error of no known kind: %v", err)
			}
			return
		}
		if len(out) > 4*len(b)+4096 {
			t.Fatalf("%d bytes became %d", len(b), len(out))
		}
		again, removed, err := stripMade(out)
		if err != nil || removed != 0 || !bytes.Equal(again, out) {
			t.Fatalf("not idempotent: %v, %b", err, removed)
		}
	})
}

// TestMP4Memory: what a file takes in memory does not grow with its media data.
func TestMP4Memory(t *testing.T) {
	use := func(size int) uint64 {
		unit := nals(bytes.Repeat([]byte{0x65}, size/16))
		var samples [][]byte
		for range 16 {
			samples = append(samples, unit)
		}
		b := madeMP4{samples: samples}.bytes()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if _, err := stripMP4(io.Discard, bytes.NewReader(b), int64(len(b))); err != nil {
			t.Fatal(err)
		}
		runtime.ReadMemStats(&after)
		return after.TotalAlloc - before.TotalAlloc
	}
	small, large := use(1<<16), use(32<<20)
	if large > small+64<<10 {
		t.Errorf("64 KiB take %d bytes, 32 MiB take %d", small, large)
	}
}
