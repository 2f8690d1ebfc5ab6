package match

import (
	"image"
	"math"
)

// This file is a port of the PDQ reference, facebook/ThreatExchange pdq/cpp
// (Copyright Meta Platforms, Inc., BSD license, see NOTICE), after its
// description "The TMK+PDQF Video-Hashing Algorithm and the PDQ Image-Hashing
// Algorithm". Two hashes of the same pixels are equal to the bit, so the order
// of every addition counts, and a product is rounded before it is added:
// float32(a*b)+c, since without the conversion Go may fuse the two on some
// machines (Go specification, "Floating-point operators").

const (
	blocks  = 64  // the picture is averaged to 64x64
	freqs   = 16  // and its 16x16 lowest frequencies but the first are kept
	maxSide = 512 // larger pictures are sampled to 512x512 first
	minSide = 5   // below, the reference gives a zero hash of quality 0
)

// Orientations are the eight ways in which Hashes turns and mirrors a picture.
const Orientations = 8

// Hash returns the PDQ hash of a picture and its quality, 0 to 100. As in the
// reference, alpha and a stored orientation are ignored.
func Hash(img image.Image) (PDQ, int) {
	p := lumaOf(straight(img), img.Bounds())
	if p.w < minSide || p.h < minSide {
		return PDQ{}, 0
	}
	small := p.blocks(p.w == blocks && p.h == blocks)
	return toBits(small.dct()), small.quality()
}

// Hashes returns the hashes of a picture as it is, rotated by 90, 180 and 270
// degrees, mirrored in x and in y and along both diagonals, and its quality, 0
// to 100. They come out of one transform: turning a picture exchanges or negates
// frequencies.
func Hashes(img image.Image) ([Orientations]PDQ, int) {
	return hashes(lumaOf(straight(img), img.Bounds()))
}

func hashes(p plane) (out [Orientations]PDQ, quality int) {
	if p.w < minSide || p.h < minSide {
		return out, 0
	}
	small := p.blocks(false) // the reference blurs 64x64 pictures here, though not in Hash
	d := small.dct()
	for n := range out {
		out[n] = toBits(d.turned(n))
	}
	return out, small.quality()
}

// plane is a picture's brightness, 0 to 255, row by row.
type plane struct {
	w, h int
	v    []float32
}

// lumaOf samples the part of a picture within box. A side above 512 pixels has
// both sides brought to 512 by taking the nearest pixel, which is what the
// reference's decoder does.
func lumaOf(at colourAt, box image.Rectangle) plane {
	w, h := box.Dx(), box.Dy()
	if w > maxSide || h > maxSide {
		w, h = maxSide, maxSide
	}
	p := plane{w: w, h: h, v: make([]float32, w*h)}
	for y := range h {
		fromY := box.Min.Y + y*box.Dy()/h
		for x := range w {
			p.v[y*w+x] = luma(at(box.Min.X+x*box.Dx()/w, fromY))
		}
	}
	return p
}

func luma(r, g, b uint8) float32 {
	const fromR, fromG, fromB float32 = 0.299, 0.587, 0.114
	return float32(float32(fromR*float32(r))+float32(fromG*float32(g))) + float32(fromB*float32(b))
}

// square is the 64x64 averages.
type square [blocks][blocks]float32

// blocks blurs the plane, in place, and takes 64x64 points of it. ready says
// that it has that size and is not to be blurred.
func (p plane) blocks(ready bool) *square {
	if !ready {
		const passes = 2 // two box filters make a tent
		other := make([]float32, len(p.v))
		alongRows, alongCols := window(p.w), window(p.h)
		for range passes {
			for y := range p.h {
				box(p.v[y*p.w:], other[y*p.w:], p.w, 1, alongRows)
			}
			for x := range p.w {
				box(other[x:], p.v[x:], p.h, p.w, alongCols)
			}
		}
	}
	out := new(square)
	for i := range blocks {
		y := int((float64(i) + 0.5) * float64(p.h) / blocks)
		for j := range blocks {
			x := int((float64(j) + 0.5) * float64(p.w) / blocks)
			out[i][j] = p.v[y*p.w+x]
		}
	}
	return out
}

// window is the filter's size for a side of so many pixels: half a block.
func window(side int) int { return (side + 2*blocks - 1) / (2 * blocks) }

// box averages n values, stride apart, over a sliding window of size points.
// Near the ends the window is cut off. The running sum goes on from value to
// value as in the reference: its rounding errors are part of the hash.
func box(in, out []float32, n, stride, size int) {
	half := (size + 2) / 2
	var sum float32
	var count float32
	left, right, at := 0, 0, 0
	for range half - 1 { // add
		sum += in[right]
		count++
		right += stride
	}
	for range size - half + 1 { // add, write
		sum += in[right]
		count++
		out[at] = sum / count
		right += stride
		at += stride
	}
	for range n - size { // add, drop, write
		sum += in[right]
		sum -= in[left]
		out[at] = sum / count
		left += stride
		right += stride
		at += stride
	}
	for range half - 1 { // drop, write
		sum -= in[left]
		count--
		out[at] = sum / count
		left += stride
		at += stride
	}
}

// quality is how much goes on in the picture, 0 to 100: the sum of all steps of
// at least a hundredth of the range between neighbours.
func (s *square) quality() int {
	sum := 0
	step := func(u, v float32) {
		d := int(float32((u-v)*100) / 255)
		sum += max(d, -d)
	}
	for i := range blocks {
		for j := range blocks {
			if i+1 < blocks {
				step(s[i][j], s[i+1][j])
			}
			if j+1 < blocks {
				step(s[i][j], s[i][j+1])
			}
		}
	}
	return min(sum/90, 100)
}

// spectrum is the 16x16 lowest frequencies, without the constant one.
type spectrum [freqs][freqs]float32

// cosines is the part of a 64-point DCT matrix that makes frequencies 1 to 16.
func cosines() (d [freqs][blocks]float32) {
	scale := float32(math.Sqrt(2.0 / blocks))
	for i := range freqs {
		for j := range blocks {
			d[i][j] = float32(float64(scale) * math.Cos(math.Pi/2/blocks*float64(i+1)*float64(2*j+1)))
		}
	}
	return d
}

// dct transforms D * s * D transposed, one product at a time in the reference's order.
func (s *square) dct() *spectrum {
	d := cosines()
	var t [freqs][blocks]float32
	for i := range freqs {
		for j := range blocks {
			var sum float32
			for k := range blocks {
				sum += float32(d[i][k] * s[k][j])
			}
			t[i][j] = sum
		}
	}
	out := new(spectrum)
	for i := range freqs {
		for j := range freqs {
			var sum float32
			for k := range blocks {
				sum += float32(t[i][k] * d[j][k])
			}
			out[i][j] = sum
		}
	}
	return out
}

// turned gives the spectrum of the picture in orientation n of Hashes. Rotation
// and mirroring transpose the spectrum and negate every other row or column.
func (s *spectrum) turned(n int) *spectrum {
	if n == 0 {
		return s
	}
	out := new(spectrum)
	for i := range freqs {
		for j := range freqs {
			v := s[i][j]
			odd := [Orientations]int{1: j + 1, 2: i + j, 3: i + 1, 4: i + 1, 5: j + 1, 6: 0, 7: i + j}[n]
			if odd%2 == 1 {
				v = -v
			}
			if n == 1 || n == 3 || n >= 6 {
				out[j][i] = v
			} else {
				out[i][j] = v
			}
		}
	}
	return out
}

// toBits has a bit for each frequency that is above the median.
func toBits(s *spectrum) (p PDQ) {
	m := median(s)
	for i := range freqs {
		for j := range freqs {
			if k := i*freqs + j; s[i][j] > m {
				p[31-k/8] |= 1 << (k % 8)
			}
		}
	}
	return p
}

// median finds the lower median by halving the range, after Torben Mogensen. A
// sort would find another value where several are equal to the guess.
func median(s *spectrum) float32 {
	const half = (freqs*freqs + 1) / 2
	low, high := s[0][0], s[0][0]
	for i := range s {
		for _, v := range s[i] {
			low, high = min(low, v), max(high, v)
		}
	}
	for {
		guess := (low + high) / 2
		less, greater, equal := 0, 0, 0
		below, above := low, high
		for i := range s {
			for _, v := range s[i] {
				switch {
				case v < guess:
					less++
					below = max(below, v)
				case v > guess:
					greater++
					above = min(above, v)
				default:
					equal++
				}
			}
		}
		switch {
		case less <= half && greater <= half:
			switch {
			case less >= half:
				return below
			case less+equal >= half:
				return guess
			}
			return above
		case less > greater:
			high = below
		default:
			low = above
		}
	}
}
