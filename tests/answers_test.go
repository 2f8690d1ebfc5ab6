package tests

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"emberdrop/tests/instance"
	"emberdrop/tests/sample"
)

// TestOneAnswer is law 5: whatever is not there, or not any more, or is no
// address at all, gives the same status, the same headers and the same bytes,
// whichever method asks for it.
func TestOneAnswer(t *testing.T) {
	// A receipt lapses so long after its link's end: here, before it.
	s := openSite(t, "--receipt-ttl", "-3h")
	photo := instance.File("x.jpg", sample.Photo(320, 240, 1))

	burned, lapsed := s.share(t, photo, instance.Text("burn", "on"))
	item := s.ask(t, "POST", burned).Header.Get("Content-Location")
	ended := strings.TrimSuffix(item, "/1")
	s.kept(path(ended))
	if a := s.ask(t, "POST", ended+"/done"); a.Status != 200 {
		t.Fatalf("ending the lease: %d", a.Status)
	}
	destroyed, destroyer := s.share(t, photo)
	s.ask(t, "POST", destroyer+"/destroy")
	eventually(t, "both links are shredded", func() bool { return len(leftovers(t, s.data)) == 0 })
	live, receipt := s.share(t, photo)
	lease := strings.TrimSuffix(s.ask(t, "POST", live).Header.Get("Content-Location"), "/1")
	s.kept(path(lease))

	gone := []string{burned, destroyed, burned + "/report/x", burned + "/", burned + "?lang=", "/" + burned,
		ended, ended + "/1", ended + "/2", ended + "/done", ended + "/1/",
		lapsed, lapsed + "/destroy", destroyer, destroyer + "/destroy",
		// Secrets of one kind open nothing of another.
		"/v/" + path(live), "/r/" + path(live), "/s/" + path(receipt), "/v/" + path(receipt), "/r/" + path(lease), "/s/" + path(lease),
		// A live link under another spelling.
		live + "/", live + "/x", "/" + live, live + "%00", live[:len(live)-1], strings.ToUpper(live), "/s/./" + path(live), "/s//" + path(live),
		lease + "/0", lease + "/2", lease + "/01", lease + "/+1", lease + "/1.0", lease + "/1/", lease + "/99999999999999999999", lease + "/x",
		receipt + "/", receipt + "/x", "/s/../r/" + path(receipt),
	}
	for _, root := range []string{"/s", "/v", "/r"} {
		gone = append(gone, root, root+"/", root+"/"+stranger, root+"/"+stranger+"/", root+"/"+stranger+"/1", root+"/"+stranger+"/done",
			root+"/"+stranger+"/destroy", root+"/x", root+"/"+strings.Repeat("a", 51), root+"/"+strings.Repeat("a", 53), root+"/"+strings.Repeat("A", 52),
			root+"/"+strings.Repeat("1", 52), root+"/"+strings.Repeat("a", 51)+"b", root+"/%2e%2e/%2e%2e/etc/passwd", root+"/%ff%fe", root+"/../x", root+"/"+strings.Repeat("a", 4000))
	}
	methods := []string{"GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "BREW"}
	for name, accept := range map[string]string{"text": "*/*", "page": "text/html,application/xhtml+xml"} {
		want := s.raw(t, request("GET", "/s/"+stranger, "", "Accept", accept))
		wantHead, _, _ := bytes.Cut(want, []byte("\r\n\r\n"))
		if a := parse(t, "GET", want); a.Status != 404 || a.Header.Get("Cache-Control") != "no-store" || a.Header.Get("Vary") != "" {
			t.Fatalf("%s: the one answer is %d %v", name, a.Status, a.Header)
		}
		wantOne := func(method, target string, raw []byte) {
			t.Helper()
			if method == "HEAD" {
				raw = bytes.TrimSuffix(raw, []byte("\r\n\r\n"))
				if !bytes.Equal(raw, wantHead) {
					t.Errorf("%s: HEAD %.70s:\n%s\nwant\n%s", name, target, raw, wantHead)
				}
			} else if !bytes.Equal(raw, want) {
				t.Errorf("%s: %s %.70s:\n%.900s\nwant\n%s", name, method, target, raw, want)
			}
		}
		for _, method := range methods {
			for _, target := range gone {
				wantOne(method, target, s.raw(t, request(method, target, "", "Accept", accept)))
			}
		}
		// A live address has its methods, and is not there for any other.
		for _, method := range methods[3:] {
			for _, target := range []string{live, lease, lease + "/1", lease + "/done", receipt, receipt + "/destroy"} {
				wantOne(method, target, s.raw(t, request(method, target, "", "Accept", accept)))
			}
		}
		for _, target := range []string{lease + "/done", receipt + "/destroy"} {
			wantOne("GET", target, s.raw(t, request("GET", target, "", "Accept", accept)))
		}
		// Nor does what comes with the request tell one from the other.
		for _, with := range [][]string{
			{"Range", "bytes=0-0"}, {"If-None-Match", "*"}, {"If-Modified-Since", "Sun, 22 Nov 2026 10:13:14 GMT"}, {"If-Match", "*"},
			{"Cookie", "a=b"}, {"Accept-Encoding", "gzip"}, {"Host", "other.test"}, {"X-HTTP-Method-Override", "DELETE"}, {"Sec-Fetch-Site", "none"},
		} {
			for _, target := range []string{burned, destroyed, ended + "/1", lapsed} {
				for _, method := range []string{"GET", "POST"} {
					if with[0] != "Host" {
						wantOne(method, target+" with "+with[0], s.raw(t, request(method, target, "", append(with, "Accept", accept)...)))
					}
				}
			}
		}
		s.wantSameWhateverIsSent(t, accept, []string{burned, destroyed, "/s/" + stranger, "/s/x"})
		s.wantSameWhateverIsSent(t, accept, []string{ended + "/done", "/v/" + stranger + "/done", "/v/x/done"})
		s.wantSameWhateverIsSent(t, accept, []string{lapsed + "/destroy", destroyer + "/destroy", "/r/" + stranger + "/destroy", "/r/x/destroy"})
	}
	wantLines(t, s.ask(t, "GET", receipt), "state: opened 1") // nothing of all this was a view
}

// wantSameWhateverIsSent posts all kinds of bodies to several addresses. The
// answers may tell bodies apart, never addresses.
func (s *site) wantSameWhateverIsSent(t *testing.T, accept string, targets []string) {
	t.Helper()
	const urlencoded = "application/x-www-form-urlencoded"
	kind, parts := formOf(t, instance.Text("passphrase", "x"), instance.Text("reveal", stranger))
	for _, b := range []struct {
		what, body string
		headers    []string
	}{
		{"a form", "passphrase=x&reveal=" + stranger, []string{"Content-Type", urlencoded}},
		{"a form in parts", string(parts), []string{"Content-Type", kind}},
		{"a form cut short", string(parts[:len(parts)/2]), []string{"Content-Type", kind}},
		{"an unknown field", "x=y", []string{"Content-Type", urlencoded}},
		{"a field twice", "reveal=x&reveal=y", []string{"Content-Type", urlencoded}},
		{"no form", "x", []string{"Content-Type", "application/json"}},
		{"more than is read", strings.Repeat("x", 12<<10), []string{"Content-Type", urlencoded}},
		{"much more than is read", strings.Repeat("x", 600<<10), []string{"Content-Type", urlencoded}},
		{"a form that waits", "passphrase=x", []string{"Content-Type", urlencoded, "Expect", "100-continue"}},
		{"a form of another site", "passphrase=x", []string{"Content-Type", urlencoded, "Origin", "http://evil.test"}},
		{"a form from another site's page", "passphrase=x", []string{"Content-Type", urlencoded, "Sec-Fetch-Site", "cross-site"}},
	} {
		var want []byte
		for i, target := range targets {
			got := s.raw(t, request("POST", target, b.body, append(b.headers, "Accept", accept)...))
			if i == 0 {
				want = got
			} else if !bytes.Equal(got, want) {
				t.Errorf("%s tells %.20s and %.20s apart:\n%.900s\n%.900s", b.what, targets[0], target, want, got)
			}
		}
	}
}

// telling are the headers that tell time, software or person. None is ever sent.
var telling = regexp.MustCompile(`(?mi)^(date|server|set-cookie|last-modified|etag|expires|age|via|x-powered-by|alt-svc|strict-transport-security|report-to|nel|vary: *cookie)\b.*$`)

func wantNothingTold(t *testing.T, what string, raw []byte) {
	t.Helper()
	head, _, _ := bytes.Cut(raw, []byte("\r\n\r\n"))
	if !bytes.HasPrefix(head, []byte("HTTP/1.")) {
		t.Errorf("%s: no answer: %.100q", what, raw)
	}
	if found := telling.Find(head); found != nil {
		t.Errorf("%s: the answer has %q:\n%s", what, found, head)
	}
}

// TestHeaders asks for every address in every way that it answers, and holds
// every answer against what all of them must have and must not have.
func TestHeaders(t *testing.T) {
	s := openSite(t)
	for name, accept := range map[string]string{"text": "*/*", "page": "text/html,application/xhtml+xml"} {
		t.Run(name, func(t *testing.T) {
			for i, c := range s.everyAnswer(t) {
				raw := s.raw(t, request(c.method, c.target, c.body, append(c.headers, "Accept", accept)...))
				what := fmt.Sprintf("%d: %s %.20s", i, c.method, c.target)
				wantNothingTold(t, what, raw)
				a := parse(t, c.method, raw)
				if c.status != 0 && a.Status != c.status {
					t.Errorf("%s: %d, want %d", what, a.Status, c.status)
				}
				wantGuarded(t, what, name == "page", a)
			}
		})
	}
}

// asked is a request and the status of its answer; 0 means that curl gets 200
// and a browser 303.
type asked struct {
	method, target, body string
	headers              []string
	status               int
}

// everyAnswer asks for each address, in an order that makes each status come up.
func (s *site) everyAnswer(t *testing.T) []asked {
	t.Helper()
	photo := instance.File("x.jpg", sample.Photo(320, 240, 1))
	link, receipt := s.share(t, photo, instance.Text("caption", caption))
	item := s.ask(t, "POST", link).Header.Get("Content-Location")
	lease := strings.TrimSuffix(item, "/1")
	other := strings.TrimSuffix(s.ask(t, "POST", link).Header.Get("Content-Location"), "/1")
	burned, destroyed := s.share(t, photo, instance.Text("burn", "on"))
	id := path(s.ask(t, "GET", "/").Header.Get("Location"))
	s.kept(path(lease), path(other), id)
	form := func(parts ...instance.Field) (body string, headers []string) {
		kind, raw := formOf(t, parts...)
		return string(raw), []string{"Content-Type", kind}
	}
	good, goodKind := form(photo)
	empty, emptyKind := form(instance.File("x.jpg", nil))
	program, programKind := form(instance.File("x.jpg", append([]byte("\x7fELF\x02\x01\x01"), make([]byte, 500)...)))
	urlencoded := []string{"Content-Type", "application/x-www-form-urlencoded"}
	all := []asked{
		{"GET", "/", "", nil, 303}, {"HEAD", "/", "", nil, 303}, {"GET", "/?lang=de;x", "", nil, 303},
		{"GET", "/u/" + id, "", nil, 200}, {"HEAD", "/u/" + id, "", nil, 200}, {"GET", "/up/" + id, "", nil, 303}, {"GET", "/u/x", "", nil, 404},
		{"GET", "/nothing", "", nil, 404}, {"GET", "/favicon.ico", "", nil, 404}, {"GET", "/robots.txt", "", nil, 404},
		{"POST", "/", good, goodKind, 201}, {"POST", "/up/" + id, good, goodKind, 201}, {"POST", "/up/" + id, good, goodKind, 201},
		{"POST", "/", "x", nil, 400}, {"POST", "/", empty, emptyKind, 422}, {"POST", "/", program, programKind, 415}, {"POST", "/up/x", good, goodKind, 404},
		{"POST", "/", "x", []string{"Origin", "http://evil.test"}, 403},
		{"GET", link, "", nil, 200}, {"HEAD", link, "", nil, 200}, {"POST", link, "x=y", urlencoded, 400},
		{"GET", lease, "", nil, 200}, {"GET", item, "", nil, 200}, {"HEAD", item, "", nil, 200}, {"GET", item + "?download", "", nil, 200},
		{"GET", item, "", []string{"Range", "bytes=0-0"}, 206}, {"GET", item, "", []string{"Range", "bytes=0-0,5-6"}, 206},
		{"GET", item, "", []string{"Range", "bytes=99999999-"}, 416}, {"GET", item, "", []string{"If-None-Match", "*"}, 304},
		{"GET", item, "", []string{"If-Match", `"x"`}, 412}, {"POST", other + "/done", "", nil, 200},
		{"GET", receipt, "", nil, 200}, {"POST", burned, "", nil, 0}, {"POST", burned, "", nil, 404}, {"GET", destroyed, "", nil, 200},
		{"POST", receipt + "/destroy", "", nil, 0}, {"GET", receipt, "", nil, 200}, {"GET", item, "", nil, 404}, {"GET", lease, "", nil, 404},
		{"OPTIONS", "*", "", nil, 404}, {"OPTIONS", "/", "", nil, 404}, {"TRACE", "/", "", nil, 404}, {"PUT", "/", "", nil, 404},
		{"GET", "http://drop.test/nothing", "", nil, 404}, {"GET", "//", "", nil, 404}, {"GET", "/u/../u/" + id, "", nil, 404},
	}
	page := string(s.ask(t, "GET", "/u/"+id, "Accept", "text/html").Body)
	assets := regexp.MustCompile(`(?:href|src)="(/[^"/]+\.(?:css|png))"`).FindAllStringSubmatch(page, -1)
	if len(assets) < 2 {
		t.Fatalf("the upload page has %d assets", len(assets))
	}
	for _, a := range assets {
		all = append(all, asked{"GET", a[1], "", []string{"Accept-Encoding", "gzip"}, 200}, asked{"HEAD", a[1], "", nil, 200})
	}
	return all
}

// inline is what a page must not hold, beside what its policy forbids anyway.
var inline = regexp.MustCompile(`(?i)<script|<iframe[^>]*\ssrc="([^/]|//)|<object|javascript:|\son[a-z]+\s*=|\sstyle\s*=|<style|(src|href|action)="(https?:)?//`)

// wantGuarded checks what every answer has, whatever it answers.
func wantGuarded(t *testing.T, what string, html bool, a instance.Answer) {
	t.Helper()
	policy := a.Header.Get("Content-Security-Policy")
	ancestors, frames := "frame-ancestors 'none'", "DENY"
	if html && a.Status != 404 && strings.Contains(what, "POST /up/") { // the answer stands in a frame of the upload page
		ancestors, frames = "frame-ancestors 'self'", "SAMEORIGIN"
	}
	for _, part := range []string{"default-src 'none'", ancestors} {
		if !strings.Contains(policy, part) {
			t.Errorf("%s: the policy lacks %s: %q", what, part, policy)
		}
	}
	for _, part := range []string{"unsafe", "*", "http:", "https:", "script-src", "eval"} {
		if strings.Contains(policy, part) {
			t.Errorf("%s: the policy has %s: %q", what, part, policy)
		}
	}
	if strings.Contains(policy, "data:") && a.Status != 201 {
		t.Errorf("%s: the policy has data: where no code is shown", what)
	}
	if cache := a.Header.Get("Cache-Control"); !strings.Contains(cache, "no-store") && !strings.Contains(cache, "immutable") {
		t.Errorf("%s: Cache-Control is %q (%d)", what, cache, a.Status)
	}
	for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "Cross-Origin-Resource-Policy": "same-origin", "X-Frame-Options": frames, "Referrer-Policy": "same-origin"} {
		if a.Header.Get(name) != want {
			t.Errorf("%s: %s is %q", what, name, a.Header.Get(name))
		}
	}
	page := strings.HasPrefix(a.Header.Get("Content-Type"), "text/html")
	if page && !html {
		t.Errorf("%s: a page for curl", what)
	}
	if found := inline.Find(a.Body); page && found != nil {
		t.Errorf("%s: the page has %q", what, found)
	}
}

// TestOddRequests is what no client sends by accident. net/http answers these
// itself, and even so the answer tells no time and no name.
func TestOddRequests(t *testing.T) {
	s := openSite(t)
	const get = "GET / HTTP/1.1\r\nHost: drop.test\r\n"
	for name, raw := range map[string]string{
		"an expectation":        "POST / HTTP/1.1\r\nHost: drop.test\r\nExpect: nonsense\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx",
		"no method":             " / HTTP/1.1\r\nHost: drop.test\r\n\r\n",
		"no version":            "GET /\r\n\r\n",
		"a future version":      "GET / HTTP/9.9\r\nHost: drop.test\r\n\r\n",
		"HTTP/2":                "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		"an old version":        "GET / HTTP/1.0\r\n\r\n",
		"not HTTP":              "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 hello\r\n\r\n",
		"a target without path": "GET secret HTTP/1.1\r\nHost: drop.test\r\n\r\n",
		"a bad escape":          "GET /s/%zz HTTP/1.1\r\nHost: drop.test\r\n\r\n",
		"control characters":    "GET /s/\x01\x7f HTTP/1.1\r\nHost: drop.test\r\n\r\n",
		"no host":               "GET / HTTP/1.1\r\n\r\n",
		"two hosts":             get + "Host: evil.test\r\n\r\n",
		"a bad host":            "GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
		"a header with a space": get + "X Y: z\r\n\r\n",
		"a header without name": get + ": z\r\n\r\n",
		"a folded header":       get + "X: y\r\n z\r\nConnection: close\r\n\r\n",
		"a huge header":         get + "X-Secret: " + strings.Repeat("x", 64<<10) + "\r\n\r\n",
		"many headers":          get + strings.Repeat("X-Secret: y\r\n", 8<<10) + "\r\n",
		"a huge target":         "GET /" + strings.Repeat("x", 64<<10) + " HTTP/1.1\r\nHost: drop.test\r\n\r\n",
		"two lengths":           "POST / HTTP/1.1\r\nHost: drop.test\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
		"a bad length":          "POST / HTTP/1.1\r\nHost: drop.test\r\nContent-Length: -1\r\n\r\nx",
		"a bad encoding":        "POST / HTTP/1.1\r\nHost: drop.test\r\nTransfer-Encoding: gzip\r\n\r\nx",
		"length and chunks":     "POST / HTTP/1.1\r\nHost: drop.test\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"a bad chunk":           "POST / HTTP/1.1\r\nHost: drop.test\r\nTransfer-Encoding: chunked\r\nContent-Type: multipart/form-data; boundary=b\r\nConnection: close\r\n\r\nzz\r\n",
		"a tunnel":              "CONNECT drop.test:80 HTTP/1.1\r\nHost: drop.test:80\r\nConnection: close\r\n\r\n",
		"an upgrade":            get + "Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\nConnection: Upgrade, HTTP2-Settings, close\r\n\r\n",
		"another after a good":  get + "\r\nGET / HTTP/9.9\r\nHost: secret\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			c := s.dial(t)
			if _, err := c.Write([]byte(raw)); err != nil && len(raw) < 16<<10 {
				t.Fatal(err)
			}
			answer := readOut(c)
			if name == "a bad chunk" && len(answer) == 0 {
				return // hung up on, as one who leaves
			}
			for rest := answer; len(rest) > 0; { // every answer on this connection
				wantNothingTold(t, name, rest)
				next := bytes.Index(rest[1:], []byte("HTTP/1."))
				if next < 0 {
					break
				}
				rest = rest[1+next:]
			}
			if len(answer) == 0 {
				t.Error("no answer at all")
			}
			if bytes.Contains(answer, []byte("secret")) || bytes.Contains(answer, []byte("evil.test")) {
				t.Errorf("the answer gives back what was sent:\n%s", answer)
			}
		})
	}
}
