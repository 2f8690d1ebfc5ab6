package main

import (
	"bytes"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"emberdrop/report"
)

// hostile is a client of a server that somebody else has taken over.
func hostile(t *testing.T, answer http.HandlerFunc) adminClient {
	socket := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: answer}
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
	return adminClient{socket: socket}
}

func TestAnswersAreBounded(t *testing.T) {
	chunk := bytes.Repeat([]byte("a"), 1<<20)
	c := hostile(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Write([]byte{'"'})
		for range 80 { // and the end of the string, which must not be reached
			w.Write(chunk)
		}
		w.Write([]byte{'"'})
	})
	var out string
	if err := c.do(t.Context(), "GET", "/", nil, &out); err == nil {
		t.Errorf("an answer of %d bytes is taken", len(out))
	}
	for _, size := range []int64{-1, itemMost + 1} {
		if _, err := c.fetch(t.Context(), "/", size); err == nil || !strings.Contains(err.Error(), "not fetched") {
			t.Errorf("an item of %d bytes: %v", size, err)
		}
	}
}

// What a server says cannot steer the terminal of its operator.
func TestNothingSteersTheTerminal(t *testing.T) {
	const evil = "\x1b]0;x\x07\u009b2J\u202e\r"
	c := hostile(t, func(w http.ResponseWriter, _ *http.Request) { http.Error(w, evil+"no", http.StatusTeapot) })
	_, err := c.fetch(t.Context(), "/", 1)
	if err == nil {
		t.Fatal("no error")
	}
	var table bytes.Buffer
	for _, state := range []string{report.StateOpen, evil} {
		one := report.Case{ID: evil, Category: evil, State: state, LinkState: evil}
		if err := printCases(&table, []report.Case{one}, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	for what, text := range map[string]string{
		"an error": err.Error(), "the cases": strings.ReplaceAll(table.String(), "\n", ""),
		"the keys": sealedTo(report.Case{Boxes: []report.Box{{To: evil}}}),
	} {
		if text != printable(text) || !strings.Contains(text, "?]0;x?") {
			t.Errorf("%s: %q", what, text)
		}
	}
}
