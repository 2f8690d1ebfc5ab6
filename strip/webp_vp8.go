package strip

import (
	"encoding/binary"
	"io"
)

// vp8 walks a key frame of VP8 (RFC 6386): it decodes every decision, to find
// which bytes of each partition are needed, but no pixel.
type vp8 struct {
	modes   boolReader
	tokens  [8]boolReader
	many    int // partitions of tokens in use
	probs   [4 * 8 * 3 * 11]byte
	segment [3]byte
	mapped  bool // blocks name their segment
	canSkip bool
	skip    byte
	above   []vp8Context // one for each column
	left    vp8Context
}

// vp8Context is what the blocks beside and below need of a block.
type vp8Context struct {
	mode    [4]byte // of the 4x4 blocks at the edge
	nonzero [9]byte // Y, U, V at the edge, then Y2; 0 or 1
}

// vp8Part is a partition: what is copied, and then zeros in place of the rest,
// which decoders that read ahead may look at.
type vp8Part struct{ off, size, zeros int64 }

// vp8Data is a VP8 chunk cut to what a decoder needs.
type vp8Data struct {
	head  [10]byte
	parts []vp8Part // the modes first
}

func (d *vp8Data) size() int64 {
	n := int64(len(d.head) + 3*(len(d.parts)-2))
	for _, p := range d.parts {
		n += p.size + p.zeros
	}
	return n
}

// cutVP8 walks a frame and returns it without what its partitions do not need.
func (w *webpFile) cutVP8(c *riffChunk, head [10]byte, width, height int) (*vp8Data, error) {
	d := &vp8{above: make([]vp8Context, ceil(width, 16))}
	copy(d.probs[:], vp8Defaults)
	first := vp8Part{off: c.off + 10, size: int64(int24(head[:]) >> 5)}
	d.modes.start(w.in, first.off, first.size)
	d.head()
	if err := d.check(); err != nil {
		return nil, err
	}
	parts, err := w.vp8Parts(c, first, d.many)
	if err != nil {
		return nil, err
	}
	for i, p := range parts[1:] {
		d.tokens[i].start(w.in, p.off, p.size)
	}
	d.probabilities()
	for y := range ceil(height, 16) {
		d.left = vp8Context{}
		for x := range d.above {
			d.block(&d.above[x], &d.tokens[y%d.many])
		}
		if w.work += 64 * len(d.above); w.work > vp8lWorkMost {
			return nil, &UnsupportedError{Found: "WebP of very many pixels", Hint: "send a smaller copy of it"}
		}
		if err := d.check(); err != nil {
			return nil, err
		}
	}
	out := &vp8Data{head: head}
	for i := range parts {
		r := &d.modes
		if i > 0 {
			r = &d.tokens[i-1]
		}
		if err := w.cutPart(&parts[i], r.taken); err != nil {
			return nil, err
		}
	}
	out.parts = parts
	tag := uint32(head[0]&0x1f) | uint32(parts[0].size+parts[0].zeros)<<5
	copy(out.head[:3], []byte{byte(tag), byte(tag >> 8), byte(tag >> 16)})
	out.head[7] &= 0x3f // how to scale it up: WebP decoders do not
	out.head[9] &= 0x3f
	return out, nil
}

// vp8Parts finds the partitions (section 9.5).
func (w *webpFile) vp8Parts(c *riffChunk, first vp8Part, many int) ([]vp8Part, error) {
	parts := []vp8Part{first}
	table := first.off + first.size
	off, end := table+3*int64(many-1), c.off+c.size
	for i := range many {
		size := end - off
		if i < many-1 {
			b, err := w.in.bytes(table+3*int64(i), 3)
			if err != nil {
				return nil, err
			}
			size = min(size, int64(int24(b))) // as decoders do
		}
		if size < 0 {
			return nil, damaged("picture data is cut short")
		}
		parts = append(parts, vp8Part{off: off, size: size})
		off += size
	}
	return parts, nil
}

// cutPart shortens a partition to the bytes taken, with up to two zeros behind.
func (w *webpFile) cutPart(p *vp8Part, taken int64) error {
	surplus := p.size - taken
	for off := p.off + taken; off < p.off+p.size; {
		b, err := w.in.rest(off, p.off+p.size-off)
		if err != nil {
			return err
		}
		for _, v := range b {
			if v != 0 || surplus > 8 { // encoders end with some zeros
				w.removed |= RemovedHidden
			}
		}
		off += int64(len(b))
	}
	p.size, p.zeros = taken, min(surplus, 2)
	return nil
}

// write writes the frame.
func (d *vp8Data) write(w *webpFile, out io.Writer) error {
	table := d.head[:]
	for _, p := range d.parts[1 : len(d.parts)-1] {
		table = append(table, binary.LittleEndian.AppendUint32(nil, uint32(p.size+p.zeros))[:3]...)
	}
	for i, p := range d.parts {
		b := table[:10]
		if i == 1 {
			b = table[10:]
		}
		if i < 2 {
			if _, err := out.Write(b); err != nil {
				return err
			}
		}
		if err := w.in.copy(out, p.off, p.size); err != nil {
			return err
		}
		if _, err := out.Write(make([]byte, p.zeros)); err != nil {
			return err
		}
	}
	return nil
}

func (d *vp8) check() error {
	for _, r := range append([]*boolReader{&d.modes}, d.readers()...) {
		if r.err != nil {
			return r.err
		}
		if r.over {
			return damaged("picture data is cut short")
		}
	}
	return nil
}

func (d *vp8) readers() []*boolReader {
	var list []*boolReader
	for i := range d.many {
		list = append(list, &d.tokens[i])
	}
	return list
}
