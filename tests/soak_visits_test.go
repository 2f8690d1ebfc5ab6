package tests

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"emberdrop/tests/instance"
)

// gift is a link that was acknowledged, and what was seen of it since.
type gift struct {
	mu            sync.Mutex
	link, receipt string
	passphrase    string
	goods         goods
	views         int // 0: no limit
	seen, doubt   int // reveals that gave it, and that broke off
	dead, maybe   bool
}

// act does one thing that visitors do.
func (s *soak) act(ctx context.Context, dice *rand.Rand, client *instance.Client) {
	some := s.some(dice, 1)
	switch n := dice.IntN(10); {
	case n <= 3 || len(some) == 0:
		s.upload(ctx, dice, client)
	case n <= 7:
		s.reveal(ctx, client, some[0])
	case n == 8:
		s.destroy(ctx, client, some[0])
	default:
		s.check(client, some[0])
	}
}

// some picks links, the youngest rather than the oldest.
func (s *soak) some(dice *rand.Rand, n int) (picked []*gift) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for range min(n, len(s.gifts)) {
		from := 0
		if dice.IntN(4) > 0 {
			from = max(0, len(s.gifts)-30)
		}
		if d := s.gifts[from+dice.IntN(len(s.gifts)-from)]; !slices.Contains(picked, d) {
			picked = append(picked, d)
		}
	}
	return picked
}

func (s *soak) upload(ctx context.Context, dice *rand.Rand, client *instance.Client) {
	d := &gift{goods: s.goods[dice.IntN(len(s.goods))]}
	parts := slices.Clone(d.goods.parts)
	parts = append(parts, instance.Text("expire", []string{"1h", "1d", "1w", "never"}[dice.IntN(4)]))
	switch dice.IntN(4) {
	case 0, 1:
		d.views = 1
		parts = append(parts, instance.Text("burn", "on"))
	case 2:
		d.views = 1 + dice.IntN(4)
		parts = append(parts, instance.Text("views", fmt.Sprint(d.views)))
	}
	if dice.IntN(20) == 0 {
		d.passphrase = "open sesame"
		parts = append(parts, instance.Text("passphrase", d.passphrase))
	}
	if dice.IntN(8) == 0 {
		parts = append(parts, instance.File("x.pdf", []byte("%PDF-1.4\n")))
	}
	up, err := client.Upload(ctx, "http://drop.test/", parts...)
	if err != nil {
		return // a link may exist that nobody knows
	}
	switch up.Status {
	case 201:
		d.link, d.receipt = up.Line("link"), up.Line("receipt")
		s.mu.Lock()
		s.gifts = append(s.gifts, d)
		s.mu.Unlock()
		s.uploads.Add(1)
	case 415, 503, 507, 500: // 500: the log has just stopped
		s.refused.Add(1)
	default:
		s.t.Errorf("upload: %d %s", up.Status, up.Body)
	}
}

func (s *soak) reveal(ctx context.Context, client *instance.Client, d *gift) {
	d.mu.Lock()
	defer d.mu.Unlock()
	got, err := client.Post(ctx, d.link, url.Values{"passphrase": {d.passphrase}})
	if err != nil || got.Status >= 500 {
		d.doubt++
		return
	}
	switch {
	case got.Status == 404:
		if !d.mayBeGone() {
			s.t.Errorf("an acknowledged link is gone: %+v", d.story())
		}
		return
	case got.Status == 429:
		return
	case got.Status != 200 || d.mustBeGone():
		s.t.Errorf("a reveal gives %d: %+v", got.Status, d.story())
		return
	}
	d.seen++
	s.reveals.Add(1)
	bodies := [][]byte{got.Body}
	if len(d.goods.clean) > 1 {
		bodies = nil
		for item := range strings.Lines(string(got.Body)) {
			one, err := client.Get(ctx, strings.TrimSpace(item))
			if err != nil || one.Status != 200 { // the server's end, or the lease's
				return
			}
			bodies = append(bodies, one.Body)
		}
	}
	for i, want := range d.goods.clean {
		if i >= len(bodies) || !bytes.Equal(bodies[i], want) {
			s.t.Errorf("item %d came out with other bytes", i+1)
		}
	}
}

func (s *soak) destroy(ctx context.Context, client *instance.Client, d *gift) {
	d.mu.Lock()
	defer d.mu.Unlock()
	out, err := client.Post(ctx, d.receipt+"/destroy", nil)
	switch {
	case err != nil || out.Status >= 500 || out.Status == 404 && s.forget:
		// With receipts that lapse at once, the answer to a destroy is that there is none.
		d.maybe = true
	case out.Status < 400:
		d.dead = true
		s.destroyed.Add(1)
	case !d.mayBeGone():
		s.t.Errorf("a live link's receipt gives %d", out.Status)
	}
}

// mustBeGone and mayBeGone are what was acknowledged, and what may have happened.
func (d *gift) mustBeGone() bool { return d.dead || d.views > 0 && d.seen >= d.views }

func (d *gift) mayBeGone() bool {
	return d.mustBeGone() || d.maybe || d.views > 0 && d.seen+d.doubt >= d.views
}

func (d *gift) story() string {
	return fmt.Sprintf("%d of %d views, %d in doubt, dead %v, maybe %v", d.seen, d.views, d.doubt, d.dead, d.maybe)
}

// check holds a link and its receipt against what was acknowledged.
func (s *soak) check(client *instance.Client, d *gift) {
	d.mu.Lock()
	defer d.mu.Unlock()
	page, err := client.Get(s.t.Context(), d.link)
	if err != nil || page.Status >= 500 {
		return
	}
	if page.Status == 200 && d.mustBeGone() || page.Status == 404 && !d.mayBeGone() || page.Status != 200 && page.Status != 404 {
		s.t.Errorf("a link gives %d: %s", page.Status, d.story())
	}
	receipt, err := client.Get(s.t.Context(), d.receipt)
	if err != nil || receipt.Status >= 500 {
		return
	}
	ended := strings.HasPrefix(string(receipt.Body), "state: destroyed") || receipt.Status == 404 && s.forget
	if receipt.Status != 200 && !ended || ended && !d.mayBeGone() || !ended && page.Status == 404 {
		s.t.Errorf("a receipt gives %d %q beside a link's %d: %s", receipt.Status, receipt.Body, page.Status, d.story())
	}
}

// slow opens connections that break off or stand still in the middle of an upload.
func (s *soak) slow(ctx context.Context, client *instance.Client) {
	for ctx.Err() == nil {
		pipe, out := io.Pipe()
		sent := make(chan struct{})
		go func() {
			defer close(sent)
			client.Stream(ctx, "http://drop.test/", "multipart/form-data; boundary=b", pipe)
		}()
		io.WriteString(out, "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"x\"\r\n\r\n"+strings.Repeat("x", 100_000))
		select {
		case <-ctx.Done():
		case <-time.After(300 * time.Millisecond):
		}
		out.CloseWithError(net.ErrClosed)
		pipe.Close()
		<-sent
		s.cut.Add(1)
	}
}
