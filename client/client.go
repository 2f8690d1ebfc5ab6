// Package client speaks to an emberdrop server through a SOCKS port: it uploads,
// reveals, and fetches what was revealed, and goes on where a circuit broke off.
// It also holds the format of what a sender seals before it leaves the machine.
// It tells a server nothing of whoever uses it: no program name, no language, no
// file name, no cookie. It must not resolve a name, connect to anything but the
// SOCKS port, follow a redirect, print, ask, or know a flag.
package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"golang.org/x/net/proxy"

	"emberdrop/seal"
)

// The errors at this room's border.
var (
	// ErrProxy means that nothing answers at the SOCKS port.
	ErrProxy = errors.New("no SOCKS port answers")
	// ErrAddress means text that is not a server's address or a link.
	ErrAddress = errors.New("not an address")
	// ErrUnreachable means that the server could not be reached, or not any more,
	// however often it was tried.
	ErrUnreachable = errors.New("the connection failed")
	// ErrAnswer means an answer that no emberdrop server gives.
	ErrAnswer = errors.New("the server does not answer as emberdrop does")
	// ErrGone means a link, or the lease of an opened one, that is not there.
	ErrGone = errors.New("nothing is there")
	// ErrPassphrase means that the passphrase is wrong, or that one is needed. It burned nothing.
	ErrPassphrase = errors.New("wrong passphrase")
	// ErrFile means a file that could not be read or written here.
	ErrFile = errors.New("local file")
)

// Refusal is an answer that says no.
type Refusal struct {
	Status   int    // of HTTP
	Sentence string // the server's own, in one printable line; may be empty
}

func (r *Refusal) Error() string {
	if r.Sentence == "" {
		return fmt.Sprintf("the server answered %d %s", r.Status, http.StatusText(r.Status))
	}
	return "the server says: " + r.Sentence
}

// Config says whom to speak to.
type Config struct {
	// Server is what Origin made of an address, or a Place's. Required.
	Server string

	// Via is the SOCKS5 port: host:port, or unix:PATH. Empty means where Tor
	// Browser (127.0.0.1:9150) or else tor (127.0.0.1:9050) listens.
	Via string

	// Stall is how long a connection may stand still; 0 means two minutes.
	Stall time.Duration

	// Retrying is told that something failed and is tried again; nil: nobody is.
	Retrying func(err error)
}

// Client speaks to one server. It is for one goroutine.
type Client struct {
	cfg       Config
	transport *http.Transport
}

// ports are where Tor Browser and tor listen.
var ports = [...]string{"127.0.0.1:9150", "127.0.0.1:9050"}

// New finds the SOCKS port. The error is ErrProxy.
func New(ctx context.Context, cfg Config) (*Client, error) {
	if cfg.Stall == 0 {
		cfg.Stall = 2 * time.Minute
	}
	if cfg.Retrying == nil {
		cfg.Retrying = func(error) {}
	}
	candidates := []string{cfg.Via}
	if cfg.Via == "" {
		candidates = ports[:]
	}
	for _, via := range candidates {
		network, address := "tcp", via
		if path, ok := strings.CutPrefix(via, "unix:"); ok {
			network, address = "unix", path
		}
		if answers(ctx, network, address) {
			return newClient(cfg, network, address)
		}
	}
	return nil, fmt.Errorf("%w at %s", ErrProxy, strings.Join(candidates, " or "))
}

func answers(ctx context.Context, network, address string) bool {
	d := net.Dialer{Timeout: 10 * time.Second}
	c, err := d.DialContext(ctx, network, address)
	if err == nil {
		c.Close()
	}
	return err == nil
}

func newClient(cfg Config, network, address string) (*Client, error) {
	// Tor gives every SOCKS user name circuits of its own (IsolateSOCKSAuth, on by
	// default), so two runs do not meet on one.
	run := &proxy.Auth{User: seal.NewToken().String(), Password: seal.NewToken().String()}
	socks, err := proxy.SOCKS5(network, address, run, proxy.Direct)
	if err != nil {
		return nil, err
	}
	dialer := socks.(proxy.ContextDialer) // what SOCKS5 makes always is
	return &Client{cfg, &http.Transport{
		// Host names go to the SOCKS port as they are: nothing is resolved here.
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			ctx, cancel := context.WithTimeout(ctx, cfg.Stall)
			defer cancel()
			c, err := dialer.DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return conn{c, cfg.Stall}, nil
		},
		Proxy:                  nil, // whatever the environment says
		DisableCompression:     true,
		TLSHandshakeTimeout:    cfg.Stall,
		MaxResponseHeaderBytes: 64 << 10,
	}}, nil
}

// conn is a connection that may be slow but not stand still in both directions.
type conn struct {
	net.Conn
	stall time.Duration
}

func (c conn) Read(p []byte) (int, error) {
	if err := c.SetDeadline(time.Now().Add(c.stall)); err != nil {
		return 0, err
	}
	return c.Conn.Read(p)
}

func (c conn) Write(p []byte) (int, error) {
	if err := c.SetDeadline(time.Now().Add(c.stall)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

// do sends one request and gives the answer if it has the wanted status, else
// the error that it means. Nothing of the request's address gets into an error.
func (c *Client) do(ctx context.Context, method, path string, body io.Reader, header http.Header, want int) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.cfg.Server+path, body)
	if err != nil {
		return nil, ErrAddress
	}
	if header != nil {
		req.Header = header
	}
	req.Header["User-Agent"] = nil // how net/http is told not to send one
	if sized, ok := body.(*form); ok {
		req.ContentLength = sized.size
	}
	res, err := c.transport.RoundTrip(req)
	if err != nil {
		return nil, c.broken(ctx, err)
	}
	if res.StatusCode == want {
		return res, nil
	}
	defer res.Body.Close()
	switch res.StatusCode {
	case http.StatusNotFound:
		return nil, ErrGone
	case http.StatusForbidden:
		if method == http.MethodPost && header.Get("Accept") == acceptHTML {
			return nil, ErrPassphrase
		}
	}
	refusal := &Refusal{Status: res.StatusCode}
	if strings.HasPrefix(res.Header.Get("Content-Type"), "text/plain") {
		text, _ := io.ReadAll(io.LimitReader(res.Body, 1000))
		refusal.Sentence = Printable(strings.TrimSpace(string(text)))
	}
	return nil, refusal
}

// broken is the error of a connection that failed.
func (c *Client) broken(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, ErrFile):
		return err
	}
	return fmt.Errorf("%w: %w", ErrUnreachable, err)
}

// pauses are between tries of the same thing: more than a minute altogether,
// which is what Tor needs for new circuits.
var pauses = [...]time.Duration{
	time.Second / 2, time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 15 * time.Second, 30 * time.Second,
}

// again tries until it works, fails for good, or fails too often without moving
// anything.
func (c *Client) again(ctx context.Context, try func() (moved bool, err error)) error {
	for n := 0; ; n++ {
		moved, err := try()
		if moved {
			n = 0
		}
		if err == nil || !passes(err) || n == len(pauses) {
			return err
		}
		c.cfg.Retrying(err)
		select {
		case <-time.After(pauses[n]):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// passes reports whether an error may be another one the next time.
func passes(err error) bool {
	var refusal *Refusal
	if errors.As(err, &refusal) {
		return refusal.Status == http.StatusServiceUnavailable || refusal.Status == http.StatusRequestTimeout
	}
	return errors.Is(err, ErrUnreachable)
}
