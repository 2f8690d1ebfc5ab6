package browser

import "fmt"

// Key is a key of the keyboard.
type Key string

// The keys that a page is used with where there is no mouse.
const (
	Tab      Key = "Tab"
	BackTab  Key = "Shift+Tab"
	Enter    Key = "Enter"
	Space    Key = "Space"
	Escape   Key = "Escape"
	Down     Key = "ArrowDown"
	shiftKey     = "\ue008" // WebDriver, section 17.4.2
)

// Press presses and releases a key on whatever has the focus.
func (f *Firefox) Press(key Key) error {
	code, known := map[Key]string{Tab: "\ue004", BackTab: "\ue004", Enter: "\ue007", Space: " ", Escape: "\ue00c", Down: "\ue015"}[key]
	if !known {
		return fmt.Errorf("no key %q", key)
	}
	act := func(kind, value string) map[string]string { return map[string]string{"type": kind, "value": value} }
	actions := []map[string]string{act("keyDown", code), act("keyUp", code)}
	if key == BackTab {
		actions = []map[string]string{act("keyDown", shiftKey), act("keyDown", code), act("keyUp", code), act("keyUp", shiftKey)}
	}
	return f.call("WebDriver:PerformActions", map[string]any{"actions": []any{map[string]any{"type": "key", "id": "keyboard", "actions": actions}}}, nil)
}

// Press presses and releases a key on whatever has the focus.
func (c *Chromium) Press(key Key) error {
	k, known := map[Key]struct {
		name, text string
		code       int
	}{
		Tab: {"Tab", "", 9}, BackTab: {"Tab", "", 9}, Enter: {"Enter", "\r", 13}, Space: {" ", " ", 32},
		Escape: {"Escape", "", 27}, Down: {"ArrowDown", "", 40},
	}[key]
	if !known {
		return fmt.Errorf("no key %q", key)
	}
	params := map[string]any{"key": k.name, "code": string(key), "windowsVirtualKeyCode": k.code}
	if key == BackTab {
		params["code"], params["modifiers"] = "Tab", 8
	}
	for _, event := range []string{"keyDown", "keyUp"} {
		params["type"], params["text"] = event, k.text
		if event == "keyUp" || k.text == "" {
			delete(params, "text")
			if event == "keyDown" {
				params["type"] = "rawKeyDown"
			}
		}
		if err := c.call("Input.dispatchKeyEvent", params, nil); err != nil {
			return err
		}
	}
	return nil
}

// Focused begins a driver's script: el is what has the focus, in frames too.
const Focused = `let el = doc.activeElement;
	while (el && el.contentDocument && el.contentDocument.activeElement) el = el.contentDocument.activeElement;`
