package main

import (
	"fmt"
	"io"
	"sync"

	"github.com/schollz/progressbar/v3"

	"emberdrop/onion"
)

// progress shows how far the onion service is: a bar on a terminal, plain lines
// elsewhere. What else is written there goes through it, so as not to stand
// behind the bar.
type progress struct {
	mu    sync.Mutex
	out   io.Writer
	bar   *progressbar.ProgressBar // nil: plain lines
	drawn bool
	last  string
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

// Write takes lines of the log.
func (p *progress) Write(lines []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clear()
	return p.out.Write(lines)
}

func (p *progress) show(now onion.Progress) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now.Warning != "" {
		p.line("tor: warning: " + now.Warning)
	}
	if p.bar != nil {
		if p.bar.IsFinished() && now.Percent < 100 { // another tor has been started
			p.bar.Reset()
		}
		p.bar.Describe(string(now.State))
		p.bar.Set(now.Percent)
		p.drawn = !p.bar.IsFinished()
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
	p.clear()
	fmt.Fprintln(p.out, text)
}

// clear takes the bar away until it is shown again.
func (p *progress) clear() {
	if p.drawn {
		p.bar.Clear()
		p.drawn = false
	}
}
