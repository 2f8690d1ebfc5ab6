package strip

import (
	"bufio"
	"encoding/binary"
	"errors"
	"hash"
	"hash/adler32"
	"hash/crc32"
	"io"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/zlib"
)

// pngRun is the compressed data of one frame: a run of IDAT or fdAT chunks.
type pngRun struct {
	control []byte // fcTL without its sequence number; nil for a still picture
	name    string
	start   int64 // offset of the head of the first chunk
	end     int64 // offset behind the last chunk
	need    int64 // inflated bytes of the frame
	passes  []pngPass
	deflate int64 // compressed bytes, without the 2 bytes of zlib before them
	sum     uint32
	// tooLong means that more inflates than the frame needs: what is hidden
	// there can only be cut by compressing the frame anew
	tooLong bool
}

// takePicture reads the run of IDAT chunks.
func (p *pngFile) takePicture(c pngChunk) (pngChunk, error) {
	if p.picture != nil { // no decoder reads a second run
		p.removed |= RemovedHidden
		return c, nil
	}
	if p.ihdr[9] == 3 && p.palette == nil {
		return c, damaged("missing palette")
	}
	run := &pngRun{control: p.control, name: "IDAT", start: c.off - 8}
	p.control = nil
	last, err := p.measure(run, c, p.width, p.height)
	p.picture = run
	return last, err
}

// takeAnimation reads acTL and fcTL (PNG 11.3.6). Without an acTL before the
// picture data there is no animation, and decoders skip its chunks.
func (p *pngFile) takeAnimation(c pngChunk) error {
	if c.name == "acTL" {
		if p.picture != nil {
			p.removed |= RemovedHidden
			return nil
		}
		b, err := p.body(c, 8, 8)
		if err != nil {
			return err
		}
		p.frameCount, p.plays = binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:])
		if p.animated || p.frameCount == 0 || p.frameCount > pngFramesMost {
			return damaged("impossible animation header")
		}
		p.animated = true
		return nil
	}
	if !p.animated {
		p.removed |= RemovedHidden
		return nil
	}
	b, err := p.body(c, 26, 26)
	if err != nil {
		return err
	}
	be := binary.BigEndian
	w, h := int64(be.Uint32(b[4:])), int64(be.Uint32(b[8:]))
	x, y := int64(be.Uint32(b[12:])), int64(be.Uint32(b[16:]))
	first := p.picture == nil && (w != int64(p.width) || h != int64(p.height))
	if p.control != nil || be.Uint32(b) != p.sequence || w == 0 || h == 0 || first ||
		x+w > int64(p.width) || y+h > int64(p.height) || b[24] > 2 || b[25] > 1 {
		return damaged("impossible animation frame")
	}
	p.sequence++
	p.control = b[4:]
	return nil
}

// takeFrame reads the run of fdAT chunks of one frame.
func (p *pngFile) takeFrame(c pngChunk) (pngChunk, error) {
	if !p.animated {
		p.removed |= RemovedHidden
		return c, nil
	}
	if p.control == nil || p.picture == nil || len(p.frames) >= pngFramesMost {
		return c, damaged("animation frame without its header")
	}
	run := &pngRun{control: p.control, name: "fdAT", start: c.off - 8}
	p.control = nil
	be := binary.BigEndian
	last, err := p.measure(run, c, be.Uint32(run.control), be.Uint32(run.control[4:]))
	p.frames = append(p.frames, run)
	return last, err
}

// measure inflates a run to find where its data truly ends.
func (p *pngFile) measure(run *pngRun, c pngChunk, w, h uint32) (pngChunk, error) {
	last := c
	for off := c.end(); off < p.in.size; off = last.end() {
		next, err := p.chunk(off)
		if err != nil || next.name != c.name {
			break // an error is met again by who reads on
		}
		last = next
	}
	run.end = last.end()
	passes, need := pngPasses(w, h, p.bits, p.ihdr[12] == 1)
	p.inflated += need
	if need == 0 || p.inflated > pngAllMost {
		return last, &UnsupportedError{Found: "PNG of very many pixels", Hint: "send a smaller copy of it"}
	}
	run.need, run.passes = need, passes
	r := &pngRunReader{p: p, next: run.start, name: run.name, end: run.end, check: true, number: &p.sequence}
	return last, p.inflater.measure(p, run, r)
}

// pngPass is a number of rows of one length, the filter byte included.
type pngPass struct{ row, rows int64 }

// pngPasses lists the rows of a picture, in seven passes if it is interlaced
// (PNG 8.1 and 9.1), and their length; 0 if that is more than is taken.
func pngPasses(w, h uint32, bits int, interlaced bool) (passes []pngPass, total int64) {
	steps := [][4]int64{{0, 0, 1, 1}} // x and y of the first pixel, and steps
	if interlaced {
		steps = [][4]int64{{0, 0, 8, 8}, {4, 0, 8, 8}, {0, 4, 4, 8}, {2, 0, 4, 4}, {0, 2, 2, 4}, {1, 0, 2, 2}, {0, 1, 1, 2}}
	}
	for _, s := range steps {
		pw := (int64(w) - s[0] + s[2] - 1) / s[2]
		ph := (int64(h) - s[1] + s[3] - 1) / s[3]
		if pw <= 0 || ph <= 0 {
			continue
		}
		row := 1 + (pw*int64(bits)+7)/8 // at most 2^34
		if row > pngBytesMost || ph > pngBytesMost/row {
			return nil, 0
		}
		passes = append(passes, pngPass{row, ph})
		total += row * ph
	}
	if total > pngBytesMost {
		return nil, 0
	}
	return passes, total
}

// pngRunReader gives the data of the chunks of a run as one stream.
type pngRunReader struct {
	p      *pngFile
	next   int64 // offset of the next chunk's head
	end    int64
	name   string
	number *uint32 // the sequence number that is due in an fdAT, if it is checked
	check  bool    // of checksums
	off    int64   // within the chunk: the next byte
	left   int64   // within the chunk: bytes not read yet
	crc    uint32
	read   int64 // bytes given so far
}

func (r *pngRunReader) Read(b []byte) (int, error) {
	for r.left == 0 {
		if err := r.open(); err != nil {
			return 0, err
		}
	}
	part, err := r.p.in.rest(r.off, r.left)
	if err != nil {
		return 0, err
	}
	n := copy(b, part)
	if r.check {
		r.crc = crc32.Update(r.crc, crc32.IEEETable, part[:n])
	}
	r.off += int64(n)
	r.left -= int64(n)
	r.read += int64(n)
	if r.left == 0 && r.check {
		return n, r.close()
	}
	return n, nil
}

func (r *pngRunReader) open() error {
	if r.next >= r.end {
		return io.EOF
	}
	c, err := r.p.chunk(r.next)
	if err != nil {
		return err
	}
	r.next, r.off, r.left = c.end(), c.off, c.size
	r.crc = crc32.ChecksumIEEE([]byte(c.name))
	if r.name != "fdAT" {
		if r.left == 0 && r.check {
			return r.close()
		}
		return nil
	}
	b, err := r.p.in.bytes(c.off, int(min(c.size, 4)))
	if err != nil {
		return err
	}
	if len(b) < 4 {
		return damaged("animation data without a number")
	}
	r.crc = crc32.Update(r.crc, crc32.IEEETable, b)
	if r.number != nil {
		if binary.BigEndian.Uint32(b) != *r.number {
			return damaged("animation data out of order")
		}
		*r.number++
	}
	r.off, r.left = r.off+4, r.left-4
	if r.left == 0 && r.check {
		return r.close()
	}
	return nil
}

func (r *pngRunReader) close() error {
	b, err := r.p.in.bytes(r.off, 4)
	if err != nil {
		return err
	}
	if binary.BigEndian.Uint32(b) != r.crc {
		return damaged("chunk with a wrong checksum")
	}
	return nil
}

// pngInflater keeps the buffers of inflating from frame to frame.
type pngInflater struct {
	buffer *bufio.Reader
	flate  io.ReadCloser
}

var errTooLong = errors.New("more data than the frame needs")

// pngCounter counts and sums what is inflated, up to what the frame needs, and
// checks that every row begins with one of the five filters (PNG 9.2).
type pngCounter struct {
	left   int64
	passes []pngPass
	skip   int64 // bytes up to the next row
	sum    hash.Hash32
}

func (c *pngCounter) Write(b []byte) (int, error) {
	over := int64(len(b)) > c.left
	b = b[:min(int64(len(b)), c.left)]
	c.left -= int64(len(b))
	at := c.skip
	for at < int64(len(b)) {
		if b[at] > 4 {
			return 0, damaged("picture data with an unknown filter")
		}
		p := &c.passes[0]
		at += p.row
		if p.rows--; p.rows == 0 {
			c.passes = c.passes[1:]
		}
	}
	c.skip = at - int64(len(b))
	if over {
		return 0, errTooLong
	}
	return c.sum.Write(b)
}

// open starts to inflate the zlib stream (RFC 1950) of a run.
func (f *pngInflater) open(r io.Reader) error {
	if f.buffer == nil {
		f.buffer = bufio.NewReaderSize(r, windowSize/2)
	} else {
		f.buffer.Reset(r)
	}
	b, err := f.buffer.Peek(2)
	if err != nil {
		return shortData(err)
	}
	if b[0]&15 != 8 || b[0]>>4 > 7 || b[1]&0x20 != 0 || (int(b[0])<<8|int(b[1]))%31 != 0 {
		return damaged("picture data is not zlib")
	}
	f.buffer.Discard(2)
	if f.flate == nil {
		f.flate = flate.NewReader(f.buffer)
		return nil
	}
	return f.flate.(flate.Resetter).Reset(f.buffer, nil)
}

func shortData(err error) error {
	var corrupt flate.CorruptInputError
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return damaged("picture data is cut short")
	case errors.As(err, &corrupt):
		return damaged("picture data does not inflate")
	}
	return err
}

// measure fills in how long the data of the run is. It reads the run to its
// end, so that every checksum is verified.
func (f *pngInflater) measure(p *pngFile, run *pngRun, r *pngRunReader) error {
	if err := f.open(r); err != nil {
		return err
	}
	count := &pngCounter{left: run.need, passes: run.passes, sum: adler32.New()}
	_, err := f.flate.(io.WriterTo).WriteTo(count)
	switch {
	case errors.Is(err, errTooLong):
		run.tooLong = true
		p.removed |= RemovedHidden
	case err != nil:
		return shortData(err)
	case count.left > 0:
		return damaged("picture data is too short")
	default:
		// The reader is a io.ByteReader, so flate has taken no byte too many.
		run.deflate = r.read - int64(f.buffer.Buffered()) - 2
		run.sum = count.sum.Sum32()
	}
	_, err = io.Copy(io.Discard, f.buffer)
	if !run.tooLong && r.read > 2+run.deflate+4 {
		p.removed |= RemovedHidden
	}
	return err
}

// writeRun writes a frame: its fcTL and its data in chunks of one size. The
// zlib head and the checksum are rebuilt.
func (p *pngFile) writeRun(w *pngWriter, run *pngRun, name string) error {
	if run.control != nil {
		w.chunk("fcTL", w.number(), run.control)
	}
	r := &pngRunReader{p: p, next: run.start, name: run.name, end: run.end}
	d := &pngData{w: w, name: name}
	if run.tooLong {
		if err := p.inflater.open(r); err != nil {
			return err
		}
		z := zlib.NewWriter(d)
		if _, err := io.CopyN(z, p.inflater.flate, run.need); err != nil {
			return shortData(err)
		}
		if err := z.Close(); err != nil {
			return err
		}
		d.flush()
		return nil
	}
	if _, err := io.CopyN(io.Discard, r, 2); err != nil {
		return err
	}
	d.Write([]byte{0x78, 0x9c})
	if _, err := io.CopyN(d, r, run.deflate); err != nil {
		return err
	}
	d.Write(binary.BigEndian.AppendUint32(nil, run.sum))
	d.flush()
	return nil
}
