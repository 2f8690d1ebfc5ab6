package tests

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os/exec"
	"strings"
	"testing"

	"emberdrop/tests/instance"
	"emberdrop/tests/sample"
)

// bad is an upload that is refused: what is sent, and what is said to it.
type bad struct {
	name   string
	kind   string // Content-Type
	body   []byte
	status int
	says   string // part of the sentence
}

func badForm(t *testing.T, name string, status int, says string, parts ...instance.Field) bad {
	t.Helper()
	kind, body := formOf(t, parts...)
	return bad{name, kind, body, status, says}
}

// badInput is everything that an upload can get wrong in small.
func badInput(t *testing.T) []bad {
	photo := sample.Photo(320, 240, 1)
	file := instance.File("IMG_20261122_101314.jpg", photo)
	text := instance.Text
	form := func(name string, status int, says string, parts ...instance.Field) bad {
		return badForm(t, name, status, says, parts...)
	}
	kind, whole := formOf(t, file, text("burn", "on"))
	const noFile, malformed, damaged = "Choose at least one file or write a note", "Send a multipart form", "could not be understood whole"
	return []bad{
		{"not multipart: bare bytes", "image/jpeg", photo, 400, malformed},
		{"not multipart: urlencoded", "application/x-www-form-urlencoded", []byte("file=x&burn=on"), 400, malformed},
		{"not multipart: no type", "", photo, 400, malformed},
		{"multipart without a boundary", "multipart/form-data", whole, 400, malformed},
		{"multipart of another boundary", "multipart/form-data; boundary=other", whole, 400, ""},
		{"no body", kind, nil, 400, malformed},
		{"cut inside the file", kind, whole[:len(whole)/2], 400, malformed},
		{"cut before the end", kind, whole[:len(whole)-4], 400, malformed},

		form("no part at all", 400, "", []instance.Field{}...),
		form("no file", 400, noFile, text("burn", "on"), text("caption", caption)),
		form("0-byte part", 400, noFile, instance.Field{Key: "file"}),
		{"no file chosen in a browser", "multipart/form-data; boundary=b", []byte("--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"\"\r\nContent-Type: application/octet-stream\r\n\r\n\r\n--b--\r\n"), 400, noFile},
		form("empty file", 422, "something in it", instance.File("IMG_20261122_101314.jpg", nil)),
		form("an empty file after a photo", 422, "something in it", file, instance.File("y.jpg", nil)),

		form("half a JPEG", 422, damaged, instance.File("x.jpg", photo[:len(photo)/2])),
		form("a JPEG's first bytes", 422, damaged, instance.File("x.jpg", photo[:4])),
		form("a JPEG without its picture", 422, damaged, instance.File("x.jpg", append(bytes.Clone(photo[:2]), 0xff, 0xd9))),
		form("half a PNG", 422, damaged, instance.File("x.png", sample.PNG(64, 64, 1)[:2000])),
		form("half a JPEG after a whole one", 422, damaged, file, instance.File("y.jpg", photo[:len(photo)/2])),
		form("an SVG called photo", 415, "JPEG, PNG, GIF or WebP", instance.File("x.jpg", []byte(`<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>`))),
		form("a program called photo", 415, "", instance.File("x.jpg", append([]byte("\x7fELF\x02\x01\x01"), make([]byte, 500)...))),

		form("caption of 201 characters", 422, "200 characters", file, text("caption", strings.Repeat("é", 201))),
		form("caption of 201 characters, first", 422, "200 characters", text("caption", strings.Repeat("x", 201)), file),
		form("caption without end", 422, "200 characters", file, text("caption", strings.Repeat("x", 1<<20))),
		form("caption that is not text", 422, "UTF-8", file, text("caption", "\xff\xfe")),
		form("unknown expire", 422, "1h, 1d, 1w, never", file, text("expire", "2d")),
		form("unknown expire, first", 422, "1h, 1d, 1w, never", text("expire", "1H"), file),
		form("endless expire", 422, "1h, 1d, 1w, never", file, text("expire", strings.Repeat("1", 1<<20))),
		form("unknown burn", 422, "burn", file, text("burn", "off")),
		form("views below none", 422, "0 (no limit) to 100", file, text("views", "-1")),
		form("too many views", 422, "0 (no limit) to 100", file, text("views", "101")),
		form("unknown idle", 422, "1d or 1w", file, text("idle", "1h")),
		form("burn and three views", 422, "leave out either", file, text("burn", "on"), text("views", "3")),
		form("three views and burn", 422, "leave out either", text("views", "3"), text("burn", "on"), file),
		form("unknown field", 400, malformed, file, text("Burn", "on")),
		form("unknown field, first", 400, malformed, text("x", ""), file),
		form("a field without a name", 400, malformed, file, text("", "x")),
		form("burn twice", 400, malformed, text("burn", "on"), file, text("burn", "on")),
		form("expire twice", 400, malformed, file, text("expire", "1h"), text("expire", "1h")),
		form("51 files", 413, "up to 50", files(51, file)...),
		form("100 empty parts", 413, "up to 50", files(100, instance.Field{Key: "file"})...),
	}
}

func files(n int, f instance.Field) (all []instance.Field) {
	for range n {
		all = append(all, f)
	}
	return all
}

// TestRefusedUploads: each kind of bad input gets its status and a sentence, as
// text and as a page, and leaves nothing in the vault and nothing in the log.
func TestRefusedUploads(t *testing.T) {
	s := openSite(t)
	empty := appended(t, s.data)
	for _, b := range badInput(t) {
		t.Run(b.name, func(t *testing.T) {
			id := path(s.ask(t, "GET", "/").Header.Get("Location"))
			s.kept(id)
			for address, accept := range map[string]string{"/": "*/*", "/up/" + id: "text/html,application/xhtml+xml,*/*;q=0.8"} {
				headers := []string{"Accept", accept}
				if b.kind != "" {
					headers = append(headers, "Content-Type", b.kind)
				}
				wantRefused(t, s.send(t, "POST", address, bytes.NewReader(b.body), headers...), b.status, b.says, address != "/")
				if left := leftovers(t, s.data); len(left) > 0 {
					t.Fatalf("left in the vault: %q", left)
				}
				if now := appended(t, s.data); now != empty {
					t.Fatalf("the log was\n%sand is\n%s", empty, now)
				}
			}
		})
	}
	// Both checks can fail: an upload that is taken leaves a file and an event.
	s.share(t, instance.File("x.jpg", sample.Photo(320, 240, 1)))
	if len(leftovers(t, s.data)) != 1 || appended(t, s.data) == empty {
		t.Fatal("an upload that was taken is not seen, so the checks above are blind")
	}
	s.wantEvents(t, 1)
}

// wantRefused checks a refusal: its status, and one sentence or a whole page.
func wantRefused(t *testing.T, a instance.Answer, status int, says string, html bool) {
	t.Helper()
	if a.Status != status || !bytes.Contains(a.Body, []byte(says)) {
		t.Errorf("%d %s\nwant %d with %q", a.Status, a.Body, status, says)
	}
	body := string(a.Body)
	switch {
	case html && (!strings.HasPrefix(body, "<!doctype html>") || !strings.HasSuffix(strings.TrimSpace(body), "</html>") || a.Header.Get("Content-Type") != "text/html; charset=utf-8"):
		t.Errorf("not a page: %v\n%s", a.Header, body)
	case !html && (strings.Count(body, "\n") != 1 || !strings.HasSuffix(body, ".\n") || strings.ContainsAny(body, "<>") || a.Header.Get("Content-Type") != "text/plain; charset=utf-8"):
		t.Errorf("not one line of text: %v\n%q", a.Header, body)
	}
	for _, word := range []string{"IMG_", "multipart:", "strip", "EOF", "goroutine"} {
		if strings.Contains(body, word) {
			t.Errorf("the answer says %q:\n%s", word, body)
		}
	}
}

// wantEvents stops the server and lets the program count what its log holds.
func (s *site) wantEvents(t *testing.T, n int) {
	t.Helper()
	if err := s.server.Stop(); err != nil {
		t.Fatal(err)
	}
	for _, command := range []string{"rebuild", "verify"} {
		out, err := exec.Command(theProgram(t), command, "--data", s.data).CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", command, err, out)
		}
		if want := fmt.Sprintf("rebuilt: %d events, ", n); command == "rebuild" && !strings.HasPrefix(string(out), want) {
			t.Fatalf("rebuild says %q, want %q", out, want)
		}
	}
}

// TestTakenUploads is what the refusals stop just short of.
func TestTakenUploads(t *testing.T) {
	s := openSite(t)
	photo, picture := sample.Photo(320, 240, 1), sample.PNG(64, 64, 1)
	file, text := instance.File("x.jpg", photo), instance.Text
	for name, parts := range map[string][]instance.Field{
		"caption of 200 characters": {file, text("caption", strings.Repeat("é", 200))},
		"50 files":                  files(50, instance.File("x.png", picture)),
		"every field":               {text("expire", "never"), text("views", "100"), text("idle", "1w"), text("caption", caption), text("passphrase", ""), file},
		"fields left blank":         {text("caption", ""), text("views", ""), text("idle", ""), text("passphrase", ""), file, {Key: "file"}},
		"burn and one view":         {text("burn", "on"), text("views", "1"), file},
		"a name that climbs":        {instance.File("../../../IMG_20261122_101314.jpg", photo)},
	} {
		t.Run(name, func(t *testing.T) { s.share(t, parts...) })
	}
	for name, c := range map[string]struct {
		file instance.Field
		kind string
	}{
		"a PNG called .jpg":  {instance.File("IMG_20261122_101314.jpg", picture), "image/png"},
		"a JPEG called .png": {instance.File("IMG_20261122_101314.png", photo), "image/jpeg"},
		"a JPEG called .exe": {instance.File("x.exe", photo), "image/jpeg"},
	} {
		t.Run(name, func(t *testing.T) {
			link, _ := s.share(t, c.file)
			a := s.ask(t, "POST", link)
			if got := a.Header.Get("Content-Type"); a.Status != 200 || got != c.kind || a.Header.Get("X-Content-Type-Options") != "nosniff" {
				t.Fatalf("by its content it is %s, and served as %q (%d)", c.kind, got, a.Status)
			}
			if name := a.Header.Get("Content-Disposition"); strings.Contains(name, "IMG_") || strings.Contains(name, ".exe") {
				t.Fatalf("the uploader's file name comes out: %s", name)
			}
		})
	}
}

// TestNothingRuns: what a browser could run as ours is refused, or comes out as
// something that no browser runs, whatever it was called.
func TestNothingRuns(t *testing.T) {
	s := openSite(t)
	for _, content := range []string{
		"<!doctype html><script>alert(1)</script>", "<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", "alert(1)", "%PDF-1.4\n",
		"<?xml version='1.0'?><?xml-stylesheet href='javascript:alert(1)'?><x/>", "GIF89a/*<svg onload=alert(1)>*/=1;", "\ufeff<html onclick='alert(1)'>",
	} {
		for _, name := range []string{"x.jpg", "x.html", "x.svg", "x.txt"} {
			up, err := s.client.Upload(t.Context(), "http://drop.test/", instance.File(name, []byte(content)))
			if err != nil || (up.Status != 201 && up.Status != 415 && up.Status != 422) {
				t.Fatalf("%.12q as %s: %v, %d %s", content, name, err, up.Status, up.Body)
			}
			if up.Status != 201 {
				continue
			}
			link, _ := s.shared(t, up)
			h := s.ask(t, "POST", link).Header
			switch kind, _, _ := strings.Cut(h.Get("Content-Type"), ";"); kind {
			case "text/plain", "application/octet-stream":
			default:
				t.Errorf("%.12q as %s is served as %s", content, name, kind)
			}
			if h.Get("X-Content-Type-Options") != "nosniff" || !strings.Contains(h.Get("Content-Security-Policy"), "sandbox") {
				t.Errorf("%.12q as %s is served without a guard: %v", content, name, h)
			}
		}
	}
}

// hugePhoto is a JPEG of so many bytes and a little more, most of them comments.
func hugePhoto(size int) []byte {
	photo := sample.Photo(320, 240, 1)
	comment := append([]byte{0xff, 0xfe, 0xff, 0xff}, bytes.Repeat([]byte("x"), 0xffff-2)...)
	out := bytes.Clone(photo[:2])
	for len(out) < size {
		out = append(out, comment...)
	}
	return append(out, photo[2:]...)
}

// TestHugeUploads: what is too large is refused before it is all there, whether
// the client says in advance how much will come or not.
func TestHugeUploads(t *testing.T) {
	s := openSite(t)
	kind, body := formOf(t, instance.File("x.jpg", hugePhoto(60<<20)), instance.Text("burn", "on"))
	head := "POST / HTTP/1.1\r\nHost: drop.test\r\nContent-Type: " + kind + "\r\n"
	for _, c := range []struct {
		name, framing string
		send          func(c net.Conn) error
	}{
		{"more than any upload may have", fmt.Sprintf("Content-Length: %d\r\n", 300<<20), func(net.Conn) error { return nil }},
		{"60 MB announced", fmt.Sprintf("Content-Length: %d\r\n", len(body)), func(c net.Conn) error {
			_, err := c.Write(body[:51<<20])
			return err
		}},
		{"60 MB in chunks", "Transfer-Encoding: chunked\r\n", func(c net.Conn) error {
			for at := 0; at < 51<<20; at += 1 << 20 {
				if _, err := fmt.Fprintf(c, "100000\r\n%s\r\n", body[at:at+1<<20]); err != nil {
					return err
				}
			}
			return nil
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			conn := s.dial(t)
			if _, err := io.WriteString(conn, head+c.framing+"\r\n"); err != nil {
				t.Fatal(err)
			}
			if err := c.send(conn); err != nil {
				t.Fatal(err)
			}
			// The rest is never sent, so the answer is one that did not wait for it.
			var answer bytes.Buffer
			for !bytes.HasSuffix(answer.Bytes(), []byte(".\n")) {
				if _, err := io.CopyN(&answer, conn, 1); err != nil {
					t.Fatalf("%v after %q", err, answer.Bytes())
				}
			}
			wantRefused(t, parse(t, "POST", answer.Bytes()), 413, "too large", false)
			if left := leftovers(t, s.data); len(left) > 0 {
				t.Fatalf("left in the vault: %q", left)
			}
		})
	}
	t.Run("60 MB sent whole", func(t *testing.T) {
		a := s.send(t, "POST", "/", bytes.NewReader(body), "Content-Type", kind, "Accept", "text/html")
		wantRefused(t, a, 413, "too large", true)
	})
	if left := leftovers(t, s.data); len(left) > 0 {
		t.Fatalf("left in the vault: %q", left)
	}
	s.wantEvents(t, 0)
}
