package strip

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// mp4Tool is the path of a program that these tests compare with. Without it
// they are skipped, but never in CI.
func mp4Tool(t testing.TB, name string) string {
	path, err := exec.LookPath(name)
	if err != nil && os.Getenv("CI") == "true" {
		t.Fatalf("%s is not installed: CI must have it", name)
	}
	if err != nil {
		t.Skipf("%s is not installed: nothing to compare with", name)
	}
	return path
}

// ffmpeg makes a file out of the arguments and returns its path.
func ffmpeg(t testing.TB, name string, args ...string) string {
	out := filepath.Join(t.TempDir(), name)
	args = append([]string{"-hide_banner", "-loglevel", "error", "-y"}, append(args, out)...)
	if b, err := exec.Command(mp4Tool(t, "ffmpeg"), args...).CombinedOutput(); err != nil {
		t.Fatalf("ffmpeg %q: %v\n%s", args, err, b)
	}
	return out
}

// mp4Sources are the inputs of lavfi: moving pictures and a tone.
func mp4Sources(seconds string) []string {
	return []string{"-f", "lavfi", "-i", "testsrc2=s=192x108:r=25:d=" + seconds, "-f", "lavfi", "-i", "sine=440:d=" + seconds}
}

// mp4Plain is what most tests begin with: B-frames, so an edit list and
// composition offsets, metadata of several kinds, x264's and libavcodec's
// signatures.
func mp4Plain(t testing.TB) string {
	return ffmpeg(t, "plain.mp4", append(mp4Sources("3"),
		"-c:v", "libx264", "-bf", "2", "-g", "30", "-c:a", "aac", "-metadata", "title=CANARY-title", "-metadata", "artist=CANARY-artist",
		"-metadata", "location=+12.3456+098.7654/", "-metadata", "creation_time=2020-02-02T02:02:02Z",
		"-metadata:s:v", "handler_name=CANARY-handler", "-metadata:s:v", "language=swa")...)
}

func mp4Strip(t testing.TB, path string) ([]byte, Removed) {
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	removed, err := stripMP4(&out, bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatalf("%s: %v", filepath.Base(path), err)
	}
	return out.Bytes(), removed
}

// mp4Ordinary are the files that every run makes: of each kind one.
// With EMBERDROP_SOAK all are made.
var mp4Ordinary = strings.Fields(`rotated.mp4 timecode.mp4 fragments.mp4 dash.mp4 video.mp4 chapters.mp4 cut.mp4
	2point1.mp4 mp3.mp4 interlaced.mp4 avc3.mp4`)

// TestMP4KeepsSamples: whatever ffmpeg writes comes out with the same pictures,
// sounds and times, and with nothing that names its maker.
func TestMP4KeepsSamples(t *testing.T) {
	plain := mp4Plain(t)
	made := func(name string, args ...string) string {
		if os.Getenv("EMBERDROP_SOAK") == "" && !slices.Contains(mp4Ordinary, name) {
			return ""
		}
		return ffmpeg(t, name, args...)
	}
	copied := func(name string, args ...string) string {
		return made(name, append([]string{"-i", plain}, append([]string{"-map_metadata", "0", "-c", "copy"}, args...)...)...)
	}
	encoded := func(name string, args ...string) string {
		return made(name, append(mp4Sources("1"), args...)...)
	}
	subs := filepath.Join(t.TempDir(), "s.srt")
	chapters := filepath.Join(t.TempDir(), "c.txt")
	os.WriteFile(subs, []byte("1\n00:00:00,000 --> 00:00:01,000\nCANARY-subtitle\n"), 0o600)
	os.WriteFile(chapters, []byte(";FFMETADATA1\n[CHAPTER]\nTIMEBASE=1/1\nSTART=0\nEND=1\ntitle=CANARY-chapter\n[CHAPTER]\nTIMEBASE=1/1\nSTART=1\nEND=3\ntitle=CANARY-two\n"), 0o600)
	x264 := []string{"-c:v", "libx264"}
	cases := []struct {
		path   string
		class  Removed // must be reported
		relate bool    // compare times from the first frame on only
	}{
		{plain, RemovedLocation | RemovedTime | RemovedText | RemovedSoftware | RemovedAuthor, false},
		{copied("faststart.mp4", "-movflags", "+faststart"), RemovedSoftware, false},
		{copied("rotated.mp4", "-metadata:s:v", "rotate=90"), RemovedSoftware, false},
		{copied("timecode.mp4", "-timecode", "01:02:03:04"), RemovedTrack, false},
		{copied("fragments.mp4", "-movflags", "frag_keyframe+empty_moov"), RemovedSoftware, false},
		{copied("short.mp4", "-movflags", "frag_keyframe+empty_moov+default_base_moof", "-frag_duration", "300000"), RemovedSoftware, false},
		{copied("hybrid.mp4", "-movflags", "frag_keyframe"), RemovedSoftware, false},
		{encoded("everyframe.mp4", append(x264, "-an", "-movflags", "frag_every_frame+empty_moov+separate_moof")...), RemovedSoftware, false},
		// Without an edit list ffmpeg reads negative composition offsets of
		// fragments a frame late, of a plain file not; the file says the same.
		{copied("dash.mp4", "-movflags", "dash+frag_keyframe+negative_cts_offsets"), RemovedSoftware, true},
		{copied("negative.mp4", "-movflags", "negative_cts_offsets"), RemovedSoftware, false},
		{copied("audio.mp4", "-vn"), RemovedSoftware, false},
		{copied("video.mp4", "-an"), RemovedSoftware, false},
		{copied("rtphint.mp4", "-movflags", "+rtphint"), RemovedTrack, false},
		{made("subtitles.mp4", "-i", plain, "-i", subs, "-map", "0", "-map", "1", "-c", "copy", "-c:s", "mov_text"), RemovedTrack, false},
		{made("chapters.mp4", "-i", plain, "-i", chapters, "-map_metadata", "1", "-map_chapters", "1", "-c", "copy"), RemovedTrack, false},
		{made("cut.mp4", "-ss", "0.7", "-i", plain, "-c", "copy"), RemovedSoftware, false},
		{made("late.mp4", "-i", plain, "-itsoffset", "0.5", "-i", plain, "-map", "0:v", "-map", "1:a", "-c", "copy"), RemovedSoftware, false},
		{encoded("threeaudio.mp4", append(x264, "-map", "0:v", "-map", "1:a", "-map", "1:a", "-c:a", "aac", "-ar", "48000")...), RemovedSoftware, false},
		{encoded("surround.mp4", append(x264, "-c:a", "aac", "-ac", "6")...), RemovedSoftware, false},
		{encoded("2point1.mp4", append(x264, "-af", "pan=2.1|c0=c0|c1=c0|c2=c0", "-c:a", "aac")...), RemovedSoftware, false},
		{encoded("8point.mp4", append(x264, "-af", "aformat=channel_layouts=octagonal", "-c:a", "aac")...), RemovedSoftware, false},
		{encoded("mp3.mp4", append(x264, "-c:a", "libmp3lame")...), RemovedSoftware, false},
		{encoded("interlaced.mp4", append(x264, "-vf", "tinterlace=4", "-flags", "+ilme+ildct", "-x264opts", "pic-struct=1:nal-hrd=vbr:vbv-maxrate=500:vbv-bufsize=500:aud=1", "-c:a", "aac")...), RemovedSoftware, false},
		{encoded("baseline.mp4", append(x264, "-profile:v", "baseline", "-pix_fmt", "yuv420p", "-c:a", "aac")...), RemovedSoftware, false},
		{encoded("high422.mp4", append(x264, "-pix_fmt", "yuv422p10le", "-c:a", "aac")...), RemovedSoftware, false},
		{encoded("slices.mp4", append(x264, "-x264opts", "slices=4:sliced-threads=1", "-c:a", "aac")...), RemovedSoftware, false},
		{encoded("avc3.mp4", append(x264, "-tag:v", "avc3", "-c:a", "aac")...), RemovedSoftware, false},
		{encoded("colour.mp4", append(x264, "-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709", "-c:a", "aac")...), RemovedSoftware, false},
		{encoded("pixels.mp4", append(x264, "-vf", "setsar=4/3", "-c:a", "aac")...), RemovedSoftware, false},
	}
	for _, c := range cases {
		if c.path == "" {
			continue
		}
		t.Run(filepath.Base(c.path), func(t *testing.T) {
			out, removed := mp4Strip(t, c.path)
			if removed&c.class != c.class {
				t.Errorf("reported %b, want at least %b", removed, c.class)
			}
			after := filepath.Join(t.TempDir(), "after.mp4")
			if err := os.WriteFile(after, out, 0o600); err != nil {
				t.Fatal(err)
			}
			for _, stream := range []string{"v", "a"} {
				before, now := frameHashes(t, c.path, stream, c.relate), frameHashes(t, after, stream, c.relate)
				if before != now {
					t.Errorf("%s frames or their times differ: %s", stream, firstDifference(before, now))
				}
			}
			if before, now := displayed(t, c.path, c.relate), displayed(t, after, c.relate); before != now {
				t.Errorf("shown differently\nbefore %s\nafter  %s", before, now)
			}
			checkMP4Clean(t, out)
			checkMP4Tags(t, after)
		})
	}
}

func firstDifference(before, after string) string {
	b, a := strings.Split(before, "\n"), strings.Split(after, "\n")
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return fmt.Sprintf("line %d was %q, is %q", i, b[i], a[i])
		}
	}
	return fmt.Sprintf("%d lines before, %d after", len(b), len(a))
}

// frameHashes decodes every stream of a kind. The timebase is the track's, so
// times are compared exactly.
func frameHashes(t *testing.T, path, stream string, relate bool) string {
	args := []string{"-v", "error", "-i", path, "-map", "0:" + stream + "?", "-f", "framemd5"}
	if stream == "a" {
		args = append(args[:6], "-c", "copy", "-vn", "-f", "framemd5")
	} else {
		args = append(args, "-an")
	}
	// Without a stream of the kind ffmpeg fails and the output is empty.
	b, _ := exec.Command(mp4Tool(t, "ffmpeg"), append(args, "-")...).Output()
	var out strings.Builder
	var first int
	seen := false
	for line := range strings.Lines(string(b)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		field := strings.Split(line, ",")
		var at int
		fmt.Sscan(field[2], &at)
		if !seen {
			first, seen = at, true
		}
		if relate {
			line = fmt.Sprint(at-first, field[4:])
		}
		if stream == "a" {
			// Not the hash: the bytes of a frame whose signature was cleared differ.
			// Nor the duration: that of a fragment's last frame may contradict
			// where the next fragment begins, and a plain file has one truth only.
			line = strings.Join(append(field[:3:3], field[4]), ",")
		}
		out.WriteString(line + "\n")
	}
	if stream == "a" {
		b, _ := exec.Command(mp4Tool(t, "ffmpeg"), "-v", "error", "-i", path, "-map", "0:a?", "-vn", "-f", "framemd5", "-").Output()
		for line := range strings.Lines(string(b)) {
			if !strings.HasPrefix(line, "#") {
				out.WriteString(line)
			}
		}
	}
	return out.String()
}

// displayed is what decides how a player shows the tracks.
func displayed(t *testing.T, path string, relate bool) string {
	b, err := exec.Command(mp4Tool(t, "ffprobe"), "-v", "error", "-of", "json", "-show_entries",
		"stream=codec_name,profile,codec_tag_string,width,height,sample_aspect_ratio,pix_fmt,level,color_range,color_space,color_transfer,color_primaries,field_order,sample_rate,channels,channel_layout,start_time,extradata_size:stream_side_data=side_data_type,rotation,displaymatrix", path).Output()
	if err != nil {
		t.Fatal(err)
	}
	var probe struct{ Streams []map[string]any }
	if err := json.Unmarshal(b, &probe); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for _, s := range probe.Streams {
		if name := s["codec_name"]; name != "h264" && name != "aac" && name != "mp3" {
			continue
		}
		if relate {
			delete(s, "start_time")
		}
		b, _ := json.Marshal(s)
		out.Write(b)
	}
	return out.String()
}
