package link

import (
	"sync"
	"time"

	"emberdrop/eventlog"
)

// guesses slows down whoever tries passphrases: after freeGuesses wrong ones for
// a link each further try has to wait twice as long, up to maxGuessWait. It is
// kept in RAM only.
type guesses struct {
	mu    sync.Mutex
	links map[eventlog.ID]*guess
}

type guess struct {
	wrong int
	last  time.Time // the last try
	next  time.Time // no try before this
}

const (
	freeGuesses  = 10
	maxGuessWait = time.Minute
)

func newGuesses() *guesses { return &guesses{links: map[eventlog.ID]*guess{}} }

// try counts a try before it is made, so that many at once do not slip through.
// The error is ErrTooFast.
func (g *guesses) try(id eventlog.ID, now time.Time) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	s := g.links[id]
	if s == nil {
		s = &guess{}
		g.links[id] = s
	}
	if now.Before(s.next) {
		return ErrTooFast
	}
	s.last = now
	if s.wrong++; s.wrong >= freeGuesses {
		s.next = now.Add(min(time.Second<<min(s.wrong-freeGuesses, 10), maxGuessWait))
	}
	return nil
}

// untried takes back a try that was not made.
func (g *guesses) untried(id eventlog.ID) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if s := g.links[id]; s != nil {
		s.wrong = max(0, s.wrong-1)
	}
}

// right forgets a link whose passphrase was right, or that has ended.
func (g *guesses) right(id eventlog.ID) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.links, id)
}

// expire forgets links that nobody has tried for an hour.
func (g *guesses) expire(now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for id, s := range g.links {
		if now.Sub(s.last) > time.Hour {
			delete(g.links, id)
		}
	}
}
