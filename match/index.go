package match

import (
	"bytes"
	"slices"
)

// index is the lists as they are looked up: never changed once it is made.
//
// Two hashes that differ in at most 31 of 256 bits differ in at most one bit in
// at least one of 16 words of 16 bits (31 < 2*16). So each word, as it is and
// with each of its bits flipped, leads to the hashes that have that word in that
// place (Norouzi, Punjani and Fleet, "Fast Search in Hamming Space with
// Multi-Index Hashing", CVPR 2012).
type index struct {
	rules []rule
	sums  [len(kinds)][]record // exact digests of each kind, sorted
	close multi                // PDQ of lists that match at up to MaxDistance
	far   pile                 // PDQ of lists that match further, and of few
}

// rule is what a list says of its entries.
type rule struct {
	name     string
	action   Action
	distance int
	dryRun   bool
}

func (r rule) finding(k Kind, distance int) Finding {
	return Finding{List: r.name, Kind: k, Distance: distance, Action: r.action, DryRun: r.dryRun}
}

type record struct {
	sum  [32]byte
	rule uint16
}

// pile is hashes with the rule of each. They are kept apart, so that a hash takes
// one cache line and the rule is looked at only when it matches.
type pile struct {
	hashes []words
	rules  []uint16
}

func (p *pile) add(e Entry, rule int) {
	p.hashes = append(p.hashes, PDQ(e.Sum).words())
	p.rules = append(p.rules, uint16(rule))
}

const (
	slots    = 16
	slotBits = 16
	// few is how many hashes are scanned one by one rather than indexed: a scan of
	// them takes less than the 16*17 look-ups, and needs no tables.
	few = 4096
)

func newIndex(lists []List) *index {
	x := &index{}
	for i, list := range lists {
		x.rules = append(x.rules, rule{list.Name, list.Action, list.distance(), list.DryRun})
		for _, e := range list.Entries {
			switch {
			case e.Kind != KindPDQ:
				x.sums[e.Kind] = append(x.sums[e.Kind], record{e.Sum, uint16(i)})
			case list.distance() > MaxDistance:
				x.far.add(e, i)
			default:
				x.close.add(e, i)
			}
		}
	}
	for _, sums := range x.sums {
		slices.SortFunc(sums, func(a, b record) int { return bytes.Compare(a.sum[:], b.sum[:]) })
	}
	if len(x.close.hashes) <= few {
		x.far.hashes = append(x.far.hashes, x.close.hashes...)
		x.far.rules = append(x.far.rules, x.close.rules...)
		x.close.pile = pile{}
	} else {
		x.close.build()
	}
	return x
}

func (x *index) empty() bool {
	n := len(x.far.hashes) + len(x.close.hashes)
	for _, sums := range x.sums {
		n += len(sums)
	}
	return n == 0
}

// exact reports the lists that hold a digest.
func (x *index) exact(e Entry, found func(Finding)) {
	sums := x.sums[e.Kind]
	at, _ := slices.BinarySearchFunc(sums, e.Sum, func(r record, sum [32]byte) int { return bytes.Compare(r.sum[:], sum[:]) })
	for ; at < len(sums) && sums[at].sum == e.Sum; at++ {
		found(x.rules[sums[at].rule].finding(e.Kind, 0))
	}
}

// near reports the lists that hold a hash close enough to w for them, perhaps
// more than once.
func (x *index) near(w words, found func(Finding)) {
	match := func(rule uint16, d int) {
		if r := x.rules[rule]; d <= r.distance {
			found(r.finding(KindPDQ, d))
		}
	}
	for i := range x.far.hashes {
		if d := x.far.hashes[i].distance(w); d <= FarDistance {
			match(x.far.rules[i], d)
		}
	}
	x.close.near(w, match)
}

// multi is the multi-index. For each slot, starts has where in ids the hashes
// with each value of that slot begin.
type multi struct {
	pile
	starts [slots][]uint32
	ids    [slots][]uint32
}

// slot is one of the sixteen parts of a hash.
func slot(w *words, s int) int {
	const perWord = 64 / slotBits
	return int(w[s/perWord] >> (s % perWord * slotBits) & (1<<slotBits - 1))
}

// build fills the tables by counting.
func (m *multi) build() {
	for s := range slots {
		starts := make([]uint32, 1<<slotBits+1)
		for i := range m.hashes {
			starts[slot(&m.hashes[i], s)+1]++
		}
		for v := range 1 << slotBits {
			starts[v+1] += starts[v]
		}
		next := slices.Clone(starts)
		ids := make([]uint32, len(m.hashes))
		for i := range m.hashes {
			v := slot(&m.hashes[i], s)
			ids[next[v]] = uint32(i)
			next[v]++
		}
		m.starts[s], m.ids[s] = starts, ids
	}
}

// near finds every hash that differs from w in at most MaxDistance bits.
func (m *multi) near(w words, match func(rule uint16, d int)) {
	if len(m.hashes) == 0 {
		return
	}
	for s := range slots {
		value := slot(&w, s)
		m.bucket(s, value, w, match)
		for bit := range slotBits {
			m.bucket(s, value^1<<bit, w, match)
		}
	}
}

func (m *multi) bucket(s, value int, w words, match func(rule uint16, d int)) {
	for _, id := range m.ids[s][m.starts[s][value]:m.starts[s][value+1]] {
		if d := m.hashes[id].distance(w); d <= MaxDistance {
			match(m.rules[id], d)
		}
	}
}
