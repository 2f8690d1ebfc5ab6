package browser

import "image"

// Browser is what a visitor does with either browser. Each method is described
// at Firefox.
type Browser interface {
	Open(url string) error
	Reload() error
	Back() error
	Follow(selector string) error

	Wait(selector string) error
	WaitText(selector, text string) error
	Count(selector string) (int, error)
	Text(selector string) (string, error)
	Attr(selector, name string) (string, error)

	Fill(selector, text string) error
	SetFiles(selector string, paths ...string) error
	Click(selector string) error
	Press(key Key) error
	Frame(selector string) error
	Top() error

	URL() (string, error)
	Source() (string, error)
	Script(body string, out any, args ...any) error
	Requests() ([]Request, error)

	Resize(width, height int) error
	Zoom(factor float64) error
	Screenshot(name string) error
	Pixels(selector string) (image.Image, error)
	Close() error
}

var (
	_ Browser = (*Firefox)(nil)
	_ Browser = (*Chromium)(nil)
)
