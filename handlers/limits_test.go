package handlers

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"emberdrop/link"
	"emberdrop/seal"
	"emberdrop/vault"
	"emberdrop/views"
)

// within gives up a wait that a test cannot do without.
const within = time.Minute

// closes waits until the server closes a connection and says how long it took.
func closes(t *testing.T, c net.Conn) time.Duration {
	t.Helper()
	begun := time.Now()
	c.SetReadDeadline(begun.Add(within))
	if _, err := io.Copy(io.Discard, c); err != nil && !strings.Contains(err.Error(), "reset") {
		t.Fatalf("the connection stays open: %v", err)
	}
	return time.Since(begun)
}

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(within); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

// dripped is how many bytes an upload that comes in drops announces.
const dripped = 1000000

// drip sends an upload that never ends, one byte now and then, until the server
// has enough of it; then it gives the answer.
func drip(r *rig, every time.Duration, stop <-chan struct{}) (answer chan string) {
	c := r.dial()
	answer = make(chan string, 1)
	fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: %d\r\n\r\n"+
		"--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"x\"\r\n\r\n", dripped)
	go func() {
		defer c.Close()
		for {
			select {
			case <-stop:
				return
			case <-time.After(every):
			}
			if _, err := c.Write([]byte("x")); err != nil {
				return
			}
		}
	}()
	go func() {
		raw, _ := io.ReadAll(c)
		answer <- string(raw)
	}()
	return answer
}

// An upload that comes in drops holds its place for as long as nobody else wants
// it, and loses it when somebody waits. One that comes on steadily never does.
func TestTrickle(t *testing.T) {
	const slow = 2 * time.Second
	r := newRig(t, func(c *Config, l *link.Config) {
		c.Trickle = slow
		l.Uploads, l.UploadWait = 2, within
	})
	stop := make(chan struct{})
	defer close(stop)
	drops := drip(r, slow/20, stop)

	// A steady one beside it, slow as well: a few trickles in that time.
	steady, done := io.Pipe()
	kind := "multipart/form-data; boundary=b"
	steadily := make(chan got, 1)
	go func() {
		steadily <- r.do("POST", "/", "", steady, "Content-Type", kind)
	}()
	if _, err := io.WriteString(done, "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"x\"\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	flowing, flowed := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(flowed)
		chunk := make([]byte, trickle/4)
		copy(chunk, "%PDF-1.4\n")
		for {
			select {
			case <-flowing:
				return
			case <-time.After(slow / 20):
				done.Write(chunk)
			}
		}
	}()
	until(t, "two uploads are under way", func() bool { n, _ := r.links.Uploads(); return n == 2 })
	time.Sleep(slow * 3 / 2) // the very thing: time passes, and nobody is cut off
	select {
	case raw := <-drops:
		t.Fatalf("cut off while nobody waits: %.200q", raw)
	case g := <-steadily:
		t.Fatalf("steady progress was cut off: %d %s", g.status, g.body)
	default:
	}
	// Now somebody waits, and gets the place of the one that came in drops.
	if g := r.post("/", "", file("a", aJPEG(1))); g.status != 201 {
		t.Fatalf("who waited got %d %s", g.status, g.body)
	}
	raw := <-drops
	if !strings.HasPrefix(raw, "HTTP/1.1 503") || !strings.Contains(raw, "Retry-After: 60") || !strings.Contains(raw, "too slow while others wait") {
		t.Fatalf("the one that came in drops got %.300q", raw)
	}
	select {
	case g := <-steadily:
		t.Fatalf("steady progress was cut off: %d %s", g.status, g.body)
	default:
	}
	close(flowing)
	<-flowed
	done.Close()
	<-steadily
	until(t, "no place is taken", func() bool { n, waiting := r.links.Uploads(); return n+waiting == 0 })
}

// Nor does it hold for long the room that it has reserved, when that is all there
// is: who is refused for it counts as somebody who waits, and finds room later.
func TestTrickleGivesRoomBack(t *testing.T) {
	const slow = time.Second
	for name, set := range map[string]func(l *link.Config){
		"staged": func(l *link.Config) { l.MaxStaged = 1 },
		"quota":  func(l *link.Config) { l.Quota = vault.Bound(dripped) },
		"floor": func(l *link.Config) {
			l.Floor, l.Free = 1, func() (int64, error) { return vault.Bound(dripped) + dripped + 20<<10, nil }
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, func(c *Config, l *link.Config) {
				c.Trickle = slow
				l.Uploads, l.UploadWait = 8, within
				set(l)
			})
			stop := make(chan struct{})
			defer close(stop)
			drops := drip(r, slow/20, stop)
			until(t, "an upload is under way", func() bool { n, _ := r.links.Uploads(); return n == 1 })
			time.Sleep(slow * 3 / 2) // the very thing: time passes, and nobody is cut off
			select {
			case raw := <-drops:
				t.Fatalf("cut off while nobody waits: %.200q", raw)
			default:
			}
			if g := r.post("/", "", file("a", aJPEG(1))); g.status != 503 && g.status != 507 {
				t.Fatalf("who found no room got %d %s", g.status, g.body)
			}
			select {
			case raw := <-drops:
				if !strings.Contains(raw, "too slow while others wait") {
					t.Fatalf("the one that came in drops got %.300q", raw)
				}
			case <-time.After(within):
				t.Fatal("it keeps its room")
			}
			until(t, "no place is taken", func() bool { n, _ := r.links.Uploads(); return n == 0 })
			if g := r.post("/", "", file("a", aJPEG(1))); g.status != 201 {
				t.Fatalf("who came again got %d %s", g.status, g.body)
			}
		})
	}
}

// A body that nobody asked for, and a form of a reveal that comes in drops, do
// not hold a connection for ever.
func TestSlowBodiesEnd(t *testing.T) {
	const stall = time.Second
	r := newRig(t, func(c *Config, _ *link.Config) { c.Stall = stall })
	a := r.share(file("a", aJPEG(1)))
	var slow []net.Conn
	for _, path := range []string{"/", "/up/x", "/nothing", local(a["receipt"]), local(a["link"])} {
		for _, method := range []string{"GET", "POST", "PUT"} {
			c := r.dial()
			fmt.Fprintf(c, "%s %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 1000\r\n\r\n", method, path)
			slow = append(slow, c)
		}
	}
	for _, c := range slow {
		closes(t, c)
	}
	c := r.dial()
	// At this pace it would take longer than the test waits.
	fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 8000\r\n\r\n", local(a["link"]))
	go func() {
		for {
			if _, err := c.Write([]byte("a")); err != nil {
				return
			}
			time.Sleep(stall / 50)
		}
	}()
	closes(t, c)
	if g := r.get(local(a["receipt"]), ""); !strings.HasPrefix(g.body, "state: unopened") {
		t.Fatalf("a form that never came burned something: %s", g.body)
	}
}

// Of 200 visitors who never finish a header, 50 whose uploads stand still, and
// others who stop in the middle of something, nothing is left when their time is
// up: no goroutine, no connection, no place taken, no file.
func TestNothingIsLeftOfTheSlow(t *testing.T) {
	const stall = time.Second
	r := newRig(t, func(c *Config, l *link.Config) { c.Stall = stall; l.UploadWait = stall; l.LeaseIdle = stall })
	a := r.share(file("a", aJPEG(1)))
	r.client.CloseIdleConnections()
	connections := func() int {
		r.server.open.mu.Lock()
		defer r.server.open.mu.Unlock()
		return len(r.server.open.all)
	}
	until(t, "nobody is there", func() bool { return connections() == 0 })
	before := runtime.NumGoroutine()
	var all []net.Conn
	say := func(n int, format string, args ...any) {
		for range n {
			c := r.dial()
			fmt.Fprintf(c, format, args...)
			all = append(all, c)
		}
	}
	const form = "Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 100000\r\n\r\n--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"x\"\r\n\r\nxxx"
	say(200, "GET / HTTP/1.1\r\nHost: x\r\nX-")
	say(50, "POST / HTTP/1.1\r\nHost: x\r\n"+form)
	say(100, "POST /up/%s HTTP/1.1\r\nHost: x\r\n"+form, seal.NewToken()) // one upload, sent again and again
	say(20, "POST %s HTTP/1.1\r\nHost: x\r\n"+form, local(a["link"]))
	say(20, "POST /r/x/destroy HTTP/1.1\r\nHost: x\r\n"+form)
	until(t, "they are there", func() bool { return connections() > 50 })
	until(t, "all connections are closed", func() bool { return connections() == 0 })
	until(t, "no place is taken", func() bool { n, waiting := r.links.Uploads(); return n+waiting == 0 })
	until(t, "no goroutine is left", func() bool { return runtime.NumGoroutine() <= before })
	for _, c := range all {
		c.Close()
	}
	if room, err := r.links.Room(); err != nil || room.Reserved != 0 {
		t.Errorf("room: %+v %v", room, err)
	}
	if names, err := r.vault.Leftovers(); err != nil || len(names) > 0 {
		t.Errorf("left over: %d, %v", len(names), err)
	}
}

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
