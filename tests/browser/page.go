package browser

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"strings"
)

// webElement is the key of an element reference (WebDriver, section 12).
const webElement = "element-6066-11e4-a52e-4f735466cecf"

// ErrUnreachable means that the browser shows its own error page instead of
// the page: no connection, no such service, or an empty answer.
var ErrUnreachable = errors.New("the browser shows an error page")

// notYet says whether err may go away by itself while a page or a frame is
// still being built, replaced or laid out.
func notYet(err error) bool {
	switch code(err) {
	case "no such element", "stale element reference", "element not interactable",
		"element click intercepted", "no such frame":
		return true
	}
	return false
}

// find returns the first element that matches the CSS selector, at once.
func (f *Firefox) find(selector string) (string, error) {
	var found struct {
		Value map[string]string `json:"value"`
	}
	err := f.call("WebDriver:FindElement", map[string]any{"using": "css selector", "value": selector}, &found)
	return found.Value[webElement], err
}

// on waits for the selector and runs act on its first element, again while the
// page is being replaced under it.
func (f *Firefox) on(selector string, act func(id string) error) error {
	return on(f.ctx, f.cfg.Patience, selector, notYet, func() error {
		id, err := f.find(selector)
		if err == nil {
			err = act(id)
		}
		return err
	})
}

// turn runs act, which leads to another top-level document, and waits until
// that document is there. Node references are never used twice, so a new one
// for the root element is a new document (or one out of the history).
func (f *Firefox) turn(act func() error) error {
	if err := f.Top(); err != nil {
		return err
	}
	before, err := f.find(":root")
	if err != nil {
		return err
	}
	if err := act(); err != nil {
		return err
	}
	var uri string
	err = f.poll(func() (bool, error) {
		uri = ""
		now, err := f.find(":root")
		if err == nil && now != before {
			err = f.script("content", "return document.documentURI", nil, &uri)
		}
		if err != nil && !notYet(err) {
			return false, err
		}
		// Between two pages there can be an empty document for a moment. A script
		// whose document went away under it gives nothing, and no error.
		return err == nil && now != before && uri != "" && uri != "about:blank", nil
	})
	if err != nil {
		return err
	}
	if strings.HasPrefix(uri, "about:neterror") || strings.HasPrefix(uri, "about:httpsonlyerror") {
		reason, _, _ := strings.Cut(uri, "&")
		return fmt.Errorf("%w: %s", ErrUnreachable, reason)
	}
	return nil
}

// script runs the driver's own JavaScript in a sandbox, which works with page
// JavaScript off; in context "chrome" it runs in the browser's window.
func (f *Firefox) script(context, body string, args []any, out any) error {
	if context == "chrome" {
		if err := f.call("Marionette:SetContext", map[string]any{"value": "chrome"}, nil); err != nil {
			return err
		}
		defer f.call("Marionette:SetContext", map[string]any{"value": "content"}, nil)
	}
	if args == nil {
		args = []any{}
	}
	var result struct{ Value any }
	result.Value = out
	return f.call("WebDriver:ExecuteScript", map[string]any{
		"script": body, "args": args, "sandbox": "emberdrop", "newSandbox": true}, &result)
}

// Script runs the driver's own JavaScript, which works with page JavaScript off:
// the body of a function of doc, the current document, and args. What it returns
// goes to out, unless that is nil. No promise in it is kept.
func (f *Firefox) Script(body string, out any, args ...any) error {
	err := f.script("content", "const doc = document, args = [...arguments]; "+body, args, out)
	if err != nil {
		return fmt.Errorf("script: %w", err)
	}
	return nil
}

// Zoom shows the page so many times as large, as a reader's Ctrl and + do.
func (f *Firefox) Zoom(factor float64) error {
	return f.script("chrome", "gBrowser.selectedBrowser.fullZoom = arguments[0]", []any{factor}, nil)
}

// Open goes to an address and returns when its document has begun to arrive;
// follow with Wait. The address must differ from the present one in more than
// its fragment. The error is ErrUnreachable when nothing answers.
func (f *Firefox) Open(url string) error {
	err := f.turn(func() error { return f.call("WebDriver:Navigate", map[string]any{"url": url}, nil) })
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	return nil
}

// Back goes one page back and returns when that page is there.
func (f *Firefox) Back() error {
	return f.turn(func() error { return f.call("WebDriver:Back", nil, nil) })
}

// Reload loads the page again and returns when it has begun to arrive.
func (f *Firefox) Reload() error {
	return f.turn(func() error { return f.call("WebDriver:Refresh", nil, nil) })
}

// Follow clicks what leads to another top-level document and returns when that
// document has begun to arrive. It is for the top document, not for a frame.
func (f *Firefox) Follow(selector string) error {
	return f.turn(func() error { return f.Click(selector) })
}

// Wait waits until an element matches the CSS selector.
func (f *Firefox) Wait(selector string) error {
	return f.on(selector, func(string) error { return nil })
}

// WaitText waits until the first element that matches shows the text.
func (f *Firefox) WaitText(selector, text string) error {
	shown := ""
	err := f.poll(func() (bool, error) {
		id, err := f.find(selector)
		if err == nil {
			shown, err = f.text(id)
		}
		if err != nil && !notYet(err) {
			return false, err
		}
		return err == nil && strings.Contains(shown, text), nil
	})
	if err != nil {
		return fmt.Errorf("%q with %q: %w, it shows %q", selector, text, err, shown)
	}
	return nil
}

// Count returns how many elements match now; it does not wait.
func (f *Firefox) Count(selector string) (int, error) {
	var found []map[string]string
	err := f.call("WebDriver:FindElements", map[string]any{"using": "css selector", "value": selector}, &found)
	return len(found), err
}

func (f *Firefox) text(id string) (string, error) {
	var text struct{ Value string }
	err := f.call("WebDriver:GetElementText", map[string]any{"id": id}, &text)
	return text.Value, err
}

// Text waits for the selector and returns the text as it is shown: what CSS
// hides is not in it.
func (f *Firefox) Text(selector string) (text string, err error) {
	err = f.on(selector, func(id string) (err error) {
		text, err = f.text(id)
		return err
	})
	return text, err
}

// Attr waits for the selector and returns an attribute, empty when absent.
func (f *Firefox) Attr(selector, name string) (string, error) {
	var value struct{ Value *string }
	err := f.on(selector, func(id string) error {
		return f.call("WebDriver:GetElementAttribute", map[string]any{"id": id, "name": name}, &value)
	})
	if value.Value == nil {
		return "", err
	}
	return *value.Value, err
}

// Fill waits for a text field, empties it and types the text.
func (f *Firefox) Fill(selector, text string) error {
	return f.on(selector, func(id string) error {
		if err := f.call("WebDriver:ElementClear", map[string]any{"id": id}, nil); err != nil {
			return err
		}
		return f.call("WebDriver:ElementSendKeys", map[string]any{"id": id, "text": text}, nil)
	})
}

// SetFiles chooses files in a file field. In a field with "multiple" a second
// call adds to the first.
func (f *Firefox) SetFiles(selector string, paths ...string) error {
	full := make([]string, len(paths))
	for i, path := range paths {
		var err error
		if full[i], err = filepath.Abs(path); err != nil {
			return err
		}
	}
	return f.on(selector, func(id string) error {
		return f.call("WebDriver:ElementSendKeys", map[string]any{"id": id, "text": strings.Join(full, "\n")}, nil)
	})
}

// Click waits for the selector and clicks in the middle of its first element.
// It does not wait for what the click leads to: follow with Wait for something
// that was not there before, or use Follow.
func (f *Firefox) Click(selector string) error {
	return f.on(selector, func(id string) error {
		return f.call("WebDriver:ElementClick", map[string]any{"id": id}, nil)
	})
}

// Frame waits for a frame in the current document and goes into it.
func (f *Firefox) Frame(selector string) error {
	return f.on(selector, func(id string) error {
		if err := f.enter(id); err != nil {
			return err
		}
		f.frames = append(f.frames, id)
		return nil
	})
}

func (f *Firefox) enter(id string) error {
	return f.call("WebDriver:SwitchToFrame", map[string]any{"element": map[string]string{webElement: id}}, nil)
}

// Top goes back to the top-level document.
func (f *Firefox) Top() error {
	f.frames = nil
	return f.call("WebDriver:SwitchToFrame", map[string]any{"element": nil}, nil)
}

// URL returns the address of the top-level document.
func (f *Firefox) URL() (string, error) {
	var url struct{ Value string }
	err := f.call("WebDriver:GetCurrentURL", nil, &url)
	return url.Value, err
}

// Source returns the current document (a frame's, inside one) as HTML.
func (f *Firefox) Source() (string, error) {
	var source struct{ Value string }
	err := f.call("WebDriver:GetPageSource", nil, &source)
	return source.Value, err
}

// Resize makes the page width x height CSS pixels, narrower than a desktop
// window goes, as a phone would have it. It fails in a letterboxed window
// (Config.Width 0), where Firefox rounds the size.
func (f *Firefox) Resize(width, height int) error {
	if f.cfg.Width == 0 {
		return errors.New("resize: the window is letterboxed")
	}
	const body = `const root = document.documentElement, page = gBrowser.selectedBrowser;
		root.style.minWidth = "0"; root.style.minHeight = "0";
		document.body.style.minWidth = "0";
		for (let i = 0; i < 300; i++) {
			const dw = arguments[0] - page.clientWidth, dh = arguments[1] - page.clientHeight;
			if (!dw && !dh) break;
			window.resizeTo(window.outerWidth + dw, window.outerHeight + dh);
			await new Promise(done => setTimeout(done, 50));
		}
		return [page.clientWidth, page.clientHeight];`
	var got [2]int
	err := f.script("chrome", "return (async function() {"+body+"}).apply(null, arguments)", []any{width, height}, &got)
	if err == nil && got != [2]int{width, height} {
		err = fmt.Errorf("it is %d x %d", got[0], got[1])
	}
	if err != nil {
		return fmt.Errorf("resize to %d x %d: %w", width, height, err)
	}
	return nil
}

// Screenshot writes the whole top-level page, also what has to be scrolled to,
// as Config.Shots/name.png.
func (f *Firefox) Screenshot(name string) error {
	if f.cfg.Shots == "" {
		return errors.New("screenshot: no folder is configured")
	}
	frames := f.frames
	if err := f.Top(); err != nil {
		return err
	}
	raw, err := f.shoot(nil)
	for _, id := range frames {
		err = errors.Join(err, f.enter(id))
	}
	f.frames = frames
	if err == nil {
		err = os.MkdirAll(f.cfg.Shots, 0o755)
	}
	if err != nil {
		return fmt.Errorf("screenshot: %w", err)
	}
	return os.WriteFile(filepath.Join(f.cfg.Shots, name+".png"), raw, 0o644)
}

// Pixels waits for the selector and returns its first element as it is painted.
func (f *Firefox) Pixels(selector string) (img image.Image, err error) {
	err = f.on(selector, func(id string) error {
		raw, err := f.shoot(id)
		if err != nil {
			return err
		}
		img, err = png.Decode(bytes.NewReader(raw))
		return err
	})
	return img, err
}

// shoot returns a PNG of one element, or of the whole document when id is nil.
func (f *Firefox) shoot(id any) ([]byte, error) {
	var shot struct{ Value string }
	err := f.poll(func() (bool, error) {
		err := f.call("WebDriver:TakeScreenshot", map[string]any{"id": id, "full": true, "hash": false}, &shot)
		if err != nil && strings.Contains(err.Error(), "Unable to capture screenshot") {
			return false, nil // now and then, while a page is being painted
		}
		return err == nil, err
	})
	if err != nil {
		return nil, err
	}
	return base64.StdEncoding.DecodeString(shot.Value)
}
