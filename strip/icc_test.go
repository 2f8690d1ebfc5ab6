package strip

import (
	"bytes"
	"encoding/binary"
	"testing"
)

// iccSample is a profile for a space with a maker, a date and private tags.
func iccSample(space string) []byte {
	be := binary.BigEndian
	xyz := []byte("XYZ \x00\x00\x00\x00\x00\x00\xf6\xd6\x00\x01\x00\x00\x00\x00\xd3\x2d")
	curve := []byte("curv\x00\x00\x00\x00\x00\x00\x00\x01\x02\x33" + canary) // longer than its count says
	tags := []iccTag{{"desc", []byte("desc\x00\x00\x00\x00" + canary)}, {"cprt", []byte("text\x00\x00\x00\x00" + canary)},
		{"wtpt", xyz}, {"rXYZ", xyz}, {"gXYZ", xyz}, {"bXYZ", xyz}, {"rTRC", curve}, {"gTRC", curve}, {"bTRC", curve},
		{"mmod", []byte("mmod" + canary)}}
	p := make([]byte, 132+12*len(tags))
	copy(p[4:], "test\x02\x40\x00\x00mntr"+space+"XYZ ")
	copy(p[36:], "acspAPPL\x00\x00\x00\x00"+canary)
	be.PutUint32(p[128:], uint32(len(tags)))
	for i, t := range tags {
		e := p[132+12*i:]
		copy(e, t.name)
		be.PutUint32(e[4:], uint32(len(p)))
		be.PutUint32(e[8:], uint32(len(t.body)))
		p = append(p, t.body...)
	}
	be.PutUint32(p, uint32(len(p)))
	return p
}

func TestProfileKeepsColoursOnly(t *testing.T) {
	p, removed := normaliseICC(iccSample("RGB "), "RGB ")
	if p == nil || removed == 0 || bytes.Contains(p, []byte(canary)) {
		t.Fatalf("%d bytes, removed %b", len(p), removed)
	}
	for _, name := range []string{"wtpt", "rXYZ", "gTRC", "desc", "cprt"} {
		if !bytes.Contains(p, []byte(name)) {
			t.Errorf("no %s", name)
		}
	}
	again, removed := normaliseICC(p, "RGB ")
	if !bytes.Equal(again, p) || removed != 0 {
		t.Fatal("twice is not once")
	}
	if p, _ := normaliseICC(iccSample("CMYK"), "RGB "); p != nil {
		t.Fatal("a profile for other colours was kept")
	}
}

// TestProfileTables checks the inner tables of the composite types: each body
// is followed and filled with surplus that must go, and cut short anywhere it
// is refused.
func TestProfileTables(t *testing.T) {
	be := binary.BigEndian
	gap := func(n int) string { return string(make([]byte, n)) }
	curve := "curv" + gap(4) + "\x00\x00\x00\x02\x00\x00\xff\xff"
	para := "para" + gap(4) + "\x00\x01\x00\x00" + gap(12)
	mft1 := "mft1" + gap(4) + "\x03\x03\x02\x00" + gap(36+3*256+8*3+3*256)
	mft2 := "mft2" + gap(4) + "\x03\x03\x02\x00" + gap(36) + "\x00\x02\x00\x02" + gap(2*(3*2+8*3+3*2))
	mab := []byte("mAB " + gap(4) + "\x03\x03" + gap(22))
	add := func(field int, body string) {
		mab = append(mab, "????"...) // a gap where something could hide
		be.PutUint32(mab[field:], uint32(len(mab)))
		mab = append(mab, body...)
	}
	add(12, curve+para+gap(0)+curve)
	add(16, gap(48))
	add(24, "\x02\x02\x02"+gap(13)+"\x01"+gap(3)+gap(24))
	add(28, curve+curve+para)
	segmented := "curf" + gap(4) + "\x00\x02\x00\x00" + gap(4) + "parf" + gap(4) + "\x00\x00\x00\x00" + gap(16) + "samf" + gap(4) + "\x00\x00\x00\x01" + gap(4)
	cvst := []byte("cvst" + gap(4) + "\x00\x01\x00\x01" + "\x00\x00\x00\x14" + gap(4) + segmented)
	be.PutUint32(cvst[16:], uint32(len(segmented)))
	mpet := []byte("mpet" + gap(4) + "\x00\x01\x00\x01\x00\x00\x00\x01" + "\x00\x00\x00\x18" + gap(4) + string(cvst))
	be.PutUint32(mpet[20:], uint32(len(cvst)))
	for name, b := range map[string]string{"A2B0": mft1, "A2B1": mft2, "A2B2": string(mab), "D2B0": string(mpet), "rTRC": curve, "gTRC": para} {
		t.Run(name, func(t *testing.T) {
			got, ok := iccBody(name, []byte(b+canary))
			if !ok || bytes.Contains(got, []byte("CANARY")) || bytes.Contains(got, []byte("????")) {
				t.Fatalf("%v: %q", ok, got)
			}
			if again, ok := iccBody(name, got); !ok || !bytes.Equal(again, got) {
				t.Error("twice is not once")
			}
			for n := range len(got) - 3 { // the last bytes may be padding
				if _, ok := iccBody(name, []byte(got[:n])); ok {
					t.Fatalf("%d of %d bytes are taken", n, len(got))
				}
			}
			for i := range got { // whatever is changed, nothing panics
				for _, v := range []byte{0, 1, 0x7f, 0xff} {
					c := bytes.Clone(got)
					c[i] = v
					iccBody(name, c)
				}
			}
		})
	}
}
