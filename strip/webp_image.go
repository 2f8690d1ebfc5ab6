package strip

import (
	"bufio"
	"encoding/binary"
)

// measure checks the head of a coded picture, cuts what lies behind its data,
// and returns its size.
func (w *webpFile) measure(m *webpImage) (width, height int, err error) {
	if m.data.name == "" {
		return 0, 0, damaged("no picture")
	}
	if m.data.name == "VP8L" {
		if m.alpha.name != "" { // decoders ignore it: VP8L has its own
			m.alpha = riffChunk{}
			w.removed |= RemovedHidden
		}
		return w.measureVP8L(&m.data)
	}
	if width, height, err = w.measureVP8(&m.data); err != nil || m.alpha.name == "" {
		return width, height, err
	}
	return width, height, w.measureAlpha(&m.alpha, width, height)
}

// measureVP8 reads the head of a VP8 key frame (RFC 6386 section 9.1).
func (w *webpFile) measureVP8(c *riffChunk) (width, height int, err error) {
	if c.size < 10 {
		return 0, 0, damaged("picture data is cut short")
	}
	b, err := w.in.bytes(c.off, 10)
	if err != nil {
		return 0, 0, err
	}
	if b[0]&1 != 0 || b[0]>>1&7 > 3 || b[0]&0x10 == 0 || !has(b, 3, "\x9d\x01\x2a") {
		return 0, 0, damaged("picture data is not a key frame")
	}
	if int64(int24(b)>>5) > c.size-10 {
		return 0, 0, damaged("picture data is cut short")
	}
	le := binary.LittleEndian
	width, height = int(le.Uint16(b[6:]))&0x3fff, int(le.Uint16(b[8:]))&0x3fff
	if width == 0 || height == 0 {
		return 0, 0, damaged("picture without size")
	}
	c.frame, err = w.cutVP8(c, [10]byte(b), width, height)
	if err == nil {
		c.size = c.frame.size()
	}
	return width, height, err
}

// measureVP8L reads the head of a lossless picture (RFC 9649 section 3.4).
func (w *webpFile) measureVP8L(c *riffChunk) (width, height int, err error) {
	if c.size < 5 {
		return 0, 0, damaged("picture data is cut short")
	}
	b, err := w.in.bytes(c.off, 5)
	if err != nil {
		return 0, 0, err
	}
	head := binary.LittleEndian.Uint32(b[1:])
	if b[0] != 0x2f || head>>29 != 0 {
		return 0, 0, damaged("picture data is not lossless WebP")
	}
	width, height = int(head&0x3fff)+1, int(head>>14&0x3fff)+1
	return width, height, w.cutLossless(c, 5, width, height)
}

// cutLossless shortens a chunk to its lossless data, which begins behind head
// bytes, and notes which bits of its last byte to keep.
func (w *webpFile) cutLossless(c *riffChunk, head int64, width, height int) error {
	size, mask, err := w.measureLossless(c.off+head, c.off+c.size, width, height)
	if err != nil {
		return err
	}
	b, err := w.in.bytes(c.off+head+size-1, 1)
	if err != nil {
		return err
	}
	if head+size < c.size || b[0]&^mask != 0 {
		w.removed |= RemovedHidden
	}
	c.size, c.mask = head+size, mask
	return nil
}

// measureAlpha reads the head of an ALPH chunk (RFC 9649 section 2.7.1.2).
func (w *webpFile) measureAlpha(c *riffChunk, width, height int) error {
	if c.size < 2 {
		return damaged("transparency is cut short")
	}
	b, err := w.in.bytes(c.off, 1)
	if err != nil {
		return err
	}
	switch b[0] & 3 {
	case 0:
		need := 1 + int64(width)*int64(height)
		if c.size < need {
			return damaged("transparency is cut short")
		}
		if c.size > need {
			c.size = need
			w.removed |= RemovedHidden
		}
		return nil
	case 1:
		return w.cutLossless(c, 1, width, height)
	}
	return damaged("transparency of unknown form")
}

// write serialises the model.
func (w *webpFile) write(out *bufio.Writer) error {
	total := int64(4)
	exif := []byte(nil)
	if w.extended {
		total += 18
	}
	if w.orientation > 1 {
		exif = orientationTIFF(w.orientation)
		w.flags |= webpExif
		total += riffLength(exif)
	}
	if w.profile != nil {
		w.flags |= webpICC
		total += riffLength(w.profile)
	}
	if w.anim != nil {
		total += riffLength(w.anim)
	}
	total += w.still.length()
	for _, f := range w.frames {
		total += 8 + 16 + f.image.length()
	}
	writeRIFF(out, "RIFF", total)
	out.WriteString("WEBP")
	if w.extended {
		writeRIFF(out, "VP8X", 10)
		out.Write([]byte{w.flags, 0, 0, 0})
		for _, n := range []int{w.width - 1, w.height - 1} {
			out.Write([]byte{byte(n), byte(n >> 8), byte(n >> 16)})
		}
	}
	writeBody(out, "ICCP", w.profile)
	writeBody(out, "ANIM", w.anim)
	if err := w.writeImage(out, w.still); err != nil {
		return err
	}
	for _, f := range w.frames {
		writeRIFF(out, "ANMF", 16+f.image.length())
		out.Write(f.head[:])
		if err := w.writeImage(out, f.image); err != nil {
			return err
		}
	}
	writeBody(out, "EXIF", exif)
	return nil
}

func (m webpImage) length() int64 { return m.alpha.length() + m.data.length() }

func riffLength(b []byte) int64 { return 8 + int64(len(b)+len(b)&1) }

func writeRIFF(out *bufio.Writer, name string, size int64) {
	out.WriteString(name)
	out.Write(binary.LittleEndian.AppendUint32(nil, uint32(size)))
}

// writeBody writes a chunk, if there is one.
func writeBody(out *bufio.Writer, name string, b []byte) {
	if b == nil {
		return
	}
	writeRIFF(out, name, int64(len(b)))
	out.Write(b)
	if len(b)&1 != 0 {
		out.WriteByte(0)
	}
}

func (w *webpFile) writeImage(out *bufio.Writer, m webpImage) error {
	for _, c := range []riffChunk{m.alpha, m.data} {
		if c.name == "" {
			continue
		}
		writeRIFF(out, c.name, c.size)
		if c.frame != nil {
			if err := c.frame.write(w, out); err != nil {
				return err
			}
			out.Write(make([]byte, c.size&1))
			continue
		}
		off, size := c.off, c.size
		if c.name == "ALPH" { // two bits of the first byte are reserved
			b, err := w.in.bytes(off, 1)
			if err != nil {
				return err
			}
			out.WriteByte(b[0] & 0x3f)
			off, size = off+1, size-1
		}
		if err := w.in.copy(out, off, size-1); err != nil {
			return err
		}
		b, err := w.in.bytes(off+size-1, 1)
		if err != nil {
			return err
		}
		out.WriteByte(b[0] & c.mask)
		if c.size&1 != 0 {
			out.WriteByte(0)
		}
	}
	return nil
}
