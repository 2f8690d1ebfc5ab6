package handlers

import (
	"bytes"
	"context"
	"io"
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
	leaveTime  = 5 * time.Second // for answers under way when the program ends
	maxHeader  = 16 << 10        // bytes; net/http adds some slack
)

// NewServer makes the server for a handler of New. It has no limit on how long
// an upload or a download takes altogether, only on how long it may stand still.
// Its listener has to be wrapped by Listen; Serve does both.
func NewServer(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:                      h,
		ReadHeaderTimeout:            headerTime,
		IdleTimeout:                  idleTime,
		MaxHeaderBytes:               maxHeader,
		DisableGeneralOptionsHandler: true, // it answers OPTIONS * by itself, with a Date
		ErrorLog:                     quiet(log),
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, connKey{}, c)
		},
		ConnState: func(c net.Conn, state http.ConnState) {
			// Between two requests; a request that follows begins without an answer.
			if own, ok := c.(*conn); ok && state == http.StateIdle {
				own.answering.Store(false)
			}
		},
	}
}

// Serve answers requests from ln until ctx ends, and closes ln. It returns nil
// when that is why it ended; answers under way get a few seconds.
func Serve(ctx context.Context, ln net.Listener, h http.Handler, log *slog.Logger) error {
	srv := NewServer(h, log)
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(Listen(ln)) }()
	select {
	case err := <-ended:
		srv.Close()
		return err
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveTime)
	defer cancel()
	if srv.Shutdown(grace) != nil {
		srv.Close()
	}
	<-ended
	return nil
}

// Listen wraps the connections of ln so that a visitor who stops reading is let
// go, and so that nothing that net/http says by itself carries a Date.
func Listen(ln net.Listener) net.Listener { return listener{ln} }

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

// quiet counts on nobody reading net/http's own complaints: they quote what
// visitors send. That there was one is all that is kept.
func quiet(to *slog.Logger) *log.Logger {
	if to == nil {
		return log.New(io.Discard, "", 0)
	}
	return log.New(complaint{to}, "", 0)
}

type complaint struct{ log *slog.Logger }

func (c complaint) Write(p []byte) (int, error) {
	c.log.Warn("request failed", "category", "http")
	return len(p), nil
}
