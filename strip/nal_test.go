package strip

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// TestNALStart compares with the plain way of searching, on bytes that are full
// of zeros and ones.
func TestNALStart(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 200_000 {
		b := make([]byte, r.IntN(100))
		for i := range b {
			b[i] = byte(r.IntN(12)) >> 2 // 0 to 2
			if r.IntN(3) > 0 {
				b[i] = byte(r.Uint32())
			}
		}
		if got, want := nalStart(b), bytes.Index(b, []byte{0, 0, 1}); got != want {
			t.Fatalf("%x: at %d, want %d", b, got, want)
		}
	}
}

// TestNALEscape: emulation prevention goes off and on again.
func TestNALEscape(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 50_000 {
		raw := make([]byte, r.IntN(30))
		for i := range raw {
			raw[i] = byte(r.IntN(5))
		}
		raw = append(raw, 0x80)
		b := nalEscape(nalSEI, raw)
		if nalStart(b) >= 0 || !bytes.Equal(nalUnescape(b[1:]), raw) {
			t.Fatalf("%x became %x", raw, b)
		}
	}
}

// TestSEI: what stays of messages, and what is said of the others.
func TestSEI(t *testing.T) {
	message := func(kind int, payload string) string {
		s := ""
		for ; kind >= 255; kind -= 255 {
			s += "\xff"
		}
		s += string([]byte{byte(kind)})
		n := len(payload)
		for ; n >= 255; n -= 255 {
			s += "\xff"
		}
		return s + string([]byte{byte(n)}) + payload
	}
	mastering := message(137, "0123456789abcdefghijklmn")
	cases := []struct {
		name, in, out string
		removed       Removed
	}{
		{"x264", message(5, "0123456789abcdefx264 - core 164"), "", RemovedSoftware},
		{"long", message(5, string(bytes.Repeat([]byte("x"), 700))), "", RemovedSoftware},
		{"camcorder", message(5, "0123456789abcdefMDPM\x0220"), "", RemovedDevice | RemovedTime},
		{"captions", message(4, "\xb5\x00\x31GA94"), "", RemovedText},
		{"clock", message(1, "\x12\x34\x56"), "", RemovedOther},
		{"buffering", message(0, "\x80"), "", 0},
		{"mastering", mastering, mastering, 0},
		{"between others", message(5, "user") + mastering + message(4, "T35") + message(147, "\x12"), mastering + message(147, "\x12"), RemovedSoftware | RemovedText},
		{"kept kind, too long", message(45, string(bytes.Repeat([]byte("y"), 65))), "", RemovedOther},
		{"kind of next century", message(300, "who knows"), "", RemovedOther},
		{"longer than it is", message(47, "\x80") + "\x2d\x40abc", message(47, "\x80"), RemovedOther},
		{"zeros inside", message(144, "\x00\x00\x01\x00"), message(144, "\x00\x00\x01\x00"), 0},
	}
	for _, c := range cases {
		got, removed := filterSEI(nalEscape(nalSEI, []byte(c.in+"\x80")))
		var want []byte
		if c.out != "" {
			want = nalEscape(nalSEI, []byte(c.out+"\x80"))
		}
		if !bytes.Equal(got, want) || removed != c.removed {
			t.Errorf("%s: got %x, %b, want %x, %b", c.name, got, removed, want, c.removed)
		}
	}
	for _, b := range []string{"\x06", "\x06\x80", "\x06\x05", "\x06\x05\xff\xff\xff", "\x06\xff\xff\xff"} {
		if got, _ := filterSEI([]byte(b)); got != nil {
			t.Errorf("%q became %x", b, got)
		}
	}
}
