package classify

import (
	"image"
	"image/color"
	"math"
)

// side is the width and height in pixels of what the network sees.
const side = 224

// parts returns the views of a picture: all of it, then slices of a long one,
// or the quarters of one that keeps its detail when cut in four.
func parts(r image.Rectangle) []image.Rectangle {
	views := []image.Rectangle{r}
	w, h := r.Dx(), r.Dy()
	long, short := max(w, h), min(w, h)
	columns, rows := 1, 1
	switch {
	case long >= 2*short && long >= 2*side && w > h:
		columns = min(4, long/short)
	case long >= 2*short && long >= 2*side:
		rows = min(4, long/short)
	case short >= 2*side:
		columns, rows = 2, 2
	default:
		return views
	}
	for y := range rows {
		for x := range columns {
			views = append(views, image.Rect(
				r.Min.X+w*x/columns, r.Min.Y+h*y/rows,
				r.Min.X+w*(x+1)/columns, r.Min.Y+h*(y+1)/rows,
			))
		}
	}
	return views
}

// ground is the shade of grey that is seen through a picture's holes, from 0 to 1.
type ground float32

const (
	black ground = 0
	white ground = 1
)

// sample shrinks or stretches part of img to side by side pixels and writes
// them as red, green, blue from -1 to 1. It says whether every pixel that it
// looked at was opaque.
//
// It samples as the reference does, TensorFlow.js's resizeBilinear with corners
// aligned: four pixels around each point, whatever the scale. Smoother ways to
// shrink show the network other pictures than those it was tried with.
func sample(to []float32, img image.Image, part image.Rectangle, on ground) (opaque bool) {
	at := pixels(img)
	opaque = true
	pixel := func(x, y int) (rgb [3]float32) {
		c := at(part.Min.X+x, part.Min.Y+y)
		if c.A != math.MaxUint16 {
			opaque = false
		}
		through := float32(on) * float32(math.MaxUint16-c.A)
		for i, v := range [3]uint16{c.R, c.G, c.B} {
			rgb[i] = (float32(v) + through) / math.MaxUint16
		}
		return rgb
	}
	for row := range side {
		y0, y1, down := between(row, part.Dy())
		for column := range side {
			x0, x1, right := between(column, part.Dx())
			a, b, c, d := pixel(x0, y0), pixel(x1, y0), pixel(x0, y1), pixel(x1, y1)
			for i := range 3 {
				top := a[i] + (b[i]-a[i])*right
				bottom := c[i] + (d[i]-c[i])*right
				to[(row*side+column)*3+i] = 2*(top+(bottom-top)*down) - 1
			}
		}
	}
	return opaque
}

// between maps the i-th of side points to the two nearest of n, and says how
// far behind the first it lies.
func between(i, n int) (first, second int, behind float32) {
	exact := float64(i) * float64(n-1) / (side - 1)
	first = int(exact)
	return first, min(first+1, n-1), float32(exact - float64(first))
}

// pixels returns how to read img without an allocation for every pixel, which
// all of package image's own kinds allow.
func pixels(img image.Image) func(x, y int) color.RGBA64 {
	if quick, ok := img.(image.RGBA64Image); ok {
		return quick.RGBA64At
	}
	return func(x, y int) color.RGBA64 {
		r, g, b, a := img.At(x, y).RGBA()
		return color.RGBA64{R: uint16(r), G: uint16(g), B: uint16(b), A: uint16(a)}
	}
}
