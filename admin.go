package main

import (
	"encoding/json"
	"errors"
	"io/fs"
	"net"
	"net/http"
	"os"
	"strconv"
	"syscall"
)

// The admin socket is how commands talk to a running server: HTTP over a unix
// socket in the data folder, mode 0600, so whoever may read the data folder may
// use it and nobody else. Nothing of a visitor reaches it.

const adminSocket = "admin.sock"

// listenAdmin opens the admin socket; a stale one that a crash left is replaced,
// which is safe because the log's lock says that no other server runs.
func (f folder) listenAdmin() (net.Listener, error) {
	path := f.in(adminSocket)
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	listener, err := net.Listen("unix", path)
	if errors.Is(err, syscall.EINVAL) {
		return nil, hint{err, "the path of the data folder is too long for a unix socket (107 bytes): use a shorter one"}
	}
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	return listener, nil
}

// admin answers commands.
func (s *server) admin() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, r *http.Request) {
		reply(w, func() (any, error) { return s.status() })
	})
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, r *http.Request) {
		now, err := s.status()
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", metricsType)
		now.metrics(w)
	})
	mux.HandleFunc("POST /sweep", func(w http.ResponseWriter, r *http.Request) {
		reply(w, func() (any, error) { return nil, s.sweeper.Sweep() })
	})
	mux.HandleFunc("POST /purge", func(w http.ResponseWriter, r *http.Request) {
		reply(w, func() (any, error) { return s.purge(r.Context()) })
	})
	mux.HandleFunc("POST /panic", func(w http.ResponseWriter, r *http.Request) {
		reply(w, func() (any, error) { return nil, s.panicNow() })
	})
	mux.HandleFunc("POST /passes", func(w http.ResponseWriter, r *http.Request) {
		reply(w, func() (any, error) {
			n, err := strconv.Atoi(r.URL.Query().Get("n"))
			if err != nil {
				return nil, err
			}
			return s.links.Mint(n)
		})
	})
	mux.HandleFunc("POST /clients", func(w http.ResponseWriter, r *http.Request) {
		reply(w, func() (any, error) { return nil, s.admit() })
	})
	mux.HandleFunc("GET /passes", func(w http.ResponseWriter, r *http.Request) {
		reply(w, func() (any, error) { return s.links.Passes() })
	})
	mux.HandleFunc("GET /totals", func(w http.ResponseWriter, r *http.Request) {
		reply(w, func() (any, error) { return s.links.Totals() })
	})
	s.cases(mux)
	s.lists(mux)
	return mux
}

// reply sends what a command gives, or its error's text: the operator may see it.
func reply(w http.ResponseWriter, do func() (any, error)) {
	out, err := do()
	if err != nil {
		http.Error(w, err.Error(), adminStatus(err))
		return
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(out)
}
