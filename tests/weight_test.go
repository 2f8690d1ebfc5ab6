package tests

import (
	"bytes"
	"regexp"
	"strings"
	"testing"

	"emberdrop/tests/instance"
	"emberdrop/tests/sample"
)

// TestPageWeight: what a first visit loads before there is anything to look at,
// a page and its stylesheet as they are sent, is at most 14 KB: about what one
// round trip of a fresh connection brings. Pages name nothing elsewhere.
func TestPageWeight(t *testing.T) {
	s := openSite(t)
	photo := instance.File("x.jpg", sample.Photo(320, 240, 1))
	link, receipt := s.share(t, photo, photo, instance.Text("caption", caption))
	lease := strings.TrimSuffix(leaseIn(t, s.ask(t, "POST", link)), "/1")
	s.kept(path(lease))
	sheet := regexp.MustCompile(`<link rel="stylesheet" href="(/[^"]+)"`)
	elsewhere := regexp.MustCompile(`(?i)(?:src|href|action|srcset|poster)="?(?:[a-z]+:)?//`)
	id := strings.Repeat("b", 51) + "a"
	kind, body := formOf(t, photo, photo, instance.Text("caption", caption))
	if up := s.send(t, "POST", "/up/"+id, bytes.NewReader(body), "Content-Type", kind, "Accept", "text/html"); up.Status != 201 {
		t.Fatalf("upload: %d", up.Status)
	}
	s.kept(id)
	for name, target := range map[string]string{"ready": "/up/" + id, "upload": "/u/" + strings.Repeat("a", 52), "closed": link, "open": lease, "receipt": receipt, "gone": "/s/" + stranger} {
		asked := func(target string) instance.Answer {
			return s.ask(t, "GET", target, "Accept", "text/html", "Accept-Encoding", "gzip, deflate")
		}
		page := asked(target)
		plain := s.ask(t, "GET", target, "Accept", "text/html")
		at := sheet.FindSubmatch(plain.Body)
		if want := map[bool]int{true: 404, false: 200}[name == "gone"]; at == nil || plain.Status != want || page.Status != want {
			t.Fatalf("%s: %d, %d, or no stylesheet", name, plain.Status, page.Status)
		}
		style := asked(string(at[1]))
		if style.Status != 200 || style.Header.Get("Content-Encoding") != "gzip" {
			t.Fatalf("the stylesheet: %d %v", style.Status, style.Header)
		}
		if csp := page.Header.Get("Content-Security-Policy"); !strings.HasPrefix(csp, "default-src 'none'") || strings.Contains(csp, "unsafe-") {
			t.Errorf("%s: the policy is %q", name, csp)
		}
		weight := len(page.Body) + len(style.Body)
		t.Logf("%-8s %5d bytes, with the stylesheet %5d", name, len(page.Body), weight)
		if weight > 14<<10 {
			t.Errorf("%s weighs %d bytes", name, weight)
		}
		if found := elsewhere.FindAll(plain.Body, -1); len(found) > 0 {
			t.Errorf("%s leads elsewhere: %q", name, found)
		}
	}
}

// leaseIn is the path of the lease in an answer to a reveal of several items.
func leaseIn(t *testing.T, a instance.Answer) string {
	t.Helper()
	first, _, _ := strings.Cut(string(a.Body), "\n")
	_, rest, ok := strings.Cut(first, "//")
	at := strings.Index(rest, "/")
	if !ok || at < 0 {
		t.Fatalf("the reveal says %d %q", a.Status, first)
	}
	return rest[at:]
}
