package match

import (
	"image"
	"slices"
)

// Borders are what a copy gets most often: a frame, or bars that bring it to
// another shape. They move everything in the picture, and the hash with it.
const (
	borderSamples = 256 // points of a line that are looked at
	borderLoose   = 20  // how far a border's red, green and blue may be from its first line's
	borderTight   = 6   // the same, where the picture's own edge resembles the border
	borderMost    = 97  // percent of a line's points that must be that close
	borderRounds  = 3   // frames within frames
	borderLeaves  = 5   // a fifth of each side is always left
)

// trims gives the boxes in which the picture may be: the whole one; the one within
// all borders of one brightness, since JPEG lets colours run over an edge; the one
// within all of one colour; and, since the picture's own edge may resemble a
// border, those within the first and the second that are plain beyond doubt.
func trims(at colourAt, whole image.Rectangle) []image.Rectangle {
	out := []image.Rectangle{whole}
	add := func(inner image.Rectangle) {
		if !slices.ContainsFunc(out, func(box image.Rectangle) bool { return alike(box, inner) }) {
			out = append(out, inner)
		}
	}
	grey := func(x, y int) (r, g, b uint8) {
		v := uint8(luma(at(x, y)))
		return v, v, v
	}
	add(trim(grey, whole, borderLoose, borderRounds))
	add(trim(at, whole, borderLoose, borderRounds))
	add(trim(at, whole, borderTight, 1))
	add(trim(at, whole, borderTight, 2))
	return out
}

// alike says whether two boxes are the same but for a quarter of a percent of
// their sides, which no hash notices.
func alike(a, b image.Rectangle) bool {
	dx, dy := a.Dx()/400, a.Dy()/400
	near := func(m, n, most int) bool { return m-n <= most && n-m <= most }
	return near(a.Min.X, b.Min.X, dx) && near(a.Max.X, b.Max.X, dx) && near(a.Min.Y, b.Min.Y, dy) && near(a.Max.Y, b.Max.Y, dy)
}

// trim returns the box without so many plain borders, one within the other, or
// as it is.
func trim(at colourAt, box image.Rectangle, spread float32, rounds int) image.Rectangle {
	least := image.Pt(max(box.Dx()/borderLeaves, minSide), max(box.Dy()/borderLeaves, minSide))
	for range rounds {
		before := box
		for side := range 4 {
			box = trimSide(at, box, side, least, spread)
		}
		if box == before {
			break
		}
	}
	return box
}

// trimSide moves one side (0 top, 1 bottom, 2 left, 3 right) inwards while its
// line is plain and of the first line's colour.
func trimSide(at colourAt, box image.Rectangle, side int, least image.Point, spread float32) image.Rectangle {
	var first [3]float32
	for n := 0; ; n++ {
		inner := box
		line := box
		switch side {
		case 0:
			line.Max.Y = box.Min.Y + 1
			inner.Min.Y++
		case 1:
			line.Min.Y = box.Max.Y - 1
			inner.Max.Y--
		case 2:
			line.Max.X = box.Min.X + 1
			inner.Min.X++
		case 3:
			line.Min.X = box.Max.X - 1
			inner.Max.X--
		}
		if inner.Dx() < least.X || inner.Dy() < least.Y {
			return box
		}
		if n == 0 {
			first = mean(at, line)
		}
		if !plain(at, line, first, spread) {
			return box
		}
		box = inner
	}
}

// points calls see with the colour of some points along a line.
func points(at colourAt, line image.Rectangle, see func([3]float32)) int {
	length := line.Dx() * line.Dy() // one side is 1
	n := min(length, borderSamples)
	for i := range n {
		step := i * length / n
		x, y := line.Min.X, line.Min.Y
		if line.Dy() == 1 {
			x += step
		} else {
			y += step
		}
		r, g, b := at(x, y)
		see([3]float32{float32(r), float32(g), float32(b)})
	}
	return n
}

func mean(at colourAt, line image.Rectangle) (out [3]float32) {
	n := points(at, line, func(c [3]float32) {
		for i := range c {
			out[i] += c[i]
		}
	})
	for i := range out {
		out[i] /= float32(max(n, 1))
	}
	return out
}

// plain says whether nearly all of a line has a colour.
func plain(at colourAt, line image.Rectangle, colour [3]float32, spread float32) bool {
	close := 0
	n := points(at, line, func(c [3]float32) {
		for i := range c {
			if c[i] < colour[i]-spread || c[i] > colour[i]+spread {
				return
			}
		}
		close++
	})
	return close*100 >= n*borderMost
}
