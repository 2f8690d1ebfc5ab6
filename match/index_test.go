package match

import (
	"fmt"
	"image"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func newDice(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 2)) }

// random is a hash with half of its bits set, as real ones have.
func random(dice *rand.Rand) (p PDQ) {
	for n, bit := range dice.Perm(256) {
		if n < 128 {
			p[bit/8] |= 1 << (bit % 8)
		}
	}
	return p
}

// flipped differs from p in n bits.
func flipped(dice *rand.Rand, p PDQ, n int) PDQ {
	for _, bit := range dice.Perm(256)[:n] {
		p[bit/8] ^= 1 << (bit % 8)
	}
	return p
}

func pdqList(name string, hashes ...PDQ) List {
	list := List{Name: name, Action: Hold}
	for _, h := range hashes {
		list.Entries = append(list.Entries, PDQEntry(h))
	}
	return list
}

// near gives what an index finds, as words.
func near(x *index, p PDQ) (out []string) {
	var found findings
	x.near(p.words(), found.add)
	for _, f := range found {
		out = append(out, fmt.Sprint(f))
	}
	slices.Sort(out)
	return out
}

// The multi-index finds exactly what comparing with every hash finds, up to the
// last bit of the distance, however the differing bits lie.
func TestIndexEqualsScan(t *testing.T) {
	dice := newDice(1)
	var all []PDQ
	for range few + 3000 {
		all = append(all, random(dice))
	}
	indexed := newIndex([]List{pdqList("a", all[:3000]...), pdqList("b", all[3000:]...)})
	if len(indexed.close.hashes) != len(all) || len(indexed.far.hashes) != 0 {
		t.Fatalf("%d hashes are indexed, %d scanned", len(indexed.close.hashes), len(indexed.far.hashes))
	}
	scanned := &index{rules: indexed.rules, far: indexed.close.pile}
	hits := 0
	for n := range 2000 {
		p := flipped(dice, all[dice.IntN(len(all))], n%40)
		if n%4 == 0 { // the worst case: differences spread evenly over the slots
			p = all[dice.IntN(len(all))]
			for i := range n % 40 {
				bit := i%slots*slotBits + (i/slots*7+n)%slotBits
				p[bit/8] ^= 1 << (bit % 8)
			}
		}
		got, want := near(indexed, p), near(scanned, p)
		if !slices.Equal(got, want) {
			t.Fatalf("%d bits away: the index finds %q, a scan %q", n%40, got, want)
		}
		hits += min(len(want), 1)
	}
	if hits != 2000*32/40 {
		t.Errorf("%d of 2000 are found", hits)
	}
}

// The hardest to find: 31 bits differ, two in each of fifteen slots and one in
// the last, wherever that slot and that bit are.
func TestIndexFindsTheFarthest(t *testing.T) {
	dice := newDice(8)
	var all []PDQ
	for range few + 100 {
		all = append(all, random(dice))
	}
	x := newIndex([]List{pdqList("a", all...)})
	for slot := range slots {
		for bit := range slotBits {
			p := all[dice.IntN(len(all))]
			flip := func(slot, bit int) { p[slot*2+bit/8] ^= 1 << (bit % 8) }
			for other := range slots {
				if other != slot {
					at := dice.IntN(slotBits)
					flip(other, at)
					flip(other, (at+1+dice.IntN(slotBits-1))%slotBits)
				}
			}
			flip(slot, bit)
			if got := near(x, p); len(got) != 1 {
				t.Errorf("slot %d, bit %d: %q", slot, bit, got)
			}
		}
	}
}

// Each list has its own distance, and a list of one entry is a list.
func TestDistances(t *testing.T) {
	dice := newDice(3)
	p := random(dice)
	for _, test := range []struct{ distance, matches, not int }{{0, 31, 32}, {ExactOnly, 0, 1}, {10, 10, 11}, {40, 40, 41}, {FarDistance, 64, 65}} {
		for _, others := range []int{0, few + 1} {
			list := pdqList("a", p)
			list.Distance = test.distance
			for range others {
				list.Entries = append(list.Entries, PDQEntry(random(dice)))
			}
			x := newIndex([]List{list})
			if got := near(x, flipped(dice, p, test.matches)); len(got) != 1 {
				t.Errorf("distance %d with %d others: %d bits away: %q", test.distance, others, test.matches, got)
			}
			if got := near(x, flipped(dice, p, test.not)); len(got) != 0 {
				t.Errorf("distance %d with %d others: %d bits away: %q", test.distance, others, test.not, got)
			}
		}
	}
}

// Matching one upload in eight orientations against a million hashes, with the
// index and by comparing with every one; and against a bank of ten thousand
// takedowns, which is always scanned.
func BenchmarkMatch(b *testing.B) {
	dice := newDice(5)
	list := List{Name: "a", Action: Hold}
	for range 1_000_000 {
		var p PDQ
		for i := range p {
			p[i] = byte(dice.Uint32())
		}
		list.Entries = append(list.Entries, PDQEntry(p))
	}
	indexed := newIndex([]List{list})
	scanned := &index{rules: indexed.rules, far: indexed.close.pile}
	bank, err := NewBank(strings.NewReader(""), nil)
	if err != nil {
		b.Fatal(err)
	}
	if _, err := bank.Add("K", "2026-11-22", list.Entries[:110_000]); err != nil {
		b.Fatal(err)
	}
	var upload [Orientations]words
	for i := range upload {
		upload[i] = random(dice).words()
	}
	run := func(name string, near func(words, func(Finding))) {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				for _, w := range upload {
					near(w, func(Finding) {})
				}
			}
		})
	}
	run("index-1M", indexed.near)
	run("scan-1M", scanned.near)
	run("bank-110k", bank.near)
	b.Run("hash-12MP", func(b *testing.B) {
		img := image.NewYCbCr(image.Rect(0, 0, 4000, 3000), image.YCbCrSubsampleRatio420)
		for i := range img.Y {
			img.Y[i] = byte(dice.Uint32())
		}
		for b.Loop() {
			Hashes(img)
		}
	})
}
