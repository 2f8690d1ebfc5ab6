package strip

import (
	"bytes"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// shiftFragments adds seconds to the decoding time of every fragment, as if the
// clock had not begun with the film.
func shiftFragments(t *testing.T, file []byte, seconds uint64, scale map[uint32]uint64) []byte {
	b := bytes.Clone(file)
	shifted := 0
	for i := 0; ; {
		k := bytes.Index(b[i:], []byte("tfhd"))
		if k < 0 {
			break
		}
		i += k
		track := binary.BigEndian.Uint32(b[i+8:])
		at := i + bytes.Index(b[i:], []byte("tfdt"))
		if b[at+4] != 1 {
			t.Fatal("a short tfdt")
		}
		v := binary.BigEndian.Uint64(b[at+8:])
		binary.BigEndian.PutUint64(b[at+8:], v+seconds*scale[track])
		shifted++
		i = at
	}
	if shifted == 0 {
		t.Fatal("no fragments")
	}
	return b
}

// TestMP4FragmentsFromNineteenSeventy: decoding times that are wall clock times
// leave no trace and do not make the film last for decades.
func TestMP4FragmentsFromNineteenSeventy(t *testing.T) {
	path := ffmpeg(t, "f.mp4", append(mp4Sources("2"), "-c:v", "libx264", "-c:a", "aac", "-movflags", "frag_keyframe+empty_moov+default_base_moof", "-frag_duration", "500000")...)
	plain, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	scale := map[uint32]uint64{1: 12800, 2: 44100}
	want, _, err := stripMade(plain)
	if err != nil {
		t.Fatal(err)
	}
	for _, seconds := range []uint64{1, 1577934245, 1 << 40} {
		got, _, err := stripMade(shiftFragments(t, plain, seconds, scale))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%d seconds later is another file", seconds)
		}
	}
	// One track half a second later than the other stays so.
	late := shiftFragments(t, plain, 1, map[uint32]uint64{1: 0, 2: 22050})
	before := filepath.Join(t.TempDir(), "late.mp4")
	if err := os.WriteFile(before, late, 0o600); err != nil {
		t.Fatal(err)
	}
	out, _ := mp4Strip(t, before)
	after := filepath.Join(t.TempDir(), "after.mp4")
	if err := os.WriteFile(after, out, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, stream := range []string{"v:0", "a:0"} {
		was, is := packetTimes(t, before, stream), packetTimes(t, after, stream)
		if was != is {
			t.Errorf("%s: %s", stream, firstDifference(was, is))
		}
	}
	if err := checkEndToEnd(late, want); err != nil {
		t.Error(err)
	}
}

// checkEndToEnd wants every sample of the one in the other.
func checkEndToEnd(fragmented, plain []byte) error {
	out, _, err := stripMade(fragmented)
	if err == nil && !bytes.Equal(mediaOf(out), mediaOf(plain)) {
		err = damaged("samples differ")
	}
	return err
}

func packetTimes(t *testing.T, path, stream string) string {
	b, err := exec.Command(mp4Tool(t, "ffprobe"), "-v", "error", "-select_streams", stream, "-show_entries", "packet=pts_time,dts_time", "-of", "csv", path).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}

// TestMP4FragmentsRefused: times and amounts in fragments that cannot be.
func TestMP4FragmentsRefused(t *testing.T) {
	extends := mp4box("mvex", mp4box("trex", 0, 1, 1, 512, 10, 0))
	head := func() madeMP4 { return madeMP4{moov: extends} }
	traf := func(parts ...any) []byte { return mp4box("moof", mp4box("mfhd", 0, 1), mp4box("traf", parts...)) }
	plain := nals(madeSlice)
	data := mp4box("mdat", plain, plain)
	good := func(parts ...any) []byte {
		m := head()
		m.behind = be(traf(parts...), data)
		return m.bytes()
	}
	tfhd, at := mp4box("tfhd", 0x20000, 1), func(v int) []byte { return mp4box("tfdt", 0, v) }
	run := func(n int) []byte { // moof is 8+16+8 bytes and what is in traf
		moof := len(traf(tfhd, at(0), mp4box("trun", 1, n, 0)))
		return mp4box("trun", 1, n, moof+8)
	}
	if out, _, err := stripMade(good(tfhd, at(1024), run(2))); err != nil || len(mediaOf(out)) != 4*len(plain) {
		t.Fatalf("the good one: %v", err)
	}
	cases := map[string][]byte{
		"no tfhd":                 good(at(1024), run(2)),
		"two tfhd":                good(tfhd, tfhd, at(1024), run(2)),
		"time goes back too far":  good(tfhd, at(1), run(2)),
		"time leaps 4 billion":    good(tfhd, mp4box("tfdt", 1<<24, uint64(1)<<40), run(2)),
		"time of 2^63":            good(tfhd, mp4box("tfdt", 1<<24, uint64(1)<<63), run(2)),
		"a billion samples":       good(tfhd, at(1024), run(1<<30)),
		"a run longer than it is": good(tfhd, at(1024), mp4box("trun", 0x201, 1000, 80)),
		"samples outside":         good(tfhd, at(1024), mp4box("trun", 1, 2, 1<<30)),
		"samples before":          good(tfhd, at(1024), mp4box("trun", 1, 2, -1<<31)),
		"a base of 2^63":          good(mp4box("tfhd", 1, 1, uint64(1)<<63), at(1024), run(2)),
		"no entry":                good(mp4box("tfhd", 0x20002, 1, 9), at(1024), run(2)),
		"cut tfhd":                good(mp4box("tfhd", 0x2003a, 1), at(1024), run(2)),
		"encrypted":               good(tfhd, at(1024), run(2), mp4box("senc")),
	}
	for name, file := range cases {
		if _, _, err := stripMade(file); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}
