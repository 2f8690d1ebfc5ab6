package main

import (
	"context"
	"net"
	"net/http"
	"strings"
	"testing"

	"emberdrop/handlers"
	"emberdrop/link"
)

// The page that proves that we are reachable is a real one, and anything else in its place proves nothing.
func TestCheckPage(t *testing.T) {
	ours, err := handlers.New(handlers.Config{Links: new(link.Links), Origin: "http://x.onion"})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		handler http.Handler
		ok      bool
	}{
		"ours":    {ours, true},
		"nothing": {http.NotFoundHandler(), false},
		"longer": {http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Write(append(page().Body[:len(page().Body):len(page().Body)], 'x'))
		}), false},
		"another": {http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Write([]byte(strings.Repeat("x", len(page().Body))))
		}), false},
	} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		srv := &http.Server{Handler: c.handler}
		go srv.Serve(l)
		conn, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if err := checkPage(context.Background(), conn); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
		conn.Close()
		srv.Close()
	}
}
