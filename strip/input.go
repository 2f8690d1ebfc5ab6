package strip

import (
	"errors"
	"io"
)

// windowSize is how much of a file is held at once. It is also the most that
// one call of bytes can ask for.
const windowSize = 64 << 10

// input reads a file at any offset through one window. Reading forwards costs
// one ReadAt for each window; every offset is checked against the size.
type input struct {
	src  io.ReaderAt
	size int64
	buf  []byte
	at   int64 // offset of buf[0]
}

func newInput(src io.ReaderAt, size int64) *input {
	return &input{src: src, size: size, buf: make([]byte, 0, min(windowSize, max(size, 0)))}
}

// bytes returns the n bytes at off, valid until the next call. A range that is
// not inside the file is ErrDamaged.
func (in *input) bytes(off int64, n int) ([]byte, error) {
	if off < 0 || n < 0 || n > windowSize || off > in.size-int64(n) {
		return nil, damaged("cut short")
	}
	if off < in.at || off+int64(n) > in.at+int64(len(in.buf)) {
		if err := in.fill(off); err != nil {
			return nil, err
		}
	}
	i := int(off - in.at)
	return in.buf[i : i+n], nil
}

// rest returns what the window holds from off on, at least one byte and at
// most max bytes.
func (in *input) rest(off, most int64) ([]byte, error) {
	if _, err := in.bytes(off, 1); err != nil {
		return nil, err
	}
	b := in.buf[off-in.at:]
	return b[:min(int64(len(b)), most)], nil
}

func (in *input) fill(off int64) error {
	in.buf = in.buf[:min(int64(cap(in.buf)), in.size-off)]
	in.at = off
	n, err := readFull(in.src, in.buf, off)
	in.buf = in.buf[:n]
	return err
}

// copy writes the n bytes at off to dst.
func (in *input) copy(dst io.Writer, off, n int64) error {
	if off < 0 || n < 0 || off > in.size-n {
		return damaged("cut short")
	}
	for n > 0 {
		b, err := in.rest(off, n)
		if err != nil {
			return err
		}
		if _, err := dst.Write(b); err != nil {
			return err
		}
		off += int64(len(b))
		n -= int64(len(b))
	}
	return nil
}

// readFull fills b from offset off. A source that is shorter than it said is
// io.ErrUnexpectedEOF: an error of the source, not of the picture.
func readFull(src io.ReaderAt, b []byte, off int64) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	n, err := src.ReadAt(b, off)
	switch {
	case n == len(b):
		return n, nil
	case err == nil || errors.Is(err, io.EOF):
		return n, io.ErrUnexpectedEOF
	}
	return n, err
}
