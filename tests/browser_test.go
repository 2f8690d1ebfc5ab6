package tests

import (
	"image"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"emberdrop/tests/browser"
	"emberdrop/tests/instance"
	"emberdrop/tests/sample"
)

// TestOnePhotoInFirefox goes the whole way as a visitor does: Firefox ESR with
// Tor Browser's Safest preferences and JavaScript off, over real Tor circuits. It
// keeps a screenshot of every page.
func TestOnePhotoInFirefox(t *testing.T) {
	server := serveTor(t, freshData(t))
	shots := filepath.Join(artefacts(t), "firefox")
	f := browser.For(t, browser.Config{SOCKS: theNetwork(t).SOCKS(), Shots: shots, Width: 1000, Height: 800, Patience: time.Minute})
	must := musts{t, f}

	photo := sample.Photo(1200, 900, 3)
	file := filepath.Join(t.TempDir(), "holiday.jpg")
	if err := os.WriteFile(file, photo, 0o600); err != nil {
		t.Fatal(err)
	}
	must.do(f.Open(server.Address + "/"))
	must.do(f.Wait("input[type=file]"))
	must.shot("upload")
	must.do(f.SetFiles("input[type=file]", file))
	must.do(f.Fill("input[name=caption]", caption))
	must.do(f.Click("input[name=burn]"))
	must.shot("upload-filled")
	must.do(f.Click("button.go"))
	must.do(f.Frame("iframe[name=result]"))
	must.do(f.Wait("#link"))
	must.shot("link-framed")
	link, receipt := must.text("#link"), must.text("#receipt")
	must.do(f.Top())
	if !strings.HasPrefix(link, server.Address+"/s/") {
		t.Fatalf("the page shows the link %q", link)
	}
	// The answer has a page of its own.
	used := must.url()
	must.do(f.Open(strings.Replace(used, "/u/", "/up/", 1)))
	must.do(f.Wait("img.tile"))
	must.shot("link-ready")
	if again := must.text("#link"); again != link {
		t.Fatalf("the page of its own shows the link %q", again)
	}
	// Back is for sharing something else: a fresh form, under an id of its own.
	must.do(f.Back())
	must.do(f.Wait("input[type=file]"))
	if fresh := must.url(); path(fresh) == path(used) {
		t.Fatal("Back leads to the form that has its link already")
	}

	for range 3 {
		must.do(f.Open(link))
		must.do(f.Wait("button.go"))
	}
	must.shot("interstitial")
	if page := must.source(); !strings.Contains(page, caption) {
		t.Fatal("the interstitial does not show the caption")
	}
	must.do(f.Click("button.go"))
	must.picture("figure img")
	must.shot("view")
	must.do(f.Reload())
	must.do(f.Wait("figure img"))

	must.do(f.Open(receipt))
	must.do(f.Wait("h1.state"))
	must.shot("receipt")
	must.do(f.Open(link))
	must.do(f.WaitText("h1", must.text("h1")))
	must.shot("gone")
	dead := must.source()
	must.do(f.Open(server.Address + "/s/" + strings.Repeat("a", 52)))
	must.do(f.Wait("section.card"))
	if never := must.source(); never != dead {
		t.Fatal("a burned link's page is not the page of a link that never was")
	}

	// The pages once more as a phone shows them, and in the dark.
	pages := []struct{ name, url, ready string }{
		{"upload", server.Address + "/", "button.go"}, {"receipt", receipt, "h1.state"}, {"gone", link, "section.card"},
	}
	must.do(f.Resize(360, 740))
	for _, p := range pages {
		must.do(f.Open(p.url))
		must.do(f.Wait(p.ready))
		must.shot(p.name + "-360")
	}
	readmePictures(t, shots)
}

// readmePictures copies the two screenshots that the README shows, when asked to.
func readmePictures(t *testing.T, shots string) {
	t.Helper()
	docs := os.Getenv("EMBERDROP_PICTURES")
	if docs == "" {
		return
	}
	for _, name := range []string{"upload", "link-ready"} {
		raw, err := os.ReadFile(filepath.Join(shots, name+".png"))
		if err == nil {
			err = os.WriteFile(filepath.Join(docs, name+".png"), raw, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestDestroyInFirefox ends a link by its receipt, with the confirmation step.
func TestDestroyInFirefox(t *testing.T) {
	server := serveTor(t, freshData(t))
	client, err := instance.ViaSOCKS(theNetwork(t).SOCKS())
	if err != nil {
		t.Fatal(err)
	}
	up, err := client.Upload(t.Context(), server.Address+"/", instance.File("a.png", sample.PNG(64, 48, 2)))
	if err != nil || up.Status != 201 {
		t.Fatalf("upload: %v %d", err, up.Status)
	}
	f := browser.For(t, browser.Config{SOCKS: theNetwork(t).SOCKS(), Shots: filepath.Join(artefacts(t), "firefox"), Width: 360, Height: 740, Dark: true})
	must := musts{t, f}
	must.do(f.Open(up.Line("receipt")))
	must.unfold("summary.danger", "details.sure[open]")
	must.shot("destroy-360-dark")
	must.do(f.Click("form button.danger"))
	must.do(f.Wait("h1.is-destroyed"))
	must.shot("destroyed-360-dark")
	if page, err := client.Get(t.Context(), up.Line("link")); err != nil || page.Status != 404 {
		t.Fatalf("the destroyed link: %v %d", err, page.Status)
	}
}

// musts ends the test at the first thing that the browser cannot do.
type musts struct {
	t *testing.T
	f *browser.Firefox
}

func (m musts) do(err error) {
	m.t.Helper()
	if err != nil {
		m.f.Screenshot("failed")
		m.t.Fatal(err)
	}
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
	for range 100 {
		// Before it has come it may have no size, and then no picture of it can be taken.
		if img, err := m.f.Pixels(selector); err == nil && !dull(img) {
			return
		}
		time.Sleep(200 * time.Millisecond)
	}
	m.t.Fatalf("%s shows no picture", selector)
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
