package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"emberdrop/seal"
)

// acceptHTML asks for a browser's answer: the only one that names the lease
// whether there is one item or several.
const acceptHTML = "text/html"

// Preview is what a link tells before it is opened.
type Preview struct {
	Lines  Lines // all of it, for people
	Locked bool  // a passphrase is needed, and Items are not told
	Items  []Item
}

// Preview asks what a link holds. It opens nothing and counts nothing. Errors
// are ErrGone, *Refusal, ErrUnreachable, ErrAnswer.
func (c *Client) Preview(ctx context.Context, link Place) (p Preview, err error) {
	if p.Lines, err = c.lines(ctx, link.path); err != nil {
		return p, err
	}
	p.Locked = p.Lines.Get("passphrase") != ""
	p.Items, err = itemsOf(p.Lines)
	return p, err
}

func (c *Client) lines(ctx context.Context, path string) (lines Lines, err error) {
	err = c.again(ctx, func() (bool, error) {
		res, err := c.do(ctx, http.MethodGet, path, nil, nil, http.StatusOK)
		if err == nil {
			lines, err = c.readLines(res)
		}
		return false, err
	})
	return lines, err
}

// Reveal opens a link, which counts as one view, and returns the lease. Repeats
// after a failure are the same view: they carry the same random value. Errors
// are ErrGone, ErrPassphrase, *Refusal, ErrUnreachable, ErrAnswer.
func (c *Client) Reveal(ctx context.Context, link Place, passphrase string) (lease Place, err error) {
	fields := url.Values{"reveal": {seal.NewToken().String()}}
	if passphrase != "" {
		fields.Set("passphrase", passphrase)
	}
	err = c.again(ctx, func() (bool, error) {
		header := http.Header{"Accept": {acceptHTML}, "Content-Type": {"application/x-www-form-urlencoded"}}
		res, err := c.do(ctx, http.MethodPost, link.path, strings.NewReader(fields.Encode()), header, http.StatusSeeOther)
		if err != nil {
			return false, err
		}
		defer res.Body.Close()
		path, _, _ := strings.Cut(res.Header.Get("Location"), "?")
		lease, _, err = Split(c.cfg.Server + path)
		if err != nil || !lease.Opened {
			return false, fmt.Errorf("%w: no lease in it", ErrAnswer)
		}
		return false, nil
	})
	return lease, err
}

// Item is one thing in an opened link.
type Item struct {
	Kind Kind
	Size int64 // bytes
}

// View is what an opened link holds.
type View struct {
	Caption string
	Items   []Item
	Until   string // when the lease ends if nothing is fetched any more
}

// maxItems is how many items are believed: no server takes more in one link.
const maxItems = 1000

// View asks what an opened link holds. Errors are ErrGone, *Refusal,
// ErrUnreachable, ErrAnswer.
func (c *Client) View(ctx context.Context, lease Place) (view View, err error) {
	lines, err := c.lines(ctx, lease.path)
	if err != nil {
		return view, err
	}
	view.Caption, view.Until = lines.Get("caption"), lines.Get("until")
	if view.Items, err = itemsOf(lines); err != nil {
		return view, err
	}
	if len(view.Items) == 0 || len(view.Items) > maxItems {
		return view, fmt.Errorf("%w: no items in it", ErrAnswer)
	}
	return view, nil
}

// itemsOf reads the lines "item: [address] media-type[; parameters] bytes".
func itemsOf(lines Lines) (items []Item, err error) {
	for _, line := range lines {
		if line.Name != "item" {
			continue
		}
		words := strings.Fields(line.Value)
		if len(words) > 0 && strings.Contains(words[0], "://") {
			words = words[1:] // items are asked for by number
		}
		if len(words) < 2 {
			return nil, ErrAnswer
		}
		size, err := strconv.ParseInt(words[len(words)-1], 10, 64)
		if err != nil || size < 0 {
			return nil, ErrAnswer
		}
		kind, _, _ := strings.Cut(words[0], ";")
		items = append(items, Item{Kind(kind), size})
	}
	return items, nil
}

// Fetch writes item n, counted from 1, of an opened link to w, and goes on where
// a connection broke off, as long as the lease lives. moved, if not nil, is told
// the bytes so far. Errors are ErrGone, *Refusal, ErrUnreachable, ErrAnswer,
// ErrFile.
func (c *Client) Fetch(ctx context.Context, lease Place, n int, item Item, w io.Writer, moved func(int64)) error {
	path := lease.path + "/" + strconv.Itoa(n)
	have := int64(0)
	return c.again(ctx, func() (bool, error) {
		header, want := http.Header{}, http.StatusOK
		if have > 0 {
			header.Set("Range", fmt.Sprintf("bytes=%d-", have))
			want = http.StatusPartialContent
		}
		res, err := c.do(ctx, http.MethodGet, path, nil, header, want)
		if err != nil {
			return false, err
		}
		defer res.Body.Close()
		part := fmt.Sprintf("bytes %d-%d/%d", have, item.Size-1, item.Size)
		if res.ContentLength != item.Size-have || have > 0 && res.Header.Get("Content-Range") != part {
			return false, fmt.Errorf("%w: a part that does not fit", ErrAnswer)
		}
		before := have
		_, err = io.Copy(counter{w, func(n int) {
			have += int64(n)
			if moved != nil {
				moved(have)
			}
		}}, res.Body)
		if err != nil {
			return have > before, c.broken(ctx, err)
		}
		return true, nil
	})
}

// counter counts what was written, and says whose fault a failure is.
type counter struct {
	w       io.Writer
	written func(int)
}

func (c counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.written(n)
	if err != nil {
		err = fmt.Errorf("%w: %w", ErrFile, err)
	}
	return n, err
}

// Done ends a lease: what was opened can be fetched no more. A lease that has
// ended before is no error.
func (c *Client) Done(ctx context.Context, lease Place) error {
	err := c.again(ctx, func() (bool, error) {
		res, err := c.do(ctx, http.MethodPost, lease.path+"/done", nil, nil, http.StatusOK)
		if err == nil {
			res.Body.Close()
		}
		return false, err
	})
	if errors.Is(err, ErrGone) {
		return nil
	}
	return err
}
