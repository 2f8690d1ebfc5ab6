package strip

import (
	"bufio"
	"encoding/binary"
	"hash/crc32"
)

// pngWriter writes chunks. The bufio.Writer keeps its first error for Flush.
type pngWriter struct {
	out      *bufio.Writer
	sequence uint32 // of the next fcTL or fdAT
}

// number returns the next sequence number of an animation.
func (w *pngWriter) number() []byte {
	w.sequence++
	return binary.BigEndian.AppendUint32(nil, w.sequence-1)
}

func (w *pngWriter) chunk(name string, body ...[]byte) {
	n := 0
	for _, b := range body {
		n += len(b)
	}
	w.out.Write(binary.BigEndian.AppendUint32(nil, uint32(n)))
	w.out.WriteString(name)
	crc := crc32.ChecksumIEEE([]byte(name))
	for _, b := range body {
		w.out.Write(b)
		crc = crc32.Update(crc, crc32.IEEETable, b)
	}
	w.out.Write(binary.BigEndian.AppendUint32(nil, crc))
}

// pngData cuts a stream into chunks of one size, so that the layout of the
// chunks tells nothing about the program that made the picture.
type pngData struct {
	w    *pngWriter
	name string
	buf  []byte
}

func (d *pngData) Write(b []byte) (int, error) {
	n := len(b)
	for len(b) > 0 {
		if d.buf == nil {
			d.buf = make([]byte, 0, windowSize)
		}
		part := b[:min(len(b), cap(d.buf)-len(d.buf))]
		d.buf = append(d.buf, part...)
		b = b[len(part):]
		if len(d.buf) == cap(d.buf) {
			d.flush()
		}
	}
	return n, nil
}

// flush writes what has gathered as one chunk.
func (d *pngData) flush() {
	if len(d.buf) == 0 {
		return
	}
	if d.name == "fdAT" {
		d.w.chunk(d.name, d.w.number(), d.buf)
	} else {
		d.w.chunk(d.name, d.buf)
	}
	d.buf = d.buf[:0]
}
