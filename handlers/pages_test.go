package handlers

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"emberdrop/link"
	"emberdrop/seal"
	"emberdrop/strip"
	"emberdrop/views"
)

func TestWantsHTML(t *testing.T) {
	for accept, want := range map[string]bool{
		"":                            false,
		"*/*":                         false,
		"text/html":                   true,
		browser:                       true,
		"TEXT/HTML":                   true,
		"text/plain, text/html;q=0.1": true,
		"text/html;q=0":               false,
		"text/html; q=0.000":          false,
		"text/html;level=1":           true,
		"image/avif,image/webp,*/*":   false,
		"text/*":                      false,
		"application/xhtml+xml":       false,
		"xtext/html":                  false,
		";;,,=":                       false,
	} {
		if wantsHTML([]string{accept}) != want {
			t.Errorf("%q: not %v", accept, want)
		}
	}
}

func TestOneLine(t *testing.T) {
	for in, want := range map[string]string{
		"  a\tb ":             "a b",
		"a\r\nlink: b":        "a  link: b",
		"\x1b]0;x\x07y\x00\n": "]0;x y",
		"a\u2028b\u0085c":     "a b c",
		"\u202eabc 👩‍👩‍👧":     "\u202eabc 👩‍👩‍👧",
	} {
		if got := oneLine(in); got != want {
			t.Errorf("%q: %q", in, got)
		}
	}
}

func TestPageBuilders(t *testing.T) {
	now := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	two := []link.Item{{Kind: "image/jpeg", Size: 10}, {Kind: "text/html", Size: 20}}

	if got := items(two, "/v/L", 9); !reflect.DeepEqual(got, []views.Item{
		{Kind: views.Picture, Type: "JPEG", Size: 10, Path: "/v/L/1", Label: "photo-1.jpg", Heavy: true},
		{Kind: views.File, Size: 20, Path: "/v/L/2", Label: "file-2.bin"},
	}) {
		t.Errorf("items: %+v", got)
	}
	if m := mediaOf("text/html"); m.inline || m.kind != "application/octet-stream" {
		t.Errorf("a kind that we do not know is served as %+v", m)
	}
	// A locked link's page has nothing of it, whatever link says.
	if got := closedPage("S", "R", link.Preview{Locked: true, Caption: "c", Items: two, ViewsLeft: 2}, true, now); got.Caption != "" || got.Items != nil || !got.Wrong || got.Terms.Views != 2 || got.Action != "/s/S" {
		t.Errorf("locked: %+v", got)
	}
	if got := closedPage("S", "R", link.Preview{Caption: "c", Items: two, Ends: now}, false, now); got.Caption != "c" || len(got.Items) != 2 || got.Items[0].Path != "" || got.Reveal != "R" {
		t.Errorf("closed: %+v", got)
	}
	if got := openPage("L", "c", two, true, now.Add(time.Minute), now); !got.Final || got.Done != "/v/L/done" || got.Terms.Ends != now.Add(time.Minute) || got.Items[1].Path != "/v/L/2" {
		t.Errorf("open: %+v", got)
	}
	answer := link.Answer{
		Secret: seal.NewToken(), Receipt: seal.NewToken(), Items: two, Ends: now, Views: 1,
		Removed: []strip.Removed{strip.RemovedLocation | strip.RemovedOther, strip.RemovedTime},
	}
	ready, err := readyPage(origin, "U", answer, false, now)
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"removed.location", "removed.time", "removed.other"}; !reflect.DeepEqual(ready.Removed, want) {
		t.Errorf("removed: %v", ready.Removed)
	}
	if ready.Address != "/up/U" || ready.Items[0].Path != "" {
		t.Errorf("ready: %+v", ready)
	}
	if ready.Link != origin+"/s/"+answer.Secret.String() || ready.Receipt != origin+"/r/"+answer.Receipt.String() || !strings.HasPrefix(ready.QR, "data:image/png;base64,iVBOR") {
		t.Errorf("ready: %+v", ready)
	}
	got := receiptPage("T", link.Receipt{State: "destroyed", Reason: "viewed", Views: 3, At: now, Lapses: now}, time.Hour, now)
	if got.State != views.Destroyed || got.Reason != views.Viewed || got.Views != 3 || got.Action != "/r/T/destroy" || got.At != now || got.Lapses != now || got.Keeps != time.Hour {
		t.Errorf("receipt: %+v", got)
	}
}

// strip's classes and the messages for them are one list.
func TestRemovedNamesFitStrip(t *testing.T) {
	if got := len(views.RemovedIDs()); 1<<(got-1) != int(strip.RemovedOther) {
		t.Errorf("%d names", got)
	}
}

// Every refusal has a status, a title and one sentence on what to do next, with
// all its places filled.
func TestRefusals(t *testing.T) {
	words, err := views.NewCatalogue()
	must(t, err)
	limits := Limits{MaxFile: 50 << 20, MaxUpload: 200 << 20, MaxItems: 50}
	check := func(err error) {
		t.Helper()
		for _, w := range words.All() {
			p, ok := problem(w, limits, fmt.Errorf("wrapped: %w", err))
			if !ok {
				t.Fatalf("%v is not refused", err)
			}
			s := sentence(w, p)
			if p.Status < 400 || p.Status > 507 || strings.Contains(s, "problem.") || strings.Contains(s, "no value") || strings.Contains(s, "wrapped") || !strings.HasSuffix(s, ".") && !strings.HasSuffix(s, "。") {
				t.Errorf("%v: %d %q", err, p.Status, s)
			}
		}
	}
	for _, r := range refusals {
		check(r.err)
	}
	for _, found := range []string{"", "HEIC picture", "AVI video", "PDF document", "MP4 whose sound is not AAC", "PNG of very many pixels"} {
		check(&strip.UnsupportedError{Found: found, Hint: "wrapped"})
	}
	if _, ok := problem(words.All()[0], limits, errors.New("disk on fire")); ok {
		t.Error("a failure of ours is told as a refusal")
	}
}

func TestConfig(t *testing.T) {
	for _, cfg := range []Config{
		{},
		{Links: new(link.Links)},
		{Links: new(link.Links), Origin: "http://x.onion/"},
		{Links: new(link.Links), Origin: "x.onion"},
	} {
		if _, err := New(cfg); err == nil {
			t.Errorf("%+v was taken", cfg)
		}
	}
}
