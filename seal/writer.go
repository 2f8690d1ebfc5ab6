package seal

import (
	"crypto/cipher"
	"encoding/binary"
	"io"
	"math"
)

// nonceOf is 7 zero bytes, the chunk's number as a big-endian u32, and 1 for the last chunk, else 0. A key seals one
// stream, so no nonce repeats under it. The number makes a moved, repeated or missing chunk fail, the flag a cut or a
// continued stream: both need another nonce than the one the chunk was sealed with.
func nonceOf(n uint32, last bool) (nonce [nonceLen]byte) {
	binary.BigEndian.PutUint32(nonce[7:], n)
	if last {
		nonce[11] = 1
	}
	return nonce
}

// Writer seals a stream in chunks of 64 KiB as it arrives. It holds at most one chunk of plaintext, and overwrites it
// in place with its ciphertext. It is for one goroutine.
type Writer struct {
	w    io.Writer
	aead cipher.AEAD
	aad  []byte
	buf  []byte // plaintext of the chunk under way; room for its tag behind it
	next uint64 // number of the chunk under way
	size int64  // plaintext taken so far
	err  error  // first failure; ErrClosed once closed
}

// NewWriter seals to w under key, which must be fresh: one key seals one stream. aad is bound to every chunk.
func NewWriter(w io.Writer, key Key, aad []byte) *Writer {
	return &Writer{
		w: w, aead: newGCM(&key), aad: append([]byte(nil), aad...),
		buf: make([]byte, 0, SealedChunk),
	}
}

// Write takes plaintext. The last chunk is kept back until Close, since it has to be marked as the last. After an
// error the stream is unusable and every call gives that error.
func (w *Writer) Write(p []byte) (int, error) {
	total := 0
	for len(p) > 0 {
		if w.err != nil {
			return total, w.err
		}
		// More is coming, so a full chunk in hand is not the last one.
		if len(w.buf) == ChunkSize {
			if err := w.flush(w.buf, false); err != nil {
				return total, err
			}
		}
		var n int
		if len(w.buf) == 0 && len(p) > ChunkSize {
			n = ChunkSize // straight from p, no copy
			if err := w.flush(p[:n], false); err != nil {
				return total, err
			}
		} else {
			n = min(len(p), ChunkSize-len(w.buf))
			w.buf = append(w.buf, p[:n]...)
		}
		w.size += int64(n)
		total += n
		p = p[n:]
	}
	return total, w.err
}

// flush seals one chunk and writes it. plain is w.buf itself, or bytes of the caller's that do not overlap it.
func (w *Writer) flush(plain []byte, last bool) error {
	if w.next > math.MaxUint32 {
		return w.fail(ErrTooLarge)
	}
	nonce := nonceOf(uint32(w.next), last)
	sealed := w.aead.Seal(w.buf[:0], nonce[:], plain, w.aad)
	w.next++
	w.buf = w.buf[:0]
	n, err := w.w.Write(sealed)
	if err == nil && n != len(sealed) {
		err = io.ErrShortWrite
	}
	if err != nil {
		return w.fail(err)
	}
	return nil
}

func (w *Writer) fail(err error) error {
	w.err = err
	w.Wipe()
	return err
}

// Close seals the last chunk, which may be empty if the stream is, and wipes the buffer. It does not close what is
// below. Without Close a stream never opens.
func (w *Writer) Close() error {
	if w.err == ErrClosed {
		return nil
	}
	if w.err != nil {
		return w.err
	}
	if err := w.flush(w.buf, true); err != nil {
		return err
	}
	w.Wipe()
	return nil
}

// Wipe gives the stream up: what is buffered is cleared and never written. Safe after Close, and after an error,
// which stays.
func (w *Writer) Wipe() {
	clear(w.buf[:cap(w.buf)])
	w.buf = w.buf[:0]
	if w.err == nil {
		w.err = ErrClosed
	}
}

// Size is the plaintext taken so far, in bytes.
func (w *Writer) Size() int64 { return w.size }
