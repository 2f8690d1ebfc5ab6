package strip

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"testing"
)

// aacFrames are the raw frames of an ADTS stream that ffmpeg encodes, and their
// sampling frequency index.
func aacFrames(t testing.TB, args ...string) (frames [][]byte, c *aacConfig) {
	path := ffmpeg(t, "a.aac", append(args, "-c:a", "aac")...)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	c = &aacConfig{object: 2}
	for len(b) > 7 {
		c.frequency = int(b[2] >> 2 & 15)
		size, head := int(b[3]&3)<<11|int(b[4])<<3|int(b[5]>>5), 7
		if b[1]&1 == 0 {
			head = 9
		}
		frames = append(frames, bytes.Clone(b[head:size]))
		b = b[size:]
	}
	return frames, c
}

// aacEnd is the bit position of the end element, -1 if it is not reached.
func aacEnd(c *aacConfig, frame []byte) int {
	r := &bitsAt{b: bytes.Clone(frame)}
	_, kind := r.scrubElements()
	skip := &aacSkip{bitsAt: r, bands: aacBandsOf[c.frequency]}
	for kind >= 0 && kind != aacEND && !r.over {
		skip.element(kind)
		_, kind = r.scrubElements()
	}
	if r.over || kind != aacEND || r.left() >= 8 {
		return -1
	}
	return r.pos - 3
}

// aacAppend writes the n low bits of v behind bit pos of b.
func aacAppend(b []byte, pos, n, v int) ([]byte, int) {
	for ; n > 0; n-- {
		if pos>>3 == len(b) {
			b = append(b, 0)
		}
		b[pos>>3] &^= 0x80 >> (pos & 7)
		b[pos>>3] |= byte(v>>(n-1)&1) << (7 - pos&7)
		pos++
	}
	return b, pos
}

// TestAACWholeFrames: every frame that ffmpeg writes is read to its very end, and
// what is put behind the sound is cleared while the frame stays as long.
func TestAACWholeFrames(t *testing.T) {
	mixed := "anoisesrc=d=3:a=0.3:c=pink:seed=1,tremolo=f=5:d=0.9"
	clicks := "aevalsrc=if(lt(mod(t\\,0.3)\\,0.002)\\,random(0)\\,0.1*sin(600*t*t)):d=3"
	cases := map[string][]string{
		"mono":        {"-f", "lavfi", "-i", mixed},
		"clicks":      {"-f", "lavfi", "-i", clicks, "-b:a", "96k"},
		"stereo":      {"-f", "lavfi", "-i", mixed, "-ac", "2", "-b:a", "64k"},
		"loud":        {"-f", "lavfi", "-i", "anoisesrc=d=2:a=1:seed=1", "-ac", "2", "-b:a", "400k"},
		"intensity":   {"-f", "lavfi", "-i", "aevalsrc=sin(900*t)+0.2*random(0)|0.5*sin(900*t)+0.1*random(1):d=3", "-b:a", "32k", "-aac_is", "1", "-aac_ms", "1"},
		"fast coder":  {"-f", "lavfi", "-i", mixed, "-aac_coder", "fast", "-ac", "2"},
		"surround":    {"-f", "lavfi", "-i", mixed, "-ac", "6", "-b:a", "192k"},
		"2.1":         {"-f", "lavfi", "-i", mixed, "-af", "pan=2.1|c0=c0|c1=c0|c2=c0"},
		"no noise":    {"-f", "lavfi", "-i", mixed, "-aac_pns", "0", "-aac_tns", "0"},
		"silence":     {"-f", "lavfi", "-i", "anullsrc=d=2"},
		"quality 0.1": {"-f", "lavfi", "-i", mixed, "-q:a", "0.1"},
		"quality 4":   {"-f", "lavfi", "-i", clicks, "-q:a", "4", "-ac", "2"},
	}
	for _, rate := range []string{"8000", "11025", "12000", "16000", "22050", "24000", "32000", "44100", "48000", "64000", "88200", "96000"} {
		cases[rate+" Hz"] = []string{"-f", "lavfi", "-i", clicks + ":s=" + rate, "-ac", "2"}
	}
	for name, args := range cases {
		t.Run(name, func(t *testing.T) {
			frames, c := aacFrames(t, args...)
			if len(frames) < 10 {
				t.Fatalf("%d frames", len(frames))
			}
			for i, frame := range frames {
				end := aacEnd(c, frame)
				if end < 0 {
					t.Fatalf("frame %d of %d is not read to its end", i, len(frames))
				}
				clean := bytes.Clone(frame)
				if _, err := c.scrub(clean); err != nil {
					t.Fatal(err)
				}
				// A fill and a data element behind the sound, bytes behind the end.
				signed, pos := aacAppend(bytes.Clone(frame), end, 3, aacFIL)
				signed, pos = aacAppend(signed, pos, 4, 7)
				for _, ch := range "\x00CANARY" {
					signed, pos = aacAppend(signed, pos, 8, int(ch))
				}
				signed, pos = aacAppend(signed, pos, 3, aacDSE)
				signed, pos = aacAppend(signed, pos, 4+1, 0)
				signed, pos = aacAppend(signed, pos, 8, 6)
				for _, ch := range "CANARY" {
					signed, pos = aacAppend(signed, pos, 8, int(ch))
				}
				signed, _ = aacAppend(signed, pos, 3, aacEND)
				signed = append(signed, "CANARY"...)
				out := bytes.Clone(signed)
				removed, err := c.scrub(out)
				if err != nil || removed&(RemovedSoftware|RemovedHidden) != RemovedSoftware|RemovedHidden {
					t.Fatalf("frame %d: reported %b, %v", i, removed, err)
				}
				if len(out) != len(signed) || !bytes.Equal(out[:end/8], clean[:end/8]) {
					t.Fatalf("frame %d: sound was changed", i)
				}
				if n := countShifted(out, "CANARY"); n > 0 {
					t.Fatalf("frame %d: %d canaries left", i, n)
				}
			}
		})
	}
}

// countShifted counts a string at all bit offsets.
func countShifted(b []byte, s string) (n int) {
	for range 8 {
		n += bytes.Count(b, []byte(s))
		next := make([]byte, len(b))
		for i := range b {
			next[i] = b[i] << 1
			if i+1 < len(b) {
				next[i] |= b[i+1] >> 7
			}
		}
		b = next
	}
	return n
}

// TestAACTransport: a frame with a header of a stream in front must not be taken
// for an empty frame with 1,000 hidden bytes.
func TestAACTransport(t *testing.T) {
	frame := append([]byte{0xff, 0xf1, 0x50, 0x80, 2, 0x1f, 0xfc}, bytes.Repeat([]byte("sound"), 9)...)
	if _, err := (&aacConfig{object: 2, frequency: 4}).scrub(frame); !errors.Is(err, ErrDamaged) {
		t.Errorf("got %v, want ErrDamaged", err)
	}
}

// TestAACFaac: the one signature that a decoder goes by keeps its name.
func TestAACFaac(t *testing.T) {
	frame := make([]byte, 0, 64)
	text := "libfaac 1.28 (Sep 2020) CANARY"
	frame, pos := aacAppend(frame, 0, 3, aacFIL)
	frame, pos = aacAppend(frame, pos, 4, 15)
	frame, pos = aacAppend(frame, pos, 8, 3+len(text)+1-15+0)
	frame, pos = aacAppend(frame, pos, 4+13, 0)
	for _, ch := range text {
		frame, pos = aacAppend(frame, pos, 8, int(ch))
	}
	frame, pos = aacAppend(frame, pos, 8*(3+len(text))-4-13-8*len(text), 0)
	frame, _ = aacAppend(frame, pos, 3, aacEND)
	if _, err := (&aacConfig{object: 2, frequency: 4}).scrub(frame); err != nil {
		t.Fatal(err)
	}
	if countShifted(frame, "libfaac 0.0\x00") != 1 || countShifted(frame, "1.28") != 0 || countShifted(frame, "CANARY") != 0 {
		t.Errorf("left %q", frame)
	}
}

// TestAACComment: a program config element is kept without its comment, in the
// configuration and at the front of a frame.
func TestAACComment(t *testing.T) {
	program := func(b []byte, pos int) ([]byte, int) {
		b, pos = aacAppend(b, pos, 4+2+4, 4)         // tag, object, frequency
		b, pos = aacAppend(b, pos, 4, 1)             // one front element
		b, pos = aacAppend(b, pos, 4+4+2+3+4+3, 0)   // no others, no mixdown
		b, pos = aacAppend(b, pos, 5, 0)             // a mono element
		b, pos = aacAppend(b, pos, (8-pos%8)%8, 0)   // align
		b, pos = aacAppend(b, pos, 8, len("CANARY")) // comment
		for _, ch := range "CANARY" {
			b, pos = aacAppend(b, pos, 8, int(ch))
		}
		return b, pos
	}
	asc, pos := aacAppend(nil, 0, 5, 2)
	asc, pos = aacAppend(asc, pos, 4, 4)
	asc, pos = aacAppend(asc, pos, 4+3, 0)
	asc, _ = program(asc, pos)
	c, out, removed, err := parseASC(append(asc, "CANARY"...))
	if err != nil || c.object != 2 || len(out) != len(asc) || bytes.Contains(out, []byte("CAN")) || removed != RemovedSoftware|RemovedHidden {
		t.Errorf("got %q, %b, %v", out, removed, err)
	}
	frame, pos := aacAppend(nil, 0, 3, aacPCE)
	frame, pos = program(frame, pos)
	frame, _ = aacAppend(frame, pos, 3, aacEND)
	if removed, err := c.scrub(frame); err != nil || removed != RemovedSoftware || countShifted(frame, "CAN") != 0 {
		t.Errorf("left %q, %b, %v", frame, removed, err)
	}
}

// TestMP3Ancillary: LAME writes its version into the space that sound leaves.
// (That nothing else changes is seen by TestMP4KeepsSamples.)
func TestMP3Ancillary(t *testing.T) {
	for _, args := range [][]string{{"-b:a", "320k"}, {"-b:a", "64k", "-ac", "2"}, {"-q:a", "9"}, {"-ar", "16000"}, {"-ar", "11025", "-ac", "2"}, {"-reservoir", "0"}} {
		path := ffmpeg(t, "m.mp4", append(append([]string{"-f", "lavfi", "-i", "sine=440:d=2", "-c:a", "libmp3lame"}, args...), "-strict", "-1")...)
		out, _ := mp4Strip(t, path)
		checkMP4Clean(t, out)
		hash := func(file []byte) string {
			cmd := exec.Command(mp4Tool(t, "ffmpeg"), "-v", "error", "-i", "-", "-f", "md5", "-")
			cmd.Stdin = bytes.NewReader(file)
			b, err := cmd.Output()
			if err != nil {
				t.Fatal(err)
			}
			return string(b)
		}
		before := ffmpeg(t, "fast.mp4", "-i", path, "-c", "copy", "-strict", "-1", "-movflags", "+faststart")
		file, err := os.ReadFile(before)
		if err != nil {
			t.Fatal(err)
		}
		if was, is := hash(file), hash(out); was != is {
			t.Errorf("%v: sound was %s, is %s", args, was, is)
		}
	}
}
