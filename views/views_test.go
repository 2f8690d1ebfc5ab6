package views_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/a-h/templ"
	"golang.org/x/net/html"

	"emberdrop/views"
	"emberdrop/views/samples"
)

// translated is a catalogue with two made-up languages beside English, one of
// them written from right to left and translated in part.
func translated(t *testing.T) *views.Catalogue {
	t.Helper()
	english, err := os.ReadFile("active.en.json")
	if err != nil {
		t.Fatal(err)
	}
	c, err := views.LoadCatalogue(fstest.MapFS{
		"active.en.json": {Data: english},
		"active.fa.json": {Data: []byte(`{"upload.title": "عکس", "items.pictures": {"one": "{{.Count}} عکس", "other": "{{.Count}} عکس"}}`)},
		"active.ru.json": {Data: []byte(`{"gone.title": "Здесь ничего нет", "items.pictures": {"one": "{{.Count}} фото", "few": "{{.Count}} снимка", "many": "{{.Count}} снимков", "other": "{{.Count}} снимка"}}`)},
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func english(t *testing.T) views.Words {
	t.Helper()
	c, err := views.NewCatalogue()
	if err != nil {
		t.Fatal(err)
	}
	return c.Pick("", "")
}

func render(t *testing.T, page templ.Component) string {
	t.Helper()
	var b bytes.Buffer
	if err := page.Render(context.Background(), &b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// each runs a check over every page in every state in every language.
func each(t *testing.T, check func(t *testing.T, page string, doc *html.Node)) {
	t.Helper()
	c, err := views.NewCatalogue()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, w := range c.All() {
		for _, s := range samples.All(w, "/v/x/1", "data:image/png;base64,AAAA") {
			n++
			t.Run(s.Name+"."+w.Lang(), func(t *testing.T) {
				page := render(t, s.Page)
				doc, err := html.Parse(strings.NewReader(page))
				if err != nil {
					t.Fatal(err)
				}
				check(t, page, doc)
			})
		}
	}
	if n < 290 {
		t.Fatalf("only %d pages were looked at", n)
	}
}

func elements(doc *html.Node) []*html.Node {
	var list []*html.Node
	for n := range doc.Descendants() {
		if n.Type == html.ElementNode {
			list = append(list, n)
		}
	}
	return list
}

func attr(n *html.Node, name string) (string, bool) {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val, true
		}
	}
	return "", false
}

func text(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data)
		}
	}
	return strings.TrimSpace(b.String())
}

// Law 8: nothing that Safest switches off, nothing from elsewhere.
func TestPagesNeedNothing(t *testing.T) {
	banned := map[string]bool{"script": true, "style": true, "svg": true, "math": true, "object": true, "embed": true, "font": true, "base": true}
	loads := map[string]bool{"href": true, "src": true, "action": true, "formaction": true, "poster": true, "srcset": true, "data": true}
	each(t, func(t *testing.T, page string, doc *html.Node) {
		for _, n := range elements(doc) {
			if banned[n.Data] {
				t.Errorf("has a <%s>", n.Data)
			}
			for _, a := range n.Attr {
				if a.Key == "style" || strings.HasPrefix(a.Key, "on") {
					t.Errorf("<%s> has %s", n.Data, a.Key)
				}
				own := strings.HasPrefix(a.Val, "/") && !strings.HasPrefix(a.Val, "//") ||
					strings.HasPrefix(a.Val, "?lang=") || strings.HasPrefix(a.Val, "#") ||
					n.Data == "img" && strings.HasPrefix(a.Val, "data:image/png;base64,")
				if loads[a.Key] && !own {
					t.Errorf("<%s %s=%q> leads elsewhere", n.Data, a.Key, a.Val)
				}
			}
		}
	})
	sheet := string(views.Assets()[0].Body)
	for _, bad := range []string{"url(", "@import", "expression", "http:", "https:"} {
		if strings.Contains(sheet, bad) {
			t.Errorf("the stylesheet has %s", bad)
		}
	}
	// Physical directions would break right-to-left pages.
	if m := regexp.MustCompile(`(?:margin|padding|border)-(?:left|right)\b|[{;]\s*(?:left|right)\s*:|text-align:\s*(?:left|right)`).FindString(sheet); m != "" {
		t.Errorf("the stylesheet has a physical direction: %q", m)
	}
}

func TestPagesAreAccessible(t *testing.T) {
	each(t, func(t *testing.T, page string, doc *html.Node) {
		ids, labels, h1 := map[string]bool{}, map[string]bool{}, 0
		for _, n := range elements(doc) {
			if id, ok := attr(n, "id"); ok {
				if ids[id] {
					t.Errorf("id %q twice", id)
				}
				ids[id] = true
			}
			if to, ok := attr(n, "for"); ok {
				labels[to] = true
			}
		}
		for _, n := range elements(doc) {
			id, _ := attr(n, "id")
			kind, _ := attr(n, "type")
			switch n.Data {
			case "html":
				lang, _ := attr(n, "lang")
				dir, _ := attr(n, "dir")
				if lang == "" || (lang == "fa") != (dir == "rtl") {
					t.Errorf("lang %q, dir %q", lang, dir)
				}
			case "title", "h1", "button", "summary", "a", "legend", "label", "h2", "h3":
				if text(n) == "" && n.FirstChild == nil {
					t.Errorf("empty <%s>", n.Data)
				}
				if n.Data == "h1" {
					h1++
				}
			case "img":
				if alt, _ := attr(n, "alt"); alt == "" {
					t.Error("picture without words")
				}
			case "iframe", "video", "progress":
				title, _ := attr(n, "title")
				label, _ := attr(n, "aria-label")
				if title+label == "" {
					t.Errorf("<%s> without a name", n.Data)
				}
			case "textarea", "select":
				if !labels[id] {
					t.Errorf("<%s> without a label", n.Data)
				}
			case "input":
				_, hidden := attr(n, "hidden")
				if kind != "hidden" && !hidden && !labels[id] && n.Parent.Data != "label" {
					t.Errorf("input %q without a label", id)
				}
			}
			for _, ref := range []string{"aria-describedby", "aria-labelledby", "for"} {
				if to, ok := attr(n, ref); ok && !ids[to] {
					t.Errorf("%s=%q leads nowhere", ref, to)
				}
			}
		}
		if want := strings.Contains(t.Name(), "/progress-"); (h1 != 1) != want {
			t.Errorf("%d h1", h1)
		}
	})
}

func TestInjection(t *testing.T) {
	seen := 0
	each(t, func(t *testing.T, page string, doc *html.Node) {
		if !strings.Contains(t.Name(), "hostile") {
			return
		}
		for _, n := range elements(doc) {
			class, _ := attr(n, "class")
			if class != "caption" && class != "note" {
				continue
			}
			seen++
			if !strings.HasPrefix(text(n), samples.Hostile) || n.FirstChild != n.LastChild {
				t.Errorf("the %s is %q", class, text(n))
			}
			// The override in it ends with the element: a block ends its paragraph,
			// whatever was not closed in it.
			if dir, _ := attr(n, "dir"); dir != "auto" || n.Data != "blockquote" && n.Data != "div" {
				t.Errorf("the %s is not kept apart: <%s dir=%q>", class, n.Data, dir)
			}
			if class == "note" && !strings.Contains(text(n), "\n\n  🔥 \u202eindented\u202c\n") {
				t.Error("the note lost its white space")
			}
		}
	})
	if seen < 21 {
		t.Errorf("the hostile caption was seen %d times", seen)
	}
}

// In every language the pages of what its sender sealed say that a browser cannot
// open it and which command can, and do not frighten as those of other files do.
func TestSealedPages(t *testing.T) {
	seen := 0
	each(t, func(t *testing.T, page string, doc *html.Node) {
		kind, _, _ := strings.Cut(t.Name()[strings.LastIndex(t.Name(), "/")+1:], ".")
		told := 0
		for _, n := range elements(doc) {
			class, _ := attr(n, "class")
			if n.Data == "p" && strings.Contains(class, "notice") && strings.Contains(text(n), "emberdrop get '") && strings.Contains(text(n), "#") {
				told++
			}
			if strings.Contains(class, "bad") && strings.HasSuffix(kind, "-sealed") {
				t.Errorf("it warns: %s", text(n))
			}
			if target, _ := attr(n, "target"); kind == "ready-sealed" && target == "_blank" {
				t.Errorf("there is nothing to look at, but it offers %s", text(n))
			}
		}
		switch {
		case kind == "closed-sealed" || kind == "open-sealed":
			seen++
			if told != 1 {
				t.Errorf("it is told %d times how to open it", told)
			}
		case told > 0:
			t.Error("nothing is sealed here, but it says how to open that")
		}
		if download := strings.Contains(page, `download="sealed-1.emberdrop"`); download != (kind == "open-sealed") {
			t.Errorf("to be saved: %v", download)
		}
	})
	if seen != 2*len(forms) {
		t.Errorf("%d pages were looked at", seen)
	}
}

// First load is one page and one stylesheet; the icon comes after.
func TestSizes(t *testing.T) {
	const budget = 14 << 10
	sheet := zipped(views.Assets()[0].Body)
	largest := 0
	each(t, func(t *testing.T, page string, _ *html.Node) {
		n := zipped([]byte(page)) + sheet
		largest = max(largest, n)
		if n > budget {
			t.Errorf("%d bytes compressed with its stylesheet", n)
		}
	})
	t.Logf("stylesheet %d bytes compressed, largest page with it %d", sheet, largest)
}

func zipped(b []byte) int {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	z.Write(b)
	z.Close()
	return out.Len()
}

// Every message that a page asks for exists, and every one that exists is asked for.
// A chosen language stays with the visitor through every link and form.
// The state of a receipt, its story and its ways on, by rendered page.
func TestReceiptPage(t *testing.T) {
	w := english(t)
	now := time.Date(2026, 11, 30, 14, 5, 0, 0, time.UTC)
	for _, tt := range []struct {
		page views.Receipt
		has  []string
		not  []string
	}{
		{views.Receipt{State: views.Unopened}, []string{"Not opened yet", "Yes, destroy it"}, nil},
		{views.Receipt{State: views.Opened, Views: 1}, []string{"Opened once", "Yes, destroy it"}, nil},
		{views.Receipt{State: views.Held}, []string{"On hold", "Yes, destroy it"}, nil},
		{views.Receipt{State: views.Destroyed, Reason: views.Viewed, Views: 2, At: now.Truncate(time.Hour), Lapses: now},
			[]string{"Destroyed", "as often as you allowed", "opened 2 times", "today at 14:00 UTC, to the hour", "until today at 14:05"}, []string{"Yes, destroy it"}},
		{views.Receipt{State: views.Destroyed, Reason: views.Expired}, []string{"Its time was up. It had never been opened."}, []string{"to the hour"}},
	} {
		tt.page.Terms.Now, tt.page.Action = now, "/r/x/destroy"
		page := render(t, tt.page.Page(w))
		for _, s := range tt.has {
			if !strings.Contains(page, s) {
				t.Errorf("%s %s: no %q", tt.page.State, tt.page.Reason, s)
			}
		}
		for _, s := range tt.not {
			if strings.Contains(page, s) {
				t.Errorf("%s %s: has %q", tt.page.State, tt.page.Reason, s)
			}
		}
	}
}

func TestAssets(t *testing.T) {
	seen := map[string]bool{}
	for _, a := range views.Assets() {
		if len(a.Body) == 0 || a.Type == "" || seen[a.Path] || !regexp.MustCompile(`^/[a-z]+-[0-9a-f]{12}\.[a-z]+$`).MatchString(a.Path) {
			t.Errorf("asset %s %s, %d bytes", a.Path, a.Type, len(a.Body))
		}
		seen[a.Path] = true
	}
	each(t, func(t *testing.T, page string, _ *html.Node) {
		for path := range seen {
			if !strings.Contains(page, fmt.Sprintf("href=%q", path)) {
				t.Errorf("does not load %s", path)
			}
		}
	})
}
