package match

import (
	"errors"
	"testing"
)

// A picture whose decoding takes more than 12 bytes for each pixel of the limit is
// over it, however few pixels it has. What is within it is decoded, which these
// headers without their scans do not survive.
func TestHeavyJPEG(t *testing.T) {
	const area = 200 * 104
	adobe := "\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00\x00"
	fill := "\xff\xe2\xff\xff" + string(make([]byte, 65533))
	head := func(sof byte, before string, parts ...string) []byte {
		out := []byte("\xff\xd8" + before + "\xff" + string([]byte{sof}) + "\x00" + string(rune(8+3*len(parts))) + "\x08\x00\x68\x00\xc8" + string(rune(len(parts))))
		for _, p := range parts {
			out = append(out, p...)
			out = append(out, 0)
		}
		return append(out, "\xff\xda\x00\x02"...)
	}
	for name, c := range map[string]struct {
		file []byte
		each float64 // bytes for each pixel
	}{
		"baseline":                       {head(0xc0, "", "\x01\x11", "\x02\x11", "\x03\x11"), 3},
		"progressive":                    {head(0xc2, "", "\x01\x11", "\x02\x11", "\x03\x11"), 15},
		"progressive, after much else":   {head(0xc2, fill+fill+fill, "\x01\x11", "\x02\x11", "\x03\x11"), 15},
		"progressive RGB":                {head(0xc2, "", "R\x11", "G\x11", "B\x11"), 19},
		"progressive RGB of Adobe":       {head(0xc2, adobe, "\x01\x11", "\x02\x11", "\x03\x11"), 19},
		"progressive CMYK":               {head(0xc2, adobe, "\x01\x11", "\x02\x11", "\x03\x11", "\x04\x11"), 24},
		"progressive, one component":     {head(0xc2, "", "\x01\x22"), 5},
		"what stands between its parts":  {head(0xc2, "\x00\x00", "\x01\x11", "\x02\x11", "\x03\x11"), 24},
		"progressive, colours at a half": {head(0xc2, "", "\x01\x21", "\x02\x11", "\x03\x11"), 10 * 208.0 / 200},
	} {
		least := max(int(c.each*area/bytesMost+0.999), area)
		if _, err := pictures(c.file, "image/jpeg", Limits{Pixels: least}); !errors.Is(err, ErrPicture) {
			t.Errorf("%s, within the limit: %v", name, err)
		}
		if _, err := pictures(c.file, "image/jpeg", Limits{Pixels: least - 1}); !errors.Is(err, ErrLimit) {
			t.Errorf("%s, over the limit: %v", name, err)
		}
	}
}
