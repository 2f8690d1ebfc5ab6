package tests

import (
	"fmt"
	"image"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"emberdrop/tests/browser"
	"emberdrop/tests/instance"
	"emberdrop/tests/sample"
)

// movie makes an MP4 of about so many bytes that plays: a second of blue noise,
// over and over, and from the middle on a second of red noise, which costs no
// encoding.
func movie(t *testing.T, size int) string {
	t.Helper()
	dir := t.TempDir()
	list, out := filepath.Join(dir, "list"), filepath.Join(dir, "VID_20261122.mp4")
	run := func(args ...string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), tool(t, "ffmpeg"), append([]string{"-hide_banner", "-loglevel", "error", "-y"}, args...)...)
		if said, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("ffmpeg: %v\n%s", err, said)
		}
	}
	var lines strings.Builder
	for _, tint := range []string{"215:95", "95:215"} {
		second := filepath.Join(dir, tint[:2]+".mp4")
		run("-f", "lavfi", "-i", "nullsrc=s=640x360:r=5:d=1,geq=random(1)*255:"+tint, "-c:v", "libx264",
			"-preset", "ultrafast", "-qp", "1", "-pix_fmt", "yuv420p", "-g", "5", second)
		info, err := os.Stat(second)
		if err != nil {
			t.Fatal(err)
		}
		lines.WriteString(strings.Repeat(fmt.Sprintf("file '%s'\n", second), size/2/int(info.Size())))
	}
	if err := os.WriteFile(list, []byte(lines.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	run("-f", "concat", "-safe", "0", "-i", list, "-c", "copy", out)
	if info, err := os.Stat(out); err != nil || info.Size() < int64(size)*8/10 {
		t.Fatalf("the movie is not as large as it should be: %v", err)
	}
	return out
}

// TestAlbumNoteAndVideoInBrowsers shares ten pictures, then a note, then a video,
// and opens each, as a visitor does.
func TestAlbumNoteAndVideoInBrowsers(t *testing.T) {
	t.Parallel()
	server := theService(t)
	film := movie(t, 40_000_000)
	var pictures []string
	for i := range 10 {
		file := filepath.Join(t.TempDir(), fmt.Sprintf("IMG_%d.jpg", i))
		if err := os.WriteFile(file, sample.Photo(240, 180, uint64(i)), 0o600); err != nil {
			t.Fatal(err)
		}
		pictures = append(pictures, file)
	}
	inBrowsers(t, browser.Config{Width: 1000, Height: 800, Patience: 4 * time.Minute}, server.Address, func(v visitor) {
		v.album(pictures)
		v.note()
		v.video(film)
	})
}

// album shares pictures and opens them; each opens large over the page.
func (v visitor) album(pictures []string) {
	v.t.Helper()
	v.form()
	v.do(v.f.SetFiles("input[type=file]", pictures...))
	v.reveal(v.shared())
	v.do(v.f.Wait("ul.album"))
	for i := range pictures {
		v.picture(fmt.Sprintf("ul.album li:nth-child(%d) img", i+1))
	}
	if n, err := v.f.Count("ul.album img"); err != nil || n != len(pictures) {
		v.t.Errorf("the album shows %d pictures: %v", n, err)
	}
	v.shot("album")
	v.do(v.f.Click("ul.album li:nth-child(3) button.tile"))
	v.do(v.f.Wait("#photo-3:popover-open"))
	v.picture("#photo-3 img")
	v.shot("album-large")
	v.do(v.f.Press(browser.Escape))
	v.until("Escape closes the large picture", func() bool {
		n, err := v.f.Count(":popover-open")
		return err == nil && n == 0
	})
}

// note shares a note under a passphrase, to be read once.
func (v visitor) note() {
	v.t.Helper()
	const note = "Meet at the <b>old</b> bridge. دیدار کنار پل. 桥头见"
	v.form()
	v.do(v.f.Fill("textarea[name=note]", note))
	v.unfold("details.more:not(.last) > summary", "details.more:not(.last)[open]")
	v.do(v.f.Fill("input[name=passphrase]", "a right passphrase"))
	v.do(v.f.Click("input[name=burn]"))
	link := v.shared()
	v.do(v.f.Open(link))
	for range 2 {
		v.styled()
		v.do(v.f.Fill("input[name=passphrase]", "a wrong one"))
		v.do(v.f.Follow("button.go"))
		v.do(v.f.Wait("#wrong"))
	}
	v.styled()
	v.shot("passphrase-wrong")
	v.do(v.f.Fill("input[name=passphrase]", "a right passphrase"))
	v.do(v.f.Follow("button.go"))
	v.do(v.f.Wait("figure div.note"))
	if shown := v.text("figure div.note"); shown != note {
		v.t.Errorf("the note reads %q", shown)
	}
	v.styled()
	v.shot("note")
}

// video shares a video, opens it and jumps in it.
func (v visitor) video(film string) {
	v.t.Helper()
	v.form()
	v.do(v.f.SetFiles("input[type=file]", film))
	v.do(v.f.Click("button.go"))
	v.halfway()
	link, _ := v.answered()
	v.reveal(link)
	v.do(v.f.Wait("figure video[controls]"))
	src, err := v.f.Attr("figure video", "src")
	v.do(err)
	v.wantColour("video", false)
	v.shot("video")
	v.seek("video", 0.8)
	v.wantColour("video", true)
	v.shot("video-later")
	v.seek("video", 0.2)
	v.wantColour("video", false)
	v.wantPartAsked(v.address + src)
	v.wantRanges(v.address + src)
}

// seek jumps to a place in a video, as its slider does, and waits until it is there.
func (v visitor) seek(selector string, part float64) {
	v.t.Helper()
	v.until("the length of the video is known", func() bool {
		known := false
		return v.f.Script("return doc.querySelector(args[0]).duration > 0", &known, selector) == nil && known
	})
	var to float64
	v.do(v.f.Script("const el = doc.querySelector(args[0]); return el.currentTime = args[1] * el.duration", &to, selector, part))
	v.until("the video comes to the place", func() bool {
		at := -1.0
		err := v.f.Script("const el = doc.querySelector(args[0]); return el.seeking || el.readyState < 2 ? -1 : el.currentTime", &at, selector)
		return err == nil && at > to-1 && at < to+1
	})
}

// wantColour waits until a video shows a frame of its second, red half, or of its
// first, blue one.
func (v visitor) wantColour(selector string, red bool) {
	v.t.Helper()
	v.until(map[bool]string{true: "the video shows a red frame", false: "the video shows a blue frame"}[red], func() bool {
		img, err := v.f.Pixels(selector)
		if err != nil {
			return false
		}
		tint := redness(img)
		return red && tint > 20 || !red && tint < -20
	})
}

// redness is by how much there is more red than blue in a picture, from -255 to 255.
func redness(img image.Image) int {
	var sum, n int
	for y := img.Bounds().Min.Y; y < img.Bounds().Max.Y; y += 3 {
		for x := img.Bounds().Min.X; x < img.Bounds().Max.X; x += 3 {
			r, _, b, _ := img.At(x, y).RGBA()
			sum, n = sum+int(r>>8)-int(b>>8), n+1
		}
	}
	return sum / max(n, 1)
}

// wantPartAsked looks for a request of the browser for a part of a video behind
// its beginning, that got it.
func (v visitor) wantPartAsked(address string) {
	v.t.Helper()
	all, err := v.f.Requests()
	v.do(err)
	var asked []string
	for _, r := range all {
		if r.URL != address {
			continue
		}
		asked = append(asked, fmt.Sprintf("%q %d", r.Range, r.Status))
		if r.Range != "" && r.Range != "bytes=0-" && r.Status == http.StatusPartialContent {
			v.t.Logf("the browser asked for %s", r.Range)
			return
		}
	}
	v.t.Errorf("the browser asks for no part of the video: %v", asked)
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
