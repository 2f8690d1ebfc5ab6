package match

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"image"
	"image/gif"
	"io"
)

// framesOfGIF finds the frames of a GIF (GIF89a Specification, 18 to 27).
func framesOfGIF(src *input) (f film, err error) {
	in := &counted{r: bufio.NewReader(src.section(0, src.size))}
	var head [13]byte
	if err := in.full(head[:]); err != nil {
		return f, err
	}
	f.only = true
	f.canvas = image.Rect(0, 0, int(binary.LittleEndian.Uint16(head[6:])), int(binary.LittleEndian.Uint16(head[8:])))
	if err := in.skip(colourTable(head[10])); err != nil {
		return f, err
	}
	common := in.at // header, screen and global colours go before every frame
	var control []byte
	for {
		start := in.at
		var kind [1]byte
		if err := in.full(kind[:]); err != nil {
			return f, err
		}
		switch kind[0] {
		case 0x3b:
			return f, nil
		case 0x21:
			extension, err := in.extension()
			if err != nil {
				return f, err
			}
			if len(extension) == 8 && extension[1] == 0xf9 {
				control = extension
			}
		case 0x2c:
			box, err := in.gifImage()
			if err != nil {
				return f, err
			}
			if len(f.frames) == framesMost {
				f.more = true
				return f, nil
			}
			f.frames = append(f.frames, gifFrame(src, box, control, common, start, in.at))
			control = nil
		default:
			return f, errFrame
		}
	}
}

func gifFrame(src *input, box image.Rectangle, control []byte, common, from, to int64) frame {
	f := frame{box: box, over: true}
	if control != nil {
		switch control[3] >> 2 & 7 {
		case 2:
			f.dispose = disposeClear
		case 3:
			f.dispose = disposeBack
		}
	}
	f.decode = func() (image.Image, error) {
		return gif.Decode(io.MultiReader(src.section(0, common), bytes.NewReader(control), src.section(from, to), bytes.NewReader([]byte{0x3b})))
	}
	return f
}

// colourTable is the size in bytes of the table that packed flags announce.
func colourTable(flags byte) int64 {
	if flags&0x80 == 0 {
		return 0
	}
	return 3 << (flags&7 + 1)
}

// counted is a reader that knows where it is.
type counted struct {
	r  *bufio.Reader
	at int64
}

func (c *counted) full(p []byte) error {
	n, err := io.ReadFull(c.r, p)
	c.at += int64(n)
	return err
}

func (c *counted) skip(n int64) error {
	for n > 0 {
		did, err := c.r.Discard(int(min(n, 1<<30)))
		c.at += int64(did)
		n -= int64(did)
		if err != nil {
			return err
		}
	}
	return nil
}

// subBlocks skips a GIF's sub-blocks up to the empty one.
func (c *counted) subBlocks() error {
	for {
		var size [1]byte
		if err := c.full(size[:]); err != nil {
			return err
		}
		if size[0] == 0 {
			return nil
		}
		if err := c.skip(int64(size[0])); err != nil {
			return err
		}
	}
}

// extension reads an extension from behind its 0x21. A graphic control is
// returned whole.
func (c *counted) extension() ([]byte, error) {
	out := []byte{0x21, 0, 0, 0, 0, 0, 0, 0}
	if err := c.full(out[1:2]); err != nil {
		return nil, err
	}
	if out[1] != 0xf9 {
		return nil, c.subBlocks()
	}
	return out, c.full(out[2:])
}

// gifImage passes over an image from behind its 0x2c.
func (c *counted) gifImage() (box image.Rectangle, err error) {
	var head [9]byte
	if err := c.full(head[:]); err != nil {
		return box, err
	}
	number := func(at int) int { return int(binary.LittleEndian.Uint16(head[at:])) }
	box = image.Rect(0, 0, number(4), number(6)).Add(image.Pt(number(0), number(2)))
	if err := c.skip(colourTable(head[8]) + 1); err != nil { // and the code size
		return box, err
	}
	return box, c.subBlocks()
}
