package main

import (
	"fmt"
	"io"

	"github.com/schollz/progressbar/v3"

	"emberdrop/onion"
)

// progress shows how far the onion service is: a bar on a terminal, plain lines
// elsewhere. It is called from one goroutine.
type progress struct {
	out  io.Writer
	bar  *progressbar.ProgressBar // nil: plain lines
	last string
}

func newProgress(out io.Writer) *progress {
	p := &progress{out: out}
	if isTerminal(out) {
		p.bar = progressbar.NewOptions(100, progressbar.OptionSetWriter(out),
			progressbar.OptionSetWidth(30), progressbar.OptionSetElapsedTime(false),
			progressbar.OptionSetPredictTime(false), progressbar.OptionClearOnFinish())
	}
	return p
}

func (p *progress) show(now onion.Progress) {
	if now.Warning != "" {
		p.line("tor: warning: " + now.Warning)
	}
	if p.bar != nil {
		p.bar.Describe(string(now.State))
		p.bar.Set(now.Percent)
		return
	}
	p.line(fmt.Sprintf("tor: %s %d%% %s", now.State, now.Percent, now.Summary))
}

// line writes a line once: tor repeats itself.
func (p *progress) line(text string) {
	if text == p.last {
		return
	}
	p.last = text
	if p.bar != nil {
		p.bar.Clear()
	}
	fmt.Fprintln(p.out, text)
}
