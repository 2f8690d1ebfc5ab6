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
	close hashes16             // PDQ of lists that match at up to MaxDistance
	far   []hashed             // PDQ of lists that match further, and of few
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

type hashed struct {
	words
	rule uint16
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
				x.far = append(x.far, hashed{PDQ(e.Sum).words(), uint16(i)})
			default:
				x.close.all = append(x.close.all, hashed{PDQ(e.Sum).words(), uint16(i)})
			}
		}
	}
	for _, sums := range x.sums {
		slices.SortFunc(sums, func(a, b record) int { return bytes.Compare(a.sum[:], b.sum[:]) })
	}
	if len(x.close.all) <= few {
		x.far = append(x.far, x.close.all...)
		x.close.all = nil
	} else {
		x.close.build()
	}
	return x
}

func (x *index) empty() bool {
	n := len(x.far) + len(x.close.all)
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

// near reports the lists that hold a hash close enough to w for them.
func (x *index) near(w words, found func(Finding)) {
	check := func(h *hashed) {
		if d := h.distance(w); d <= x.rules[h.rule].distance {
			found(x.rules[h.rule].finding(KindPDQ, d))
		}
	}
	for i := range x.far {
		check(&x.far[i])
	}
	x.close.near(w, check)
}

// hashes16 is the multi-index. For each slot, starts has where in ids the
// hashes with each value of that slot begin.
type hashes16 struct {
	all    []hashed
	starts [slots][]uint32
	ids    [slots][]uint32
}

func slot(w *words, s int) int {
	const perWord = 64 / slotBits
	return int(w[s/perWord] >> (s % perWord * slotBits) & (1<<slotBits - 1))
}

// build fills the tables by counting.
func (h *hashes16) build() {
	for s := range slots {
		starts := make([]uint32, 1<<slotBits+1)
		for i := range h.all {
			starts[slot(&h.all[i].words, s)+1]++
		}
		for v := range 1 << slotBits {
			starts[v+1] += starts[v]
		}
		next := slices.Clone(starts)
		ids := make([]uint32, len(h.all))
		for i := range h.all {
			v := slot(&h.all[i].words, s)
			ids[next[v]] = uint32(i)
			next[v]++
		}
		h.starts[s], h.ids[s] = starts, ids
	}
}

// near calls check for every hash that differs from w in at most MaxDistance
// bits, perhaps more than once, and for others.
func (h *hashes16) near(w words, check func(*hashed)) {
	if len(h.all) == 0 {
		return
	}
	for s := range slots {
		value := slot(&w, s)
		h.bucket(s, value, check)
		for bit := range slotBits {
			h.bucket(s, value^1<<bit, check)
		}
	}
}

func (h *hashes16) bucket(s, value int, check func(*hashed)) {
	for _, id := range h.ids[s][h.starts[s][value]:h.starts[s][value+1]] {
		check(&h.all[id])
	}
}
