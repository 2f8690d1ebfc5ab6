package strip

import (
	"math"
	"math/big"
	"math/bits"
)

// rebase moves the tracks of a fragmented movie so that the first one begins at
// zero: fragments cut from a broadcast may count from the year 1970, which would
// both tell when they were made and last for decades. What one track begins
// later than another becomes an empty edit.
func (m *mp4Movie) rebase() error {
	var first *mp4Track
	for _, t := range m.tracks {
		if first == nil || t.startsBefore(first) {
			first = t
		}
	}
	if first == nil {
		return nil
	}
	m.chooseTimescale(first)
	for _, t := range m.tracks {
		if err := m.endEdits(t); err != nil {
			return err
		}
		delay, _, ok := t.delay(first, m.timescale)
		if !ok {
			return damaged("fragment time")
		}
		if delay == 0 {
			continue
		}
		if len(t.edits) == 0 {
			length, err := scaleUp(t.times.sum(), uint64(m.timescale), uint64(t.timescale))
			if err != nil {
				return err
			}
			t.edits = []mp4Edit{{length, 0, 1 << 16}}
		}
		t.edits = append([]mp4Edit{{delay, -1, 1 << 16}}, t.edits...)
	}
	return nil
}

func (t *mp4Track) startsBefore(u *mp4Track) bool {
	th, tl := bits.Mul64(t.decode.base, uint64(u.timescale))
	uh, ul := bits.Mul64(u.decode.base, uint64(t.timescale))
	return th < uh || th == uh && tl < ul
}

// delay says how much later than first t begins, in units of 1/scale s, and
// whether that is exact.
func (t *mp4Track) delay(first *mp4Track, scale uint32) (units uint64, exact, ok bool) {
	n := func(v uint64) *big.Int { return new(big.Int).SetUint64(v) }
	a := new(big.Int).Mul(n(t.decode.base), n(uint64(first.timescale)))
	b := new(big.Int).Mul(n(first.decode.base), n(uint64(t.timescale)))
	a.Mul(a.Sub(a, b), n(uint64(scale)))
	whole := n(uint64(first.timescale) * uint64(t.timescale))
	half := new(big.Int).Rsh(whole, 1)
	q, r := new(big.Int).QuoRem(a, whole, new(big.Int))
	if !q.IsUint64() || q.Uint64() > 1<<56 {
		return 0, false, false
	}
	units = q.Uint64()
	if r.Cmp(half) > 0 {
		units++
	}
	return units, r.Sign() == 0, true
}

// chooseTimescale takes a timescale for the movie in which every delay is exact,
// if one of the tracks has one and no edit's length would have to be converted.
func (m *mp4Movie) chooseTimescale(first *mp4Track) {
	scales := []uint32{m.timescale}
	for _, t := range m.tracks {
		scales = append(scales, t.timescale)
		for _, e := range t.edits {
			if e.length != 0 {
				return
			}
		}
	}
	for _, scale := range scales {
		all := true
		for _, t := range m.tracks {
			_, exact, _ := t.delay(first, scale)
			all = all && exact
		}
		if all {
			m.timescale = scale
			return
		}
	}
}

// endEdits gives the last edit of a fragmented track, whose writer could not
// know, the length of what there is to show.
func (m *mp4Movie) endEdits(t *mp4Track) error {
	k := len(t.edits) - 1
	if k < 0 || t.edits[k].length != 0 || t.edits[k].start < 0 {
		return nil
	}
	end := t.shownUntil() - t.edits[k].start
	if end <= 0 {
		return damaged("edit list")
	}
	length, err := scaleUp(uint64(end), uint64(m.timescale), uint64(t.timescale))
	t.edits[k].length = length
	return err
}

// shownUntil is the latest end of a sample in presentation time.
func (t *mp4Track) shownUntil() int64 {
	var at, until int64
	shifts := mp4Reader{runs: t.shifts.runs}
	for _, r := range t.times.runs {
		for range r.count {
			shift := int64(int32(shifts.next()))
			if !t.signed && shift < 0 {
				shift += 1 << 32
			}
			at += int64(r.value)
			until = max(until, at+shift)
		}
	}
	return until
}

// mp4Reader reads a run-length coded table value by value; zero past the end.
type mp4Reader struct {
	runs []mp4Run
	used uint32
}

func (r *mp4Reader) next() uint32 {
	if len(r.runs) == 0 {
		return 0
	}
	v := r.runs[0].value
	if r.used++; r.used == r.runs[0].count {
		r.runs, r.used = r.runs[1:], 0
	}
	return v
}

// scaleUp is v*num/den, rounded up.
func scaleUp(v, num, den uint64) (uint64, error) {
	hi, lo := bits.Mul64(v, num)
	lo, carry := bits.Add64(lo, den-1, 0)
	hi += carry
	if hi >= den {
		return 0, damaged("duration")
	}
	q, _ := bits.Div64(hi, lo, den)
	if q > math.MaxInt64 {
		return 0, damaged("duration")
	}
	return q, nil
}
