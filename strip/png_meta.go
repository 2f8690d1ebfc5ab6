package strip

import (
	"bytes"
	"io"

	"github.com/klauspost/compress/zlib"
)

// takeProfile keeps the first colour profile before the picture, normalised and
// under a constant name.
func (p *pngFile) takeProfile(c pngChunk) error {
	p.removed |= RemovedOther // at least its name goes, unless it is already ours
	if p.picture != nil || p.profile != nil {
		return nil
	}
	r := &pngRunReader{p: p, next: c.off - 8, name: "iCCP", end: c.end()}
	body := make([]byte, min(c.size, iccMost))
	if _, err := io.ReadFull(r, body); err != nil {
		return err
	}
	name, data, ok := bytes.Cut(body, []byte{0})
	if !ok || len(name) > 79 || len(data) < 1 || data[0] != 0 {
		return nil // decoders ignore a profile that they cannot read
	}
	profile, err := inflateProfile(data[1:])
	if err != nil {
		return nil
	}
	space := "RGB "
	if p.ihdr[9] == 0 || p.ihdr[9] == 4 {
		space = "GRAY"
	}
	p.profile, _ = normaliseICC(profile, space)
	if p.profile != nil {
		p.sRGBFirst = p.colour["sRGB"] != nil
		if p.paletteSeen {
			p.late["iCCP"] = true
		}
		if ours, err := deflateProfile(p.profile); err == nil && bytes.Equal(ours, body) {
			p.removed &^= RemovedOther
		}
	}
	return nil
}

func inflateProfile(b []byte) ([]byte, error) {
	r, err := zlib.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	defer r.Close()
	out, err := io.ReadAll(io.LimitReader(r, iccMost+1))
	if err == nil && len(out) > iccMost {
		err = damaged("colour profile too large")
	}
	return out, err
}

// deflateProfile is the body of an iCCP chunk with a constant name.
func deflateProfile(profile []byte) ([]byte, error) {
	var b bytes.Buffer
	b.WriteString("icc\x00\x00")
	w := zlib.NewWriter(&b)
	if _, err := w.Write(profile); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// takeExif keeps the orientation of the first EXIF chunk before the picture
// data: browsers look at no other.
func (p *pngFile) takeExif(c pngChunk) error {
	b, err := p.in.bytes(c.off, int(min(c.size, exifMost-8)))
	if err != nil {
		return err
	}
	if bytes.Equal(b, orientationTIFF(p.orientation)) {
		return nil // a second one like ours tells nothing
	}
	orientation, removed := readExif(b)
	if p.picture == nil && p.orientation == 1 {
		p.orientation = orientation
		if bytes.Equal(b, orientationTIFF(orientation)) {
			return nil
		}
	}
	p.removed |= removed
	return nil
}

// pngKeywords sorts the registered keywords of text chunks (PNG 11.3.3.1) and
// what common programs write.
var pngKeywords = map[string]Removed{
	"Title": RemovedText, "Description": RemovedText, "Comment": RemovedText, "Disclaimer": RemovedText,
	"Warning": RemovedText, "Author": RemovedAuthor, "Copyright": RemovedAuthor, "Collection": RemovedText,
	"Software": RemovedSoftware, "Creation Time": RemovedTime, "Source": RemovedDevice,
	"parameters": RemovedSoftware | RemovedText, "prompt": RemovedSoftware | RemovedText,
	"workflow": RemovedSoftware, "date:create": RemovedTime, "date:modify": RemovedTime, "date:timestamp": RemovedTime,
	"Raw profile type exif": RemovedDevice | RemovedTime, "Raw profile type APP1": RemovedDevice | RemovedTime,
	"Raw profile type iptc": RemovedText | RemovedAuthor, "Thumb::URI": RemovedOther,
}

// classify says what a chunk that is left out held.
func (p *pngFile) classify(c pngChunk) (Removed, error) {
	switch c.name {
	case "tIME":
		return RemovedTime, nil
	case "caBX":
		return RemovedProvenance, nil
	case "tEXt", "zTXt", "iTXt":
		b, err := p.in.bytes(c.off, int(min(c.size, exifMost-8)))
		if err != nil {
			return 0, err
		}
		keyword, _, _ := bytes.Cut(b, []byte{0})
		if string(keyword) == "XML:com.adobe.xmp" {
			return xmpClasses(b), nil
		}
		if class, ok := pngKeywords[string(keyword)]; ok {
			return class, nil
		}
		return RemovedText, nil
	}
	return RemovedOther, nil
}
