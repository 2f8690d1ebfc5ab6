package browser

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
)

// errNotThere means that an element, its frame or its document is not there yet,
// or not where it can be clicked.
var errNotThere = errors.New("not there")

// run evaluates the body of a function of doc (the document of the frame gone
// into) and args. The driver's own script runs with page JavaScript off, but no
// promise in it is ever kept.
func (c *Chromium) run(body string, out any, args ...any) error {
	if args == nil {
		args = []any{}
	}
	inside, err := json.Marshal([]any{append([]string{}, c.frames...), args})
	if err != nil {
		return err
	}
	expression := fmt.Sprintf(`(() => {
		const [frames, args] = %s;
		let doc = document;
		for (const selector of frames) {
			const frame = doc.querySelector(selector);
			if (!frame || !frame.contentDocument || !frame.contentDocument.documentElement) return {missing: selector};
			doc = frame.contentDocument;
		}
		if (!doc.documentElement) return {missing: "the document"};
		const value = (function(doc, args) { %s })(doc, args);
		return value === undefined ? {missing: "the element"} : {value};
	})()`, inside, body)
	var answer struct {
		Result struct {
			Value struct {
				Missing string          `json:"missing"`
				Value   json.RawMessage `json:"value"`
			} `json:"value"`
		} `json:"result"`
		Exception *struct {
			Text      string `json:"text"`
			Exception struct {
				Description string `json:"description"`
			} `json:"exception"`
		} `json:"exceptionDetails"`
	}
	err = c.call("Runtime.evaluate", map[string]any{"expression": expression, "returnByValue": true}, &answer)
	switch {
	case changing(err):
		return errNotThere
	case err != nil:
		return err
	case answer.Exception != nil:
		return fmt.Errorf("script: %s %s", answer.Exception.Text, answer.Exception.Exception.Description)
	case answer.Result.Value.Missing != "":
		return fmt.Errorf("%s: %w", answer.Result.Value.Missing, errNotThere)
	case out == nil:
		return nil
	}
	return json.Unmarshal(answer.Result.Value.Value, out)
}

// changing says whether err only means that the page was replaced meanwhile.
func changing(err error) bool {
	e, ok := errors.AsType[*devtoolsError](err)
	return ok && (strings.Contains(e.Message, "context") || strings.Contains(e.Message, "navigated") || strings.Contains(e.Message, "loader"))
}

// until runs act again while what it needs is not there.
func (c *Chromium) until(selector string, act func() error) error {
	return on(c.ctx, c.cfg.Patience, selector, func(err error) bool { return errors.Is(err, errNotThere) }, act)
}

// on waits for the selector and evaluates body with the first element as el.
func (c *Chromium) on(selector, body string, out any, args ...any) error {
	return c.until(selector, func() error {
		return c.run("const el = doc.querySelector(args.shift()); if (!el) return undefined; "+body,
			out, append([]any{selector}, args...)...)
	})
}

// Script runs the driver's own JavaScript: the body of a function of doc, the
// current document, and args. What it returns goes to out, unless that is nil.
func (c *Chromium) Script(body string, out any, args ...any) error {
	err := c.run("const value = (() => {"+body+"})(); return value === undefined ? null : value", out, args...)
	if err != nil {
		return fmt.Errorf("script: %w", err)
	}
	return nil
}

// frameTree is what the tab shows.
type frameTree struct {
	FrameTree struct {
		Frame struct {
			LoaderID       string `json:"loaderId"`
			URL            string `json:"url"`
			UnreachableURL string `json:"unreachableUrl"`
		} `json:"frame"`
	} `json:"frameTree"`
}

// turn runs act, which leads to another top-level document, and waits until
// that document is there.
func (c *Chromium) turn(act func() error) error {
	var before, now frameTree
	c.Top()
	if err := c.call("Page.getFrameTree", nil, &before); err != nil {
		return err
	}
	if err := act(); err != nil {
		return err
	}
	err := poll(c.ctx, c.cfg.Patience, func() (bool, error) {
		now = frameTree{}
		if err := c.call("Page.getFrameTree", nil, &now); err != nil {
			return false, err
		}
		return now.FrameTree.Frame.LoaderID != before.FrameTree.Frame.LoaderID, nil
	})
	if err == nil && now.FrameTree.Frame.UnreachableURL != "" {
		return ErrUnreachable
	}
	return err
}

// Open goes to an address.
func (c *Chromium) Open(url string) error {
	err := c.turn(func() error {
		var gone struct {
			LoaderID  string `json:"loaderId"`
			ErrorText string `json:"errorText"`
		}
		return c.call("Page.navigate", map[string]any{"url": url}, &gone)
	})
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	return nil
}

// Back goes one page back.
func (c *Chromium) Back() error {
	return c.turn(func() error {
		var history struct {
			CurrentIndex int `json:"currentIndex"`
			Entries      []struct {
				ID int `json:"id"`
			} `json:"entries"`
		}
		if err := c.call("Page.getNavigationHistory", nil, &history); err != nil {
			return err
		}
		if history.CurrentIndex == 0 {
			return errors.New("back: this is the first page")
		}
		return c.call("Page.navigateToHistoryEntry", map[string]any{"entryId": history.Entries[history.CurrentIndex-1].ID}, nil)
	})
}

// Reload loads the page again.
func (c *Chromium) Reload() error {
	return c.turn(func() error { return c.call("Page.reload", nil, nil) })
}

// Follow clicks what leads to another top-level document.
func (c *Chromium) Follow(selector string) error {
	return c.turn(func() error { return c.Click(selector) })
}

// Wait waits until an element matches the CSS selector.
func (c *Chromium) Wait(selector string) error { return c.on(selector, "return true", nil) }

// WaitText waits until the first element that matches shows the text.
func (c *Chromium) WaitText(selector, text string) error {
	shown := ""
	err := c.until(selector, func() error {
		if err := c.run("const el = doc.querySelector(args[0]); return el ? el.innerText : undefined", &shown, selector); err != nil {
			return err
		}
		if !strings.Contains(shown, text) {
			return errNotThere
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("%w: not %q but %q", err, text, shown)
	}
	return nil
}

// Count returns how many elements match now.
func (c *Chromium) Count(selector string) (n int, err error) {
	err = c.run("return doc.querySelectorAll(args[0]).length", &n, selector)
	if errors.Is(err, errNotThere) {
		err = nil
	}
	return n, err
}

// Text waits for the selector and returns the text as it is shown.
func (c *Chromium) Text(selector string) (text string, err error) {
	err = c.on(selector, "return el.checkVisibility() ? el.innerText : ''", &text)
	return text, err
}

// Attr waits for the selector and returns an attribute, empty when absent.
func (c *Chromium) Attr(selector, name string) (value string, err error) {
	err = c.on(selector, "return el.getAttribute(args[0]) ?? ''", &value, name)
	return value, err
}

// Fill waits for a text field and replaces what is in it.
func (c *Chromium) Fill(selector, text string) error {
	if err := c.on(selector, "el.focus(); el.select(); return true", nil); err != nil {
		return err
	}
	return c.call("Input.insertText", map[string]any{"text": text}, nil)
}

// SetFiles chooses files in a file field, instead of those chosen before.
func (c *Chromium) SetFiles(selector string, paths ...string) error {
	full := make([]string, len(paths))
	for i, path := range paths {
		var err error
		if full[i], err = filepath.Abs(path); err != nil {
			return err
		}
	}
	if err := c.Wait(selector); err != nil {
		return err
	}
	if len(c.frames) > 0 {
		return errors.New("files are chosen on the page itself, not in a frame")
	}
	quoted, err := json.Marshal(selector)
	if err != nil {
		return err
	}
	var field struct {
		Result struct {
			ObjectID string `json:"objectId"`
		} `json:"result"`
	}
	err = c.call("Runtime.evaluate", map[string]any{"expression": "document.querySelector(" + string(quoted) + ")"}, &field)
	if err != nil {
		return err
	}
	return c.call("DOM.setFileInputFiles", map[string]any{"files": full, "objectId": field.Result.ObjectID}, nil)
}

// Click waits for the selector and clicks in the middle of its first element,
// when that has stood still for a moment: pictures and stylesheets that come move
// what is below them.
func (c *Chromium) Click(selector string) error {
	type place struct{ X, Y float64 }
	var last, at place
	err := c.until(selector, func() error {
		last, at = at, place{}
		if err := c.run(middle, &at, selector); err != nil {
			return err
		}
		if at != last {
			return errNotThere
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, event := range []string{"mouseMoved", "mousePressed", "mouseReleased"} {
		params := map[string]any{"type": event, "x": at.X, "y": at.Y, "button": "left", "clickCount": 1}
		if err := c.call("Input.dispatchMouseEvent", params, nil); err != nil {
			return err
		}
	}
	return nil
}

// middle finds where an element can be clicked, in the tab's coordinates.
const middle = `const el = doc.querySelector(args[0]);
	if (!el) return undefined;
	el.scrollIntoView({block: "center", inline: "center", behavior: "instant"});
	const box = el.getClientRects()[0];
	if (!box || !box.width || !box.height) return undefined;
	const mid = {x: box.left + box.width / 2, y: box.top + box.height / 2};
	const hit = doc.elementFromPoint(mid.x, mid.y);
	if (!hit || !(el.contains(hit) || hit.contains(el))) return undefined;
	// Scrolling may have moved the frame that this is in.
	let to = mid;
	for (let view = doc.defaultView; view.frameElement; view = view.parent) {
		const frame = view.frameElement, at = frame.getBoundingClientRect();
		to = {x: to.x + at.left + frame.clientLeft, y: to.y + at.top + frame.clientTop};
	}
	return to;`

// Frame waits for a frame in the current document and goes into it.
func (c *Chromium) Frame(selector string) error {
	if err := c.Wait(selector); err != nil {
		return err
	}
	c.frames = append(c.frames, selector)
	return nil
}

// Top goes back to the top-level document.
func (c *Chromium) Top() error {
	c.frames = nil
	return nil
}

// URL returns the address of the top-level document.
func (c *Chromium) URL() (string, error) {
	var tree frameTree
	err := c.call("Page.getFrameTree", nil, &tree)
	return tree.FrameTree.Frame.URL, err
}

// Source returns the current document as HTML.
func (c *Chromium) Source() (source string, err error) {
	err = c.until("the document", func() error { return c.run("return doc.documentElement.outerHTML", &source) })
	return source, err
}
