package tornet

import (
	"bytes"
	"fmt"
	"io"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// launcher starts processes on one OS thread that it keeps for its whole life. The kernel sends a child its
// parent-death signal when the thread that forked it ends, not the process, and Go ends idle threads as it
// likes; so the forking thread must be one that nobody else uses and that lives as long as the children.
type launcher struct {
	calls chan func()
}

func newLauncher() *launcher {
	l := &launcher{calls: make(chan func())}
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with this goroutine
		for f := range l.calls {
			f()
		}
	}()
	return l
}

// start starts cmd so that it is killed when this process dies, even by SIGKILL, and in a process group of
// its own so that Ctrl-C on a terminal reaches only us.
func (l *launcher) start(cmd *exec.Cmd) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	done := make(chan error)
	l.calls <- func() { done <- cmd.Start() }
	return <-done
}

func (l *launcher) run(cmd *exec.Cmd) error {
	if err := l.start(cmd); err != nil {
		return err
	}
	return cmd.Wait()
}

func (l *launcher) close() { close(l.calls) }

// node is one tor of the network, running or not.
type node struct {
	name, tor, torrc, dir string
	shared                *sharedLog
	proc                  *process // nil: not running
}

type process struct {
	cmd    *exec.Cmd
	log    *nodeLog
	exited chan struct{}
}

func (n *node) start(l *launcher) error {
	if n.proc != nil {
		select {
		case <-n.proc.exited: // died by itself
		default:
			return nil
		}
	}
	log := &nodeLog{name: n.name, shared: n.shared, marks: make(map[string]chan struct{})}
	for _, m := range []string{consensus, enough, ready} {
		log.marks[m] = make(chan struct{})
	}
	cmd := exec.Command(n.tor, "--defaults-torrc", "/dev/null", "-f", n.torrc)
	cmd.Stdout, cmd.Stderr, cmd.Dir = log, log, n.dir
	if err := l.start(cmd); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrNode, n.name, err)
	}
	p := &process{cmd: cmd, log: log, exited: make(chan struct{})}
	go func() {
		_ = cmd.Wait() // how it died is in its log
		close(p.exited)
	}()
	n.proc = p
	return nil
}

func (n *node) stop() {
	if n.proc == nil {
		return
	}
	_ = n.proc.cmd.Process.Kill() // fails only if it has exited already
	<-n.proc.exited
	n.proc = nil
}

// serves reports whether the node runs and knows the network.
func (n *node) serves() bool { return n.proc != nil && n.proc.log.reached(enough) }

// sharedLog lets the nodes write whole lines to one writer.
type sharedLog struct {
	mu sync.Mutex
	w  io.Writer // nil: dropped
}

func (s *sharedLog) line(name string, line []byte) {
	if s.w == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprintf(s.w, "%s: %s\n", name, line)
}

// What nodeLog looks for, in tor's words.
const (
	consensus = "Published microdesc consensus" // an authority has agreed with the others on a network
	enough    = "Bootstrapped 75%"              // a node knows enough relays to build circuits
	ready     = "Bootstrapped 100%"
)

// nodeLog reads one process's standard output: it tells how far the node has come and keeps its last
// complaint for an error message.
type nodeLog struct {
	name   string
	shared *sharedLog
	marks  map[string]chan struct{} // closed when the line has been seen; the map is never changed

	mu   sync.Mutex // guards what follows
	rest []byte     // a line without its end yet
	last string
}

func (l *nodeLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rest = append(l.rest, p...)
	for {
		line, rest, ok := bytes.Cut(l.rest, []byte("\n"))
		if !ok {
			return len(p), nil
		}
		l.rest = rest
		l.shared.line(l.name, line)
		for mark, seen := range l.marks {
			if says(string(line), mark) && !l.reached(mark) {
				close(seen)
			}
		}
		if bytes.Contains(line, []byte("[warn]")) || bytes.Contains(line, []byte("[err]")) {
			l.last = string(line)
		}
	}
}

// says reports whether a line says what the mark does, or that the node is further by now: tor leaves out a percentage
// that it passes within a moment.
func says(line, mark string) bool {
	if want := bootstrapped(mark); want >= 0 {
		return bootstrapped(line) >= want
	}
	return strings.Contains(line, mark)
}

// bootstrapped is the percentage in a line of tor's, -1 if it has none.
func bootstrapped(line string) int {
	_, rest, _ := strings.Cut(line, "Bootstrapped ")
	number, _, _ := strings.Cut(rest, "%")
	if percent, err := strconv.Atoi(number); err == nil {
		return percent
	}
	return -1
}

func (l *nodeLog) reached(mark string) bool {
	select {
	case <-l.marks[mark]:
		return true
	default:
		return false
	}
}

func (l *nodeLog) complaint() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.TrimSpace(l.last)
}
