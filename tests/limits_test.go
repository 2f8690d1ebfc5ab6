package tests

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"io"
	"mime/multipart"
	"net/url"
	"strings"
	"testing"
	"time"

	"emberdrop/tests/instance"
	"emberdrop/tests/sample"
)

// exactPhoto is a JPEG of exactly so many bytes: what is missing to hugePhoto's
// whole comments stands behind the picture's end.
func exactPhoto(size int) []byte {
	photo := hugePhoto(size - 200_000)
	return append(photo, make([]byte, size-len(photo))...)
}

// TestExactLimits: the last size that is taken, and the first that is not.
func TestExactLimits(t *testing.T) {
	s := openSite(t)
	post := func(name string, want int, parts ...instance.Field) instance.Answer {
		t.Helper()
		a, err := s.client.Upload(t.Context(), "http://drop.test/", parts...)
		if err != nil || a.Status != want {
			t.Errorf("%s: %v, %d %.200s, want %d", name, err, a.Status, a.Body, want)
		}
		return a
	}
	const most = 50 << 20
	s.shared(t, post("a file of 50 MiB", 201, instance.File("x.jpg", exactPhoto(most))))
	post("a file of 50 MiB and a byte", 413, instance.File("x.jpg", exactPhoto(most+1)))

	note := strings.Repeat("bridge \u202eegdirb\u202c 桥头\n", 1<<20/30)
	note += strings.Repeat(".", 1<<20-len(note))
	link, _ := s.shared(t, post("a note of 1 MiB", 201, instance.Text("note", note)))
	if a := s.ask(t, "POST", link); a.Status != 200 || string(a.Body) != note {
		t.Errorf("the note of 1 MiB comes out as %d, %d bytes", a.Status, len(a.Body))
	}
	post("a note of 1 MiB and a byte", 422, instance.Text("note", note+"."))
}

// TestUploadOver200MiB: five files of 45 MiB each, of which nobody said before
// how large they are together.
func TestUploadOver200MiB(t *testing.T) {
	s := openSite(t)
	photo := exactPhoto(45 << 20)
	body, w := io.Pipe()
	form := multipart.NewWriter(w)
	go func() {
		for i := range 5 {
			part, err := form.CreateFormFile("file", fmt.Sprintf("%d.jpg", i))
			if err == nil {
				_, err = part.Write(photo)
			}
			if err != nil {
				return // the server had enough
			}
		}
		form.Close()
		w.Close()
	}()
	a := s.send(t, "POST", "/", body, "Content-Type", form.FormDataContentType())
	body.Close()
	if a.Status != 413 {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	eventually(t, "nothing of it is left", func() bool { return len(leftovers(t, s.data)) == 0 })
}

// TestGIFThatClaims: a GIF of a few bytes that says it is 65535 pixels wide and
// high costs no more than its bytes.
func TestGIFThatClaims(t *testing.T) {
	s := openSite(t)
	var small bytes.Buffer
	dot := image.NewPaletted(image.Rect(0, 0, 2, 2), color.Palette{color.Black, color.White})
	if err := gif.Encode(&small, dot, nil); err != nil {
		t.Fatal(err)
	}
	claims := small.Bytes()
	copy(claims[6:10], "\xff\xff\xff\xff") // the logical screen's width and height (GIF89a, section 18)
	before, start := s.memory(t), time.Now()
	for range 20 {
		a, err := s.client.Upload(t.Context(), "http://drop.test/", instance.File("x.gif", claims))
		if err != nil || (a.Status != 201 && a.Status != 422) {
			t.Fatalf("%v %d %s", err, a.Status, a.Body)
		}
		if a.Status == 201 {
			link, _ := s.shared(t, a)
			if got := s.ask(t, "POST", link); got.Status != 200 || len(got.Body) > len(claims) {
				t.Fatalf("it comes out as %d, %d bytes", got.Status, len(got.Body))
			}
		}
	}
	// One such picture unpacked would be 4 GB of pixels.
	if grown := s.memory(t) - before; grown > 256<<20 {
		t.Errorf("the server grew by %d MB in %v", grown>>20, time.Since(start))
	}
}

// memory is the server's peak of memory in bytes.
func (s *site) memory(t *testing.T) int64 {
	t.Helper()
	var kb int64
	for line := range strings.Lines(string(readFile(t, fmt.Sprintf("/proc/%d/status", s.server.PID())))) {
		fmt.Sscanf(line, "VmHWM: %d kB", &kb)
	}
	if kb == 0 {
		t.Fatal("the server's memory cannot be seen")
	}
	return kb << 10
}

// TestWordsAreWords: what a visitor writes is shown as text, on every page that
// shows it: markup, script, emoji, and marks that turn the direction of writing.
func TestWordsAreWords(t *testing.T) {
	s := openSite(t)
	const hostile = `<script>alert(1)</script><img src=x onerror=alert(2)>"'&lt; 🔥👩‍👩‍👧 ` + "\u202egpj.exe\u2066"
	photo := instance.File(`"><script>alert(3)</script>.jpg`, sample.Photo(320, 240, 1))
	link, _ := s.share(t, photo, instance.Text("caption", hostile), instance.Text("note", hostile), instance.Text("passphrase", hostile))
	open := s.send(t, "POST", link, strings.NewReader("passphrase="+url.QueryEscape(hostile)), "Content-Type", "application/x-www-form-urlencoded", "Accept", "text/html")
	view := open.Header.Get("Location")
	if open.Status != 303 || view == "" {
		t.Fatalf("reveal: %d", open.Status)
	}
	s.kept(path(view))
	wrong := s.send(t, "POST", link, strings.NewReader("passphrase="+url.QueryEscape("<script>")), "Content-Type", "application/x-www-form-urlencoded", "Accept", "text/html")
	page := s.ask(t, "GET", strings.TrimPrefix(view, "http://drop.test"), "Accept", "text/html")
	for name, a := range map[string]instance.Answer{"view": page, "wrong passphrase": wrong} {
		body := string(a.Body)
		for _, raw := range []string{"<script", "<img src=x"} {
			if strings.Contains(body, raw) {
				t.Errorf("%s: the page has %q", name, raw)
			}
		}
	}
	if shown := strings.Count(string(page.Body), "&lt;script&gt;alert(1)"); shown != 2 {
		t.Errorf("caption and note are shown %d times", shown)
	}
	// What turns the direction of writing stays inside its element.
	if isolated := strings.Count(string(page.Body), `dir="auto"`); isolated < 2 {
		t.Errorf("%d elements keep the direction of writing to themselves", isolated)
	}
}
