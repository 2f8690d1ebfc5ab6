package seal

import (
	"crypto/cipher"
	"errors"
	"io"
	"sync"
)

// Reader opens a sealed stream at any place. It is safe for any number of goroutines: it holds no plaintext between
// calls. For reading in sequence take Stream, which opens each chunk once.
type Reader struct {
	r      io.ReaderAt
	aead   cipher.AEAD
	aad    []byte
	size   int64 // plaintext
	chunks int64
	pool   sync.Pool // *[SealedChunk]byte, wiped before they go back
}

// NewReader opens a stream of exactly sealedSize bytes and authenticates its last chunk before it returns, so a
// stream that was cut, at a chunk's edge or anywhere else, is refused here and not after most of it has been served.
// ErrDamaged when it does not open; an error of r as it is.
func NewReader(r io.ReaderAt, sealedSize int64, key Key, aad []byte) (*Reader, error) {
	defer key.Wipe()
	size, err := PlainSize(sealedSize)
	if err != nil {
		return nil, err
	}
	s := &Reader{
		r: r, aead: newGCM(&key), aad: append([]byte(nil), aad...),
		size: size, chunks: max(1, (size+ChunkSize-1)/ChunkSize),
	}
	buf := s.scratch()
	defer s.release(buf)
	if _, err := s.Chunk(s.chunks-1, buf[:]); err != nil {
		return nil, err
	}
	return s, nil
}

// Size is the length of the plaintext.
func (s *Reader) Size() int64 { return s.size }

// Chunks is how many chunks there are, at least one.
func (s *Reader) Chunks() int64 { return s.chunks }

// Chunk reads and opens chunk n, from 0, in buf, which must hold SealedChunk bytes. The plaintext returned is the
// front of buf: the caller wipes it. On error buf holds no plaintext.
func (s *Reader) Chunk(n int64, buf []byte) ([]byte, error) {
	if n < 0 || n >= s.chunks {
		return nil, io.EOF
	}
	last := n == s.chunks-1
	want := SealedChunk
	if last {
		want = int(s.size-n*ChunkSize) + tagLen
	}
	buf = buf[:want]
	if got, err := s.r.ReadAt(buf, n*SealedChunk); got < want {
		if err == nil || errors.Is(err, io.EOF) {
			err = ErrDamaged // shorter than it was said to be
		}
		return nil, err
	}
	nonce := nonceOf(uint32(n), last)
	// In place. crypto/cipher clears the output when the tag does not match, so nothing unauthenticated gets out.
	plain, err := s.aead.Open(buf[:0], nonce[:], buf, s.aad)
	if err != nil {
		return nil, ErrDamaged
	}
	return plain, nil
}

// ReadAt is io.ReaderAt. A chunk that does not authenticate gives ErrDamaged and none of its bytes.
func (s *Reader) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, errNegative
	}
	buf := s.scratch()
	defer s.release(buf)
	total := 0
	for total < len(p) && off < s.size {
		plain, err := s.Chunk(off/ChunkSize, buf[:])
		if err != nil {
			return total, err
		}
		n := copy(p[total:], plain[off%ChunkSize:])
		total += n
		off += int64(n)
	}
	if total < len(p) {
		return total, io.EOF
	}
	return total, nil
}

var errNegative = errors.New("seal: negative position")

func (s *Reader) scratch() *[SealedChunk]byte {
	if b, ok := s.pool.Get().(*[SealedChunk]byte); ok {
		return b
	}
	return new([SealedChunk]byte)
}

func (s *Reader) release(b *[SealedChunk]byte) {
	clear(b[:])
	s.pool.Put(b)
}

// Stream is a sequential view of a Reader that keeps the chunk under way, fit for http.ServeContent: small reads open
// each chunk once. It is for one reading goroutine; Close may come from any other and takes effect at once.
type Stream struct {
	mu    sync.Mutex
	r     *Reader // nil once closed, so that its cipher can be collected
	size  int64
	pos   int64
	buf   []byte // SealedChunk bytes, made at the first read
	plain []byte // the front of buf that is chunk number `chunk`
	chunk int64
}

var _ io.ReadSeekCloser = (*Stream)(nil)

// Stream starts a view of its own at the beginning.
func (s *Reader) Stream() *Stream { return &Stream{r: s, size: s.size} }

// Read is io.Reader: io.EOF at the end, ErrDamaged at a chunk that does not open, ErrClosed after Close.
func (s *Stream) Read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.r == nil {
		return 0, ErrClosed
	}
	if s.pos >= s.size {
		return 0, io.EOF
	}
	if len(p) == 0 {
		return 0, nil
	}
	if n := s.pos / ChunkSize; s.plain == nil || n != s.chunk {
		if s.buf == nil {
			s.buf = make([]byte, SealedChunk)
		}
		plain, err := s.r.Chunk(n, s.buf)
		if err != nil {
			s.wipe()
			return 0, err
		}
		s.plain, s.chunk = plain, n
	}
	n := copy(p, s.plain[s.pos%ChunkSize:])
	s.pos += int64(n)
	return n, nil
}

// Seek is io.Seeker. It reads nothing.
func (s *Stream) Seek(offset int64, whence int) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.r == nil {
		return 0, ErrClosed
	}
	switch whence {
	case io.SeekStart:
	case io.SeekCurrent:
		offset += s.pos
	case io.SeekEnd:
		offset += s.size
	default:
		return 0, errors.New("seal: unknown whence")
	}
	if offset < 0 {
		return 0, errNegative
	}
	s.pos = offset
	return offset, nil
}

// Size is the length of the plaintext.
func (s *Stream) Size() int64 { return s.size }

// Close wipes the chunk in hand. Reads afterwards give ErrClosed. It never fails and may be repeated.
func (s *Stream) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wipe()
	s.r, s.buf = nil, nil
	return nil
}

func (s *Stream) wipe() {
	clear(s.buf)
	s.plain = nil
}
