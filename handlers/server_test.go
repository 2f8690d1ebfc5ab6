package handlers

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"

	"emberdrop/link"
	"emberdrop/seal"
	"emberdrop/views"
)

// raw sends bytes as they are and reads until the server closes.
func (r *rig) raw(send string) string {
	r.t.Helper()
	c := r.dial()
	defer c.Close()
	c.SetDeadline(time.Now().Add(20 * time.Second))
	io.WriteString(c, send)
	all, _ := io.ReadAll(c) // a reset behind the answer is what too long a header gets
	return string(all)
}

// A clock is a fingerprint, and net/http answers some requests before any
// handler sees them.
func TestNothingCarriesADate(t *testing.T) {
	r := newRig(t)
	const last = "GET /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
	for send, status := range map[string]string{
		"OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n":                 "404",
		"GET / HTTP/1.1\r\nHost: x\r\nExpect: canary\r\n\r\n":                        "417",
		"POST /s/x HTTP/1.1\r\nHost: x\r\nExpect: a\r\nContent-Length: 3\r\n\r\nabc": "417",
		"canary\r\n\r\n":                    "400",
		"GET / HTTP/1.1\r\n\r\n":            "400",
		"GET / HTTP/3.0\r\nHost: x\r\n\r\n": "505",
		"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n":               "501",
		"GET / HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("a", 64<<10) + "\r\n\r\n": "431",
		"CONNECT x:80 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n":               "404",
		last: "404",
	} {
		got := r.raw(send)
		head, _, _ := strings.Cut(got, "\r\n\r\n")
		if !strings.HasPrefix(got, "HTTP/1.1 "+status) {
			t.Errorf("%.30q: %q", send, got)
		}
		for _, name := range []string{"\r\ndate:", "\r\nserver:"} {
			if strings.Contains(strings.ToLower(head), name) {
				t.Errorf("%.30q: %s", send, head)
			}
		}
	}
	// Behind an answer of our own on the same connection too.
	got := r.raw("GET /x HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\nExpect: canary\r\n\r\n")
	if strings.Count(got, "HTTP/1.1 ") != 2 || !strings.Contains(got, "HTTP/1.1 417") || strings.Contains(got, "\r\nDate:") {
		t.Errorf("second answer: %q", got)
	}
}

// What a handler writes is never touched, even if it looks like a header.
func TestContentIsNotUndated(t *testing.T) {
	const content = "HTTP/1.1 200 OK\r\nDate: canary\r\n\r\n"
	srv := NewServer(&Service{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answering(r)
		http.NewResponseController(w).Flush()
		io.WriteString(w, content)
	}), meters: newMeters(10), stall: time.Minute, connections: 10})
	ln, err := net.Listen("unix", t.TempDir()+"/s")
	must(t, err)
	go srv.Serve(ln)
	defer srv.Close()
	c, err := net.Dial("unix", ln.Addr().String())
	must(t, err)
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	got, err := io.ReadAll(c)
	must(t, err)
	if !strings.Contains(string(got), content) {
		t.Errorf("%q", got)
	}
}

func smallLimits(c *Config, _ *link.Config) {
	c.Limits = Limits{MaxFile: 1 << 20, MaxUpload: 2 << 20, MaxItems: 3}
}

func TestTooLargeBeforeReading(t *testing.T) {
	r := newRig(t, smallLimits)
	c := r.dial()
	defer c.Close()
	c.SetDeadline(time.Now().Add(10 * time.Second))
	fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=x\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n", 100<<20)
	got, err := io.ReadAll(c) // it must close by itself, without asking for the body
	must(t, err)
	if !strings.HasPrefix(string(got), "HTTP/1.1 413") || !strings.Contains(string(got), "2 MB") {
		t.Errorf("%q", got)
	}
}

// The answer comes at once, and a sender that goes on sending is not cut off.
func TestRefusalIsSeenWhileSending(t *testing.T) {
	r := newRig(t, smallLimits)
	for _, tt := range []struct {
		name, begin string
		total       int
		status      string
	}{
		{"too large", "", 6 << 20, "413"},
		{"unknown field", "--x\r\nContent-Disposition: form-data; name=\"other\"\r\n\r\n1\r\n--x\r\n", 5 << 19, "400"},
	} {
		c := r.dial()
		c.SetDeadline(time.Now().Add(20 * time.Second))
		fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=x\r\nContent-Length: %d\r\n\r\n", tt.total)
		io.WriteString(c, tt.begin)
		res, err := http.ReadResponse(bufio.NewReader(c), nil)
		must(t, err)
		if !strings.HasPrefix(res.Status, tt.status) || !res.Close {
			t.Errorf("%s: %s, close %v", tt.name, res.Status, res.Close)
		}
		sent := len(tt.begin)
		for chunk := make([]byte, 64<<10); sent < 2<<20; sent += len(chunk) {
			if _, err := c.Write(chunk); err != nil {
				t.Fatalf("%s: cut off after %d bytes: %v", tt.name, sent, err)
			}
		}
		c.Close()
	}
	r.empty("a refused upload")
}

func TestStalledAndSlowBodies(t *testing.T) {
	r := newRig(t, func(c *Config, _ *link.Config) { c.Stall = 300 * time.Millisecond })
	body, kind := multi(file("a.jpg", aJPEG(1)), val("burn", "on"))
	raw, _ := io.ReadAll(body)
	// The longest time in which nothing was sent; it tells a machine that stood still.
	send := func(pause func(i int)) (answer string, gap time.Duration) {
		c := r.dial()
		defer c.Close()
		c.SetDeadline(time.Now().Add(20 * time.Second))
		fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n", kind, len(raw))
		last := time.Now()
		for i := 0; i < len(raw); i += 100 {
			c.Write(raw[i:min(i+100, len(raw))])
			pause(i)
			gap = max(gap, time.Since(last))
			last = time.Now()
		}
		all, err := io.ReadAll(c)
		if err != nil && !errors.Is(err, syscall.ECONNRESET) { // the server closed before it had read all
			t.Fatal(err)
		}
		return string(all), gap
	}
	until(t, "a slow upload is sent steadily", func() bool {
		began := time.Now()
		got, gap := send(func(int) { time.Sleep(60 * time.Millisecond) })
		if gap > 200*time.Millisecond {
			return false // it may have been taken for stalled, and rightly
		}
		if !strings.HasPrefix(got, "HTTP/1.1 201") {
			t.Fatalf("slow: %q", got)
		}
		if time.Since(began) < 300*time.Millisecond {
			t.Error("the slow upload was not slow enough to prove anything")
		}
		return true
	})
	before, _ := r.vault.Names()
	got, _ := send(func(i int) {
		if i == 200 {
			time.Sleep(time.Second)
		}
	})
	if !strings.HasPrefix(got, "HTTP/1.1 408") {
		t.Errorf("stalled: %q", got)
	}
	after, _ := r.vault.Names()
	if left, _ := r.vault.Leftovers(); len(after) != len(before) || len(left) > 0 {
		t.Errorf("a stalled upload left something: %d payloads, %d leftovers", len(after)-len(before), len(left))
	}
}

// An upload that breaks off leaves nothing, and its id can be used again.
func TestBrokenUpload(t *testing.T) {
	r := newRig(t)
	body, kind := multi(file("a.jpg", aJPEG(1)))
	raw, _ := io.ReadAll(body)
	id := seal.NewToken().String()
	c := r.dial()
	fmt.Fprintf(c, "POST /up/%s HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s", id, kind, len(raw), raw[:len(raw)-20])
	time.Sleep(50 * time.Millisecond)
	c.Close()
	if g := r.post("/up/"+id, "", file("b.jpg", aJPEG(2))); g.status != 201 {
		t.Errorf("%d %s", g.status, g.body)
	}
	if names, _ := r.vault.Names(); len(names) != 1 {
		t.Errorf("%d payloads", len(names))
	}
	if strings.Contains(r.logged(), "internal") {
		t.Error("a visitor who left was logged as a failure of ours")
	}
}

func TestPanic(t *testing.T) {
	r := newRig(t) // for its log
	words, err := views.NewCatalogue()
	must(t, err)
	s := &site{Config: Config{Log: slog.New(slog.NewTextHandler(r, nil))}, words: words}
	s.broken, err = can(words, 500, policyPage, s.brokenPage)
	must(t, err)
	h := s.dateless(s.recovered(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Content-Disposition", "canary")
		if req.URL.Path == "/late" {
			io.WriteString(w, "half")
		}
		panic("canary " + req.URL.Path)
	})))
	for _, accept := range []string{"*/*", browser} {
		req := httptest.NewRequest("GET", "/early", nil)
		req.Header.Set("Accept", accept)
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, req)
		if rec.Code != 500 || rec.Header().Get("Content-Disposition") != "" || !strings.Contains(rec.Body.String(), "broke on our side") || strings.Contains(rec.Body.String(), "canary") {
			t.Errorf("%d %v %s", rec.Code, rec.Header(), rec.Body)
		}
	}
	func() {
		defer func() {
			if recover() != http.ErrAbortHandler {
				t.Error("a half-sent answer was not cut off")
			}
		}()
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/late", nil))
	}()
	if got := r.logged(); strings.Count(got, "category=panic") != 3 {
		t.Errorf("log: %s", got)
	}
}

func TestFormsOfOtherSites(t *testing.T) {
	r := newRig(t)
	a := r.share(file("a", aJPEG(1)), val("burn", "on"))
	for _, h := range [][]string{
		{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"},
		{"Origin", "http://elsewhere.onion"}, {"Origin", "null"},
	} {
		for _, p := range []string{local(a["link"]), local(a["receipt"]) + "/destroy", "/"} {
			g := r.do("POST", p, browser, nil, h...)
			if g.status != http.StatusForbidden || g.header.Get("Content-Type") != typeHTML {
				t.Errorf("%v %.4s: %d", h, p, g.status)
			}
		}
	}
	if g := r.do("GET", local(a["link"]), browser, nil, "Sec-Fetch-Site", "cross-site"); g.status != 200 {
		t.Errorf("a link followed from elsewhere: %d", g.status)
	}
	if g := r.do("POST", local(a["link"]), browser, nil, "Origin", origin); g.status != 303 {
		t.Errorf("our own form: %d", g.status)
	}
}
