package tests

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"emberdrop/tests/browser"
	"emberdrop/tests/instance"
	"emberdrop/tests/sample"
)

// movie makes an MP4 of about so many bytes that plays: a second of noise, over
// and over, which costs no encoding.
func movie(t *testing.T, size int) string {
	t.Helper()
	dir := t.TempDir()
	second, list, out := filepath.Join(dir, "second.mp4"), filepath.Join(dir, "list"), filepath.Join(dir, "VID_20261122.mp4")
	run := func(args ...string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), tool(t, "ffmpeg"), append([]string{"-hide_banner", "-loglevel", "error", "-y"}, args...)...)
		if said, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("ffmpeg: %v\n%s", err, said)
		}
	}
	run("-f", "lavfi", "-i", "nullsrc=s=640x360:r=5:d=1,geq=random(1)*255:128:128", "-c:v", "libx264",
		"-preset", "ultrafast", "-qp", "1", "-pix_fmt", "yuv420p", "-g", "5", second)
	info, err := os.Stat(second)
	if err != nil {
		t.Fatal(err)
	}
	again := strings.Repeat(fmt.Sprintf("file '%s'\n", second), size/int(info.Size()))
	if err := os.WriteFile(list, []byte(again), 0o600); err != nil {
		t.Fatal(err)
	}
	run("-f", "concat", "-safe", "0", "-i", list, "-c", "copy", out)
	if info, err = os.Stat(out); err != nil || info.Size() < int64(size)*8/10 {
		t.Fatalf("the movie is not as large as it should be: %v", err)
	}
	return out
}

// TestAlbumNoteAndVideoInFirefox shares ten pictures, then a note, then a video,
// and opens each, as a visitor does: Firefox ESR without JavaScript, over Tor.
func TestAlbumNoteAndVideoInFirefox(t *testing.T) {
	server := serveTor(t, freshData(t))
	f := browser.For(t, browser.Config{SOCKS: theNetwork(t).SOCKS(), Shots: filepath.Join(artefacts(t), "firefox"), Width: 1000, Height: 800, Patience: 4 * time.Minute})
	t.Run("album", func(t *testing.T) {
		var pictures []string
		for i := range 10 {
			file := filepath.Join(t.TempDir(), fmt.Sprintf("IMG_%d.jpg", i))
			if err := os.WriteFile(file, sample.Photo(240, 180, uint64(i)), 0o600); err != nil {
				t.Fatal(err)
			}
			pictures = append(pictures, file)
		}
		v := visitor{musts{t, f}, server.Address}
		v.form()
		v.do(f.SetFiles("input[type=file]", pictures...))
		v.reveal(v.shared())
		v.do(f.Wait("ul.album"))
		for i := range 10 {
			v.picture(fmt.Sprintf("ul.album li:nth-child(%d) img", i+1))
		}
		if n, err := f.Count("ul.album img"); err != nil || n != 10 {
			t.Errorf("the album shows %d pictures: %v", n, err)
		}
		v.shot("album")
	})

	t.Run("note", func(t *testing.T) {
		v := visitor{musts{t, f}, server.Address}
		const note = "Meet at the <b>old</b> bridge. دیدار کنار پل. 桥头见"
		v.form()
		v.do(f.Fill("textarea[name=note]", note))
		v.unfold("details.more:not(.last) > summary", "details.more:not(.last)[open]")
		v.do(f.Fill("input[name=passphrase]", "a right passphrase"))
		v.do(f.Click("input[name=burn]"))
		link := v.shared()
		v.do(f.Open(link))
		for range 2 {
			v.styled()
			v.do(f.Fill("input[name=passphrase]", "a wrong one"))
			v.do(f.Follow("button.go"))
			v.do(f.Wait("#wrong"))
		}
		v.shot("passphrase-wrong")
		v.do(f.Fill("input[name=passphrase]", "a right passphrase"))
		v.do(f.Follow("button.go"))
		v.do(f.Wait("figure div.note"))
		if shown := v.text("figure div.note"); shown != note {
			t.Errorf("the note reads %q", shown)
		}
		v.shot("note")
	})

	t.Run("video", func(t *testing.T) {
		v := visitor{musts{t, f}, server.Address}
		file := movie(t, 40_000_000)
		v.form()
		v.do(f.SetFiles("input[type=file]", file))
		v.do(f.Click("button.go"))
		v.halfway()
		v.reveal(v.answered())
		v.do(f.Wait("figure video[controls]"))
		src, err := f.Attr("figure video", "src")
		v.do(err)
		v.shot("video")
		v.wantRanges(server.Address + src)
	})
}

// visitor shares and opens with a browser.
type visitor struct {
	musts
	address string
}

// form opens a fresh upload form.
func (v visitor) form() {
	v.t.Helper()
	v.do(v.f.Open(v.address + "/"))
	v.styled()
}

// styled waits until the stylesheet has made the button as wide as its card:
// before, a click can miss what then moves away.
func (v visitor) styled() {
	v.t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		if img, err := v.f.Pixels("button.go"); err == nil && img.Bounds().Dx() > 300 {
			return
		}
		if time.Now().After(end) {
			v.t.Fatal("the page has no stylesheet")
		}
	}
}

// shared sends the form off and returns the link.
func (v visitor) shared() string {
	v.t.Helper()
	v.do(v.f.Click("button.go"))
	return v.answered()
}

// answered returns the link out of the result frame.
func (v visitor) answered() string {
	v.t.Helper()
	v.do(v.f.Frame("iframe[name=result]"))
	link := v.text("#link")
	v.do(v.f.Top())
	if !strings.HasPrefix(link, v.address+"/s/") {
		v.t.Fatalf("the page shows the link %q", link)
	}
	return link
}

// reveal opens a link that needs no passphrase.
func (v visitor) reveal(link string) {
	v.t.Helper()
	v.do(v.f.Open(link))
	v.styled()
	v.do(v.f.Follow("button.go"))
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

// wantRanges asks for parts of a video as a browser does that jumps in it.
func (v visitor) wantRanges(address string) {
	v.t.Helper()
	client, err := instance.ViaSOCKS(theNetwork(v.t).SOCKS())
	if err != nil {
		v.t.Fatal(err)
	}
	for _, c := range []struct{ ask, prefix string }{{"bytes=0-1023", "bytes 0-1023/"}, {"bytes=30000000-30065535", "bytes 30000000-30065535/"}, {"bytes=-1000", "bytes "}} {
		req, err := http.NewRequestWithContext(v.t.Context(), http.MethodGet, address, nil)
		if err != nil {
			v.t.Fatal(err)
		}
		req.Header.Set("Range", c.ask)
		a, err := client.Do(req)
		if err != nil {
			v.t.Fatal(err)
		}
		if a.Status != http.StatusPartialContent || !strings.HasPrefix(a.Header.Get("Content-Range"), c.prefix) || a.Header.Get("Content-Type") != "video/mp4" {
			v.t.Errorf("%s: %d %v", c.ask, a.Status, a.Header)
		}
		if c.prefix == "bytes 0-1023/" && string(a.Body[4:8]) != "ftyp" {
			v.t.Errorf("the video begins with %q", a.Body[:16])
		}
	}
}
