package main

import (
	"context"
	"errors"
	"image"
	"io"
	"maps"
	"sync"
	"time"

	"github.com/spf13/pflag"

	"emberdrop/link"
	"emberdrop/match"
	"emberdrop/report"
	"emberdrop/strip"
)

// scanFlags are serve's flags about what uploads are compared with, and who looks
// at them.
type scanFlags struct {
	judges
	scanTime   time.Duration
	scanPixels int
	unscanned  string
	known      known
	turns      chan struct{}
}

func (s *scanFlags) register(set *pflag.FlagSet) {
	s.judges.register(set)
	set.DurationVar(&s.scanTime, "scan-time", 10*time.Second, "decode a picture, to compare it, for at most so long")
	set.IntVar(&s.scanPixels, "scan-pixels", 65_000_000, "decode pictures of at most so many `pixels`, to compare them, one at a time; 12 bytes of RAM for each are the most that\na decode may take, so a progressive JPEG may be over the limit with fewer")
	set.StringVar(&s.unscanned, "unscanned", "hold", "what becomes of a picture that cannot be decoded within these limits: pass, label, hold or block")
}

// scans is how many pictures are decoded at once, so that RAM is bounded whatever
// comes in: at the limit, one takes 780 MB.
const scans = 1

// open reads the lists and the bank. The flags are checked.
func (s *scanFlags) open(f folder) (err error) {
	if _, err := match.ParseAction(s.unscanned); err != nil {
		return usageError{errors.New("--unscanned is pass, label, hold or block")}
	}
	if s.scanTime <= 0 || s.scanPixels <= 0 {
		return usageError{errors.New("--scan-time and --scan-pixels are more than nothing")}
	}
	s.turns = make(chan struct{}, scans)
	if err := s.judges.open(); err != nil {
		return err
	}
	s.known, err = f.openKnown()
	return err
}

func (s *scanFlags) forLink(cfg *link.Config) {
	cfg.Bank, cfg.Scan, cfg.ScanSum = s.known.block, s.scan, s.scanSum
}

// scan compares an upload as it came with the lists and the bank, and asks the
// judges. Nothing is kept of what passes.
func (s *scanFlags) scan(ctx context.Context, kind string, file io.ReaderAt, size int64) link.Verdict {
	out := s.judges.ask(ctx, kind, file, size)
	if s.known.Empty() && s.model == nil || out.Action == match.Block {
		return out
	}
	var sums []match.Digests
	if !s.known.Empty() {
		sum, err := match.DigestsOf(io.NewSectionReader(file, 0, size))
		if err != nil {
			return both(out, s.blind()) // and the upload fails too: nobody can read the file
		}
		sums = append(sums, sum)
		if exact := s.known.Check(sums, nil); exact.Action == match.Block {
			return both(out, s.known.said(exact))
		}
	}
	select {
	case s.turns <- struct{}{}:
		defer func() { <-s.turns }()
	case <-ctx.Done():
		return both(out, s.unseen())
	}
	limited, cancel := context.WithTimeout(ctx, s.scanTime)
	defer cancel()
	pictures, err := s.pictures(limited, kind, file, size)
	out = both(out, s.known.said(s.known.Check(sums, pictures)))
	out = both(out, s.judges.look(limited, pictures, s.unseen().Action))
	if err == nil || errors.Is(err, match.ErrKind) {
		return out
	}
	return both(out, s.unseen())
}

// pictures are what there is to see in a file. Without a decoder that is nothing
// of a video.
func (s *scanFlags) pictures(ctx context.Context, kind string, file io.ReaderAt, size int64) ([]image.Image, error) {
	if s.video != nil && kind == string(strip.MP4) {
		return s.video.Pictures(ctx, io.NewSectionReader(file, 0, size), size)
	}
	return match.Pictures(ctx, file, size, kind, match.Limits{Pixels: s.scanPixels})
}

// unseen is the verdict on a picture that could not be looked at. While there is
// nothing to compare it with, it is no harsher than the classifier could be.
func (s *scanFlags) unseen() link.Verdict {
	out := s.blind()
	if s.known.Empty() {
		out.Action = s.judges.milder(out.Action)
		out.Findings[0].Action = out.Action.String()
	}
	return out
}

// blind is the verdict on what could not be looked at.
func (s *scanFlags) blind() link.Verdict {
	action, _ := match.ParseAction(s.unscanned)
	return link.Verdict{Action: action, Findings: []report.Finding{{
		By: "lists", What: "not scanned: it is over a limit or does not decode", Action: action.String(),
	}}}
}

// scanSum compares an item as it will be served: what was blocked is known so.
func (s *scanFlags) scanSum(sum [32]byte) link.Verdict {
	return s.known.said(s.known.Check([]match.Digests{{SHA256: sum}}, nil))
}

// said counts what was found, and tells link of it.
func (k known) said(v match.Verdict) link.Verdict {
	out := link.Verdict{Action: v.Action}
	for _, f := range v.Findings {
		k.counts.add(f.List)
		what := f.Kind.String()
		if f.Case != "" {
			what += ", case " + f.Case
		}
		if f.DryRun {
			what += ", dry run"
		}
		out.Findings = append(out.Findings, report.Finding{By: f.List, What: what, Value: float64(f.Distance), Action: f.Action.String()})
	}
	return out
}

// counts is how often each list has matched since the start. It is in RAM only,
// and says nothing of what matched.
type counts struct {
	mu sync.Mutex
	n  map[string]int
}

func (c *counts) add(list string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n[list]++
}

func (c *counts) all() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.n)
}
