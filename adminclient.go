package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"
	"unicode"
)

// errNotRunning means that no server answers on an admin socket.
var errNotRunning = errors.New("no server is running on this data folder")

// adminClient speaks to a running server. The socket may be the server's own, or
// one that ssh forwards to it.
type adminClient struct{ socket string }

func (f folder) client() adminClient { return adminClient{f.in(adminSocket)} }

// ask sends one command to the running server and decodes its answer into out.
func (f folder) ask(ctx context.Context, method, path string, out any) error {
	return f.askWith(ctx, method, path, nil, out)
}

// askWith is ask with something to say: in as JSON, unless it is nil.
func (f folder) askWith(ctx context.Context, method, path string, in, out any) error {
	err := f.client().do(ctx, method, path, in, out)
	if errors.Is(err, errNotRunning) {
		return hint{errNotRunning, "start it with `emberdrop serve --data " + f.path + "`"}
	}
	return err
}

// do sends in, if any, as JSON and decodes the answer into out, if any.
func (c adminClient) do(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(text)
	}
	res, err := c.send(ctx, method, path, body)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if out == nil {
		return nil
	}
	return json.NewDecoder(io.LimitReader(res.Body, answerMost)).Decode(out)
}

// The most that is taken from a server: who has it may not fill the memory of who
// looks after it from elsewhere.
const (
	answerMost = 64 << 20  // bytes of JSON
	itemMost   = 512 << 20 // bytes of an item; how many is said by who reported it
)

// fetch gets exactly size bytes.
func (c adminClient) fetch(ctx context.Context, path string, size int64) ([]byte, error) {
	if size < 0 || size > itemMost {
		return nil, fmt.Errorf("an item of %d bytes is not fetched, the most are %d", size, itemMost)
	}
	res, err := c.send(ctx, http.MethodGet, path, nil)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, size+1))
	if err == nil && int64(len(b)) != size {
		err = fmt.Errorf("the server sent %d bytes or more, not %d", len(b), size)
	}
	return b, err
}

func (c adminClient) send(ctx context.Context, method, path string, body io.Reader) (*http.Response, error) {
	client := &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, "unix", c.socket)
		},
	}}
	req, err := http.NewRequestWithContext(ctx, method, "http://admin"+path, body)
	if err != nil {
		return nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := client.Do(req)
	switch {
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, fs.ErrNotExist):
		return nil, errNotRunning
	case err != nil:
		return nil, err
	}
	if res.StatusCode != http.StatusOK {
		defer res.Body.Close()
		text, _ := io.ReadAll(io.LimitReader(res.Body, 4096))
		return nil, fmt.Errorf("the server says: %s", printable(string(bytes.TrimSpace(text))))
	}
	return res, nil
}

// printable is text of a server as it may go to a terminal, which obeys what is not
// printable.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, text)
}
