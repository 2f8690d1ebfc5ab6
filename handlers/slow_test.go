package handlers

import (
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"emberdrop/link"
	"emberdrop/seal"
	"emberdrop/vault"
)

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
	const slow = 5 * time.Second // beside which the machine may stand still for a moment
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
