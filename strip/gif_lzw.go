package strip

import "encoding/binary"

// gifBuffer is how many compressed bytes are held at once.
const gifBuffer = 32 << 10

// gifLZW is a walk over the codes of one image (GIF89a appendix F). Only the
// number of pixels that a code stands for is kept, so that the work is bounded
// by the compressed size, not by the picture's.
type gifLZW struct {
	buf    []byte
	n      int  // bytes of buf that are data; 8 zeros follow
	bit    int  // position
	ended  bool // the block has no more data
	length [1<<12 + 1]uint32
	block  [256]byte // the sub-block that is being written, its length first
}

// imageData copies the codes of an image up to the one that draws its last
// pixel, and an end code. What follows is read by no decoder.
func (g *gifFile) imageData(pixels int64) error {
	b, err := g.in.bytes(g.off, 1)
	if err != nil {
		return err
	}
	size := uint(b[0])
	if size < 1 || size > 8 {
		return damaged("impossible code size")
	}
	g.off++
	g.out.WriteByte(byte(size))
	z := &g.lzw
	if z.buf == nil {
		z.buf = make([]byte, gifBuffer+8)
	}
	z.n, z.bit, z.ended, z.block[0] = 0, 0, false, 0
	width, err := g.codes(size, pixels)
	if err != nil {
		return err
	}
	return g.endData(size, width)
}

// codes walks the codes and returns the width that the next one would have.
func (g *gifFile) codes(size uint, left int64) (width uint, err error) {
	z := &g.lzw
	clear, end := uint32(1)<<size, uint32(1)<<size+1
	for i := range clear {
		z.length[i] = 1
	}
	width = size + 1
	next, last := end+1, uint32(0) // last: pixels of the code before, 0: none
	for left > 0 {
		if z.bit+int(width) > 8*z.n {
			if err := g.moreCodes(); err != nil {
				return 0, err
			}
			if z.bit+int(width) > 8*z.n {
				return width, nil // no end code: browsers take what there is
			}
		}
		code := binary.LittleEndian.Uint32(z.buf[z.bit>>3:]) >> (z.bit & 7) & (1<<width - 1)
		var n uint32
		switch {
		case code == end:
			return width, nil
		case code == clear:
			z.bit += int(width)
			width, next, last = size+1, end+1, 0
			continue
		case code < next:
			n = z.length[code]
		case code == next && last > 0:
			n = last + 1
		default:
			return 0, damaged("picture data does not decode")
		}
		z.bit += int(width)
		if last > 0 && next < 1<<12 {
			z.length[next] = last + 1
			if next++; next == 1<<width && width < 12 {
				width++
			}
		}
		left -= int64(n)
		last = n
	}
	return width, nil
}

// moreCodes writes the bytes that were walked and reads more sub-blocks.
func (g *gifFile) moreCodes() error {
	z := &g.lzw
	g.writeCodes(z.buf[:z.bit>>3])
	z.n = copy(z.buf, z.buf[z.bit>>3:z.n])
	z.bit &= 7
	for !z.ended && z.n+255 <= gifBuffer {
		b, err := g.subBlock()
		if err != nil {
			return err
		}
		z.ended = len(b) == 0
		z.n += copy(z.buf[z.n:], b)
	}
	clear(z.buf[z.n : z.n+8])
	return nil
}

// endData writes the end code at the position, skips what is left of the block
// and ends it.
func (g *gifFile) endData(size, width uint) error {
	z := &g.lzw
	at, used := z.bit>>3, uint(z.bit&7)
	tail := uint32(z.buf[at])&(1<<used-1) | (1<<size+1)<<used
	tailBytes := int(used+width+7) / 8
	if z.n > at+tailBytes {
		g.removed |= RemovedHidden
	}
	g.writeCodes(z.buf[:at])
	g.writeCodes(binary.LittleEndian.AppendUint32(nil, tail)[:tailBytes])
	for !z.ended {
		b, err := g.subBlock()
		if err != nil {
			return err
		}
		if z.ended = len(b) == 0; !z.ended {
			g.removed |= RemovedHidden
		}
	}
	if z.block[0] > 0 {
		g.out.Write(z.block[:1+int(z.block[0])])
	}
	g.out.WriteByte(0)
	return nil
}

// writeCodes writes bytes as sub-blocks of the full 255 bytes.
func (g *gifFile) writeCodes(b []byte) {
	block := &g.lzw.block
	for len(b) > 0 {
		n := copy(block[1+int(block[0]):], b)
		block[0] += byte(n)
		b = b[n:]
		if block[0] == 255 {
			g.out.Write(block[:])
			block[0] = 0
		}
	}
}
