package strip

import (
	"bytes"
	"io"
	"math"
	"sort"
)

// mp4Output is what the first pass over a track's samples finds out.
type mp4Output struct {
	sizes   mp4Sizes
	changed []uint64 // one bit for each sample: it must be written anew
	chunks  []int64  // offsets, counted from the start of the sample data
}

func (o *mp4Output) isChanged(i uint32) bool { return o.changed[i>>6]&(1<<(i&63)) != 0 }

// mp4Cursor walks the chunks of one track.
type mp4Cursor struct {
	t     *mp4Track
	chunk int
	run   int
	first uint32 // number of the chunk's first sample, from 0
	count uint32
	bytes int64
}

// load finds out what the current chunk holds. It is false past the last one.
func (c *mp4Cursor) load() bool {
	if c.chunk >= len(c.t.chunks) {
		return false
	}
	if c.run+1 < len(c.t.runs) && int(c.t.runs[c.run+1].first) == c.chunk {
		c.run++
	}
	c.count = min(c.t.runs[c.run].per, c.t.sizes.n-c.first)
	c.bytes = 0
	for i := range c.count {
		c.bytes += int64(c.t.sizes.at(c.first + i))
	}
	return true
}

// walkChunks calls fn for the chunks of all tracks, in the order in which they
// lie in the source as far as each track's own order allows. That keeps sound
// and picture as near to each other as they were. An empty chunk comes before
// a full one at the same place, so that the result is walked in the same order.
func walkChunks(tracks []*mp4Track, fn func(c *mp4Cursor) error) error {
	var open []*mp4Cursor
	for _, t := range tracks {
		if c := (&mp4Cursor{t: t}); c.load() {
			open = append(open, c)
		}
	}
	for len(open) > 0 {
		k := 0
		for i, c := range open[1:] {
			a, b := c.t.chunks[c.chunk], open[k].t.chunks[open[k].chunk]
			if a < b || a == b && c.bytes == 0 && open[k].bytes != 0 {
				k = i + 1
			}
		}
		c := open[k]
		if err := fn(c); err != nil {
			return err
		}
		c.first += c.count
		c.chunk++
		if !c.load() {
			open = append(open[:k], open[k+1:]...)
		}
	}
	return nil
}

// mp4Media is the media data of the source: the mdat boxes, in order.
type mp4Media struct {
	boxes []mp4Box
	total int64
}

// holds says whether the n bytes at off are inside one of the boxes.
func (m *mp4Media) holds(off, n int64) bool {
	i := sort.Search(len(m.boxes), func(i int) bool { return m.boxes[i].end > off })
	return n == 0 || i < len(m.boxes) && off >= m.boxes[i].body && n <= m.boxes[i].end-off
}

// checkAmount refuses tables that claim more sample bytes than there are: they
// use the same bytes again and again to make a large file out of a small one.
func (m *mp4Media) checkAmount(tracks []*mp4Track) (int64, error) {
	var sum int64
	for _, t := range tracks {
		for i := range t.sizes.n {
			if sum += int64(t.sizes.at(i)); sum > m.total {
				return 0, damaged("samples larger than the media data")
			}
		}
	}
	return sum, nil
}

// mp4Filter rewrites samples of any kept kind.
type mp4Filter struct {
	w       *mp4Window
	dst     io.Writer // nil in the first pass
	nal     nalFilter
	frame   []byte
	removed Removed
}

// frameMost bounds a sample of sound. A frame of AAC has up to 6144 bits a
// channel and 48 channels.
const frameMost = 64 << 10

// sample filters one sample and says how long it has become and whether it is
// different.
func (f *mp4Filter) sample(t *mp4Track, e *mp4Entry, i uint32, off int64) (int64, bool, error) {
	n := int64(t.sizes.at(i))
	switch {
	case e.lengthSize != 0:
		f.nal.w, f.nal.dst, f.nal.lengthSize = f.w, f.dst, e.lengthSize
		if err := f.nal.sample(off, n); err != nil {
			return 0, false, err
		}
		f.removed |= f.nal.removed
		return f.nal.n, f.nal.changed, nil
	case n > frameMost:
		return 0, false, damaged("sound frame too large")
	}
	b, err := f.w.at(off, int(n))
	if err != nil {
		return 0, false, err
	}
	f.frame = append(f.frame[:0], b...)
	removed := Removed(0)
	switch {
	case e.aac != nil:
		removed, err = e.aac.scrub(f.frame)
	case f.dst == nil:
		err = t.mp3.sample(i, f.frame)
	default:
		err = t.mp3.apply(i, f.frame)
	}
	f.removed |= removed
	if f.dst != nil && err == nil {
		_, err = f.dst.Write(f.frame)
	}
	return n, !bytes.Equal(f.frame, b), err
}

// measure is the first pass: it fills in what each track's output will be and
// returns the size of all sample data.
func (f *mp4Filter) measure(m *mp4Movie, media *mp4Media) (int64, error) {
	for _, t := range m.tracks {
		t.out.changed = make([]uint64, (t.sizes.n+63)/64)
		t.out.chunks = make([]int64, 0, len(t.chunks))
		t.out.sizes.most = t.sizes.n
	}
	var at int64
	err := walkChunks(m.tracks, func(c *mp4Cursor) error {
		t, off := c.t, c.t.chunks[c.chunk]
		if !media.holds(off, c.bytes) {
			return damaged("samples outside the media data")
		}
		t.out.chunks = append(t.out.chunks, at)
		entry := t.entries[t.runs[c.run].desc-1]
		for i := c.first; i < c.first+c.count; i++ {
			size := int64(t.sizes.at(i))
			n, changed, err := f.sample(t, entry, i, off)
			if err != nil {
				return err
			}
			if n > math.MaxUint32 {
				return damaged("sample too large")
			}
			if changed {
				t.out.changed[i>>6] |= 1 << (i & 63)
			}
			t.out.sizes.add(uint32(n))
			off, at = off+size, at+n
		}
		return nil
	})
	for _, t := range m.tracks {
		f.removed |= t.mp3.finish(&t.out)
	}
	return at, err
}

// write is the second pass: samples that stay as they are go out together.
func (f *mp4Filter) write(m *mp4Movie) error {
	return walkChunks(m.tracks, func(c *mp4Cursor) error {
		t, off := c.t, c.t.chunks[c.chunk]
		entry := t.entries[t.runs[c.run].desc-1]
		same := int64(0) // bytes before off that are still to be copied
		for i := c.first; i < c.first+c.count; i++ {
			size := int64(t.sizes.at(i))
			if !t.out.isChanged(i) {
				same, off = same+size, off+size
				continue
			}
			if err := f.w.copyTo(f.dst, off-same, same); err != nil {
				return err
			}
			n, _, err := f.sample(t, entry, i, off)
			if err != nil {
				return err
			}
			if n != int64(t.out.sizes.at(i)) {
				return damaged("file changed while it was read")
			}
			same, off = 0, off+size
		}
		return f.w.copyTo(f.dst, off-same, same)
	})
}
