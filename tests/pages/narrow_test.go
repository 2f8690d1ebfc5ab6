// Package pages holds every page in every state against what its readers need: nothing too wide, everything within
// reach of the keyboard, nothing that axe-core objects to. It needs browsers, and neither a server nor Tor.
package pages

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"emberdrop/tests/browser"
)

// preview is every page in every state and language, made once.
var preview = sync.OnceValues(func() (string, error) {
	dir := filepath.Join(scratch, "preview")
	out, err := exec.CommandContext(context.Background(), "go", "run", "emberdrop/views/preview", dir).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("preview: %w\n%s", err, out)
	}
	return dir, nil
})

var scratch string // a folder for the whole run

func TestMain(m *testing.M) {
	var err error
	if scratch, err = os.MkdirTemp("", "emberdrop-pages-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(scratch)
	os.Exit(code)
}

func previews(t *testing.T) (dir string) {
	t.Helper()
	dir, err := preview()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// previewed is the pages in a language; empty: in all.
func previewed(t *testing.T, language string) (pages []string) {
	t.Helper()
	if language == "" {
		language = "*"
	}
	pages, err := filepath.Glob(filepath.Join(previews(t), "*."+language+".html"))
	if err != nil || len(pages) < 40 {
		t.Fatalf("only %d pages: %v", len(pages), err)
	}
	return pages
}

// reader looks at pages.
type reader struct {
	t *testing.T
	f browser.Browser
}

func (r reader) do(err error) {
	r.t.Helper()
	browser.Do(r.t, r.f, err)
}

// unfolded opens whatever can be opened.
const unfolded = `doc.querySelectorAll("details").forEach(fold => fold.open = true);`

// tooWide names what sticks out of the page sideways.
const tooWide = unfolded + `
	const root = doc.documentElement, view = root.clientWidth, out = [];
	const look = where => {
		if (root.scrollWidth > view) out.push(where + ": the page is " + root.scrollWidth + " wide in " + view);
		for (const el of doc.querySelectorAll("body *:not(.skip)")) {
			const box = el.getBoundingClientRect();
			if (el.checkVisibility() && box.width && (box.left < -1 || box.right > view + 1))
				out.push(where + ": " + el.localName + "." + el.className + " from " + box.left + " to " + box.right + " in " + view);
		}
	};
	look("page");
	for (const box of doc.querySelectorAll("[popover]")) {
		box.showPopover();
		look("large");
		if (box.scrollWidth > box.clientWidth) out.push("large: " + box.scrollWidth + " wide in " + box.clientWidth);
		box.hidePopover();
	}
	return out;`

// TestNothingIsTooWide: no page in any state scrolls sideways: on a phone of 360
// pixels, on the narrowest that WCAG 2.2 (1.4.10) asks for, at twice the size on
// a desktop; from left to right and from right to left. EMBERDROP_SOAK looks at
// all seven languages.
func TestNothingIsTooWide(t *testing.T) {
	t.Parallel()
	t.Run("chromium", func(t *testing.T) {
		f := browser.ForChromium(t, browser.Config{Width: 1280, Height: 800})
		pages := append(previewed(t, "fa"), previewed(t, "de")...)
		if os.Getenv("EMBERDROP_SOAK") != "" {
			pages = previewed(t, "")
		}
		for _, page := range pages {
			r := reader{t, f}
			r.preview(page)
			r.do(f.Resize(360, 740))
			r.wantNarrow(page, "at 360")
			r.do(f.Resize(320, 568))
			r.wantNarrow(page, "at 320")
			r.do(f.Zoom(2))
			r.wantNarrow(page, "at 1280, twice the size")
		}
	})
	t.Run("firefox", func(t *testing.T) {
		f := browser.For(t, browser.Config{SOCKS: "127.0.0.1:9", Width: 360, Height: 740})
		r := reader{t, f}
		for _, page := range append(previewed(t, "fa"), previewed(t, "ru")...) {
			r.preview(page)
			r.wantNarrow(page, "at 360")
		}
		r.do(f.Resize(1280, 800))
		for _, page := range previewed(t, "fa") {
			r.preview(page)
			r.do(f.Zoom(2))
			r.wantNarrow(page, "at 1280, twice the size")
		}
	})
}

// preview opens a page of made-up data.
func (r reader) preview(page string) {
	r.t.Helper()
	r.do(r.f.Open("file://" + page))
	r.do(r.f.Wait("footer, .frame"))
	browser.Until(r.t, r.f, "the page has its stylesheet", func() bool {
		styled := false
		return r.f.Script(`return getComputedStyle(doc.body).marginTop === "0px"`, &styled) == nil && styled
	})
}

func (r reader) wantNarrow(page, how string) {
	r.t.Helper()
	var out []string
	r.do(r.f.Script(tooWide, &out))
	for _, what := range out {
		r.t.Errorf("%s %s: %s", filepath.Base(page), how, what)
	}
}

// TestShots keeps a picture of every page in every state, to be looked at: on a
// desktop, on a phone in the dark, and in Persian on a phone. It runs where
// EMBERDROP_SHOTS says where to.
func TestShots(t *testing.T) {
	if os.Getenv("EMBERDROP_SHOTS") == "" {
		t.Skip("EMBERDROP_SHOTS names no folder")
	}
	for _, kind := range []struct {
		name, language string
		cfg            browser.Config
	}{
		{"desktop", "en", browser.Config{Width: 1000, Height: 800}},
		{"phone-dark", "en", browser.Config{Width: 360, Height: 740, Dark: true}},
		{"phone-persian", "fa", browser.Config{Width: 360, Height: 740}},
		{"phone-chinese", "zh-Hans", browser.Config{Width: 360, Height: 740}},
	} {
		kind.cfg.Shots = filepath.Join(os.Getenv("EMBERDROP_SHOTS"), kind.name)
		r := reader{t, browser.ForChromium(t, kind.cfg)}
		for _, page := range previewed(t, kind.language) {
			r.preview(page)
			r.do(r.f.Screenshot(strings.TrimSuffix(filepath.Base(page), ".html")))
		}
	}
}
