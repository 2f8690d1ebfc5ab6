package tests

import (
	"context"
	"fmt"
	"image"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"emberdrop/tests/browser"
	"emberdrop/tests/instance"
	"emberdrop/tests/sample"
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
			m := musts{t, f}
			m.preview(page)
			m.do(f.Resize(360, 740))
			m.wantNarrow(page, "at 360")
			m.do(f.Resize(320, 568))
			m.wantNarrow(page, "at 320")
			m.do(f.Zoom(2))
			m.wantNarrow(page, "at 1280, twice the size")
		}
	})
	t.Run("firefox", func(t *testing.T) {
		f := browser.For(t, browser.Config{SOCKS: "127.0.0.1:9", Width: 360, Height: 740})
		m := musts{t, f}
		for _, page := range append(previewed(t, "fa"), previewed(t, "ru")...) {
			m.preview(page)
			m.wantNarrow(page, "at 360")
		}
		m.do(f.Resize(1280, 800))
		for _, page := range previewed(t, "fa") {
			m.preview(page)
			m.do(f.Zoom(2))
			m.wantNarrow(page, "at 1280, twice the size")
		}
	})
}

// preview opens a page of made-up data.
func (m musts) preview(page string) {
	m.t.Helper()
	m.do(m.f.Open("file://" + page))
	m.do(m.f.Wait("footer, .frame"))
	m.until("the page has its stylesheet", func() bool {
		styled := false
		return m.f.Script(`return getComputedStyle(doc.body).marginTop === "0px"`, &styled) == nil && styled
	})
}

func (m musts) wantNarrow(page, how string) {
	m.t.Helper()
	var out []string
	m.do(m.f.Script(tooWide, &out))
	for _, what := range out {
		m.t.Errorf("%s %s: %s", filepath.Base(page), how, what)
	}
}

// deepest finds what has the focus, in frames too.
const deepest = `let el = doc.activeElement;
	while (el && el.contentDocument && el.contentDocument.activeElement) el = el.contentDocument.activeElement;`

// reach marks every element that can be used, and says how many there are. Of a
// group of radio buttons Tab reaches one, and arrows the others.
const reach = unfolded + `
	const names = new Set();
	let n = 0;
	for (const el of doc.querySelectorAll("a[href], button, input:not([type=hidden]), select, textarea, summary, video[controls]")) {
		if (!el.checkVisibility() || el.tabIndex < 0) continue;
		if (el.type === "radio" && names.has(el.name)) continue;
		names.add(el.name);
		el.setAttribute("data-n", n++);
	}
	return n;`

// stop is an element that Tab came to.
type stop struct {
	N    int    // its number; -1: none of those that can be used
	Kind string // alike for all that look alike
	Ring bool   // its style has an outline, or that of what stands for it
}

const stopped = deepest + `
	doc.querySelectorAll("[data-ring]").forEach(el => el.removeAttribute("data-ring"));
	if (!el || el === doc.body || el === doc.documentElement) return {n: -1, kind: "", ring: false};
	let shown = el.matches(".pill input") ? el.nextElementSibling : el;
	const style = getComputedStyle(shown);
	let about = el.parentElement; // what is around it and fits the window
	while (about.parentElement && about.parentElement.getBoundingClientRect().height < 500) about = about.parentElement;
	about.setAttribute("data-ring", "");
	const numbered = el.closest("[data-n]") || (el.type === "radio" && doc.querySelector('[data-n][name="' + el.name + '"]'));
	return {n: numbered ? +numbered.dataset.n : -1, kind: el.localName + "." + el.className + " in " + el.parentElement.localName + "." + el.parentElement.className,
		ring: el.localName === "video" || (style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2)};`

// TestKeyboardReachesEverything: Tab comes to everything on every page that can
// be used, and where it is can be seen.
func TestKeyboardReachesEverything(t *testing.T) {
	t.Parallel()
	test := func(t *testing.T, f browser.Browser) {
		looked := map[string]bool{}
		for _, page := range previewed(t, "en") {
			m, name := musts{t, f}, filepath.Base(page)
			m.preview(page)
			total := 0
			m.do(f.Script(reach, &total))
			reached := map[int]bool{}
			for range 3*total + 20 {
				if len(reached) == total {
					break
				}
				m.do(f.Press(browser.Tab))
				var at stop
				m.do(f.Script(stopped, &at))
				if at.N < 0 {
					continue
				}
				reached[at.N] = true
				if !at.Ring {
					t.Errorf("%s: %s has the focus and no ring", name, at.Kind)
				}
				if !looked[at.Kind] && !strings.HasPrefix(at.Kind, "video") {
					looked[at.Kind] = true
					m.wantRing(name, at)
				}
			}
			if len(reached) != total {
				var missed []string
				m.do(f.Script(`return [...doc.querySelectorAll("[data-n]")].filter(el => !args[0].includes(+el.dataset.n)).map(el => el.outerHTML.slice(0, 90))`,
					&missed, slices.AppendSeq([]int{}, func(yield func(int) bool) {
						for n := range reached {
							if !yield(n) {
								return
							}
						}
					})))
				t.Errorf("%s: Tab does not come to %q", name, missed)
			}
		}
		if len(looked) < 12 {
			t.Errorf("only %d kinds of elements were looked at", len(looked))
		}
	}
	t.Run("firefox", func(t *testing.T) {
		test(t, browser.For(t, browser.Config{SOCKS: "127.0.0.1:9", Width: 900, Height: 900}))
	})
	t.Run("chromium", func(t *testing.T) { test(t, browser.ForChromium(t, browser.Config{Width: 900, Height: 900})) })
}

// wantRing compares what is painted around an element with and without the focus.
func (m musts) wantRing(page string, at stop) {
	m.t.Helper()
	with, err := m.f.Pixels("[data-ring]")
	m.do(err)
	m.do(m.f.Script(deepest+"el.setAttribute('data-was', ''); el.blur();", nil))
	m.until(page+": "+at.Kind+" does not look the same with and without the focus", func() bool {
		without, err := m.f.Pixels("[data-ring]")
		m.do(err)
		return with.Bounds().Size() != without.Bounds().Size() || unlike(with, without) >= 60
	})
	m.do(m.f.Script("doc.querySelector('[data-was]').focus({focusVisible: true}); doc.querySelector('[data-was]').removeAttribute('data-was')", nil))
}

// unlike counts the pixels that differ.
func unlike(a, b image.Image) (n int) {
	for y := range a.Bounds().Dy() {
		for x := range a.Bounds().Dx() {
			if a.At(a.Bounds().Min.X+x, a.Bounds().Min.Y+y) != b.At(b.Bounds().Min.X+x, b.Bounds().Min.Y+y) {
				n++
			}
		}
	}
	return n
}

// TestKeyboardInBrowsers goes the whole way without a mouse: a note shared and
// read, an album looked through, a link destroyed.
func TestKeyboardInBrowsers(t *testing.T) {
	t.Parallel()
	server := theService(t)
	client, err := instance.ViaSOCKS(theNetwork(t).SOCKS())
	if err != nil {
		t.Fatal(err)
	}
	file := instance.File("a.png", sample.PNG(64, 48, 2))
	inBrowsers(t, browser.Config{Width: 900, Height: 800}, server.Address, func(v visitor) {
		v.form()
		v.tabTo(`el.name === "note"`)
		v.do(v.f.Fill("textarea:focus", "Meet at the bridge"))
		v.tabTo(`el.name === "burn"`)
		v.do(v.f.Press(browser.Space))
		v.do(v.f.Wait("input[name=burn]:checked"))
		v.tabTo(`el.matches("button.go")`)
		v.do(v.f.Press(browser.Enter))
		link, _ := v.answered()
		v.tabTo(`el.target === "_top" && el.pathname.startsWith("/up/")`) // in the frame
		v.do(v.f.Press(browser.Enter))
		v.do(v.f.Wait("#receipt"))
		v.styled()
		if again := v.text("#link"); again != link {
			v.t.Errorf("the page of its own shows %q", again)
		}

		v.do(v.f.Open(link))
		v.styled()
		v.tabTo(`el.matches("button.go")`)
		v.do(v.f.Press(browser.Space))
		v.do(v.f.Wait("figure div.note"))
		v.styled()
		v.tabTo(`el.matches("form.end button")`)
		v.do(v.f.Press(browser.Enter))
		v.do(v.f.Wait("div.calm"))

		up, err := client.Upload(v.t.Context(), server.Address+"/", file, file, file)
		if err != nil || up.Status != 201 {
			v.t.Fatalf("upload: %v %d", err, up.Status)
		}
		v.do(v.f.Open(up.Line("link")))
		v.styled()
		v.tabTo(`el.matches("button.go")`)
		v.do(v.f.Press(browser.Enter))
		v.picture("ul.album li:nth-child(2) img")
		v.styled()
		v.tabTo(`el.matches("li:nth-child(2) button.tile")`)
		v.do(v.f.Press(browser.Enter))
		v.do(v.f.Wait("#photo-2:popover-open"))
		v.tabTo(`el.matches("#photo-2 [popovertargetaction=hide]")`)
		v.do(v.f.Press(browser.Space))
		v.do(v.f.Wait("body:not(:has(:popover-open))"))

		v.do(v.f.Open(up.Line("receipt")))
		v.styled()
		v.tabTo(`el.matches("summary.danger")`)
		v.do(v.f.Press(browser.Enter))
		v.do(v.f.Wait("details.sure[open]"))
		v.tabTo(`el.matches("form button.danger")`)
		v.do(v.f.Press(browser.Enter))
		v.do(v.f.Wait("h1.is-destroyed"))
	})
}

// tabTo presses Tab until what has the focus is what is looked for.
func (v visitor) tabTo(what string) {
	v.t.Helper()
	for range 80 {
		v.do(v.f.Press(browser.Tab))
		there := false
		v.do(v.f.Script(deepest+"return Boolean(el && el.matches && ("+what+"))", &there))
		if there {
			return
		}
	}
	v.do(v.f.Screenshot("failed"))
	v.t.Fatalf("Tab does not come to %s", what)
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
		kind.cfg.Shots = shots(t, kind.name)
		m := musts{t, browser.ForChromium(t, kind.cfg)}
		for _, page := range previewed(t, kind.language) {
			m.preview(page)
			m.shot(strings.TrimSuffix(filepath.Base(page), ".html"))
		}
	}
}
