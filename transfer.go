package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"

	"github.com/schollz/progressbar/v3"

	"emberdrop/client"
	"emberdrop/strip"
)

const viaUsage = "SOCKS `port` of Tor: HOST:PORT or unix:PATH (default 127.0.0.1:9150, Tor Browser's, or else 127.0.0.1:9050, tor's)"

// transfer shows how far an upload or a download is: a bar on a terminal, one
// line at its beginning elsewhere.
type transfer struct {
	out      io.Writer
	terminal bool

	mu  sync.Mutex // an upload is told of by whoever sends it
	bar *progressbar.ProgressBar
}

func newTransfer(out io.Writer) *transfer {
	return &transfer{out: out, terminal: isTerminal(out)}
}

func (t *transfer) begin(what string, size int64) {
	if !t.terminal {
		fmt.Fprintf(t.out, "%s: %d bytes\n", what, size)
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.bar = progressbar.NewOptions64(size, progressbar.OptionSetWriter(t.out), progressbar.OptionSetDescription(what),
		progressbar.OptionSetWidth(30), progressbar.OptionShowBytes(true), progressbar.OptionClearOnFinish())
}

// at says how many bytes have gone.
func (t *transfer) at(n int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.bar != nil {
		t.bar.Set64(n)
	}
}

func (t *transfer) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.bar != nil {
		t.bar.Clear()
		t.bar = nil
	}
}

// retrying says that something failed that is tried again.
func (t *transfer) retrying(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.bar != nil {
		t.bar.Clear()
	}
	fmt.Fprintf(t.out, "emberdrop: %s; trying again\n", client.Printable(err.Error()))
}

// What to do about an error, by what was being done.
type advice struct{ gone, refused string }

var (
	whenSending = advice{
		gone:    "is this the address of an emberdrop server?",
		refused: "nothing was stored",
	}
	whenGetting = advice{
		gone:    "the link has ended, or is mistyped: from outside the two look the same",
		refused: "nothing was opened, and nothing counted",
	}
)

// advised gives an error of the client a hint, if it has none.
func advised(err error, a advice) error {
	var hinted hint
	var usage usageError
	if err == nil || errors.As(err, &hinted) || errors.As(err, &usage) {
		return err
	}
	var refusal *client.Refusal
	var unsupported *strip.UnsupportedError
	switch {
	case errors.Is(err, context.Canceled):
		return plainly(err)
	case errors.Is(err, client.ErrProxy):
		return hint{err, "start Tor Browser or tor, or name the SOCKS port with --via HOST:PORT"}
	case errors.Is(err, client.ErrUnreachable):
		return hint{err, "is Tor connected, and the address right? A service can also be down for a while"}
	case errors.Is(err, client.ErrGone):
		return hint{err, a.gone}
	case errors.Is(err, client.ErrPassphrase):
		return hint{err, a.refused}
	case errors.As(err, &unsupported):
		return hint{err, unsupported.Hint}
	case errors.As(err, &refusal) && refusal.Status == http.StatusTooManyRequests:
		return hint{err, a.refused + ": wait a minute"}
	case errors.As(err, &refusal):
		return hint{err, a.refused}
	}
	return err
}

// plainly says in a word that somebody pressed Ctrl-C.
func plainly(err error) error {
	if errors.Is(err, context.Canceled) {
		return errors.New("interrupted")
	}
	return err
}
