package views_test

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"emberdrop/views"
	"emberdrop/views/samples"
)

func TestMessages(t *testing.T) {
	var messages map[string]any
	raw, err := os.ReadFile("active.en.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &messages); err != nil {
		t.Fatal(err)
	}
	// Ids that are put together at run time: their beginnings.
	built := []string{"problem.", "month.", "upload.expire.", "upload.expire_hint.", "receipt.story.", "category.", "rules.report.", "rules.decide.", "how."}
	literal := regexp.MustCompile(`"([a-z]+(?:\.[a-z0-9_]+)+)"`)
	used := map[string]bool{}
	for _, dir := range []string{".", "../handlers"} {
		err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || strings.HasSuffix(name, "_templ.go") || strings.HasSuffix(name, "_test.go") {
				return err
			}
			if ext := filepath.Ext(name); ext != ".go" && ext != ".templ" {
				return nil
			}
			src, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			for _, m := range literal.FindAllStringSubmatch(string(src), -1) {
				used[m[1]] = true
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	roots := map[string]bool{}
	for id := range messages {
		root, _, _ := strings.Cut(id, ".")
		roots[root] = true
		putTogether := false
		for _, b := range built {
			putTogether = putTogether || strings.HasPrefix(id, b)
		}
		if !used[id] && !putTogether {
			t.Errorf("nobody says %s", id)
		}
	}
	asked := 0
	for id := range used {
		root, _, _ := strings.Cut(id, ".")
		if roots[root] {
			asked++
			if messages[id] == nil {
				t.Errorf("no message %s", id)
			}
		}
	}
	if asked < 100 {
		t.Errorf("only %d messages are asked for: the search is broken", asked)
	}
	each(t, func(t *testing.T, page string, doc *html.Node) {
		for id := range roots {
			if m := regexp.MustCompile(`\b` + id + `\.[a-z_]+(\.[a-z0-9_]+)*\b`).FindString(text(doc)); m != "" && m != "emberdrop" && !strings.Contains(m, ".onion") {
				t.Errorf("an id is shown: %s", m)
			}
		}
		if strings.Contains(page, "{{") || strings.Contains(page, "no value") {
			t.Error("a place in a message was not filled")
		}
	})
}

func TestPick(t *testing.T) {
	c := translated(t)
	for _, tt := range []struct {
		asked, accept string
		lang          string
		chosen        bool
		link          string
	}{
		{"", "", "en", false, "/x"},
		{"", "ru-RU,ru;q=0.9,en;q=0.5", "ru", false, "/x"},
		{"", "de", "en", false, "/x"},
		{"fa", "ru", "fa", true, "/x?lang=fa"},
		{"en", "ru", "en", true, "/x?lang=en"},
		{"xx", "ru", "ru", false, "/x"},
		{"ru-RU", "", "en", false, "/x"},
		{`"><b>`, "", "en", false, "/x"},
		{"", strings.Repeat("ru,", 200), "en", false, "/x"},
		{"", ";;q=,,-", "en", false, "/x"},
	} {
		w := c.Pick(tt.asked, tt.accept)
		if w.Lang() != tt.lang || w.Chosen() != tt.chosen || w.Link("/x") != tt.link {
			t.Errorf("Pick(%q, %.20q) = %s %v %s", tt.asked, tt.accept, w.Lang(), w.Chosen(), w.Link("/x"))
		}
	}
	if got := c.Pick("ru", "").Link("/x?a=b"); got != "/x?a=b&lang=ru" {
		t.Error(got)
	}
	if got := c.Pick("ru", "").Count("items.pictures", 5); got != "5 снимков" {
		t.Error(got)
	}
	if got := c.Pick("ru", "").Say("upload.title"); got != english(t).Say("upload.title") {
		t.Errorf("a missing message is not English: %q", got)
	}
}

func TestChosenLanguageStays(t *testing.T) {
	w := translated(t).Pick("fa", "")
	for _, s := range samples.All(w, "/v/x/1", "") {
		doc, err := html.Parse(strings.NewReader(render(t, s.Page)))
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range elements(doc) {
			href, _ := attr(n, "href")
			action, isForm := attr(n, "action")
			if isForm && !strings.HasSuffix(action, "?lang=fa") {
				t.Errorf("%s: form to %s", s.Name, action)
			}
			if n.Data == "a" && strings.HasPrefix(href, "/") && !strings.HasPrefix(href, "/v/") && !strings.HasSuffix(href, "?lang=fa") {
				t.Errorf("%s: link to %s", s.Name, href)
			}
		}
	}
}

func TestPhrases(t *testing.T) {
	w := english(t)
	now := time.Date(2026, 11, 30, 14, 5, 0, 0, time.UTC)
	at := func(d time.Duration) time.Time { return now.Add(d) }
	const day = 24 * time.Hour
	for got, want := range map[string]string{
		w.Size(0):                      "0 B",
		w.Size(999):                    "999 B",
		w.Size(1000):                   "1 KB",
		w.Size(999_499):                "999 KB",
		w.Size(999_500):                "1 MB",
		w.Size(3_104_882):              "3.1 MB",
		w.Size(2e9):                    "2 GB",
		w.Cap(50 << 20):                "50 MB",
		w.Span(0):                      "1 minute",
		w.Span(5 * 60e9):               "5 minutes",
		w.Span(time.Hour):              "1 hour",
		w.Span(75 * 60e9):              "75 minutes",
		w.Span(day):                    "1 day",
		w.Span(7 * day):                "7 days",
		w.Moment(now, now):             "today at 14:05 UTC",
		w.Moment(at(day), now):         "tomorrow at 14:05 UTC",
		w.Moment(at(-day), now):        "yesterday at 14:05 UTC",
		w.Moment(at(7*day), now):       "on 7 December at 14:05 UTC",
		w.Terms(views.Terms{Now: now}): "It does not end by itself.",
		w.Terms(views.Terms{Now: now, Ends: at(day)}):                        "Ends tomorrow at 14:05 UTC.",
		w.Terms(views.Terms{Now: now, Views: 1}):                             "Ends after one view.",
		w.Terms(views.Terms{Now: now, Ends: at(day), Views: 3}):              "Ends tomorrow at 14:05 UTC, or after 3 views.",
		w.Terms(views.Terms{Now: now, Idle: 7 * day}):                        "Ends when nobody has opened it for 7 days.",
		w.Terms(views.Terms{Now: now, Ends: at(time.Hour), Idle: day}):       "Ends today at 15:05 UTC. It also ends when nobody has opened it for 1 day.",
		w.Contents([]views.Item{{Kind: views.Picture}, {Kind: views.Video}}): "a photo, a video",
		w.Contents([]views.Item{{}, {}}):                                     "2 files",
		w.Contents([]views.Item{{}, {Kind: views.Sealed}}):                   "a sealed file, a file",
		w.Contents([]views.Item{{Kind: views.Sealed}, {Kind: views.Sealed}}): "2 sealed files",
		w.Numbered(views.Item{Kind: views.Sealed}, 2):                        "Sealed file 2",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
