package tests

import (
	"bytes"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"emberdrop/tests/instance"
	"emberdrop/tests/sample"
)

var stranger = strings.Repeat("a", 52) // a well-formed token that was never given out

// race sends requests on connections of their own. Each is written but for its
// last byte first, so that the server gets all of them in the same moment.
func (s *site) race(t *testing.T, requests []string) [][]byte {
	t.Helper()
	conns := make([]net.Conn, len(requests))
	for i, r := range requests {
		conns[i] = s.dial(t)
		if _, err := io.WriteString(conns[i], r[:len(r)-1]); err != nil {
			t.Fatal(err)
		}
	}
	answers := make([][]byte, len(requests))
	start := make(chan struct{})
	var racers sync.WaitGroup
	for i, r := range requests {
		racers.Go(func() {
			<-start
			io.WriteString(conns[i], r[len(r)-1:])
			answers[i], _ = io.ReadAll(conns[i])
		})
	}
	close(start)
	racers.Wait()
	return answers
}

// revealForm is the request of a browser that presses the button under a reveal value.
func revealForm(link, value string) string {
	return request("POST", link, url.Values{"reveal": {value}}.Encode(),
		"Accept", "text/html,application/xhtml+xml", "Content-Type", "application/x-www-form-urlencoded")
}

// revealValue is the random value in the page of a closed link.
func (s *site) revealValue(t *testing.T, link string) string {
	t.Helper()
	page := string(s.ask(t, "GET", link, "Accept", "text/html").Body)
	_, rest, _ := strings.Cut(page, `name="reveal" value="`)
	value, _, found := strings.Cut(rest, `"`)
	if !found || len(value) != 52 {
		t.Fatalf("no reveal value in the page:\n%s", page)
	}
	s.kept(value)
	return value
}

const racers = 200

// TestRacingReveals is law 1 over HTTP: of 200 reveals of one burn link one gets
// the photos, and the others get, byte for byte, what a link gets that never was.
// An album of 50 takes long to open, so more of the racers are at it at once.
func TestRacingReveals(t *testing.T) {
	s := openSite(t)
	photo := sample.Photo(320, 240, 1)
	for _, c := range []struct {
		name    string
		photos  int
		headers []string
	}{{"curl", 1, nil}, {"browsers", 1, []string{"Accept", "text/html"}}, {"curl, an album", 50, nil}, {"browsers, an album", 50, []string{"Accept", "text/html"}}} {
		t.Run(c.name, func(t *testing.T) {
			gone := s.raw(t, request("POST", "/s/"+stranger, "", c.headers...))
			if got := parse(t, "POST", gone).Status; got != 404 {
				t.Fatalf("a link that never was: %d", got)
			}
			for range 3 {
				link, receipt := s.share(t, append(files(c.photos, instance.File("x.jpg", photo)), instance.Text("burn", "on"))...)
				requests := make([]string, racers)
				for i := range requests {
					requests[i] = request("POST", link, "", c.headers...)
				}
				s.wantOneWinner(t, s.race(t, requests), gone, photo, c.photos)
				wantLines(t, s.ask(t, "GET", receipt), "state: destroyed: viewed", "views: 1")
			}
		})
	}
}

// wantOneWinner checks that one answer gives the photos, and that the others are gone.
func (s *site) wantOneWinner(t *testing.T, answers [][]byte, gone, photo []byte, photos int) {
	t.Helper()
	won, lost := 0, 0
	for _, answer := range answers {
		if bytes.Equal(answer, gone) {
			lost++
			continue
		}
		a := parse(t, "POST", answer)
		switch lines := strings.Fields(string(a.Body)); {
		case a.Status == 303:
			s.kept(path(a.Header.Get("Location")))
		case a.Status == 200 && photos == 1:
			samePixels(t, photo, a.Body)
		case a.Status == 200 && len(lines) == photos:
			samePixels(t, photo, s.ask(t, "GET", strings.TrimPrefix(lines[photos-1], "http://drop.test")).Body)
		default:
			t.Errorf("neither the photos nor the one 404: %d %v\n%.900s", a.Status, a.Header, a.Body)
		}
		won++
	}
	if won != 1 || lost != len(answers)-1 {
		t.Fatalf("%d won and %d lost, want 1 and %d", won, lost, len(answers)-1)
	}
}

// wantLines checks that a plain answer has these lines.
func wantLines(t *testing.T, a instance.Answer, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if !strings.Contains("\n"+string(a.Body), "\n"+line+"\n") {
			t.Fatalf("no line %q in a %d:\n%s", line, a.Status, a.Body)
		}
	}
}

// TestRepeatedForm: browsers and circuits repeat POSTs. One form sent 200 times
// at once is one view, and all of its answers are the same.
func TestRepeatedForm(t *testing.T) {
	s := openSite(t)
	link, receipt := s.share(t, instance.File("x.jpg", sample.Photo(320, 240, 1)), instance.Text("views", "5"))
	form := revealForm(link, s.revealValue(t, link))
	requests := make([]string, racers)
	for i := range requests {
		requests[i] = form
	}
	answers := s.race(t, requests)
	first := parse(t, "POST", answers[0])
	if first.Status != 303 || !strings.HasPrefix(first.Header.Get("Location"), "/v/") {
		t.Fatalf("reveal: %d %v", first.Status, first.Header)
	}
	s.kept(path(first.Header.Get("Location")))
	for _, answer := range answers {
		if !bytes.Equal(answer, answers[0]) {
			t.Fatalf("two answers to one form:\n%s\n%s", answers[0], answer)
		}
	}
	wantLines(t, s.ask(t, "GET", receipt), "state: opened 1", "views-left: 4")
}

// TestCutOffAnswer: the 303 of a burn link's only reveal is lost on the way. The
// browser repeats the form, and gets the lease that the first request made.
func TestCutOffAnswer(t *testing.T) {
	s := openSite(t)
	photo := sample.Photo(320, 240, 1)
	for name, read := range map[string]int{"before it": 0, "inside it": 20} {
		t.Run(name, func(t *testing.T) {
			link, receipt := s.share(t, instance.File("x.jpg", photo), instance.Text("burn", "on"))
			form := revealForm(link, s.revealValue(t, link))
			c := s.dial(t)
			if _, err := io.WriteString(c, form); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(c, make([]byte, read)); err != nil {
				t.Fatal(err)
			}
			c.Close()
			eventually(t, "the lost reveal is counted", func() bool {
				return strings.HasPrefix(string(s.ask(t, "GET", receipt).Body), "state: destroyed: viewed\n")
			})
			again := s.raw(t, form)
			lease := parse(t, "POST", again).Header.Get("Location")
			if !strings.HasPrefix(lease, "/v/") {
				t.Fatalf("the repeated form gets no lease:\n%s", again)
			}
			s.kept(path(lease))
			if third := s.raw(t, form); !bytes.Equal(again, third) {
				t.Fatalf("the form repeated once more gets another answer:\n%s\n%s", again, third)
			}
			if page := s.ask(t, "GET", lease, "Accept", "text/html"); page.Status != 200 || !bytes.Contains(page.Body, []byte(lease+"/1")) {
				t.Fatalf("the lease's page: %d\n%s", page.Status, page.Body)
			}
			samePixels(t, photo, s.ask(t, "GET", lease+"/1").Body)
			wantLines(t, s.ask(t, "GET", receipt), "views: 1")

			// Only that form: another one, or the same after the lease has ended, finds nothing.
			gone := s.raw(t, revealForm("/s/"+stranger, stranger))
			if other := s.raw(t, revealForm(link, stranger)); !bytes.Equal(other, gone) {
				t.Fatalf("another form of the burned link:\n%s", other)
			}
			s.ask(t, "POST", lease+"/done")
			if late := s.raw(t, form); !bytes.Equal(late, gone) {
				t.Fatalf("the form after the end of its lease:\n%s", late)
			}
		})
	}
}

// TestFieldsInAnyOrder: curl sends fields in the order of its arguments, and
// burn must burn wherever it stands.
func TestFieldsInAnyOrder(t *testing.T) {
	s := openSite(t)
	photo := sample.Photo(320, 240, 1)
	file := filepath.Join(t.TempDir(), "IMG_20261122_101314.jpg")
	if err := os.WriteFile(file, photo, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, order := range []string{"burn file", "file burn", "burn expire caption file", "caption file expire burn", "expire file caption burn"} {
		values := map[string]string{"burn": "on", "expire": "1h", "caption": caption}
		var parts []instance.Field
		args := []string{"--silent", "--unix-socket", s.socket, "--max-time", "60", "http://drop.test/"}
		for _, key := range strings.Fields(order) {
			if key == "file" {
				parts, args = append(parts, instance.File("IMG_20261122_101314.jpg", photo)), append(args, "-F", "file=@"+file)
			} else {
				parts, args = append(parts, instance.Text(key, values[key])), append(args, "-F", key+"="+values[key])
			}
		}
		t.Run(order, func(t *testing.T) {
			link, receipt := s.share(t, parts...)
			s.wantBurns(t, link, receipt)
		})
		t.Run("curl "+order, func(t *testing.T) {
			out, err := exec.CommandContext(t.Context(), tool(t, "curl"), args...).Output()
			if err != nil {
				t.Fatalf("curl: %v\n%s", err, out)
			}
			link, receipt := s.shared(t, instance.Answer{Body: out})
			s.wantBurns(t, link, receipt)
		})
	}
}

func (s *site) wantBurns(t *testing.T, link, receipt string) {
	t.Helper()
	wantLines(t, s.ask(t, "GET", link), "views-left: 1")
	first, second := s.ask(t, "POST", link), s.ask(t, "POST", link)
	if first.Status != 200 || second.Status != 404 {
		t.Fatalf("two reveals of a burn link: %d and %d", first.Status, second.Status)
	}
	s.kept(strings.Split(first.Header.Get("Content-Location"), "/")[2])
	wantLines(t, s.ask(t, "GET", receipt), "state: destroyed: viewed")
}

// TestDamagedPayloadBurnsNothing: a photo that cannot be opened is not a view of it.
func TestDamagedPayloadBurnsNothing(t *testing.T) {
	s := openSite(t)
	photo := sample.Photo(320, 240, 1)
	link, receipt := s.share(t, instance.File("x.jpg", photo), instance.Text("burn", "on"))
	payload := filepath.Join(s.data, "vault", payloads(t, s.data)[0])
	whole, err := os.ReadFile(payload)
	if err != nil {
		t.Fatal(err)
	}
	damaged := bytes.Clone(whole)
	damaged[len(damaged)-20] ^= 1
	for _, content := range [][]byte{damaged, whole[:len(whole)-1], whole[:4096], {}} {
		if err := os.WriteFile(payload, content, 0o600); err != nil {
			t.Fatal(err)
		}
		if a := s.ask(t, "POST", link); a.Status != 503 || a.Header.Get("Retry-After") == "" {
			t.Fatalf("reveal of a damaged payload: %d %s", a.Status, a.Body)
		}
		wantLines(t, s.ask(t, "GET", receipt), "state: unopened")
	}
	if !strings.Contains(s.server.Log(), "level=ERROR") {
		t.Fatalf("the operator is not told:\n%s", s.server.Log())
	}
	if err := os.WriteFile(payload, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	samePixels(t, photo, s.ask(t, "POST", link).Body)
}

// TestRanges: a player asks for an item in pieces, again and again. None of it
// counts, and none of it tells when the photo was made.
func TestRanges(t *testing.T) {
	s := openSite(t)
	link, receipt := s.share(t, instance.File("x.jpg", sample.Photo(320, 240, 1)), instance.Text("views", "3"))
	if a := s.ask(t, "GET", link, "Range", "bytes=0-0"); a.Status != 200 {
		t.Fatalf("a range of the closed link: %d", a.Status)
	}
	first := s.ask(t, "POST", link, "Range", "bytes=0-0") // of something not seen yet: means nothing
	if first.Status != 200 || len(first.Body) < 1000 {
		t.Fatalf("reveal: %d, %d bytes", first.Status, len(first.Body))
	}
	whole, item := first.Body, first.Header.Get("Content-Location")
	s.kept(strings.Split(item, "/")[2])
	size := strconv.Itoa(len(whole))
	for _, c := range []struct {
		method, header, value string
		status                int
		body                  []byte
		contentRange          string
	}{
		{"GET", "Range", "bytes=0-0", 206, whole[:1], "bytes 0-0/" + size},
		{"GET", "Range", "bytes=-5", 206, whole[len(whole)-5:], fmt.Sprintf("bytes %d-%d/%s", len(whole)-5, len(whole)-1, size)},
		{"GET", "Range", "bytes=100-", 206, whole[100:], fmt.Sprintf("bytes 100-%d/%s", len(whole)-1, size)},
		{"GET", "Range", "bytes=-99999999", 206, whole, fmt.Sprintf("bytes 0-%d/%s", len(whole)-1, size)},
		{"GET", "Range", "bytes=" + size + "-", 416, nil, "bytes */" + size},
		{"GET", "Range", "bytes=9999999-99999999", 416, nil, "bytes */" + size},
		{"GET", "Range", "bytes=5-2", 416, nil, ""},
		{"GET", "Range", "photos=1-2", 416, nil, ""},
		{"GET", "Range", "bytes=" + strings.Repeat("0-,", 999) + "0-", 200, whole, ""},
		{"GET", "If-Range", `"an-etag"`, 200, whole, ""}, // nothing here has a validator, so none can match
		{"GET", "If-Range", "Sun, 22 Nov 2026 10:13:14 GMT", 200, whole, ""},
		{"GET", "If-Modified-Since", "Sun, 22 Nov 2026 10:13:14 GMT", 200, whole, ""},
		{"GET", "If-None-Match", `"an-etag"`, 200, whole, ""},
		{"HEAD", "X-None", "", 200, nil, ""},
		{"HEAD", "Range", "bytes=0-9", 206, nil, "bytes 0-9/" + size},
	} {
		headers := []string{c.header, c.value}
		if c.header == "If-Range" {
			headers = append(headers, "Range", "bytes=0-0")
		}
		a := s.ask(t, c.method, item, headers...)
		if a.Status != c.status || (c.status < 300 && !bytes.Equal(a.Body, c.body)) || (c.contentRange != "" && a.Header.Get("Content-Range") != c.contentRange) {
			t.Errorf("%s with %.60s: %.60s: %d, %d bytes, Content-Range %q; want %d, %d bytes, %q",
				c.method, c.header, c.value, a.Status, len(a.Body), a.Header.Get("Content-Range"), c.status, len(c.body), c.contentRange)
		}
		for _, tells := range []string{"Last-Modified", "Etag", "Date", "Server", "Set-Cookie"} {
			if _, has := a.Header[tells]; has {
				t.Errorf("%s with %s: has %s", c.method, c.header, tells)
			}
		}
		if a.Status == 200 && a.Header.Get("Content-Length") != size {
			t.Errorf("%s with %s: Content-Length %q, want %s", c.method, c.header, a.Header.Get("Content-Length"), size)
		}
	}
	wantParts(t, s.ask(t, "GET", item, "Range", "bytes=0-9,50-59"), whole[:10], whole[50:60])
	wantLines(t, s.ask(t, "GET", receipt), "state: opened 1", "views-left: 2")
}

// wantParts checks an answer to several ranges (RFC 9110 section 14.6).
func wantParts(t *testing.T, a instance.Answer, want ...[]byte) {
	t.Helper()
	kind, params, err := mime.ParseMediaType(a.Header.Get("Content-Type"))
	if err != nil || a.Status != http.StatusPartialContent || kind != "multipart/byteranges" {
		t.Fatalf("several ranges: %d %v", a.Status, a.Header)
	}
	parts := multipart.NewReader(bytes.NewReader(a.Body), params["boundary"])
	for i, w := range want {
		part, err := parts.NextPart()
		if err != nil {
			t.Fatalf("part %d: %v", i, err)
		}
		if got, err := io.ReadAll(part); err != nil || !bytes.Equal(got, w) || part.Header.Get("Content-Type") != "image/jpeg" {
			t.Fatalf("part %d: %v, %d bytes of %q", i, err, len(got), part.Header.Get("Content-Type"))
		}
	}
	if _, err := parts.NextPart(); err != io.EOF {
		t.Fatalf("more parts than asked for: %v", err)
	}
}
