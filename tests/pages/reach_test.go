package pages

import (
	"image"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"emberdrop/tests/browser"
)

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

const stopped = browser.Focused + `
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
			r, name := reader{t, f}, filepath.Base(page)
			r.preview(page)
			total := 0
			r.do(f.Script(reach, &total))
			reached := map[int]bool{}
			for range 3*total + 20 {
				if len(reached) == total {
					break
				}
				r.do(f.Press(browser.Tab))
				var at stop
				r.do(f.Script(stopped, &at))
				if at.N < 0 {
					continue
				}
				reached[at.N] = true
				if !at.Ring {
					t.Errorf("%s: %s has the focus and no ring", name, at.Kind)
				}
				if !looked[at.Kind] && !strings.HasPrefix(at.Kind, "video") {
					looked[at.Kind] = true
					r.wantRing(name, at)
				}
			}
			if len(reached) != total {
				var missed []string
				r.do(f.Script(`return [...doc.querySelectorAll("[data-n]")].filter(el => !args[0].includes(+el.dataset.n)).map(el => el.outerHTML.slice(0, 90))`,
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
func (r reader) wantRing(page string, at stop) {
	r.t.Helper()
	with, err := r.f.Pixels("[data-ring]")
	r.do(err)
	r.do(r.f.Script(browser.Focused+"el.setAttribute('data-was', ''); el.blur();", nil))
	browser.Until(r.t, r.f, page+": "+at.Kind+" does not look the same with and without the focus", func() bool {
		without, err := r.f.Pixels("[data-ring]")
		r.do(err)
		return with.Bounds().Size() != without.Bounds().Size() || unlike(with, without) >= 60
	})
	r.do(r.f.Script("doc.querySelector('[data-was]').focus({focusVisible: true}); doc.querySelector('[data-was]').removeAttribute('data-was')", nil))
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
