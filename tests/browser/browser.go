package browser

import (
	"image"
	"testing"
	"time"
)

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

// Do ends a test at the first thing that the browser cannot do.
func Do(t testing.TB, b Browser, err error) {
	t.Helper()
	if err != nil {
		b.Screenshot("failed")
		t.Fatal(err)
	}
}

// Until waits, for two minutes at most, for something that the browser itself does not say.
func Until(t testing.TB, b Browser, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(2 * time.Minute); !done(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(end) {
			b.Screenshot("failed")
			t.Fatalf("it does not come to pass that %s", what)
		}
	}
}
