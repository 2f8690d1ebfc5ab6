package match

import "image"

// Borders are what a copy gets most often: a frame, or bars that bring it to
// another shape. They move everything in the picture, and the hash with it.
const (
	borderSamples = 256 // points of a line that are looked at
	borderSpread  = 20  // how far from its line's middle a border's brightness may be
	borderMost    = 97  // percent of a line's points that must be that close
	borderRounds  = 3   // frames within frames
	borderLeaves  = 5   // a fifth of each side is always left
)

// trim returns the box without plain borders, or as it is.
func trim(at colourAt, box image.Rectangle) image.Rectangle {
	least := image.Pt(max(box.Dx()/borderLeaves, minSide), max(box.Dy()/borderLeaves, minSide))
	for range borderRounds {
		before := box
		for side := range 4 {
			box = trimSide(at, box, side, least)
		}
		if box == before {
			break
		}
	}
	return box
}

// trimSide moves one side (0 top, 1 bottom, 2 left, 3 right) inwards while its
// line is plain and of the first line's brightness.
func trimSide(at colourAt, box image.Rectangle, side int, least image.Point) image.Rectangle {
	var first float32
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
		if !plain(at, line, first) {
			return box
		}
		box = inner
	}
}

// points calls see with the brightness of some points along a line.
func points(at colourAt, line image.Rectangle, see func(float32)) int {
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
		see(luma(at(x, y)))
	}
	return n
}

func mean(at colourAt, line image.Rectangle) float32 {
	var sum float32
	n := points(at, line, func(v float32) { sum += v })
	return sum / float32(max(n, 1))
}

func plain(at colourAt, line image.Rectangle, level float32) bool {
	close := 0
	n := points(at, line, func(v float32) {
		if v >= level-borderSpread && v <= level+borderSpread {
			close++
		}
	})
	return close*100 >= n*borderMost
}
