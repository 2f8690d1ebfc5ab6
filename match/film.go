package match

import (
	"errors"
	"image"
	"image/draw"
)

// film is an animation. A zero film is none. The decoders at hand see one
// picture of an animation, or keep every frame in RAM. So each frame is given to
// them as a file of its own, made of parts of the animation's.
type film struct {
	canvas image.Rectangle
	frames []frame
	more   bool // frames beyond framesMost were left out
	only   bool // there is no picture beside the frames
}

// frame is one step of an animation: a picture that is drawn on the canvas.
type frame struct {
	box     image.Rectangle
	decode  func() (image.Image, error)
	over    bool  // drawn over what is there; else in its place
	dispose uint8 // what becomes of the box before the next frame
}

var errFrame = errors.New("a frame that does not fit")

const (
	disposeKeep = iota
	disposeClear
	disposeBack // to what it was before this frame
)

const (
	framesMost = 10_000 // frames that are considered
	// worked is how many times Limits.Pixels the frames of an animation may have
	// together. All up to the last that is wanted must be decoded.
	worked = 8
)

// pictures draws the animation and takes some of what is seen in it.
func (f film) pictures(src *input, limits Limits) (out []image.Image, err error) {
	if len(f.frames) == 0 {
		return nil, nil
	}
	area := f.canvas.Dx() * f.canvas.Dy()
	if f.canvas.Dx() <= 0 || f.canvas.Dy() <= 0 || f.canvas.Dx() > limits.pixels()/f.canvas.Dy() {
		return nil, ErrLimit
	}
	frames, cut := f.within(worked * limits.pixels())
	wanted := spread(len(frames), min(limits.frames(), limits.pixels()/area))
	canvas := image.NewRGBA(f.canvas)
	for i, frame := range frames {
		before, err := frame.draw(canvas)
		if err != nil {
			return out, src.because(err)
		}
		if wanted[i] {
			out = append(out, clone(canvas, f.canvas))
		}
		if frame.dispose == disposeBack {
			draw.Draw(canvas, frame.box, before, frame.box.Min, draw.Src)
		} else if frame.dispose == disposeClear {
			draw.Draw(canvas, frame.box, image.Transparent, image.Point{}, draw.Src)
		}
	}
	return out, cut
}

// within gives the frames that may be decoded, and why not all.
func (f film) within(budget int) ([]frame, error) {
	for i, frame := range f.frames {
		if !frame.box.In(f.canvas) || frame.box.Empty() {
			return f.frames[:i], ErrPicture
		}
		if budget -= frame.box.Dx() * frame.box.Dy(); budget < 0 {
			return f.frames[:i], ErrLimit
		}
	}
	if f.more {
		return f.frames, ErrLimit
	}
	return f.frames, nil
}

// draw draws one frame. It returns what was in its place, if that is to come back.
func (f frame) draw(canvas *image.RGBA) (before *image.RGBA, err error) {
	img, err := f.decode()
	if err != nil {
		return nil, err
	}
	if img.Bounds().Size() != f.box.Size() {
		return nil, errFrame
	}
	if f.dispose == disposeBack {
		before = clone(canvas, f.box)
	}
	op := draw.Src
	if f.over {
		op = draw.Over
	}
	draw.Draw(canvas, f.box, img, img.Bounds().Min, op)
	return before, nil
}

func clone(img *image.RGBA, box image.Rectangle) *image.RGBA {
	out := image.NewRGBA(box)
	draw.Draw(out, box, img, box.Min, draw.Src)
	return out
}

// spread picks up to n of the first count numbers, evenly, first and last among them.
func spread(count, n int) map[int]bool {
	picked := map[int]bool{}
	n = min(max(n, 1), count)
	for i := range n {
		at := 0
		if n > 1 {
			at = i * (count - 1) / (n - 1)
		}
		picked[at] = true
	}
	return picked
}
