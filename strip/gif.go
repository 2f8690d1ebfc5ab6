package strip

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"
)

// Introducers of GIF blocks (GIF89a, appendix A).
const (
	gifExtension = 0x21
	gifImage     = 0x2c
	gifTrailer   = 0x3b

	gifPlainText   = 0x01
	gifControl     = 0xf9
	gifComment     = 0xfe
	gifApplication = 0xff
)

// gifFile is the state of a rewrite: a GIF is a sequence of blocks, none of
// which points at another, so one pass and one window are enough.
type gifFile struct {
	in      *input
	out     *bufio.Writer
	off     int64 // of the next byte to parse
	removed Removed
	frames  int
	looped  bool   // the loop count is written
	control []byte // the graphic control that waits for its image
	lzw     gifLZW
}

// stripGIF rewrites a GIF (GIF89a; the loop extension of Netscape). It keeps the
// screen, colour tables, images, their times and transparency, and the loop.
func stripGIF(dst io.Writer, src io.ReaderAt, size int64) (Removed, error) {
	g := &gifFile{in: newInput(src, size), out: bufio.NewWriterSize(dst, windowSize)}
	if err := g.screen(); err != nil {
		return 0, err
	}
	for done := false; !done; {
		var err error
		if done, err = g.block(); err != nil {
			return 0, err
		}
	}
	if g.frames == 0 {
		return 0, damaged("no picture")
	}
	if g.off < g.in.size {
		g.removed |= RemovedHidden
	}
	g.out.WriteByte(gifTrailer)
	return g.removed, g.out.Flush()
}

// screen copies signature, screen and global colour table. The pixel aspect,
// which browsers ignore, is set to none.
func (g *gifFile) screen() error {
	b, err := g.in.bytes(0, 13)
	if err != nil {
		return err
	}
	if b[12] != 0 {
		g.removed |= RemovedOther
	}
	g.out.Write(b[:12])
	g.out.WriteByte(0)
	g.off = 13
	return g.colours(b[10])
}

// colours copies a colour table, if the flags announce one.
func (g *gifFile) colours(flags byte) error {
	if flags&0x80 == 0 {
		return nil
	}
	n := 3 << (flags&7 + 1)
	b, err := g.in.bytes(g.off, n)
	if err != nil {
		return err
	}
	g.out.Write(b)
	g.off += int64(n)
	return nil
}

// block rewrites one block and says whether it was the last. Where browsers
// stop, at the end of the file or at what is no block, the picture ends.
func (g *gifFile) block() (done bool, err error) {
	if g.off == g.in.size {
		return true, nil
	}
	b, err := g.in.bytes(g.off, 1)
	if err != nil {
		return true, err
	}
	g.off++
	switch b[0] {
	case gifTrailer:
		return true, nil
	case gifImage:
		return false, g.image()
	case gifExtension:
		return false, g.extension()
	}
	if g.frames == 0 {
		return true, damaged("unknown block")
	}
	g.removed |= RemovedHidden
	g.off = g.in.size
	return true, nil
}

// image copies one image with the control that belongs to it.
func (g *gifFile) image() error {
	b, err := g.in.bytes(g.off, 9)
	if err != nil {
		return err
	}
	le := binary.LittleEndian
	width, height, flags := le.Uint16(b[4:]), le.Uint16(b[6:]), b[8]
	if width == 0 || height == 0 {
		return damaged("image without size")
	}
	g.out.Write(g.control)
	g.control = nil
	g.out.WriteByte(gifImage)
	g.out.Write(b[:8])
	g.out.WriteByte(flags &^ 0x18) // two reserved bits
	g.off += 9
	if err := g.colours(flags); err != nil {
		return err
	}
	g.frames++
	return g.imageData(int64(width) * int64(height))
}

// extension keeps a graphic control until its image comes, and the first loop
// count; it leaves out everything else.
func (g *gifFile) extension() error {
	b, err := g.in.bytes(g.off, 1)
	if err != nil {
		return err
	}
	label := b[0]
	g.off++
	first, err := g.subBlock()
	if err != nil {
		return err
	}
	switch label {
	case gifControl:
		if len(first) < 4 {
			return damaged("graphic control of wrong length")
		}
		flags, transparent := first[0]&0x1f, first[3]
		if flags&1 == 0 {
			transparent = 0
		}
		control := []byte{gifExtension, gifControl, 4, flags, first[1], first[2], transparent, 0}
		if g.control != nil && !bytes.Equal(control, g.control) {
			return damaged("two controls for one image") // some decoders mix them
		}
		g.control = control
	case gifApplication:
		if string(first) == "NETSCAPE2.0" || string(first) == "ANIMEXTS1.0" {
			return g.loop()
		}
		g.removed |= g.application(first)
	case gifComment:
		g.removed |= RemovedText
	case gifPlainText: // no browser draws it; its control goes with it
		g.removed |= RemovedText
		g.control = nil
	default:
		g.removed |= RemovedOther
	}
	for len(first) > 0 {
		if first, err = g.subBlock(); err != nil {
			return err
		}
		if len(first) > 0 && label == gifControl {
			g.removed |= RemovedHidden
		}
	}
	return nil
}

// application says what an application extension holds by its first bytes.
func (g *gifFile) application(id []byte) Removed {
	if string(id) != "XMP DataXMP" {
		return RemovedOther
	}
	b, err := g.in.rest(g.off, exifMost)
	if err != nil {
		return RemovedOther
	}
	return xmpClasses(b)
}

// loop writes the loop count of a looping extension as the 19 bytes that
// everyone writes.
func (g *gifFile) loop() error {
	for {
		b, err := g.subBlock()
		if err != nil {
			return err
		}
		switch {
		case len(b) == 0:
			return nil
		case len(b) == 3 && b[0] == 1 && !g.looped:
			g.out.WriteString("\x21\xff\x0bNETSCAPE2.0\x03\x01")
			g.out.Write(b[1:3])
			g.out.WriteByte(0)
			g.looped = true
		default:
			g.removed |= RemovedHidden
		}
	}
}

// subBlock returns the next data sub-block; an empty one ends a block.
func (g *gifFile) subBlock() ([]byte, error) {
	b, err := g.in.bytes(g.off, 1)
	if err != nil {
		return nil, err
	}
	n := int(b[0])
	if b, err = g.in.bytes(g.off+1, n); err != nil {
		return nil, err
	}
	g.off += 1 + int64(n)
	return b, nil
}
