package tests

import (
	"errors"
	"image"
	"os"
	"testing"
	"time"

	"emberdrop/tests/browser"
	"emberdrop/tests/instance"
)

// TestCutCircuitInBrowsers: relays die in the middle of a picture, and of a video
// that plays. When there are circuits again a reload gets the whole of it, though
// the link has ended with this view. The ordinary form is a picture in Firefox; a
// network of six relays that loses one after the other needs a calm machine, so
// the rest is for EMBERDROP_SOAK.
func TestCutCircuitInBrowsers(t *testing.T) {
	server := theService(t)
	all := os.Getenv("EMBERDROP_SOAK") != ""
	client, err := instance.ViaSOCKS(theNetwork(t).SOCKS())
	if err != nil {
		t.Fatal(err)
	}
	share := func(t *testing.T, file instance.Field) (link string) {
		t.Helper()
		reachable(t, server)
		a, err := client.Upload(t.Context(), server.Address+"/", file, instance.Text("burn", "on"))
		if err != nil || a.Status != 201 {
			t.Fatalf("upload: %v %d", err, a.Status)
		}
		return a.Line("link")
	}
	inBrowsers(t, browser.Config{Width: 1000, Height: 800}, server.Address, func(v visitor) {
		if _, firefox := v.f.(*browser.Firefox); !firefox && !all {
			reachable(v.t, server)
			v.form() // the network log wants something to look at
			return
		}
		photo := bigPhoto()
		link := share(v.t, instance.File("x.jpg", photo))
		v.line.slow(1 << 20)
		v.reveal(link)
		v.do(v.f.Wait("figure img"))
		v.cutAfter(int64(len(photo)) / 5)
		v.again()
		v.until("the whole picture is there", func() bool {
			whole := false
			if v.f.Script("const el = doc.querySelector('figure img'); return el.complete && el.naturalHeight === 4608", &whole) != nil || !whole {
				return false
			}
			img, err := v.f.Pixels("figure img")
			return err == nil && !dull(foot(img))
		})

		if !all {
			return
		}
		film, err := os.ReadFile(movie(v.t, 30_000_000))
		v.do(err)
		link = share(v.t, instance.File("x.mp4", film))
		v.line.slow(1 << 20)
		v.reveal(link)
		v.wantColour("video", false)
		v.do(v.f.Script("doc.querySelector('video').focus()", nil))
		v.do(v.f.Press(browser.Space)) // plays
		v.cutAfter(int64(len(film)) / 5)
		v.again()
		v.wantColour("video", false)
		v.seek("video", 0.9)
		v.wantColour("video", true)
		if a, err := client.Get(v.t.Context(), link); err != nil || a.Status != 404 {
			v.t.Errorf("the link, opened once: %v %d", err, a.Status)
		}
	})
}

// cutAfter stops relays, one at a time, when so many bytes more have come down,
// until tor gives the transfer up. In the end all run again.
func (v visitor) cutAfter(more int64) {
	v.t.Helper()
	network := theNetwork(v.t)
	start, before := v.line.seen()
	v.until("some of it has come", func() bool {
		down, _ := v.line.seen()
		return down-start >= more
	})
	// The plain relays come first: without its authorities a network is soon none.
	for i := range network.Relays() {
		v.do(network.StopRelay(i))
		broken := false
		// What is under way between tor and the browser still comes.
		for end := time.Now().Add(4 * time.Second); !broken && time.Now().Before(end); {
			flows := v.flows()
			_, now := v.line.seen()
			broken = !flows && now > before
		}
		v.do(network.StartRelay(i))
		if broken {
			down, _ := v.line.seen()
			v.line.slow(0)
			v.t.Logf("cut after %d bytes by relay %d", down-start, i)
			return
		}
	}
	v.t.Fatal("the transfer goes on, whichever relay dies")
}

// flows reports whether anything comes down.
func (v visitor) flows() bool {
	before, _ := v.line.seen()
	time.Sleep(500 * time.Millisecond)
	now, _ := v.line.seen()
	return now > before
}

// again loads the page anew until there is a way to it, for five minutes at most: one load may wait for a minute, and
// the service itself needs up to two to find out that what died was its way to the network, and to take another. Every
// half minute the visitor takes a new identity, as in Tor Browser: a client that solved a proof of work and was then
// sent away by the introduction point takes itself to be solving it for ever (hs_currently_solving_pow in tor 0.4.9.11).
func (v visitor) again() {
	v.t.Helper()
	start := time.Now()
	for renewed := start; ; time.Sleep(time.Second) {
		err := v.f.Reload()
		if err == nil {
			err = v.f.Wait("figure") // to load it anew before it is there would break it off again and again
		}
		if err == nil {
			break
		}
		lost := errors.Is(err, browser.ErrUnreachable) || errors.Is(err, browser.ErrPatience)
		if !lost || time.Since(start) > 5*time.Minute {
			v.do(err)
		}
		if time.Since(renewed) > 30*time.Second { // not each time: it begins anew with every circuit
			renewed = time.Now()
			v.t.Logf("after %.1f s: %v", time.Since(start).Seconds(), err)
			v.do(theNetwork(v.t).Forget())
		}
	}
	v.styled()
	v.t.Logf("there again after %.1f s", time.Since(start).Seconds())
}

// foot is the last twentieth of a picture.
func foot(img image.Image) image.Image {
	b := img.Bounds()
	b.Min.Y = b.Max.Y - b.Dy()/20
	return img.(interface {
		SubImage(image.Rectangle) image.Image
	}).SubImage(b)
}
