package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// task shows that something is under way: nothing of what is over in a moment;
// then a bar on a terminal (or a wheel, when nobody knows how much there is), and
// a quiet line now and then elsewhere.
type task struct {
	out   io.Writer
	what  string
	pace  taskPace
	ended chan struct{}
	done  sync.WaitGroup

	mu      sync.Mutex // guards what follows
	bar     *progressbar.ProgressBar
	reached int64
	total   int64 // 0: unknown
}

// taskPace says when a task shows something.
type taskPace struct {
	terminal bool
	first    time.Duration // nothing is shown before
	again    time.Duration // how often it is renewed
}

func paceFor(out io.Writer) taskPace {
	if isTerminal(out) {
		return taskPace{terminal: true, first: 500 * time.Millisecond, again: 100 * time.Millisecond}
	}
	return taskPace{first: 2 * time.Second, again: 30 * time.Second}
}

func isTerminal(out any) bool {
	file, ok := out.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// begin starts showing a task on out, usually standard error. Whoever begins one ends it.
func begin(out io.Writer, what string) *task { return beginAt(out, what, paceFor(out)) }

func beginAt(out io.Writer, what string, pace taskPace) *task {
	t := &task{out: out, what: what, pace: pace, ended: make(chan struct{})}
	t.done.Go(t.run)
	return t
}

// at says how much is done, of how much.
func (t *task) at(reached, total int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.reached, t.total = reached, total
}

// end takes the bar away. What came of the task is told by whoever did it.
func (t *task) end() {
	close(t.ended)
	t.done.Wait()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.bar != nil {
		t.bar.Clear()
	}
}

func (t *task) run() {
	started := time.Now()
	timer := time.NewTimer(t.pace.first)
	defer timer.Stop()
	for {
		select {
		case <-t.ended:
			return
		case <-timer.C:
			t.show(time.Since(started))
			timer.Reset(t.pace.again)
		}
	}
}

func (t *task) show(since time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.pace.terminal {
		line := fmt.Sprintf("%s: %s so far", t.what, since.Round(time.Second))
		if t.total > 0 {
			line = fmt.Sprintf("%s: %d %%, %s so far", t.what, 100*t.reached/t.total, since.Round(time.Second))
		}
		fmt.Fprintln(t.out, line)
		return
	}
	if t.bar == nil || (t.total > 0) != (t.bar.GetMax64() > 0) {
		most := int64(-1) // a wheel
		if t.total > 0 {
			most = t.total
		}
		t.bar = progressbar.NewOptions64(most, progressbar.OptionSetWriter(t.out), progressbar.OptionSetDescription(t.what),
			progressbar.OptionSetWidth(30), progressbar.OptionClearOnFinish(), progressbar.OptionSetPredictTime(t.total > 0))
	}
	if t.total > 0 {
		t.bar.ChangeMax64(t.total)
		t.bar.Set64(min(t.reached, t.total-1)) // the last step is end's
		return
	}
	t.bar.Add(1)
}

// during shows a task while do runs.
func during(out io.Writer, what string, do func() error) error {
	t := begin(out, what)
	defer t.end()
	return do()
}
