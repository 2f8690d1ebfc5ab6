package handlers

import (
	"bytes"
	"context"
	"log"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// What suits Tor: a circuit may take seconds for a header and minutes for a
// photo, but something has to move.
const (
	headerTime = time.Minute     // for a whole request header
	idleTime   = 2 * time.Minute // between two requests
	stallTime  = time.Minute     // for one write to the visitor to move on
	maxHeader  = 16 << 10        // bytes; net/http adds some slack
)

// Server is an http.Server that suits Tor. It has no limit on how long an
// upload or a download takes altogether, only on how long it may stand still.
type Server struct{ *http.Server }

// NewServer makes the server of a service.
func NewServer(h *Service) *Server {
	s := &Server{&http.Server{
		Handler:                      h,
		ReadHeaderTimeout:            headerTime,
		IdleTimeout:                  idleTime,
		MaxHeaderBytes:               maxHeader,
		DisableGeneralOptionsHandler: true, // it answers OPTIONS * by itself, with a Date
		ErrorLog:                     log.New(complaint{h.log}, "", 0),
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, connKey{}, c)
		},
		ConnState: func(c net.Conn, state http.ConnState) {
			// Between two requests; a request that follows begins without an answer.
			if own, ok := c.(*conn); ok && state == http.StateIdle {
				own.answering.Store(false)
			}
		},
	}}
	s.RegisterOnShutdown(h.meters.close) // Shutdown waits for answers to end, and progress frames would take their time
	return s
}

// Serve answers requests from ln until Shutdown or Close. A visitor who stops
// reading is let go, and what net/http says by itself carries no Date.
func (s *Server) Serve(ln net.Listener) error { return s.Server.Serve(listener{ln}) }

type listener struct{ net.Listener }

func (l listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &conn{Conn: c}, nil
}

// conn is one connection to a visitor.
type conn struct {
	net.Conn
	// answering is set while a handler of ours is at work on a request. What is
	// written without one comes from net/http itself: 400, 417, 431 and such.
	answering atomic.Bool
}

type connKey struct{}

// answering marks the request's connection as being answered by us.
func answering(r *http.Request) {
	if c, ok := r.Context().Value(connKey{}).(*conn); ok {
		c.answering.Store(true)
	}
}

func (c *conn) Write(p []byte) (int, error) {
	if err := c.Conn.SetWriteDeadline(time.Now().Add(stallTime)); err != nil {
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
