package browser

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"image"
	"image/png"
	"math"
	"os"
	"path/filepath"
)

// Resize makes the page width x height CSS pixels.
func (c *Chromium) Resize(width, height int) error { return c.resize(width, height, 1) }

// resize with a zoom is what a browser's own zoom does to a page: fewer and
// larger CSS pixels.
func (c *Chromium) resize(width, height int, zoom float64) error {
	return c.call("Emulation.setDeviceMetricsOverride", map[string]any{
		"width": int(math.Round(float64(width) / zoom)), "height": int(math.Round(float64(height) / zoom)), "deviceScaleFactor": zoom, "mobile": false}, nil)
}

// Zoom shows the page so many times as large in a window of Config's size.
func (c *Chromium) Zoom(factor float64) error { return c.resize(c.cfg.Width, c.cfg.Height, factor) }

// Screenshot writes the whole top-level page as Config.Shots/name.png.
func (c *Chromium) Screenshot(name string) error {
	if c.cfg.Shots == "" {
		return errors.New("screenshot: no folder is configured")
	}
	var size struct {
		Content struct{ Width, Height float64 } `json:"cssContentSize"`
	}
	err := c.call("Page.getLayoutMetrics", nil, &size)
	if err != nil {
		return fmt.Errorf("screenshot: %w", err)
	}
	raw, err := c.shoot(0, 0, size.Content.Width, size.Content.Height, true)
	if err == nil {
		err = os.MkdirAll(c.cfg.Shots, 0o755)
	}
	if err != nil {
		return fmt.Errorf("screenshot: %w", err)
	}
	return os.WriteFile(filepath.Join(c.cfg.Shots, name+".png"), raw, 0o644)
}

// Pixels waits for the selector and returns its first element as it is painted.
func (c *Chromium) Pixels(selector string) (image.Image, error) {
	var box struct {
		X, Y, W, H float64
		Tall       bool
	}
	err := c.on(selector, `const view = doc.defaultView, page = view.top;
		el.scrollIntoView({block: "nearest", inline: "nearest", behavior: "instant"});
		const at = el.getBoundingClientRect();
		if (!at.width || !at.height) return undefined;
		let x = at.left, y = at.top;
		for (let v = view; v.frameElement; v = v.parent) {
			const frame = v.frameElement, at = frame.getBoundingClientRect();
			x += at.left + frame.clientLeft; y += at.top + frame.clientTop;
		}
		return {x: x + page.scrollX, y: y + page.scrollY, w: at.width, h: at.height,
			tall: y < 0 || x < 0 || y + at.height > page.innerHeight || x + at.width > page.innerWidth};`, &box)
	if err != nil {
		return nil, err
	}
	raw, err := c.shoot(box.X, box.Y, box.W, box.H, box.Tall)
	if err != nil {
		return nil, err
	}
	return png.Decode(bytes.NewReader(raw))
}

// shoot returns a PNG of a part of the top-level page.
func (c *Chromium) shoot(x, y, width, height float64, beyond bool) ([]byte, error) {
	var shot struct {
		Data string `json:"data"`
	}
	err := c.call("Page.captureScreenshot", map[string]any{
		"format": "png", "captureBeyondViewport": beyond,
		"clip": map[string]any{"x": x, "y": y, "width": width, "height": height, "scale": 1}}, &shot)
	if err != nil {
		return nil, err
	}
	return base64.StdEncoding.DecodeString(shot.Data)
}
