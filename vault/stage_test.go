package vault

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"emberdrop/seal"

	"github.com/cockroachdb/pebble/v2/vfs"
	"pgregory.net/rapid"
)

func staged(t testing.TB, v *Vault, data []byte, step int) *Stage {
	t.Helper()
	s := v.Stage()
	for at := 0; at < len(data); at += step {
		if _, err := s.Write(data[at:min(at+step, len(data))]); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Done(); err != nil {
		t.Fatal(err)
	}
	return s
}

func stagingFiles(t testing.TB, v *Vault) []string {
	t.Helper()
	names, err := v.cfg.FS.List(v.cfg.path(stagingDir))
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestStage(t *testing.T) {
	v := newVault(t, vfs.NewMem())
	for _, n := range []int{0, 1, 1000, stageFirst, stageFirst + 1, 4 * stageFirst, stageInRAM - 1, stageInRAM, stageInRAM + 1,
		2*stageInRAM + 12345, 12 * seal.ChunkSize * 2} {
		for _, step := range []int{1000, 32 << 10, 5 << 20} {
			data := noise(uint64(n), n)
			s := staged(t, v, data, step)
			if s.Size() != int64(n) {
				t.Errorf("%d bytes: size %d", n, s.Size())
			}
			if onDisk := len(stagingFiles(t, v)) != 0; onDisk != (n > stageInRAM) {
				t.Errorf("%d bytes: on the disk: %v", n, onDisk)
			}
			if got, err := io.ReadAll(io.NewSectionReader(s, 0, s.Size())); err != nil || !bytes.Equal(got, data) {
				t.Errorf("%d bytes: %v", n, err)
			}
			if k, err := s.ReadAt(make([]byte, 10), int64(n)); k != 0 || err != io.EOF {
				t.Errorf("%d bytes: at the end: %d, %v", n, k, err)
			}
			if _, err := s.ReadAt(make([]byte, 10), -1); err == nil || err == io.EOF {
				t.Error("negative position:", err)
			}
			for range 2 {
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			}
			if _, err := s.ReadAt(make([]byte, 1), 0); !errors.Is(err, ErrClosed) {
				t.Error(err)
			}
			if _, err := s.Write([]byte{1}); !errors.Is(err, ErrClosed) {
				t.Error(err)
			}
			if err := s.Done(); !errors.Is(err, ErrClosed) {
				t.Error(err)
			}
			wantFiles(t, v.cfg)
		}
	}
	if v.ram != 0 || len(v.live) != 0 {
		t.Errorf("%d bytes, %d files are still booked", v.ram, len(v.live))
	}
}

// The budget is one for all; what does not fit goes to the disk, and closing gives back.
func TestStageBudget(t *testing.T) {
	cfg := testConfig(vfs.NewMem())
	cfg.StageRAM = 2 << 20
	v := newVaultAt(t, cfg)
	var stages []*Stage
	for i := range 4 {
		s := staged(t, v, noise(uint64(i), stageInRAM), 32<<10)
		stages = append(stages, s)
		if want := max(0, i-1); len(stagingFiles(t, v)) != want {
			t.Errorf("%d stages: %d files, want %d", i+1, len(stagingFiles(t, v)), want)
		}
		if v.ram > cfg.StageRAM {
			t.Errorf("%d bytes of RAM", v.ram)
		}
	}
	for i, s := range stages {
		got, err := io.ReadAll(io.NewSectionReader(s, 0, s.Size()))
		if err != nil || !bytes.Equal(got, noise(uint64(i), stageInRAM)) {
			t.Errorf("stage %d: %v", i, err)
		}
	}
	stages[0].Close()
	if s := staged(t, v, make([]byte, stageInRAM), 32<<10); len(stagingFiles(t, v)) != 2 {
		t.Error("the budget does not come back")
	} else {
		stages = append(stages, s)
	}
	for _, s := range stages {
		s.Close()
	}
	if v.ram != 0 {
		t.Errorf("%d bytes are still booked", v.ram)
	}
	wantFiles(t, cfg)
}

func TestStageOrder(t *testing.T) {
	v := newVault(t, vfs.NewMem())
	s := v.Stage()
	s.Write([]byte("x"))
	if _, err := s.ReadAt(make([]byte, 1), 0); err == nil {
		t.Error("read before Done")
	}
	if err := errors.Join(s.Done(), s.Done()); err != nil {
		t.Error(err)
	}
	if _, err := s.Write([]byte("y")); err == nil {
		t.Error("written after Done")
	}
	s.Close()
	var never *Stage = v.Stage()
	if err := never.Close(); err != nil {
		t.Error(err)
	}
	broken := v.Stage()
	defer broken.Close()
	if n, err := io.Copy(broken, iotest.TimeoutReader(iotest.HalfReader(bytes.NewReader(noise(1, 100_000))))); err != iotest.ErrTimeout || n == 0 {
		t.Error("a reader's error is lost:", n, err)
	}
	whole := v.Stage()
	defer whole.Close()
	data := noise(1, 3<<20)
	if n, err := io.Copy(whole, iotest.DataErrReader(bytes.NewReader(data))); n != int64(len(data)) || err != nil {
		t.Error(n, err)
	}
	whole.Done()
	if got, err := io.ReadAll(io.NewSectionReader(whole, 0, whole.Size())); err != nil || !bytes.Equal(got, data) {
		t.Error(err)
	}
}

// Plaintext is not left in buffers that were given back, nor in those that grew.
func TestStageWipes(t *testing.T) {
	v := newVault(t, vfs.NewMem())
	s := v.Stage()
	data := bytes.Repeat([]byte{0xaa}, 2<<20)
	var olds [][]byte
	for at := 0; at < len(data); at += 16 << 10 {
		if _, err := s.Write(data[at : at+16<<10]); err != nil {
			t.Fatal(err)
		}
		if s.mem != nil && (len(olds) == 0 || &olds[len(olds)-1][0] != &s.mem[0]) {
			olds = append(olds, s.mem[:cap(s.mem)])
		}
	}
	if len(olds) < 3 {
		t.Fatalf("the buffer grew %d times", len(olds))
	}
	s.Done()
	s.ReadAt(make([]byte, 100), 0)
	cached := s.chunks.slots[0].buf
	if !bytes.Contains(cached, data[:1000]) {
		t.Fatal("the test looks at the wrong buffer")
	}
	s.Close()
	for i, b := range append(olds, cached) {
		if bytes.IndexByte(b, 0xaa) >= 0 && bytes.Contains(b, data[:32]) {
			t.Errorf("buffer %d holds plaintext", i)
		}
	}
	if !s.key.IsZero() {
		t.Error("the key is still there")
	}
	small := staged(t, v, data[:1000], 1000)
	mem := small.mem
	small.Close()
	if bytes.IndexByte(mem, 0xaa) >= 0 {
		t.Error("the buffer in RAM holds plaintext")
	}
}

func TestStageNoticesTampering(t *testing.T) {
	v := newVault(t, vfs.NewMem())
	s := staged(t, v, noise(1, 2<<20), 32<<10)
	defer s.Close()
	name := stagingDir + "/" + stagingFiles(t, v)[0]
	if strings.Contains(string(readFile(t, v.cfg, name)), string(noise(1, 2<<20)[:32])) {
		t.Fatal("plaintext on the disk")
	}
	f, err := v.cfg.FS.OpenReadWrite(v.cfg.path(name), vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	f.WriteAt([]byte{0, 1, 2}, seal.SealedChunk*3+5)
	p := make([]byte, 10)
	for range 2 {
		if n, err := s.ReadAt(p, 3*seal.ChunkSize); n != 0 || !errors.Is(err, ErrDamaged) {
			t.Error("another's bytes:", n, err)
		}
	}
	// Fill every slot of the cache, let the bad chunk push one out, and read that one again.
	data := noise(1, 2<<20)
	for i := range int64(stageChunks) {
		s.ReadAt(p, (4+i)*seal.ChunkSize)
	}
	s.ReadAt(p, 3*seal.ChunkSize)
	for i := range int64(stageChunks) {
		at := (4 + i) * seal.ChunkSize
		if n, err := s.ReadAt(p, at); n != 10 || err != nil || !bytes.Equal(p, data[at:at+10]) {
			t.Errorf("chunk %d: %d bytes, %v", 4+i, n, err)
		}
	}
}

// Whatever is read in whatever order, the cache of chunks gives what is there.
func TestStageRandomReads(t *testing.T) {
	v := newVault(t, vfs.NewMem())
	data := noise(5, 20*seal.ChunkSize+77)
	s := staged(t, v, data, 1<<20)
	defer s.Close()
	want := bytes.NewReader(data)
	rapid.Check(t, func(t *rapid.T) {
		for range 30 {
			off := rapid.Int64Range(0, int64(len(data))+5).Draw(t, "off")
			p := make([]byte, rapid.IntRange(1, 100_000).Draw(t, "len"))
			q := make([]byte, len(p))
			n, err := s.ReadAt(p, off)
			wn, werr := want.ReadAt(q, off)
			if n != wn || err != werr || !bytes.Equal(p, q) {
				t.Fatalf("ReadAt(%d, %d) = %d, %v; want %d, %v", len(p), off, n, err, wn, werr)
			}
		}
	})
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			p := make([]byte, 5000)
			for off := int64(i); off < s.Size()-5000; off += 50_021 {
				if _, err := s.ReadAt(p, off); err != nil || !bytes.Equal(p, data[off:off+5000]) {
					t.Error("readers disturb each other", err)
				}
			}
		})
	}
	wg.Wait()
}

// Jumping between as many places as there are slots opens each chunk once.
func TestStageCacheHits(t *testing.T) {
	v := newVault(t, vfs.NewMem())
	s := staged(t, v, noise(5, 40*seal.ChunkSize), 1<<20)
	defer s.Close()
	counted := &countReads{r: s.file}
	r, err := seal.NewReader(counted, seal.SealedSize(s.size), s.key, []byte(stageLabel))
	if err != nil {
		t.Fatal(err)
	}
	s.chunks.r, counted.n = r, 0
	for range 50 {
		for place := range int64(stageChunks) {
			s.ReadAt(make([]byte, 8), place*5*seal.ChunkSize)
		}
	}
	if counted.n != stageChunks {
		t.Errorf("%d chunks were opened, want %d", counted.n, stageChunks)
	}
}

type countReads struct {
	r io.ReaderAt
	n int
}

func (c *countReads) ReadAt(p []byte, off int64) (int, error) {
	c.n++
	return c.r.ReadAt(p, off)
}
