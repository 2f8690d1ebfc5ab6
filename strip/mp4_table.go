package strip

import "encoding/binary"

// The sample tables of a track (ISO/IEC 14496-12, 8.6 to 8.7), in the one form
// that both a moov box and fragments are read into and that moov is built from.

// mp4MaxSamples and mp4MaxChunks bound the memory that tables take: at most
// about 40 bytes for a sample in the worst case, and no more samples than the
// file has bytes.
const (
	mp4MaxSamples = 8 << 20
	mp4MaxChunks  = 2 << 20
)

// mp4Run is count samples in a row with the same value.
type mp4Run struct{ count, value uint32 }

// mp4Runs is a run-length coded table. Equal neighbours are always merged, so a
// table has one form only.
type mp4Runs struct {
	runs []mp4Run
	n    uint64 // samples covered
}

func (r *mp4Runs) add(count, value uint32) {
	if count == 0 {
		return
	}
	r.n += uint64(count)
	if k := len(r.runs) - 1; k >= 0 && r.runs[k].value == value && uint64(r.runs[k].count)+uint64(count) <= 1<<32-1 {
		r.runs[k].count += count
		return
	}
	r.runs = append(r.runs, mp4Run{count, value})
}

// cut drops what is past the first n samples.
func (r *mp4Runs) cut(n uint64) {
	for r.n > n {
		last := &r.runs[len(r.runs)-1]
		over := min(r.n-n, uint64(last.count))
		last.count -= uint32(over)
		r.n -= over
		if last.count == 0 {
			r.runs = r.runs[:len(r.runs)-1]
		}
	}
}

// sum is the total of all values. It cannot overflow: at most 2^23 samples of
// 32 bits each are ever added up.
func (r *mp4Runs) sum() (total uint64) {
	for _, run := range r.runs {
		total += uint64(run.count) * uint64(run.value)
	}
	return total
}

// mp4Sizes is a table of sample sizes. list is nil while all are the same.
type mp4Sizes struct {
	n    uint32
	same uint32
	list []uint32
	most uint32 // how many will be added, as far as is known
}

func (s *mp4Sizes) at(i uint32) uint32 {
	if s.list == nil {
		return s.same
	}
	return s.list[i]
}

func (s *mp4Sizes) add(v uint32) {
	switch {
	case s.list != nil:
		s.list = append(s.list, v)
	case s.n == 0:
		s.same = v
	case v != s.same:
		s.list = make([]uint32, s.n, max(s.most, s.n+1024))
		for i := range s.list {
			s.list[i] = s.same
		}
		s.list = append(s.list, v)
	}
	s.n++
}

// mp4ChunkRun says that the chunks from first (0 is the track's first) on have
// per samples each, described by sample entry desc (from 1).
type mp4ChunkRun struct{ first, per, desc uint32 }

// tableRows reads the rows of a table with a count in front, width bytes each,
// and calls fn for at most most of them.
func (f *mp4File) tableRows(b mp4Box, skip int64, width int, most uint32, fn func(row []byte) error) error {
	_, _, h, err := f.full(b, skip+4, skip+4)
	if err != nil {
		return err
	}
	rows := binary.BigEndian.Uint32(h[skip:])
	off := b.body + 4 + skip + 4
	if int64(rows) > (b.end-off)/int64(width) {
		return damaged("table longer than its box")
	}
	rows = min(rows, most)
	for rows > 0 {
		n := min(int(rows), len(f.buf)/width)
		t, err := f.at(off, n*width)
		if err != nil {
			return err
		}
		for ; len(t) > 0; t = t[width:] {
			if err := fn(t[:width]); err != nil {
				return err
			}
		}
		rows -= uint32(n)
		off += int64(n * width)
	}
	return nil
}

// mp4AllRows is the limit of tableRows for tables that only their box bounds.
const mp4AllRows = 1<<32 - 1

// fewRows is tableRows for tables that may not be cut: more than most rows are
// refused.
func (f *mp4File) fewRows(b mp4Box, skip int64, width int, most uint32, fn func(row []byte) error) error {
	_, _, h, err := f.full(b, skip+4, skip+4)
	if err != nil {
		return err
	}
	if binary.BigEndian.Uint32(h[skip:]) > most {
		return damaged("table too long")
	}
	return f.tableRows(b, skip, width, most, fn)
}

func (f *mp4File) readRuns(b mp4Box, r *mp4Runs) error {
	return f.tableRows(b, 0, 8, mp4AllRows, func(row []byte) error {
		r.add(binary.BigEndian.Uint32(row), binary.BigEndian.Uint32(row[4:]))
		return nil
	})
}

// readSizes reads stsz or stz2 (8.7.3).
func (f *mp4File) readSizes(b mp4Box, s *mp4Sizes) error {
	_, _, h, err := f.full(b, 8, 8)
	if err != nil {
		return err
	}
	first, n := binary.BigEndian.Uint32(h), binary.BigEndian.Uint32(h[4:])
	s.most = uint32(min(int64(n), b.len())) // a table that is not there takes no memory
	if n > mp4MaxSamples || int64(n) > f.size {
		return damaged("too many samples")
	}
	if b.kind == "stsz" {
		if first != 0 {
			s.n, s.same = n, first
			return nil
		}
		return f.tableRows(b, 4, 4, n, func(row []byte) error {
			s.add(binary.BigEndian.Uint32(row))
			return nil
		})
	}
	switch first & 0xff {
	case 16:
		return f.tableRows(b, 4, 2, n, func(row []byte) error {
			s.add(uint32(binary.BigEndian.Uint16(row)))
			return nil
		})
	case 8:
		return f.tableRows(b, 4, 1, n, func(row []byte) error {
			s.add(uint32(row[0]))
			return nil
		})
	}
	return damaged("sample size field")
}

// readChunks turns stsc and stco or co64 into the track's chunks: exactly those
// that its samples need.
func (f *mp4File) readChunks(t *mp4Track, stsc, stco mp4Box) error {
	var runs []mp4ChunkRun
	err := f.fewRows(stsc, 0, 12, mp4MaxChunks, func(row []byte) error {
		r := mp4ChunkRun{binary.BigEndian.Uint32(row), binary.BigEndian.Uint32(row[4:]), binary.BigEndian.Uint32(row[8:])}
		if r.first == 0 || r.per == 0 || r.desc == 0 || int64(r.desc) > int64(len(t.entries)) {
			return damaged("chunk run")
		}
		r.first--
		if k := len(runs) - 1; k < 0 && r.first != 0 || k >= 0 && r.first <= runs[k].first {
			return damaged("chunk runs out of order")
		}
		runs = append(runs, r)
		return nil
	})
	if err != nil {
		return err
	}
	chunks, err := chunksNeeded(runs, t.sizes.n)
	if err != nil {
		return err
	}
	width := 4
	if stco.kind == "co64" {
		width = 8
	}
	err = f.tableRows(stco, 0, width, chunks, func(row []byte) error {
		if width == 4 {
			t.chunks = append(t.chunks, int64(binary.BigEndian.Uint32(row)))
			return nil
		}
		v := binary.BigEndian.Uint64(row)
		if v > uint64(f.size) {
			return damaged("chunk outside the file")
		}
		t.chunks = append(t.chunks, int64(v))
		return nil
	})
	if err != nil {
		return err
	}
	if len(t.chunks) < int(chunks) {
		return damaged("fewer chunks than samples need")
	}
	for _, r := range runs {
		if r.first < chunks {
			t.addRun(r)
		}
	}
	return nil
}

// chunksNeeded says how many chunks hold n samples.
func chunksNeeded(runs []mp4ChunkRun, n uint32) (uint32, error) {
	left, chunks := uint64(n), uint64(0)
	for i, r := range runs {
		if left == 0 {
			break
		}
		need := (left + uint64(r.per) - 1) / uint64(r.per)
		if i+1 < len(runs) {
			need = min(need, uint64(runs[i+1].first-r.first))
		}
		chunks += need
		left -= min(left, need*uint64(r.per))
	}
	if left > 0 {
		return 0, damaged("samples without a chunk")
	}
	if chunks > mp4MaxChunks {
		return 0, damaged("too many chunks")
	}
	return uint32(chunks), nil
}

// addRun appends a chunk run, merged with the one before if that says the same.
func (t *mp4Track) addRun(r mp4ChunkRun) {
	if k := len(t.runs) - 1; k >= 0 && t.runs[k].per == r.per && t.runs[k].desc == r.desc {
		return
	}
	t.runs = append(t.runs, r)
}

// readSync reads the numbers (from 1) of the sync samples (8.6.2).
func (f *mp4File) readSync(b mp4Box, t *mp4Track) error {
	t.hasSync = true
	last := uint32(0)
	return f.tableRows(b, 0, 4, mp4MaxSamples, func(row []byte) error {
		v := binary.BigEndian.Uint32(row)
		if v <= last {
			return damaged("sync samples out of order")
		}
		last = v
		t.sync = append(t.sync, v)
		return nil
	})
}
