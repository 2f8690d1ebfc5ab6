package onion

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
)

// torLog reads tor's standard output. Of every line only the severity and a category go on to our log: what
// tor writes in a line is not ours to vouch for. The one exception is a tor that does not start: its last
// complaint is about its configuration, no visitor has reached it yet, and the operator needs the words.
type torLog struct {
	log   *slog.Logger
	unfit func() // called when tor dies in its own sandbox; nil: nobody asks

	mu       sync.Mutex // guards what follows
	rest     []byte     // a line without its end yet
	starting bool
	last     string // of the complaints while starting
}

func newTorLog(log *slog.Logger) *torLog { return &torLog{log: log, starting: true} }

const maxLine = 16 << 10

func (l *torLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rest = append(l.rest, p...)
	for {
		line, rest, ok := bytes.Cut(l.rest, []byte("\n"))
		if !ok {
			if len(l.rest) > maxLine {
				l.rest = nil
			}
			return len(p), nil
		}
		l.rest = rest
		l.line(string(line))
	}
}

func (l *torLog) line(line string) {
	if l.unfit != nil && diedInSandbox(line) {
		l.unfit()
	}
	_, line, _ = strings.Cut(line, " [")
	name, text, ok := strings.Cut(line, "] ")
	if !ok {
		return
	}
	var level slog.Level
	switch name {
	case "notice":
		level = slog.LevelDebug
	case "warn":
		level = slog.LevelWarn
	case "err":
		level = slog.LevelError
	default:
		return
	}
	if l.starting && level >= slog.LevelWarn && !strings.HasPrefix(text, "Reading config failed") {
		l.last = text
	}
	l.log.Log(context.Background(), level, "tor", "category", category(text))
}

// diedInSandbox knows the words with which tor ends when its sandbox forbids what it does, or cannot be made. They
// have no severity in front: they are written from a signal handler.
func diedInSandbox(line string) bool {
	return strings.HasPrefix(line, "(Sandbox) Caught a bad syscall attempt") || strings.Contains(line, "Failed to create syscall sandbox filter")
}

// started ends the time in which complaints are kept.
func (l *torLog) started() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.starting, l.last = false, ""
}

// startError says what tor complained about last, "" if it did not.
func (l *torLog) startError() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last
}

// category puts a line of tor's into one of a few constant words.
func category(text string) string {
	text = strings.ToLower(text)
	for _, c := range []struct{ has, category string }{
		{"as root", "root"},
		{"bootstrapped", "bootstrap"},
		{"heartbeat", "heartbeat"},
		{"config", "configuration"},
		{"clock", "clock"},
		{"guard", "guards"},
		{"vanguard", "guards"},
		{"introduction", "service"},
		{"onion service", "service"},
		{"hidden service", "service"},
		{"descriptor", "directory"},
		{"directory", "directory"},
		{"consensus", "directory"},
		{"circuit", "circuits"},
		{"connection", "connections"},
		{"memory", "memory"},
	} {
		if strings.Contains(text, c.has) {
			return c.category
		}
	}
	return "other"
}
