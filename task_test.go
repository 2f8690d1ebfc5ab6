package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// lines is a writer that tells when something came.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
	came chan struct{}
}

func newLines() *lines { return &lines{came: make(chan struct{}, 1000)} }

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.came <- struct{}{}
	return l.text.Write(p)
}

func (l *lines) wait(t *testing.T) string {
	t.Helper()
	select {
	case <-l.came:
	case <-time.After(time.Minute):
		t.Fatal("nothing was shown")
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func TestTaskElsewhereIsQuiet(t *testing.T) {
	out := newLines()
	short := begin(out, "short")
	short.at(1, 2)
	short.end()
	if out.text.Len() > 0 {
		t.Errorf("a moment's work was shown: %q", out.text.String())
	}

	long := beginAt(out, "checking", taskPace{first: time.Nanosecond, again: time.Hour})
	if got := out.wait(t); !strings.HasPrefix(got, "checking: ") || strings.Count(got, "\n") != 1 || strings.ContainsAny(got, "\r\x1b") {
		t.Errorf("shown: %q, want one plain line", got)
	}
	long.end()

	counted := &task{out: out, what: "checking", pace: taskPace{}}
	counted.at(25, 100)
	counted.show(90 * time.Second)
	if got := out.wait(t); !strings.HasSuffix(got, "checking: 25 %, 1m30s so far\n") {
		t.Errorf("shown: %q", got)
	}
}

// terminal opens a pseudoterminal: what a program would draw on, and what is seen of it.
func terminal(t *testing.T) (drawn, seen *os.File) {
	t.Helper()
	seen, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip("no pseudoterminals here")
	}
	t.Cleanup(func() { seen.Close() })
	if err := unix.IoctlSetPointerInt(int(seen.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(seen.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	drawn, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { drawn.Close() })
	return drawn, seen
}

func TestTaskOnATerminalIsABar(t *testing.T) {
	drawn, seen := terminal(t)
	pace := paceFor(drawn)
	if !pace.terminal || pace.first > 2*time.Second {
		t.Fatalf("pace on a terminal: %+v, want a bar within two seconds", pace)
	}
	shown := make(chan string)
	go func() {
		var all strings.Builder
		buf := make([]byte, 4096)
		for {
			n, err := seen.Read(buf)
			if err != nil {
				return
			}
			all.Write(buf[:n])
			select {
			case shown <- all.String():
			case <-t.Context().Done():
				return
			}
		}
	}()
	bar := beginAt(drawn, "checking", taskPace{terminal: true, first: time.Nanosecond, again: time.Millisecond})
	bar.at(1, 4)
	for late := time.After(time.Minute); ; {
		select {
		case text := <-shown:
			if strings.Contains(text, "checking") && strings.Contains(text, "25%") {
				go func() {
					for range shown { // the bar may go on drawing until it has ended
					}
				}()
				bar.end()
				return
			}
		case <-late:
			t.Fatal("no bar")
		}
	}
}
