package handlers

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"emberdrop/link"
	"emberdrop/seal"
	"emberdrop/views"
)

// within gives up a wait that a test cannot do without.
const within = time.Minute

// dripped is how many bytes an upload that comes in drops announces.
const dripped = 1000000

// When connections are used up, those go that wait longest without ever having
// sent a request; who is being answered stays.
func TestConnections(t *testing.T) {
	r := newRig(t, func(c *Config, l *link.Config) { c.Connections, c.Stall = 8, time.Hour })
	busy := r.dial() // an upload under way
	fmt.Fprintf(busy, "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 1000\r\n\r\n--b")
	until(t, "an upload is under way", func() bool { n, _ := r.links.Uploads(); return n == 1 })
	kept := r.dial() // an honest one that has been served before
	lines := bufio.NewReader(kept)
	visit := func() {
		t.Helper()
		fmt.Fprintf(kept, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		kept.SetReadDeadline(time.Now().Add(within))
		res, err := http.ReadResponse(lines, nil)
		if err != nil || res.StatusCode != 303 {
			t.Fatalf("the visitor who was here before: %v", err)
		}
		res.Body.Close()
	}
	visit()
	var lorises []net.Conn
	for range 40 {
		c := r.dial()
		fmt.Fprintf(c, "GET / HTTP/1.1\r\nX: ")
		lorises = append(lorises, c)
		defer c.Close()
	}
	for _, c := range lorises[:32] {
		closes(t, c)
	}
	visit()
	if g := r.get("/", browser); g.status != 303 {
		t.Fatalf("a new visitor: %d", g.status)
	}
	fmt.Fprint(busy, strings.Repeat("x", 997)) // it was never closed for another
	busy.SetReadDeadline(time.Now().Add(within))
	res, err := http.ReadResponse(bufio.NewReader(busy), nil)
	if err != nil || res.StatusCode != 400 {
		t.Fatalf("the upload under way: %v %v", err, res)
	}
	res.Body.Close()
	busy.Close()
}

// Everything over budget says so in every language, as a page and as a line, and
// when to come back.
func TestOverBudgetInWords(t *testing.T) {
	words, err := views.NewCatalogue()
	must(t, err)
	tight := func(set func(*link.Config)) *rig {
		return newRig(t, func(_ *Config, l *link.Config) { set(l) })
	}
	for name, c := range map[string]struct {
		r            *rig
		status, when int
		id           string
		parts        []part
	}{
		"quota":       {tight(func(l *link.Config) { l.Quota = 1 }), 507, 3600, "full", nil},
		"disk":        {tight(func(l *link.Config) { l.Floor, l.Free = 1, func() (int64, error) { return 0, nil } }), 507, 3600, "full", nil},
		"never share": {tight(func(l *link.Config) { l.NeverQuota = -1 }), 507, 86400, "full_never", []part{val("expire", "never")}},
		"places":      {tight(func(l *link.Config) { l.Uploads, l.UploadWait = 1, time.Millisecond }), 503, 60, "busy", nil},
	} {
		t.Run(name, func(t *testing.T) {
			if name == "places" {
				u, _, err := c.r.links.Begin(context.Background(), seal.NewToken(), 0)
				must(t, err)
				defer u.Abort()
			}
			for _, w := range words.All() {
				lang := "lang=" + w.Lang()
				parts := append(c.parts[:len(c.parts):len(c.parts)], file("a", aJPEG(1)))
				plain := c.r.post("/?"+lang, "", parts...)
				page := c.r.post("/up/"+seal.NewToken().String()+"?"+lang, browser, parts...)
				next := w.Say("problem." + c.id + ".next")
				for kind, g := range map[string]got{"plain": plain, "page": page} {
					if g.status != c.status || g.header.Get("Retry-After") != fmt.Sprint(c.when) || !strings.Contains(g.body, next) {
						t.Errorf("%s, %s: %d, Retry-After %q\n%s", w.Lang(), kind, g.status, g.header.Get("Retry-After"), g.body)
					}
				}
			}
			c.r.empty("a refused upload")
		})
	}
}

// While uploads are refused, what is there can be read, opened and destroyed.
func TestReadingGoesOnWhenFull(t *testing.T) {
	full := false
	r := newRig(t, func(_ *Config, l *link.Config) {
		l.Floor, l.Free = 1, func() (int64, error) {
			if full {
				return 0, nil
			}
			return 1 << 40, nil
		}
	})
	a, b := r.share(file("a", aJPEG(1)), val("burn", "on")), r.share(file("a", aJPEG(2)))
	full = true
	if g := r.post("/", "", file("a", aJPEG(3))); g.status != 507 {
		t.Fatalf("an upload: %d %s", g.status, g.body)
	}
	for what, g := range map[string]got{
		"preview": r.get(local(a["link"]), ""), "reveal": r.do("POST", local(a["link"]), "", nil),
		"receipt": r.get(local(b["receipt"]), ""), "destroy": r.do("POST", local(b["receipt"])+"/destroy", "", nil),
	} {
		if g.status >= 400 {
			t.Errorf("%s: %d %s", what, g.status, g.body)
		}
	}
}

// Choices above the longest are not on the page, and refused when sent all the
// same; the usual one is the longest that is left. A link that never ends says
// when it does after all.
func TestLongestDeadline(t *testing.T) {
	choices := map[time.Duration][]string{time.Hour: {"1h"}, 24 * time.Hour: {"1h", "1d"}, 7 * 24 * time.Hour: {"1h", "1d", "1w"}, 0: {"1h", "1d", "1w", "never"}}
	for longest, allowed := range choices {
		r := newRig(t, func(c *Config, l *link.Config) {
			c.Limits.MaxExpire, l.MaxExpire = longest, longest
		})
		page := r.get("/u/"+seal.NewToken().String(), browser).body
		for _, e := range []string{"1h", "1d", "1w", "never"} {
			may := strings.Contains(strings.Join(allowed, " "), e)
			if on := strings.Contains(page, `name="expire" value="`+e+`"`); on != may {
				t.Errorf("longest %v: %s on the page: %v", longest, e, on)
			}
			g := r.post("/", "", val("expire", e), file("a", aJPEG(1)))
			if may && g.status != 201 || !may && (g.status != 422 || !strings.Contains(g.body, "these: "+strings.Join(allowed, ", ")+".")) {
				t.Errorf("longest %v, asked for %s: %d %s", longest, e, g.status, g.body)
			}
		}
		if strings.Count(page, " checked") != 1 {
			t.Errorf("longest %v: not one choice is the usual one", longest)
		}
		usual := start.Add(24 * time.Hour)
		if longest == time.Hour {
			usual = start.Add(time.Hour)
		}
		if a := r.share(file("a", aJPEG(1))); a["ends"] != ends(usual) {
			t.Errorf("longest %v: who asks for nothing gets %s", longest, a["ends"])
		}
	}
	r := newRig(t, func(c *Config, l *link.Config) {
		c.Limits.NeverIdle, l.NeverIdle = 14*24*time.Hour, 14*24*time.Hour
	})
	if page := r.get("/u/"+seal.NewToken().String(), browser).body; !strings.Contains(page, "nobody has opened it for 14 days") {
		t.Error("the page does not say that a link without an end has an idle limit")
	}
	if a := r.share(val("expire", "never"), file("a", aJPEG(1))); a["ends"] != "never" || a["idle"] != "2w" {
		t.Errorf("the answer: %v", a)
	}
	g := r.post("/up/"+seal.NewToken().String(), browser, val("expire", "never"), file("a", aJPEG(1)))
	if !strings.Contains(g.body, "Ends when nobody has opened it for 14 days") {
		t.Errorf("the page of the answer does not say it:\n%s", g.body)
	}
}

// The operator's contact stands where somebody may want it, escaped, and nowhere
// that says anything about a link.
func TestContact(t *testing.T) {
	const contact = `ops <a> "x" امید`
	r := newRig(t, func(c *Config, l *link.Config) { c.Contact, l.NeverQuota = contact, -1 })
	const shown = "<bdi>ops &lt;a&gt; &#34;x&#34; امید</bdi>"
	a := r.share(file("a", aJPEG(1)))
	for what, g := range map[string]got{
		"upload page": r.get("/u/"+seal.NewToken().String(), browser),
		"answer":      r.post("/up/"+seal.NewToken().String(), browser, file("a", aJPEG(1))),
		"full":        r.post("/up/"+seal.NewToken().String(), browser, val("expire", "never"), file("a", aJPEG(1))),
	} {
		if !strings.Contains(g.body, shown) {
			t.Errorf("%s: no contact\n%s", what, g.body)
		}
	}
	for what, g := range map[string]got{"link": r.get(local(a["link"]), browser), "gone": r.get("/s/x", browser)} {
		if strings.Contains(g.body, "ops") {
			t.Errorf("%s: contact", what)
		}
	}
}
