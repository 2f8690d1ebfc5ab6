package instance

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/net/proxy"
)

// Client speaks to an instance the way curl does: plain text, no cookies, no
// redirects followed.
type Client struct{ http *http.Client }

// ViaSOCKS is a client whose every connection goes through a SOCKS port, host
// names included.
func ViaSOCKS(address string) (*Client, error) {
	dialer, err := proxy.SOCKS5("tcp", address, nil, proxy.Direct)
	if err != nil {
		return nil, err
	}
	return newClient(dialer.(proxy.ContextDialer).DialContext), nil
}

// ViaUnix is a client of a server on a unix socket, for tests without Tor.
func ViaUnix(path string) *Client {
	return newClient(func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", path)
	})
}

func newClient(dial func(context.Context, string, string) (net.Conn, error)) *Client {
	return &Client{&http.Client{
		Transport:     &http.Transport{DialContext: dial, DisableCompression: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Answer is a response read whole.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// Line is the value of the answer's line that begins with "name: ", or "".
func (a Answer) Line(name string) string {
	for line := range strings.Lines(string(a.Body)) {
		if value, ok := strings.CutPrefix(line, name+": "); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// Do sends a request and reads the whole answer.
func (c *Client) Do(req *http.Request) (Answer, error) {
	res, err := c.http.Do(req)
	if err != nil {
		return Answer{}, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return Answer{res.StatusCode, res.Header, body}, err
}

// Get fetches a page as plain text.
func (c *Client) Get(ctx context.Context, url string) (Answer, error) {
	return c.send(ctx, http.MethodGet, url, "", nil)
}

// Post sends a form.
func (c *Client) Post(ctx context.Context, url string, form url.Values) (Answer, error) {
	return c.send(ctx, http.MethodPost, url, "application/x-www-form-urlencoded", strings.NewReader(form.Encode()))
}

func (c *Client) send(ctx context.Context, method, url, kind string, body io.Reader) (Answer, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		return Answer{}, err
	}
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	return c.Do(req)
}

// Stream posts a body as it comes.
func (c *Client) Stream(ctx context.Context, url, kind string, body io.Reader) (Answer, error) {
	return c.send(ctx, http.MethodPost, url, kind, body)
}

// Field is one part of an upload: a file if Name is set, else a form field.
type Field struct {
	Key, Name string
	Value     []byte
}

// File is an upload's file.
func File(name string, content []byte) Field { return Field{"file", name, content} }

// Text is an upload's form field.
func Text(key, value string) Field { return Field{key, "", []byte(value)} }

// Upload posts parts in the given order.
func (c *Client) Upload(ctx context.Context, url string, parts ...Field) (Answer, error) {
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for _, part := range parts {
		var w io.Writer
		var err error
		if part.Name != "" {
			w, err = form.CreateFormFile(part.Key, part.Name)
		} else {
			w, err = form.CreateFormField(part.Key)
		}
		if err == nil {
			_, err = w.Write(part.Value)
		}
		if err != nil {
			return Answer{}, fmt.Errorf("form: %w", err)
		}
	}
	if err := form.Close(); err != nil {
		return Answer{}, err
	}
	return c.send(ctx, http.MethodPost, url, form.FormDataContentType(), &body)
}
