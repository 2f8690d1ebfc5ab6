package vault

import (
	"errors"
	"io"
	"sync"

	"emberdrop/seal"
)

// Stage puts an upload's bytes aside until they can be read in any order. Up to 1 MiB stays in RAM, out of a budget
// that all stages share; more than that, or when the budget is used up, goes to a staging file that is sealed under a
// key in RAM only. Write, then Done, then ReadAt; Close in any case. Writing is for one goroutine, reading for many.
type Stage struct {
	v        *Vault
	size     int64
	reserved int64 // of the shared budget

	// In RAM:
	mem []byte

	// In a file:
	name string
	key  seal.Key
	w    *seal.Writer
	file *guarded

	mu     sync.Mutex // guards what follows, while reading
	chunks *chunkCache
	done   bool
	closed bool
	err    error // first failure of a write
}

const (
	stageInRAM  = 1 << 20
	stageFirst  = 64 << 10 // the first buffer; each next is four times as large
	stageLabel  = "emberdrop/v1/staging"
	stageChunks = 8 // opened chunks that a reading stage keeps: 512 KiB
)

// Stage begins an empty one. It costs nothing until written to.
func (v *Vault) Stage() *Stage { return &Stage{v: v} }

// Write takes bytes. After an error, which may be syscall.ENOSPC, only Close is of use.
func (s *Stage) Write(p []byte) (int, error) {
	if s.closed {
		return 0, ErrClosed
	}
	if s.err == nil && s.done {
		s.err = errors.New("vault: the stage is done")
	}
	if s.err == nil && s.w == nil && !s.fits(len(p)) {
		s.err = s.spill()
	}
	if s.err != nil {
		return 0, s.err
	}
	if s.w == nil {
		s.mem = append(s.mem, p...)
		s.size += int64(len(p))
		return len(p), nil
	}
	n, err := s.w.Write(p)
	s.size += int64(n)
	s.err = failed("write a staging file", err)
	return n, s.err
}

// ReadFrom is what io.Copy uses: it wipes the buffer that the plaintext passes through.
func (s *Stage) ReadFrom(r io.Reader) (total int64, err error) {
	buf := make([]byte, 32<<10)
	defer clear(buf)
	for {
		n, err := r.Read(buf)
		if n > 0 {
			if _, err := s.Write(buf[:n]); err != nil {
				return total, err
			}
			total += int64(n)
		}
		if err == io.EOF {
			return total, nil
		}
		if err != nil {
			return total, err
		}
	}
}

// fits makes room in RAM for n more bytes and says whether there is. The buffer never grows by append, which would
// leave a copy of the plaintext behind.
func (s *Stage) fits(n int) bool {
	need := len(s.mem) + n
	if need > stageInRAM {
		return false
	}
	if need <= cap(s.mem) {
		return true
	}
	size := max(stageFirst, cap(s.mem))
	for size < need {
		size *= 4
	}
	if !s.v.reserve(int64(size) - s.reserved) {
		return false
	}
	s.reserved = int64(size)
	grown := make([]byte, len(s.mem), size)
	copy(grown, s.mem)
	clear(s.mem)
	s.mem = grown
	return true
}

func (v *Vault) reserve(n int64) bool {
	v.ramMu.Lock()
	defer v.ramMu.Unlock()
	if v.ram+n > v.cfg.StageRAM {
		return false
	}
	v.ram += n
	return true
}

// spill moves what is in RAM to a staging file. Its key never leaves RAM, so after a crash the file is noise.
func (s *Stage) spill() error {
	s.name = stagingDir + "/" + newName() + suffixDraft
	s.v.setLive(s.name, true)
	f, err := s.v.cfg.create(s.name)
	if err != nil {
		s.v.setLive(s.name, false)
		s.name = ""
		return err
	}
	s.file, s.key = &guarded{f: f}, seal.NewKey()
	s.w = seal.NewWriter(f, s.key, []byte(stageLabel))
	_, err = s.w.Write(s.mem)
	s.dropRAM()
	return failed("write a staging file", err)
}

func (s *Stage) dropRAM() {
	clear(s.mem)
	s.mem = nil
	s.v.reserve(-s.reserved)
	s.reserved = 0
}

// Done ends writing: from here on the stage can be read. It may be repeated.
func (s *Stage) Done() error {
	if s.closed {
		return ErrClosed
	}
	if s.err != nil || s.done {
		return s.err
	}
	if s.w != nil {
		if s.err = failed("write a staging file", s.w.Close()); s.err != nil {
			return s.err
		}
		r, err := seal.NewReader(s.file, seal.SealedSize(s.size), s.key, []byte(stageLabel))
		if err != nil {
			s.err = failed("read a staging file", err)
			return s.err
		}
		s.chunks = &chunkCache{r: r}
	}
	s.done = true
	return nil
}

// Size is how many bytes were written.
func (s *Stage) Size() int64 { return s.size }

// ReadAt is io.ReaderAt, after Done. ErrClosed after Close; ErrDamaged when a staging file was changed under us.
func (s *Stage) ReadAt(p []byte, off int64) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return 0, ErrClosed
	case !s.done:
		return 0, errors.New("vault: the stage is not done")
	case off < 0:
		return 0, errors.New("vault: negative position")
	}
	total := 0
	for total < len(p) && off < s.size {
		var from []byte
		if s.chunks != nil {
			plain, err := s.chunks.get(off / seal.ChunkSize)
			if err != nil {
				return total, err
			}
			from = plain[off%seal.ChunkSize:]
		} else {
			from = s.mem[off:]
		}
		n := copy(p[total:], from)
		total += n
		off += int64(n)
	}
	if total < len(p) {
		return total, io.EOF
	}
	return total, nil
}

// Close wipes what is in RAM and shreds the staging file. Repeat it when it fails; a file that stays behind is one of
// the Leftovers, and its key is gone.
func (s *Stage) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.closed = true
		s.dropRAM()
		s.key.Wipe()
		if s.w != nil {
			s.w.Wipe()
		}
		if s.chunks != nil {
			s.chunks.wipe()
		}
		if s.file != nil {
			s.file.close()
		}
		s.v.setLive(s.name, false)
	}
	if s.name == "" {
		return nil
	}
	if err := s.v.Shred(s.name); err != nil {
		return err
	}
	s.name = ""
	return nil
}

// chunkCache keeps the last few chunks of a stream that were read: parsers jump back and forth between a few places.
type chunkCache struct {
	r     *seal.Reader
	slots [stageChunks]slot
	clock uint64 // counts reads, to find the slot unused for longest
}

type slot struct {
	buf   []byte // seal.SealedChunk bytes, made when first needed
	plain []byte // front of buf; nil when the slot is empty
	chunk int64
	used  uint64
}

func (c *chunkCache) get(n int64) ([]byte, error) {
	c.clock++
	oldest := &c.slots[0]
	for i := range c.slots {
		s := &c.slots[i]
		if s.plain != nil && s.chunk == n {
			s.used = c.clock
			return s.plain, nil
		}
		if s.used < oldest.used {
			oldest = s
		}
	}
	if oldest.buf == nil {
		oldest.buf = make([]byte, seal.SealedChunk)
	}
	oldest.plain = nil
	plain, err := c.r.Chunk(n, oldest.buf)
	if err != nil {
		clear(oldest.buf)
		return nil, err
	}
	oldest.plain, oldest.chunk, oldest.used = plain, n, c.clock
	return plain, nil
}

func (c *chunkCache) wipe() {
	for i := range c.slots {
		clear(c.slots[i].buf)
		c.slots[i] = slot{}
	}
}
