// Package classify says what a picture probably shows: drawing, hentai,
// neutral, porn or sexy, by a small network that is part of the program. It
// opens no file and asks nobody. It must not know links, lists, policies or
// HTTP, and it keeps nothing of a picture once it has answered.
//
// It is a triage aid. It knows nothing of age, consent or violence, and
// nakedness is no crime. LICENSES says where the weights come from.
package classify

import (
	"context"
	"errors"
	"fmt"
	"image"
)

// ErrTooSlow says that the deadline came before the answer. What was not looked
// at is not thereby harmless: the caller holds it, or says that it was not scanned.
var ErrTooSlow = errors.New("the picture could not be classified in time")

// ErrEmpty says that the picture has no pixels.
var ErrEmpty = errors.New("the picture has no pixels")

// Scores are the network's answers, each from 0 to 1. Those of one view of a
// picture add up to 1. A picture of several views (Picture) has the highest of
// each, so its sum is larger, and Neutral and Drawing mean little there.
type Scores struct {
	Drawing, Hentai, Neutral, Porn, Sexy float32
}

func (s Scores) highest(o Scores) Scores {
	return Scores{
		max(s.Drawing, o.Drawing), max(s.Hentai, o.Hentai), max(s.Neutral, o.Neutral),
		max(s.Porn, o.Porn), max(s.Sexy, o.Sexy),
	}
}

// Model is the network and the RAM it works in: about 17 MiB from the first
// picture on. It may be shared; it looks at one picture at a time, in the
// goroutine of its caller, so it takes one core at most.
type Model struct {
	busy chan struct{} // holds one token while a picture is looked at; guards what follows
	net  *network
}

// New reads the embedded network. It fails only if the program was built with
// files that do not fit each other.
func New() (*Model, error) {
	net, err := newNetwork([]byte(graph), weights)
	if err != nil {
		return nil, fmt.Errorf("classify: %w", err)
	}
	return &Model{busy: make(chan struct{}, 1), net: net}, nil
}

// Picture looks at the whole picture and, if it is large or long, at up to four
// parts of it as well, because what is small in a collage disappears when the
// whole is shrunk to 224 by 224. What is see-through is looked at on white and
// on black. It returns the highest score of each class.
//
// It waits for its turn and stops between two layers (milliseconds) when ctx
// ends: ErrTooSlow for a deadline, the context's error else. The picture must
// be small enough to be in RAM; how large that is, its decoder has decided, and
// so whether it is the right way up.
func (m *Model) Picture(ctx context.Context, img image.Image) (Scores, error) {
	if img.Bounds().Empty() {
		return Scores{}, ErrEmpty
	}
	select {
	case m.busy <- struct{}{}:
	case <-ctx.Done():
		return Scores{}, ended(ctx)
	}
	defer func() { <-m.busy }()
	m.net.allocate()
	defer m.net.wipe()

	var all Scores
	for _, part := range parts(img.Bounds()) {
		for _, ground := range []ground{white, black} {
			clear := sample(m.net.input, img, part, ground)
			scores, err := m.net.run(ctx)
			if err != nil {
				return Scores{}, err
			}
			all = all.highest(scores)
			if clear {
				break // nothing shines through: on black it is the same
			}
		}
	}
	return all, nil
}

func ended(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fmt.Errorf("%w: %w", ErrTooSlow, ctx.Err())
	}
	return ctx.Err()
}
