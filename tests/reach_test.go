package tests

import (
	"testing"

	"emberdrop/tests/browser"
	"emberdrop/tests/instance"
	"emberdrop/tests/sample"
)

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
		v.do(v.f.Script(browser.Focused+"return Boolean(el && el.matches && ("+what+"))", &there))
		if there {
			return
		}
	}
	v.do(v.f.Screenshot("failed"))
	v.t.Fatalf("Tab does not come to %s", what)
}
