package strip

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"io"
	"slices"
)

const pngMagic = "\x89PNG\r\n\x1a\n"

// What a picture may ask of whoever opens it. Inflating is the only work here
// that a small file can make large (1:1032), so it is bounded by these.
const (
	pngBytesMost  = 2 << 30  // inflated bytes of one frame
	pngAllMost    = 4 << 30  // inflated bytes of all frames
	pngFramesMost = 16 << 10 // frames of an animation
)

// pngFile is the typed model of a PNG or APNG (PNG third edition). It is read whole
// and checked before the first byte is written.
type pngFile struct {
	in      *input
	removed Removed

	ihdr        []byte
	width       uint32
	height      uint32
	bits        int // for one pixel
	palette     []byte
	alpha       []byte            // tRNS
	colour      map[string][]byte // the small colour chunks
	late        map[string]bool   // colour chunks that came behind the palette
	paletteSeen bool              // a PLTE, even one that is a mere suggestion
	suggestion  []byte            // that palette
	sRGBFirst   bool              // sRGB came before iCCP
	profile     []byte
	orientation int

	animated   bool
	plays      uint32
	frameCount uint32
	sequence   uint32 // the next sequence number that is due
	control    []byte // an fcTL that waits for its data
	picture    *pngRun
	frames     []*pngRun
	inflated   int64
	inflater   pngInflater
}

// pngChunk is one chunk: where its data begins and how long it is.
type pngChunk struct {
	name string
	off  int64 // of its data
	size int64
}

func (c pngChunk) end() int64 { return c.off + c.size + 4 }

// stripPNG rewrites a PNG or APNG from its model. It reads compressed data
// twice: once to find where it truly ends, once to copy it.
func stripPNG(dst io.Writer, src io.ReaderAt, size int64) (Removed, error) {
	p := &pngFile{in: newInput(src, size), orientation: 1, colour: map[string][]byte{}, late: map[string]bool{}}
	if err := p.parse(); err != nil {
		return 0, err
	}
	w := &pngWriter{out: bufio.NewWriterSize(dst, windowSize)}
	if err := p.write(w); err != nil {
		return 0, err
	}
	return p.removed, w.out.Flush()
}

// chunk reads the head of the chunk at off.
func (p *pngFile) chunk(off int64) (pngChunk, error) {
	b, err := p.in.bytes(off, 8)
	if err != nil {
		return pngChunk{}, err
	}
	c := pngChunk{name: string(b[4:]), off: off + 8, size: int64(binary.BigEndian.Uint32(b))}
	for _, l := range b[4:] {
		if l|0x20 < 'a' || l|0x20 > 'z' {
			return pngChunk{}, damaged("chunk without a name")
		}
	}
	if c.end() > p.in.size {
		return pngChunk{}, damaged("chunk longer than the file")
	}
	return c, nil
}

// body returns the data of a short chunk after checking its length and CRC.
func (p *pngFile) body(c pngChunk, least, most int64) ([]byte, error) {
	if c.size < least || c.size > most {
		return nil, damaged("chunk of wrong length")
	}
	b, err := p.in.bytes(c.off-4, int(c.size)+8)
	if err != nil {
		return nil, err
	}
	n := len(b) - 4
	if crc32.ChecksumIEEE(b[:n]) != binary.BigEndian.Uint32(b[n:]) {
		return nil, damaged("chunk with a wrong checksum")
	}
	return slices.Clone(b[4:n]), nil
}

func (p *pngFile) parse() error {
	c, err := p.chunk(int64(len(pngMagic)))
	if err != nil {
		return err
	}
	if c.name == "CgBI" {
		return &UnsupportedError{Found: "PNG made for an iPhone app only", Hint: hintPicture}
	}
	if c.name != "IHDR" {
		return damaged("picture without a header")
	}
	if err := p.header(c); err != nil {
		return err
	}
	for c.name != "IEND" {
		off := c.end()
		if off == p.in.size { // the end mark is missing, the picture is whole or refused below
			break
		}
		if c, err = p.chunk(off); err != nil {
			if p.whole() {
				// What cannot be read behind a whole picture is left out.
				p.removed |= RemovedHidden
				break
			}
			return err
		}
		if c, err = p.take(c); err != nil {
			return err
		}
	}
	if !p.whole() {
		return damaged("ends before the picture does")
	}
	if c.name == "IEND" && c.end() < p.in.size {
		p.removed |= RemovedHidden
	}
	if p.suggestion != nil && (len(p.late) == 0 || !bytes.Equal(p.suggestion, pngSuggestion)) {
		p.removed |= RemovedOther
	}
	return nil
}

// pngSuggestion stands for the palette of a picture that is not indexed if
// colour chunks follow it.
var pngSuggestion = []byte{0, 0, 0}

// whole says whether everything that was announced has been read.
func (p *pngFile) whole() bool {
	if p.picture == nil || p.control != nil {
		return false
	}
	n := len(p.frames)
	if p.picture.control != nil {
		n++
	}
	return !p.animated || n == int(p.frameCount)
}

// header reads IHDR (PNG 11.2.1).
func (p *pngFile) header(c pngChunk) error {
	b, err := p.body(c, 13, 13)
	if err != nil {
		return err
	}
	p.ihdr = b
	p.width, p.height = binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:])
	depth, colour := int(b[8]), b[9]
	channels := map[byte]int{0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
	allowed := []int{8, 16}
	switch colour {
	case 0:
		allowed = []int{1, 2, 4, 8, 16}
	case 3:
		allowed = []int{1, 2, 4, 8}
	}
	if channels == 0 || !slices.Contains(allowed, depth) || b[10] != 0 || b[11] != 0 || b[12] > 1 {
		return damaged("impossible picture header")
	}
	if p.width == 0 || p.height == 0 || p.width > 1<<31-1 || p.height > 1<<31-1 {
		return damaged("picture without size")
	}
	p.bits = channels * depth
	return nil
}

// take sorts one chunk into the model. It returns the last chunk that it has
// read: picture data takes the whole run of chunks.
func (p *pngFile) take(c pngChunk) (pngChunk, error) {
	var err error
	switch c.name {
	case "IEND":
	case "IHDR":
		err = damaged("second picture header")
	case "PLTE":
		err = p.takePalette(c)
	case "tRNS":
		err = p.takeAlpha(c)
	case "IDAT":
		return p.takePicture(c)
	case "acTL", "fcTL":
		err = p.takeAnimation(c)
	case "fdAT":
		return p.takeFrame(c)
	case "gAMA", "cHRM", "sRGB", "cICP", "mDCV", "cLLI":
		err = p.takeColour(c)
	case "iCCP":
		err = p.takeProfile(c)
	case "eXIf":
		err = p.takeExif(c)
	default:
		if c.name[0]&0x20 == 0 {
			return c, damaged("unknown critical chunk")
		}
		var removed Removed
		removed, err = p.classify(c)
		p.removed |= removed
	}
	return c, err
}

// takePalette keeps the colours that the depth can name. Outside of indexed
// pictures a palette is a mere suggestion, and dropped.
func (p *pngFile) takePalette(c pngChunk) error {
	b, err := p.body(c, 3, 768)
	switch {
	case err != nil:
		return err
	case len(b)%3 != 0 || p.paletteSeen || p.picture != nil || p.alpha != nil:
		return damaged("palette of wrong form")
	}
	p.paletteSeen = true
	if p.ihdr[9] != 3 {
		p.suggestion = b
		return nil
	}
	if most := 3 << p.ihdr[8]; len(b) > most {
		b = b[:most]
		p.removed |= RemovedHidden
	}
	p.palette = b
	return nil
}

func (p *pngFile) takeAlpha(c pngChunk) error {
	if p.picture != nil || p.alpha != nil {
		p.removed |= RemovedHidden
		return nil
	}
	least, most := int64(1), int64(len(p.palette)/3)
	switch p.ihdr[9] {
	case 0:
		least, most = 2, 2
	case 2:
		least, most = 6, 6
	case 4, 6: // the pixels have their own
		p.removed |= RemovedHidden
		return nil
	}
	b, err := p.body(c, least, most)
	p.alpha = b
	return err
}

// pngColourSizes are the fixed lengths of the colour chunks (PNG 11.3.2).
var pngColourSizes = []struct {
	name string
	size int64
}{{"cICP", 4}, {"sRGB", 1}, {"gAMA", 4}, {"cHRM", 32}, {"mDCV", 24}, {"cLLI", 8}}

// takeColour keeps the first of each colour chunk before the picture data.
// Decoders ignore one of a wrong length and a second one. Behind the palette,
// where it must not be, Chromium uses it and libpng does not: it stays there.
func (p *pngFile) takeColour(c pngChunk) error {
	for _, s := range pngColourSizes {
		if s.name != c.name {
			continue
		}
		if p.picture != nil || c.size != s.size || p.colour[c.name] != nil {
			p.removed |= RemovedOther
			return nil
		}
		b, err := p.body(c, s.size, s.size)
		if err != nil {
			return err
		}
		// Decoders ignore an impossible value.
		if c.name == "sRGB" && b[0] > 3 || c.name == "gAMA" && (string(b) == "\x00\x00\x00\x00" || b[0] > 0x7f) {
			p.removed |= RemovedOther
			return nil
		}
		p.colour[c.name] = b
		if p.paletteSeen {
			p.late[c.name] = true
		}
	}
	return nil
}

// write serialises the model.
func (p *pngFile) write(w *pngWriter) error {
	w.out.WriteString(pngMagic)
	w.chunk("IHDR", p.ihdr)
	if p.animated {
		b := binary.BigEndian.AppendUint32(nil, p.frameCount)
		w.chunk("acTL", binary.BigEndian.AppendUint32(b, p.plays))
	}
	if err := p.writeColours(w, false); err != nil {
		return err
	}
	if p.palette != nil {
		w.chunk("PLTE", p.palette)
	} else if len(p.late) > 0 {
		w.chunk("PLTE", pngSuggestion)
	}
	if err := p.writeColours(w, true); err != nil {
		return err
	}
	if p.alpha != nil {
		w.chunk("tRNS", p.alpha)
	}
	if p.orientation > 1 {
		w.chunk("eXIf", orientationTIFF(p.orientation))
	}
	if err := p.writeRun(w, p.picture, "IDAT"); err != nil {
		return err
	}
	for _, f := range p.frames {
		if err := p.writeRun(w, f, "fdAT"); err != nil {
			return err
		}
	}
	w.chunk("IEND", nil)
	return nil
}

// writeColours writes the colour chunks that belong before the palette, or those
// behind it. Of sRGB and a profile, which contradict, decoders use the first,
// the last or the better one: they stay in their order.
func (p *pngFile) writeColours(w *pngWriter, late bool) error {
	small := func(names ...string) {
		for _, name := range names {
			if b := p.colour[name]; b != nil && p.late[name] == late {
				w.chunk(name, b)
			}
		}
	}
	if small("cICP"); p.sRGBFirst {
		small("sRGB")
	}
	if p.profile != nil && p.late["iCCP"] == late {
		b, err := deflateProfile(p.profile)
		if err != nil {
			return err
		}
		w.chunk("iCCP", b)
	}
	if !p.sRGBFirst {
		small("sRGB")
	}
	small("gAMA", "cHRM", "mDCV", "cLLI")
	return nil
}
