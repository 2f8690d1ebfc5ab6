package pages

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"emberdrop/tests/browser"
)

// axeVersion is the one version of axe-core that pages are held against: a new
// one may have new rules.
const axeVersion = "4.14.1"

// axeCore is axe-core's script, fetched once into .cache/ of the repository.
func axeCore(t *testing.T) []byte {
	t.Helper()
	dir, err := filepath.Abs("../../.cache/axe")
	if err != nil {
		t.Fatal(err)
	}
	script := filepath.Join(dir, "node_modules/axe-core/axe.min.js")
	head := "/*! axe v" + axeVersion + "\n"
	raw, _ := os.ReadFile(script)
	if !bytes.HasPrefix(raw, []byte(head)) {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, "npm", "install", "--prefix", dir, "axe-core@"+axeVersion, "--no-save", "--no-audit", "--no-fund")
		out, err := cmd.CombinedOutput()
		if err != nil && os.Getenv("CI") != "true" {
			t.Skipf("axe-core cannot be had: %v", err)
		}
		if err != nil {
			t.Fatalf("axe-core: %v\n%s", err, out)
		}
		if raw, err = os.ReadFile(script); err != nil || !bytes.HasPrefix(raw, []byte(head)) {
			t.Fatalf("not axe-core %s: %v\n%.80q", axeVersion, err, raw)
		}
	}
	return raw
}

// axeRun holds the page against the rules, tells the server, and goes where the
// server says. What is in a frame is looked at from the page that frames it.
const axeRun = `addEventListener("load", async () => {
	if (top !== self) return;
	const tell = async report => {
		const next = await fetch("/report?" + new URLSearchParams({of: location.pathname}), {method: "POST", body: JSON.stringify(report)});
		const to = await next.text();
		if (to) location.replace(to);
	};
	try {
		// A frame lets the page below it shine through, which axe does not know.
		for (const frame of document.querySelectorAll("iframe[src]")) {
			const inside = frame.contentDocument, ground = element => getComputedStyle(element).backgroundColor;
			const clear = element => ground(element) === "rgba(0, 0, 0, 0)";
			if (!clear(inside.documentElement) || !clear(inside.body)) continue;
			let below = frame;
			while (below.parentElement && clear(below)) below = below.parentElement;
			if (clear(below)) below = document.body;
			inside.documentElement.style.backgroundColor = ground(below);
		}
		document.querySelectorAll("details").forEach(fold => fold.open = true);
		const found = await axe.run(document, {pingWaitTime: 30000, runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]});
		const places = rules => rules.flatMap(rule => rule.nodes.map(node => rule.id + " at " + node.target.join(" > ") + ": " + rule.help + " " + (node.failureSummary || "")));
		await tell({
			dark: matchMedia("(prefers-color-scheme: dark)").matches,
			styled: getComputedStyle(document.body).marginTop === "0px",
			rules: found.passes.length,
			frames: document.querySelectorAll("iframe").length,
			framed: new Set(found.passes.flatMap(rule => rule.nodes.map(node => node.target)).filter(to => to.length > 1).map(to => to[0])).size,
			violations: places(found.violations),
		});
	} catch (err) {
		await tell({failed: String(err)});
	}
});`

// axeReport is what axeRun says of one page.
type axeReport struct {
	Dark, Styled   bool
	Rules          int // that apply and hold
	Frames, Framed int // all, and those looked into
	Violations     []string
	Failed         string
}

// faulty is a page with one fault in each scheme: without it found, nothing else
// that is found or not found counts.
const faulty = `<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>Faulty</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">
<style>body{margin:0;background:light-dark(#fff,#000)}p{color:light-dark(#bbb,#555)}</style></head>
<body><main><h1>Faulty</h1><p>These words can hardly be read.</p></main></body></html>`

// TestAxe: axe-core finds nothing to say about any page in any state, in English
// and in Persian, which runs from right to left, in both colour schemes.
func TestAxe(t *testing.T) {
	t.Parallel()
	core := axeCore(t)
	dir := previews(t)
	pages := []string{"/faulty.html"}
	for _, lang := range []string{"en", "fa"} {
		found, err := filepath.Glob(filepath.Join(dir, "*."+lang+".html"))
		if err != nil || len(found) < 40 {
			t.Fatalf("only %d pages in %s: %v", len(found), lang, err)
		}
		for _, file := range found {
			pages = append(pages, "/"+filepath.Base(file))
		}
	}
	for name, dark := range map[string]bool{"light": false, "dark": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reports := axeVisit(t, dir, core, pages, dark)
			for _, page := range pages {
				r := reports[page]
				switch {
				case r.Failed != "" || !r.Styled || r.Dark != dark || r.Rules < 10:
					t.Errorf("%s was not looked at as it is: %+v", page, r)
				case page == "/faulty.html":
					if len(r.Violations) != 1 || !strings.HasPrefix(r.Violations[0], "color-contrast at p:") {
						t.Errorf("of the faulty page it says %q", r.Violations)
					}
				case r.Frames != r.Framed:
					t.Errorf("%s: of %d frames axe looked into %d", page, r.Frames, r.Framed)
				}
				if page != "/faulty.html" {
					for _, v := range r.Violations {
						t.Errorf("%s: %s", page, v)
					}
				}
			}
		})
	}
}

var (
	axeProgress = regexp.MustCompile(`src="\./progress-part[^"]*"`)
	axeLang     = regexp.MustCompile(`\.([a-z]+)\.html$`)
)

// framedBody is in every page that the upload page shows in a frame.
var framedBody = []byte(`<body class="frame`)

// withAxe puts the scripts into a page. The empty frame gets a document that
// answers axe, which otherwise waits for it.
func withAxe(page []byte) []byte {
	const scripts = `<script src="/axe.js"></script><script src="/run.js"></script></head>`
	const empty = `name="result" srcdoc="&lt;html lang=en&gt;&lt;title&gt;Nothing yet&lt;/title&gt;&lt;script src=/axe.js&gt;&lt;/script&gt;" title=`
	page = bytes.Replace(page, []byte("</head>"), []byte(scripts), 1)
	return bytes.Replace(page, []byte(`name="result" title=`), []byte(empty), 1)
}

// axeVisit has Chromium go through the pages.
func axeVisit(t *testing.T, dir string, core []byte, pages []string, dark bool) map[string]axeReport {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
	defer cancel()
	var mu sync.Mutex
	reports := map[string]axeReport{}
	done := make(chan struct{})
	mux := http.NewServeMux()
	serve := func(path, kind string, body []byte) {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			w.Write(body)
		})
	}
	serve("/axe.js", "text/javascript", core)
	serve("/run.js", "text/javascript", []byte(axeRun))
	page := func(name string) ([]byte, error) {
		if name == "/faulty.html" {
			return []byte(faulty), nil
		}
		return os.ReadFile(filepath.Join(dir, name))
	}
	for _, name := range pages {
		raw, err := page(name)
		if err != nil {
			t.Fatal(err)
		}
		serve(name, "text/html; charset=utf-8", withAxe(raw))
	}
	visits := slices.Clone(pages)
	for i, name := range pages {
		raw, _ := page(name)
		if !bytes.Contains(raw, framedBody) {
			continue
		}
		// Looked at as it is seen: in its place on the upload page.
		visits[i] = "/framed-" + name[1:] // beside it, where its addresses hold
		host, err := page("/upload." + axeLang.FindStringSubmatch(name)[1] + ".html")
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(raw, []byte(`<body class="frame bare"`)) {
			host = axeProgress.ReplaceAll(host, []byte(`src="`+name+`"`))
		} else {
			host = bytes.Replace(host, []byte(`name="result"`), []byte(`name="result" src="`+name+`"`), 1)
		}
		if !bytes.Contains(host, []byte(`src="`+name+`"`)) {
			t.Fatalf("the upload page has no frame for %s", name)
		}
		serve(visits[i], "text/html; charset=utf-8", withAxe(host))
	}
	mux.Handle("GET /", http.FileServer(http.Dir(dir)))
	mux.HandleFunc("POST /report", func(w http.ResponseWriter, r *http.Request) {
		at := slices.Index(visits, r.URL.Query().Get("of"))
		if at < 0 {
			t.Errorf("a report of %q", r.URL.Query().Get("of"))
			return
		}
		of := pages[at]
		var report axeReport
		raw, err := io.ReadAll(r.Body)
		if err == nil {
			err = json.Unmarshal(raw, &report)
		}
		if err != nil {
			report.Failed = err.Error()
		}
		mu.Lock()
		defer mu.Unlock()
		if _, twice := reports[of]; twice {
			report.Failed = "it reported twice"
		}
		reports[of] = report
		if at+1 < len(visits) {
			fmt.Fprint(w, visits[at+1])
		} else {
			close(done)
		}
	})
	server := httptest.NewServer(mux)
	defer server.Close()
	chromium(t, ctx, server.URL+visits[0], dark, done)
	mu.Lock()
	defer mu.Unlock()
	if len(reports) != len(pages) {
		t.Fatalf("Chromium came to %d of %d pages", len(reports), len(pages))
	}
	return reports
}

// chromium shows an address, page JavaScript on, until done is closed.
func chromium(t *testing.T, ctx context.Context, address string, dark bool, done <-chan struct{}) {
	t.Helper()
	c := browser.ForChromium(t, browser.Config{Width: 1000, Height: 900, Dark: dark, Script: true})
	if err := c.Open(address); err != nil {
		t.Fatal(err)
	}
	select {
	case <-done:
	case <-ctx.Done():
		t.Errorf("chromium does not come to the end: %v", ctx.Err())
	}
}
