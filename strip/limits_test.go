package strip

import (
	"bytes"
	"encoding/binary"
	"runtime"
	"testing"
	"time"
)

// liveMemory looks at how much is in use at the first reads and writes of a
// file, and now and then later.
type liveMemory struct {
	*bytes.Reader
	calls int
	most  uint64
}

func (s *liveMemory) look() {
	if s.calls++; s.calls > 8 && s.calls%256 > 0 {
		return
	}
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	s.most = max(s.most, m.HeapAlloc)
}

func (s *liveMemory) ReadAt(b []byte, off int64) (int, error) {
	s.look()
	return s.Reader.ReadAt(b, off)
}

func (s *liveMemory) Write(b []byte) (int, error) {
	s.look()
	return len(b), nil
}

// live is the memory that is in use at once while b is stripped.
func live(t *testing.T, b []byte) int64 {
	t.Helper()
	var before runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	m := &liveMemory{Reader: bytes.NewReader(b)}
	if _, err := Strip(m, m, int64(len(b))); err != nil {
		t.Fatal(err)
	}
	return int64(m.most) - int64(before.HeapAlloc)
}

// TestMemory: what is held at once does not grow with the file, whatever makes
// it long. (MP4, whose tables may grow, has a test of its own.)
func TestMemory(t *testing.T) {
	const long = 12 << 20
	fill := bytes.Repeat([]byte(canary+"\x00\x01\x02"), long/14)
	var frames [][]byte
	lossy := testFiles(t, "webp")["lossy.webp"][12:]
	head := string([]byte{0, 0, 0, 0, 0, 0, 89, 0, 0, 69, 0, 0, 50, 0, 0, 0})
	frames = append(frames, riffBytes("VP8X", string([]byte{2, 0, 0, 0, 89, 0, 0, 69, 0, 0})), riffBytes("ANIM", "\x00\x00\x00\x00\x00\x00"))
	for range 1000 {
		frames = append(frames, riffBytes("ANMF", head+string(lossy)))
	}
	p := pngSample(t, 8, 8)
	for name, b := range map[string][]byte{
		"jpeg pixels":   jpegSample(t, 1600, 1200),
		"jpeg segments": behindSOI(jpegSample(t, 8, 8), bytes.Repeat(segment(0xe1, "Exif\x00\x00"+string(bytes.Repeat(exifSample(6), 300))), long>>16)),
		"jpeg trailing": append(jpegSample(t, 8, 8), fill...),
		"jpeg garbage":  behindSOI(jpegSample(t, 8, 8), segment(0xfe, canary), fill),
		"png pixels":    pngSample(t, 1000, 1000),
		"png text":      behindIHDR(p, pngChunkBytes("tEXt", string(fill))),
		"png slack":     pngOf(ihdr(4, 4, 8, 0), pngChunkBytes("IDAT", deflated(make([]byte, 20))+string(fill)), pngChunkBytes("IEND", "")),
		"png bomb":      pngOf(ihdr(4, 4, 8, 0), pngChunkBytes("IDAT", deflated(make([]byte, long))), pngChunkBytes("IEND", "")),
		"gif pixels":    largeGIF(t),
		"gif comment":   behindScreen(gifSample(t, 8, 8, 1), "\x21\xfe"+string(bytes.Repeat([]byte("\x0b"+canary), long/12))+"\x00"),
		"webp frames":   webpBytes(frames...),
		"webp chunk":    webpBytes(append(frames[:3:3], riffBytes("XMP ", string(fill)))...),
	} {
		got := live(t, b)
		t.Logf("%s: %d bytes in use for a file of %d", name, got, len(b))
		if got > 2<<20 {
			t.Errorf("%s: %d bytes in use for a file of %d", name, got, len(b))
		}
	}
}

// TestCycles: directories of EXIF that point at themselves and at each other end.
func TestCycles(t *testing.T) {
	le := binary.LittleEndian
	entry := func(tag uint16, off uint32) []byte {
		b := le.AppendUint16(nil, tag)
		b = le.AppendUint16(b, 4)
		b = le.AppendUint32(b, 1)
		return le.AppendUint32(b, off)
	}
	dir := func(next uint32, entries ...[]byte) []byte {
		b := le.AppendUint16(nil, uint16(len(entries)))
		return le.AppendUint32(append(b, bytes.Join(entries, nil)...), next)
	}
	orientation := []byte{0x12, 1, 3, 0, 1, 0, 0, 0, 6, 0, 0, 0}
	var many [][]byte
	for range 5000 {
		many = append(many, entry(0x8769, 8))
	}
	for name, dirs := range map[string][]byte{
		"next is itself":     dir(8, orientation),
		"sub is itself":      dir(0, orientation, entry(0x8769, 8), entry(0x8825, 8), entry(0xa005, 8)),
		"two and two":        append(dir(38, orientation, entry(0x8769, 38)), dir(8, entry(0x8769, 8), entry(0x014a, 38))...),
		"five thousand":      dir(8, append([][]byte{orientation}, many...)...),
		"counts that lie":    append(le.AppendUint16(nil, 0xffff), orientation...),
		"beyond the segment": dir(0xfffffff0, orientation, entry(0x8769, 0xffffffff)),
	} {
		exif := append([]byte("II*\x00\x08\x00\x00\x00"), dirs...)
		b := behindSOI(jpegSample(t, 8, 8), segment(0xe1, "Exif\x00\x00"+string(exif)))
		start := time.Now()
		out, _, err := stripBytes(b)
		if err != nil || !bytes.Contains(out, orientationTIFF(6)) {
			t.Errorf("%s: %v, or the orientation is lost", name, err)
		}
		if took := time.Since(start); took > 2*time.Second {
			t.Errorf("%s: took %v", name, took)
		}
	}
}
