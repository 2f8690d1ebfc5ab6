package handlers

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"emberdrop/seal"
)

// stream is a progress frame that is being read.
type stream struct {
	t    *testing.T
	conn net.Conn
	res  *http.Response
	text *bufio.Reader
	all  strings.Builder
}

func (r *rig) stream(id string) *stream {
	r.t.Helper()
	c := r.dial()
	r.t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(20 * time.Second))
	fmt.Fprintf(c, "GET /progress/%s HTTP/1.1\r\nHost: x\r\nAccept: text/html\r\n\r\n", id)
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	must(r.t, err)
	return &stream{t: r.t, conn: c, res: res, text: bufio.NewReader(res.Body)}
}

// until reads on until the text has come.
func (s *stream) until(pattern string) {
	s.t.Helper()
	for re := regexp.MustCompile(pattern); !re.MatchString(s.all.String()); {
		b, err := s.text.ReadByte()
		if err != nil {
			s.t.Fatalf("%s did not come (%v): %s", pattern, err, s.all.String())
		}
		s.all.WriteByte(b)
	}
}

func (s *stream) ends() {
	s.t.Helper()
	rest, err := io.ReadAll(s.text)
	must(s.t, err)
	s.all.Write(rest)
	if !strings.HasSuffix(s.all.String(), "</body></html>") {
		s.t.Errorf("it ends with %q", s.all.String()[max(0, s.all.Len()-60):])
	}
}

// The frame is there before the upload, tells how far it is, and how it ended.
func TestProgress(t *testing.T) {
	r := newRig(t)
	id := seal.NewToken().String()
	s := r.stream(id)
	if s.res.Header.Get("Content-Type") != typeHTML || s.res.Header.Get("Content-Security-Policy") != policyFrame || s.res.Header.Get("X-Frame-Options") != "SAMEORIGIN" || s.res.ContentLength != -1 || s.res.Header.Get("Date") != "" {
		t.Errorf("%v", s.res.Header)
	}
	s.until("appear here")

	body, kind := multi(file("a.png", aPNG(1)), val("caption", "canary"), val("passphrase", strings.Repeat("x", 900)))
	raw, _ := io.ReadAll(body)
	c := r.dial()
	defer c.Close()
	c.SetDeadline(time.Now().Add(20 * time.Second))
	fmt.Fprintf(c, "POST /up/%s HTTP/1.1\r\nHost: x\r\nAccept: text/html\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n", id, kind, len(raw))
	third := len(raw) / 3
	c.Write(raw[:third])
	s.until(fmt.Sprintf(`<progress max="100" value="%d"`, third*100/len(raw)))
	if g := r.get("/progress/"+id, ""); !strings.HasPrefix(g.body, fmt.Sprintf("%d%% of ", third*100/len(raw))) {
		t.Errorf("by curl: %q", g.body)
	}
	time.Sleep(time.Second)
	c.Write(raw[third : 2*third])
	s.until(fmt.Sprintf(`value="%d"[^<]*></progress> ?<span>%d%% of \S+ KB, \d+ K?B a second, about \d+ seconds left`, 2*third*100/len(raw), 2*third*100/len(raw)))
	c.Write(raw[2*third:])
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	must(t, err)
	ready, err := io.ReadAll(res.Body)
	must(t, err)
	if res.StatusCode != 201 || res.Header.Get("Content-Security-Policy") != policyQRFrame || res.Header.Get("X-Frame-Options") != "SAMEORIGIN" {
		t.Errorf("%s %v", res.Status, res.Header)
	}
	for _, want := range []string{`id="link"`, `id="receipt"`, `id="id"`, `href="/up/` + id + `" target="_top"`} {
		if !strings.Contains(string(ready), want) {
			t.Errorf("the frame has no %s", want)
		}
	}
	s.until("Your link is ready")
	s.ends()
	if strings.Contains(s.all.String(), "canary") {
		t.Error("the progress frame tells what is uploaded")
	}
	full := r.get("/up/"+id, browser)
	if full.status != 200 || full.header.Get("Content-Security-Policy") != policyQR || !strings.Contains(full.body, "<footer>") {
		t.Errorf("the page of its own: %d %v", full.status, full.header)
	}
	if text := r.get("/up/"+id, ""); !strings.HasPrefix(text.body, "link: ") {
		t.Errorf("as text: %q", text.body)
	}
}

// A refusal is told in both frames, and the next try under the same id too.
func TestProgressOfRefusals(t *testing.T) {
	r := newRig(t, smallLimits)
	id := seal.NewToken().String()
	s := r.stream(id)
	s.until("appear here")
	refused := r.post("/up/"+id, browser, file("a", []byte("%PDF-1.4 canary")))
	if refused.status != 415 || refused.header.Get("Content-Security-Policy") != policyFrame || strings.Contains(refused.body, "<header>") || !strings.Contains(refused.body, "form still holds") {
		t.Errorf("%d %v %s", refused.status, refused.header, refused.body)
	}
	s.until(`role="alert">[^<]*pictures of its pages`)
	// Too large by its length alone: answered at once, told, then read and dropped.
	c := r.dial()
	defer c.Close()
	c.SetDeadline(time.Now().Add(20 * time.Second))
	fmt.Fprintf(c, "POST /up/%s HTTP/1.1\r\nHost: x\r\nAccept: text/html\r\nContent-Type: multipart/form-data; boundary=x\r\nContent-Length: %d\r\n\r\n", id, 6<<20)
	s.until("an upload 2 MB altogether")
	c.Write(make([]byte, 1<<20))
	c.Close()
	c = r.dial()
	fmt.Fprintf(c, "POST /up/%s HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=x\r\nContent-Length: 1000\r\n\r\n--x", id)
	time.Sleep(2 * beat)
	c.Close()
	s.until("connection broke off")
	if g := r.post("/up/"+id, browser, file("a", aPNG(1))); g.status != 201 {
		t.Fatalf("%d", g.status)
	}
	s.until("Your link is ready")
	s.ends()
}

func TestProgressAddresses(t *testing.T) {
	r := newRig(t)
	id := seal.NewToken().String()
	if g := r.get("/progress/x", browser); g.status != 404 {
		t.Errorf("%d", g.status)
	}
	if g := r.do("HEAD", "/progress/"+id, browser, nil); g.status != 200 {
		t.Errorf("%d", g.status)
	}
	if g := r.get("/progress/"+id, ""); g.status != 200 || !strings.Contains(g.body, "Nothing has arrived") {
		t.Errorf("%d %q", g.status, g.body)
	}
	page := r.get("/u/"+id+"?lang=en", browser)
	for _, want := range []string{`src="/progress/` + id + `?lang=en"`, `action="/up/` + id + `?lang=en"`, `target="result"`, `name="result"`} {
		if !strings.Contains(page.body, want) {
			t.Errorf("no %s", want)
		}
	}
	if page.header.Get("Content-Security-Policy") != policyUpload {
		t.Error(page.header)
	}
}

// What is known of an upload goes when its time is up, and with the server.
func TestMetersForget(t *testing.T) {
	table, key := newMeters(10), seal.NewToken().Hash()
	first, second := &meter{total: 10}, &meter{total: 10}
	table.start(key, first)
	table.end(key, second, "a repeat that failed")
	if now := table.news(key); now.m != first || now.over {
		t.Error("a repeat hides the upload that is under way")
	}
	table.end(key, first, "")
	table.forget(key, second)
	if table.news(key).m != first {
		t.Error("forgotten by a repeat's clock")
	}
	table.forget(key, first)
	if table.news(key).m != nil || len(table.byUpload) > 0 {
		t.Error("not forgotten")
	}
	for range 10 {
		if !table.enter() {
			t.Fatal("full too early")
		}
	}
	if table.enter() {
		t.Error("no end of frames")
	}
	table.close()
	table.close()
}

// Only the page without secrets is compressed, and never to the same length.
func TestCompression(t *testing.T) {
	r := newRig(t)
	a := r.share(file("a", aJPEG(1)), val("note", strings.Repeat("canary ", 1000)))
	view, _ := r.opened(a["link"])
	id := seal.NewToken().String()
	r.post("/up/"+id, browser, file("a", aJPEG(1)))
	for _, path := range []string{local(a["link"]), view, view + "/2", local(a["receipt"]), "/s/x", "/u/x", "/nothing", "/up/" + id} {
		if g := r.do("GET", path, browser, nil, "Accept-Encoding", "gzip, deflate"); g.header.Get("Content-Encoding") != "" || g.header.Get("Content-Length") == "" {
			t.Errorf("%.4s…: %v", path, g.header)
		}
	}
	sizes := map[int]bool{}
	for range 20 {
		g := r.do("GET", "/u/"+seal.NewToken().String(), browser, nil, "Accept-Encoding", "gzip, deflate")
		if g.header.Get("Content-Encoding") != "gzip" || len(g.body) > 7<<10 {
			t.Fatalf("%d bytes, %v", len(g.body), g.header)
		}
		sizes[len(g.body)] = true
	}
	if len(sizes) < 10 {
		t.Errorf("only %d lengths", len(sizes))
	}
	if g := r.do("GET", "/u/"+id, browser, nil, "Accept-Encoding", "identity"); g.header.Get("Content-Encoding") != "" {
		t.Error("compressed for who cannot read it")
	}
}

func TestTooManyGuesses(t *testing.T) {
	r := newRig(t)
	a := r.share(file("a", aJPEG(1)), val("passphrase", "canary"))
	for range 50 {
		g := r.post(a["link"], browser, val("passphrase", "wrong"))
		if g.status == 403 {
			continue
		}
		if g.status != 429 || g.header.Get("Retry-After") == "" || !strings.Contains(g.body, "too many wrong tries") || !strings.Contains(g.body, `name="passphrase"`) {
			t.Fatalf("%d %v %s", g.status, g.header, g.body)
		}
		if g := r.post(a["link"], "", val("passphrase", "wrong")); g.status != 429 || strings.Count(g.body, "\n") != 1 {
			t.Errorf("by curl: %d %q", g.status, g.body)
		}
		return
	}
	t.Error("fifty guesses were taken")
}
