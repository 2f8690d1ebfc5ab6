package tests

import (
	"image"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"emberdrop/tests/browser"
)

// shots is where the screenshots of a browser go: below EMBERDROP_SHOTS if that
// is set, else where CI keeps things.
func shots(t *testing.T, of string) string {
	t.Helper()
	if dir := os.Getenv("EMBERDROP_SHOTS"); dir != "" {
		return filepath.Join(dir, of)
	}
	return filepath.Join(artefacts(t), of)
}

// inBrowsers runs a test over the private Tor network in Firefox ESR, with Tor
// Browser's Safest preferences, and in Chromium, JavaScript off in both. After it
// the browser's own network log must hold nothing but the service's address.
func inBrowsers(t *testing.T, cfg browser.Config, address string, test func(v visitor)) {
	for name, start := range map[string]func(testing.TB, browser.Config) browser.Browser{
		"firefox":  func(t testing.TB, cfg browser.Config) browser.Browser { return browser.For(t, cfg) },
		"chromium": func(t testing.TB, cfg browser.Config) browser.Browser { return browser.ForChromium(t, cfg) },
	} {
		t.Run(name, func(t *testing.T) {
			line := tapTor(t)
			cfg.SOCKS, cfg.Shots = line.addr(), shots(t, name)
			v := visitor{musts{t, start(t, cfg)}, address, line}
			test(v)
			v.wantOwnRequests()
		})
	}
}

// visitor shares and opens with a browser.
type visitor struct {
	musts
	address string
	line    *tap
}

// wantOwnRequests looks into the browser's network log, and at what came to the
// SOCKS port: no request left the origin.
func (v visitor) wantOwnRequests() {
	v.t.Helper()
	all, err := v.f.Requests()
	v.do(err)
	own := 0
	for _, r := range all {
		switch {
		case strings.HasPrefix(r.URL, v.address+"/"):
			own++
		case !strings.HasPrefix(r.URL, "data:"):
			v.t.Errorf("a request leaves the origin: %s %s", r.Method, r.URL)
		}
	}
	origin, err := url.Parse(v.address)
	v.do(err)
	hosts := v.line.asked()
	if own < 3 || !slices.Contains(hosts, origin.Host+":80") {
		v.t.Errorf("the network log is blind: %d requests, hosts %q", own, hosts)
	}
	for _, host := range hosts {
		_, chromium := v.f.(*browser.Chromium)
		name, _, _ := strings.Cut(host, ":")
		if host != origin.Host+":80" && !(chromium && browser.ItsMakers(name)) {
			v.t.Errorf("the browser connects to %s", host)
		}
	}
}

// form opens a fresh upload form.
func (v visitor) form() {
	v.t.Helper()
	v.do(v.f.Open(v.address + "/"))
	v.styled()
}

// styled waits until the page is whole and its stylesheet there: before, a click
// can miss what then moves away.
func (v visitor) styled() {
	v.t.Helper()
	v.do(v.f.Wait("footer"))
	v.until("the page has its stylesheet", func() bool {
		styled := false
		return v.f.Script(`return doc.readyState !== "loading" && getComputedStyle(doc.body).marginTop === "0px"`, &styled) == nil && styled
	})
}

// shared sends the form off and returns the link.
func (v visitor) shared() string {
	v.t.Helper()
	v.do(v.f.Click("button.go"))
	link, _ := v.answered()
	return link
}

// answered returns link and receipt out of the result frame.
func (v visitor) answered() (link, receipt string) {
	v.t.Helper()
	v.do(v.f.Frame("iframe[name=result]"))
	link, receipt = v.text("#link"), v.text("#receipt")
	v.do(v.f.Top())
	if !strings.HasPrefix(link, v.address+"/s/") || !strings.HasPrefix(receipt, v.address+"/r/") {
		v.t.Fatalf("the page shows the link %q and the receipt %q", link, receipt)
	}
	return link, receipt
}

// reveal opens a link that needs no passphrase.
func (v visitor) reveal(link string) {
	v.t.Helper()
	v.do(v.f.Open(link))
	v.styled()
	v.do(v.f.Follow("button.go"))
}

// pick moves a choice on by so many places, with the keyboard.
func (v visitor) pick(selector string, places int) {
	v.t.Helper()
	v.do(v.f.Script("doc.querySelector(args[0]).focus()", nil, selector))
	for range places {
		v.do(v.f.Press(browser.Down))
	}
}

// halfway keeps a picture of the page while between 20 and 80 percent of the
// upload have arrived at the server.
func (v visitor) halfway() {
	v.t.Helper()
	const shown = "div.pl:not(:has(+ .pl)) progress"
	var seen []int
	percent := func() int {
		// The frame is gone into anew each time: a picture is one of the whole page.
		v.do(v.f.Top())
		v.do(v.f.Frame("iframe.progress"))
		n, err := v.f.Count(shown)
		v.do(err)
		if n == 0 {
			return -1
		}
		value, err := v.f.Attr(shown, "value")
		v.do(err)
		at, err := strconv.Atoi(value)
		v.do(err)
		seen = append(seen, at)
		return at
	}
	for end := time.Now().Add(4 * time.Minute); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		before := percent()
		if before >= 100 {
			break
		}
		if before < 20 || before > 75 {
			continue
		}
		v.shot("progress")
		if after := percent(); after >= before && after <= 80 {
			v.do(v.f.Top())
			v.t.Logf("the picture shows %d to %d percent", before, after)
			return
		}
	}
	v.t.Fatalf("no picture of the progress between 20 and 80 percent; it showed %v", seen)
}

// musts ends the test at the first thing that the browser cannot do.
type musts struct {
	t *testing.T
	f browser.Browser
}

func (m musts) do(err error) {
	m.t.Helper()
	browser.Do(m.t, m.f, err)
}

func (m musts) until(what string, done func() bool) {
	m.t.Helper()
	browser.Until(m.t, m.f, what, done)
}

func (m musts) text(selector string) string {
	m.t.Helper()
	text, err := m.f.Text(selector)
	m.do(err)
	return strings.TrimSpace(text)
}

func (m musts) url() string {
	m.t.Helper()
	url, err := m.f.URL()
	m.do(err)
	return url
}

func (m musts) source() string {
	m.t.Helper()
	page, err := m.f.Source()
	m.do(err)
	return page
}

func (m musts) shot(name string) {
	m.t.Helper()
	m.do(m.f.Screenshot(name))
}

// unfold clicks until something is open: a click before the stylesheet is there
// can miss what then moves away.
func (m musts) unfold(click, open string) {
	m.t.Helper()
	for range 10 {
		m.do(m.f.Click(click))
		n, err := m.f.Count(open)
		m.do(err)
		if n > 0 {
			return
		}
		time.Sleep(200 * time.Millisecond)
	}
	m.t.Fatalf("%s does not open %s", click, open)
}

// picture waits until a picture is there and shows more than one colour.
func (m musts) picture(selector string) {
	m.t.Helper()
	m.do(m.f.Wait(selector))
	m.until(selector+" shows a picture", func() bool {
		whole := false
		if m.f.Script("return doc.querySelector(args[0]).complete", &whole, selector) != nil || !whole {
			return false
		}
		img, err := m.f.Pixels(selector)
		return err == nil && !dull(img)
	})
}

// dull reports whether a picture has one colour.
func dull(img image.Image) bool {
	first := img.At(img.Bounds().Min.X, img.Bounds().Min.Y)
	for y := img.Bounds().Min.Y; y < img.Bounds().Max.Y; y++ {
		for x := img.Bounds().Min.X; x < img.Bounds().Max.X; x++ {
			if img.At(x, y) != first {
				return false
			}
		}
	}
	return true
}
