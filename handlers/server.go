package handlers

import (
	"bytes"
	"context"
	"log"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// What suits Tor: a circuit may take seconds for a header and minutes for a
// photo, but something has to move. A whole header has one stall's time, one write
// to the visitor too.
const (
	idleTimes = 2        // stalls between two requests
	maxHeader = 16 << 10 // bytes; net/http adds some slack
)

// Server is an http.Server that suits Tor. It has no limit on how long an
// upload or a download takes altogether, only on how long it may stand still.
type Server struct {
	*http.Server
	open  *conns
	stall time.Duration
}

// NewServer makes the server of a service.
func NewServer(h *Service) *Server {
	open := &conns{most: h.connections, all: map[*conn]struct{}{}}
	s := &Server{&http.Server{
		Handler:                      h,
		ReadHeaderTimeout:            h.stall,
		IdleTimeout:                  idleTimes * h.stall,
		MaxHeaderBytes:               maxHeader,
		DisableGeneralOptionsHandler: true, // it answers OPTIONS * by itself, with a Date
		ErrorLog:                     log.New(complaint{h.log}, "", 0),
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, connKey{}, c)
		},
		ConnState: func(c net.Conn, state http.ConnState) {
			own, ok := c.(*conn)
			switch {
			case !ok:
			case state == http.StateIdle:
				// Between two requests; a request that follows begins without an answer.
				own.idle(time.Now())
			case state == http.StateClosed:
				open.remove(own)
			}
		},
	}, open, h.stall}
	s.RegisterOnShutdown(h.meters.close) // Shutdown waits for answers to end, and progress frames would take their time
	return s
}

// Serve answers requests from ln until Shutdown or Close. A visitor who stops
// reading is let go, and what net/http says by itself carries no Date.
func (s *Server) Serve(ln net.Listener) error { return s.Server.Serve(listener{ln, s}) }

type listener struct {
	net.Listener
	server *Server
}

func (l listener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		own := &conn{Conn: c, stall: l.server.stall, since: time.Now()}
		if l.server.open.admit(own) {
			return own, nil
		}
		c.Close()
	}
}

// conn is one connection to a visitor.
type conn struct {
	net.Conn
	stall time.Duration
	// answering is set while a handler of ours is at work on a request. What is
	// written without one comes from net/http itself: 400, 417, 431 and such.
	answering atomic.Bool

	// Guarded by mu:
	mu     sync.Mutex
	served bool      // a whole request has been answered on it
	since  time.Time // when it began to wait for a request
}

// idle says that a request has been answered and the next one is waited for.
func (c *conn) idle(now time.Time) {
	c.answering.Store(false)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.served, c.since = true, now
}

// waits says whether a connection waits for the header of a request, since when,
// and whether it ever sent a whole one.
func (c *conn) waits() (waits, served bool, since time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.answering.Load(), c.served, c.since
}

// conns are the open connections. There are no addresses here to be fair by, so
// it goes by behaviour: when there are too many, the one goes that has waited
// longest without ever sending a whole request; if all have, the one that has
// been idle for longest. What is being answered is never closed for another.
type conns struct {
	most int

	mu  sync.Mutex
	all map[*conn]struct{}
}

// admit enters a connection; false means that there is no room for it.
func (o *conns) admit(c *conn) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.all) >= o.most {
		goes := o.longest()
		if goes == nil {
			return false
		}
		delete(o.all, goes)
		goes.Close() // its server's goroutine finds that out by itself
	}
	o.all[c] = struct{}{}
	return true
}

// longest is the waiting connection that has to go for another; nil: none waits.
// The caller holds mu.
func (o *conns) longest() (goes *conn) {
	var goesServed bool
	var goesSince time.Time
	for c := range o.all {
		waits, served, since := c.waits()
		if !waits {
			continue
		}
		if goes == nil || goesServed && !served || goesServed == served && since.Before(goesSince) {
			goes, goesServed, goesSince = c, served, since
		}
	}
	return goes
}

func (o *conns) remove(c *conn) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.all, c)
}

type connKey struct{}

// answering marks the request's connection as being answered by us.
func answering(r *http.Request) {
	if c, ok := r.Context().Value(connKey{}).(*conn); ok {
		c.answering.Store(true)
	}
}

func (c *conn) Write(p []byte) (int, error) {
	if err := c.Conn.SetWriteDeadline(time.Now().Add(c.stall)); err != nil {
		return 0, err
	}
	if c.answering.Load() {
		return c.Conn.Write(p)
	}
	if _, err := c.Conn.Write(undated(p)); err != nil {
		return 0, err
	}
	return len(p), nil
}

// undated cuts the Date line out of a response header.
func undated(p []byte) []byte {
	at := bytes.Index(p, []byte("\r\nDate: "))
	if at < 0 {
		return p
	}
	end := bytes.Index(p[at+2:], []byte("\r\n"))
	if end < 0 {
		return p
	}
	return append(append([]byte{}, p[:at]...), p[at+2+end:]...)
}

// complaint keeps of net/http's own complaints only that there was one: they
// quote what visitors send.
type complaint struct{ log *slog.Logger }

func (c complaint) Write(p []byte) (int, error) {
	c.log.Warn("request failed", "category", "http")
	return len(p), nil
}
