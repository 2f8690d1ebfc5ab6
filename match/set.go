package match

import (
	"image"
	"slices"
	"sync/atomic"
)

// Set is everything that an item is compared with: the lists and the bank. It
// may be used by many at once. A look-up sees one state of the lists, whole.
type Set struct {
	bank  *Bank
	lists atomic.Pointer[index]
}

// NewSet makes a set of lists and of a bank. Without a bank (nil) there is none.
func NewSet(bank *Bank, lists ...List) *Set {
	s := &Set{bank: bank}
	s.Replace(lists)
	return s
}

// Replace exchanges all lists at once. Look-ups under way end with the old ones.
func (s *Set) Replace(lists []List) { s.lists.Store(newIndex(lists)) }

// Empty says that there is nothing to compare with, so that a caller can spare
// the decoding.
func (s *Set) Empty() bool {
	return s.lists.Load().empty() && (s.bank == nil || s.bank.Len() == 0)
}

// Check compares one item. sums are the digests of its bytes: of the original
// and, since the bank knows items only as they were served, of what is stored.
// pictures are what Pictures made of it: none for an item that is not one.
// Every picture is compared in eight orientations, with and without its
// borders; one with transparency as it is, on white and on black.
func (s *Set) Check(sums []Digests, pictures []image.Image) Verdict {
	lists := s.lists.Load()
	var found findings
	for _, sum := range sums {
		for _, e := range sum.Entries() {
			lists.exact(e, found.add)
			if s.bank != nil {
				s.bank.exact(e, found.add)
			}
		}
	}
	for _, picture := range pictures {
		published, own := lookups(picture)
		for _, hash := range published {
			lists.near(hash, found.add)
		}
		if s.bank == nil {
			continue
		}
		for _, hash := range own {
			s.bank.near(hash, found.add)
		}
	}
	return found.verdict()
}

// lookups gives the hashes of a picture that are worth a look-up, each once:
// those to compare with published ones, and those for the bank, which are these
// and the even ones.
func lookups(img image.Image) (published, own []words) {
	var even []words
	add := func(to *[]words, hashes [Orientations]PDQ) {
		for _, h := range hashes {
			if w := h.words(); !slices.Contains(*to, w) {
				*to = append(*to, w)
			}
		}
	}
	for _, v := range views(img) {
		p := lumaOf(v.at, v.box)
		evenHashes := p.evenHashes() // first: hashes works in place
		hashes, quality := hashes(p)
		if quality >= MinQuality {
			add(&published, hashes)
			add(&even, evenHashes)
		}
	}
	return published, append(slices.Clone(published), even...)
}

// view is a part of a picture in certain colours.
type view struct {
	at  colourAt
	box image.Rectangle
}

// views gives the picture whole and without its borders. One with transparency
// comes in its own colours, which is what the reference hashes, and as it looks
// on white and on black, since it may show only there.
func views(img image.Image) (out []view) {
	colours := []colourAt{straight(img)}
	if !opaque(img) {
		colours = append(colours, over(img, 255), over(img, 0))
	}
	for _, at := range colours {
		for _, box := range trims(at, img.Bounds()) {
			out = append(out, view{at, box})
		}
	}
	return out
}

// findings keeps the best match of each list and kind.
type findings []Finding

func (all *findings) add(f Finding) {
	for i, old := range *all {
		if old.List != f.List || old.Kind != f.Kind {
			continue
		}
		if f.Action > old.Action || f.Action == old.Action && f.Distance < old.Distance {
			(*all)[i] = f
		}
		return
	}
	*all = append(*all, f)
}

func (all findings) verdict() (v Verdict) {
	slices.SortStableFunc(all, func(a, b Finding) int {
		if a.Action != b.Action {
			return int(b.Action) - int(a.Action)
		}
		return a.Distance - b.Distance
	})
	for _, f := range all {
		if !f.DryRun {
			v.Action = max(v.Action, f.Action)
		}
	}
	v.Findings = all
	return v
}
