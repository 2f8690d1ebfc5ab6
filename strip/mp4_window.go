package strip

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
)

// mp4Window reads a file through one buffer. Unlike a plain forward reader it is
// asked for offsets that a hostile file chooses, so reading ahead draws on a
// budget of a few times the file's size; when that is spent it reads exactly
// what is asked for. Without it two million one-byte chunks in reverse order
// would each cost a whole buffer.
type mp4Window struct {
	src   io.ReaderAt
	size  int64
	buf   []byte
	off   int64 // offset in the file of buf[0]
	n     int   // bytes of buf that are valid
	ahead int64 // bytes that may still be read without having been asked for
}

func newMP4Window(src io.ReaderAt, size int64, buffer int) *mp4Window {
	return &mp4Window{src: src, size: size, buf: make([]byte, buffer), ahead: 4*size + int64(buffer)}
}

// at returns the n bytes at off. They are valid until the next call of any
// method. n must not exceed the buffer.
func (w *mp4Window) at(off int64, n int) ([]byte, error) {
	if off < 0 || n < 0 || n > len(w.buf) || off > w.size-int64(n) {
		return nil, damaged("read outside the file")
	}
	if off < w.off || off+int64(n) > w.off+int64(w.n) {
		if err := w.fill(off, n); err != nil {
			return nil, err
		}
	}
	i := int(off - w.off)
	return w.buf[i : i+n], nil
}

// some returns at least one and at most most of the bytes at off, as many as the
// buffer has; fewer than three only if most is.
func (w *mp4Window) some(off, most int64) ([]byte, error) {
	if _, err := w.at(off, int(min(most, 3))); err != nil {
		return nil, err
	}
	i := off - w.off
	return w.buf[i:min(int64(w.n), i+most)], nil
}

func (w *mp4Window) fill(off int64, n int) error {
	want := int(min(int64(len(w.buf)), w.size-off))
	if extra := int64(want - n); extra > w.ahead {
		want = n
	} else {
		w.ahead -= extra
	}
	w.n = 0
	got, err := w.src.ReadAt(w.buf[:want], off)
	if got < want {
		if err == nil || errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF // the caller's size was wrong
		}
		return err
	}
	w.off, w.n = off, want
	return nil
}

// copyTo writes the n bytes at off to dst.
func (w *mp4Window) copyTo(dst io.Writer, off, n int64) error {
	for n > 0 {
		b, err := w.some(off, n)
		if err != nil {
			return err
		}
		if _, err := dst.Write(b); err != nil {
			return err
		}
		off, n = off+int64(len(b)), n-int64(len(b))
	}
	return nil
}

// search shows the n bytes at off to look, one buffer after the other; each
// begins with the last overlap bytes of the one before.
func (w *mp4Window) search(off, n int64, overlap int, look func(b []byte)) error {
	for n > 0 {
		b, err := w.at(off, int(min(n, int64(len(w.buf)))))
		if err != nil {
			return err
		}
		look(b)
		if int64(len(b)) == n {
			return nil
		}
		step := int64(len(b) - overlap)
		off, n = off+step, n-step
	}
	return nil
}

// mp4Box is the place of one box (ISO/IEC 14496-12, 4.2) in the file.
type mp4Box struct {
	kind      string
	off       int64 // of the header
	body, end int64
}

func (b mp4Box) len() int64 { return b.end - b.body }

// mp4MaxBoxes bounds the work on a file that is nothing but box headers. A
// fragment has about ten boxes, so this is half a day of one-second fragments.
const mp4MaxBoxes = 1 << 19

// mp4File is what parsing works on: the window and the budgets of one file.
type mp4File struct {
	*mp4Window
	boxes   int   // boxes seen
	samples int64 // samples in fragments
	stills  bool  // a track of still pictures was left out
	removed Removed
}

// box reads the header at off of a box that must end at or before limit.
func (f *mp4File) box(off, limit int64) (mp4Box, error) {
	if f.boxes++; f.boxes > mp4MaxBoxes {
		return mp4Box{}, damaged("too many boxes")
	}
	if limit-off < 8 {
		return mp4Box{}, damaged("box header cut short")
	}
	h, err := f.at(off, int(min(16, limit-off)))
	if err != nil {
		return mp4Box{}, err
	}
	b := mp4Box{kind: string(h[4:8]), off: off, body: off + 8}
	switch size := int64(binary.BigEndian.Uint32(h)); size {
	case 0: // to the end of what holds it
		b.end = limit
	case 1:
		if len(h) < 16 || binary.BigEndian.Uint64(h[8:]) > uint64(limit-off) {
			return mp4Box{}, damaged("box larger than what holds it")
		}
		b.body, b.end = off+16, off+int64(binary.BigEndian.Uint64(h[8:]))
	default:
		b.end = off + size
	}
	if b.end > limit {
		return mp4Box{}, damaged("box larger than what holds it")
	}
	if b.end < b.body {
		return mp4Box{}, damaged("box smaller than its header")
	}
	return b, nil
}

// children calls fn for every box between off and end. Fewer than eight zero
// bytes may follow the last one: QuickTime ends lists with a zero.
func (f *mp4File) children(off, end int64, fn func(mp4Box) error) error {
	for off < end {
		if end-off < 8 {
			b, err := f.at(off, int(end-off))
			if err != nil {
				return err
			}
			if len(bytes.Trim(b, "\x00")) > 0 {
				return damaged("bytes after the last box")
			}
			return nil
		}
		b, err := f.box(off, end)
		if err != nil {
			return err
		}
		if err := fn(b); err != nil {
			return err
		}
		off = b.end
	}
	return nil
}

// full reads up to most bytes of the body of a box and returns them behind the
// version and flags that they begin with.
func (f *mp4File) full(b mp4Box, least, most int64) (version byte, flags uint32, body []byte, err error) {
	if b.len() < least+4 {
		return 0, 0, nil, damaged("box too short")
	}
	h, err := f.at(b.body, int(min(b.len(), most+4)))
	if err != nil {
		return 0, 0, nil, err
	}
	return h[0], binary.BigEndian.Uint32(h) & 0xffffff, h[4:], nil
}
