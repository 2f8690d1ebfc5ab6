package match

import (
	"image"
	"slices"
)

// BankEntries gives what "remove and block" puts into the bank about an item:
// its digests (of the bytes as they are stored and, where they are known, of the
// original) and, for each of its pictures, the hashes of the whole and of crops
// of it, with and without its borders: about eighty for a photo. A hash does not
// survive that a picture is cropped by a twentieth; so a copy that someone crops
// is near one of these instead. Pictures too flat to be looked up give no hash.
func BankEntries(sums []Digests, pictures []image.Image) (out []Entry) {
	for _, sum := range sums {
		out = append(out, sum.Entries()...)
	}
	add := func(hash PDQ) {
		if e := PDQEntry(hash); hash.Balanced() && !slices.Contains(out, e) {
			out = append(out, e)
		}
	}
	for _, picture := range pictures {
		for _, v := range views(picture) {
			for i, box := range crops(v.box) {
				p := lumaOf(v.at, box)
				even := p.evenHashes() // first: hashes works in place
				hashes, quality := hashes(p)
				if quality < MinQuality {
					continue
				}
				if i == 0 { // the whole, as others would publish it
					add(hashes[0])
				}
				add(even[0])
			}
		}
	}
	return out
}

// crops gives the box and those parts of it that people cut out: all around, at
// one side, at a corner, and at two sides to bring it to another shape. They are
// three percent apart, which leaves what is cut in between near enough.
func crops(box image.Rectangle) (out []image.Rectangle) {
	cut := func(left, top, right, bottom int) {
		dx, dy := float64(box.Dx())/200, float64(box.Dy())/200 // half percents
		out = append(out, image.Rect(
			box.Min.X+int(dx*float64(left)), box.Min.Y+int(dy*float64(top)),
			box.Max.X-int(dx*float64(right)), box.Max.Y-int(dy*float64(bottom))))
	}
	for n := 0; n <= 30; n += 3 {
		cut(n, n, n, n)
	}
	for n := 6; n <= 48; n += 6 {
		cut(n, 0, 0, 0)
		cut(0, n, 0, 0)
		cut(0, 0, n, 0)
		cut(0, 0, 0, n)
	}
	for n := 6; n <= 42; n += 6 {
		cut(n, n, 0, 0)
		cut(0, n, n, 0)
		cut(0, 0, n, n)
		cut(n, 0, 0, n)
		cut(n, 0, n, 0)
		cut(0, n, 0, n)
	}
	return out
}
