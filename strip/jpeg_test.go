package strip

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

// TestBitsBehindTheLastBlock changes the bits that fill the last byte of a
// scan, which no decoder looks at: the result does not depend on them.
func TestBitsBehindTheLastBlock(t *testing.T) {
	for name, b := range testFiles(t, "jpeg") {
		want, _, err := stripBytes(b)
		if err != nil {
			t.Fatal(name, err)
		}
		found := false
		for bit := range 7 {
			c := bytes.Clone(b)
			c[len(c)-3] ^= 1 << bit // the last byte before the end mark
			if got, _, err := stripBytes(c); err == nil && bytes.Equal(got, want) {
				found = true
			}
		}
		t.Log(name, "has bits to spare:", found)
		checkStrip(t, b)
	}
}

// TestSlackOfEveryScan puts bytes before every marker that ends coded data:
// between restarts, behind every progressive scan.
func TestSlackOfEveryScan(t *testing.T) {
	for name, b := range testFiles(t, "jpeg") {
		want, _, err := stripBytes(b)
		if err != nil {
			t.Fatal(name, err)
		}
		b = want // has nothing else to remove
		scan, n := false, 0
		for at := 2; at < len(b)-1; at++ {
			if b[at] != 0xff || b[at+1] == 0 {
				continue
			}
			if scan {
				n++
				slack := append(append(bytes.Clone(b[:at]), canary...), b[at:]...)
				got, removed, err := stripBytes(slack)
				if err != nil || removed != RemovedHidden || !bytes.Equal(got, want) {
					t.Fatalf("%s: slack at %d: removed %b, %v", name, at, removed, err)
				}
			}
			switch {
			case b[at+1] == mSOS:
				scan = true
			case b[at+1] < mRST0 || b[at+1] > mRST7:
				scan = false
			}
			if b[at+1] < mRST0 || b[at+1] > mEOI {
				at += 1 + int(b[at+2])<<8 + int(b[at+3])
			}
		}
		if n == 0 {
			t.Errorf("%s: no place was found", name)
		}
	}
}

func TestTruncatedJPEG(t *testing.T) {
	b := jpegSample(t, 64, 64)
	if _, _, err := stripBytes(b[:len(b)/2]); !errors.Is(err, ErrDamaged) {
		t.Error("half a picture:", err)
	}
	// Only the end mark is missing: the picture is whole.
	out, _, err := stripBytes(b[:len(b)-2])
	if err != nil || !bytes.HasSuffix(out, []byte{0xff, mEOI}) {
		t.Error("without an end mark:", err)
	}
}

// TestJPEGBombs are small files that claim many pixels.
func TestJPEGBombs(t *testing.T) {
	var unsupported *UnsupportedError
	for name, b := range testFiles(t, "jpeg") {
		sof := bytes.Index(b, []byte{0xff, mSOF2})
		if sof < 0 {
			sof = bytes.Index(b, []byte{0xff, mSOF0})
		}
		if sof < 0 {
			sof = bytes.Index(b, []byte{0xff, mSOF0 + 1})
		}
		copy(b[sof+5:], "\xff\xdc\xff\xdc")
		if _, _, err := stripBytes(b); !errors.Is(err, ErrDamaged) && !errors.As(err, &unsupported) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestUnusedTablesGo: a table that no scan uses could hold anything.
func TestUnusedTablesGo(t *testing.T) {
	b := behindSOI(jpegSample(t, 8, 8), segment(mDHT, "\x03"+strings.Repeat("\x00", 15)+"\x0b"+canary),
		segment(mDQT, "\x03"+strings.Repeat(canary, 6)[:64]), segment(mDRI, "\x00\x00"))
	out, _, err := stripBytes(b)
	if err != nil || bytes.Contains(out, []byte(canary)) {
		t.Fatal("the table is still there", err)
	}
	checkStrip(t, b)
}

// TestColourMarkersStay: without them a decoder would take one colour space
// for another. None is added where there was none.
func TestColourMarkersStay(t *testing.T) {
	b := testFiles(t, "jpeg")["cmyk.jpg"]
	out, _, err := stripBytes(b)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(b, []byte("Adobe\x00")) != bytes.Contains(out, []byte("Adobe\x00")) || bytes.Contains(b, []byte("JFIF")) != bytes.Contains(out, []byte("JFIF")) {
		t.Error("a colour marker came or went")
	}
	if out, _, _ := stripBytes(jpegSample(t, 8, 8)); bytes.Contains(out, []byte("JFIF")) {
		t.Error("JFIF came from nowhere") // Go's encoder writes none
	}
}
