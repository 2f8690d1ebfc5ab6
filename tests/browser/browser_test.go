package browser_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"emberdrop/tests/browser"
)

// origin is a name of an onion's shape; only the SOCKS server of the test knows it.
var origin = "http://" + strings.Repeat("emberdrop2", 5) + "emberd.onion"

func TestUploadWithoutScript(t *testing.T) {
	proxy, visits := site(t)
	shots := filepath.Join(t.TempDir(), "shots")
	both(t, browser.Config{SOCKS: proxy.addr(), Shots: shots, Patience: 20 * time.Second}, func(t *testing.T, f browser.Browser) {
		uploadWithoutScript(t, f, proxy, visits, shots)
	})
}

func uploadWithoutScript(t *testing.T, f browser.Browser, proxy *socks, visits *atomic.Int32, shots string) {
	_, firefox := f.(*browser.Firefox)
	ok(t, "open", f.Open(origin+"/"))
	wantText(t, f, "#script", "script is off")
	wantText(t, f, "#noscript", "no script")
	if url, err := f.URL(); err != nil || url != origin+"/form" {
		t.Errorf("the address is %q, %v", url, err)
	}

	one, two := filepath.Join(t.TempDir(), "one.jpg"), filepath.Join(t.TempDir(), "two two.jpg")
	ok(t, "write", errors.Join(os.WriteFile(one, make([]byte, 11), 0o600), os.WriteFile(two, make([]byte, 2222), 0o600)))
	ok(t, "files", f.SetFiles("[name=file]", one, two))
	ok(t, "caption", f.Fill("[name=caption]", "twenty letters long, and more"))
	ok(t, "radio", f.Click("[name=burn]"))
	ok(t, "send", f.Click("form button"))
	ok(t, "frame", f.Frame("#result"))
	wantText(t, f, ".done", `got one.jpg:11 two two.jpg:2222, "twenty letters long,", burn=on`)
	if title, err := f.Attr(".done", "title"); err != nil || title != "title" {
		t.Errorf("the title is %q, %v", title, err)
	}
	if absent, err := f.Attr(".done", "nothing"); err != nil || absent != "" {
		t.Errorf("an absent attribute is %q, %v", absent, err)
	}
	ok(t, "screenshot", f.Screenshot("result"))
	wantText(t, f, ".done", `got one.jpg:11 two two.jpg:2222, "twenty letters long,", burn=on`) // still in the frame
	if source, err := f.Source(); err != nil || !strings.Contains(source, `class="done"`) {
		t.Errorf("the frame's source is %q, %v", source, err)
	}
	ok(t, "top", f.Top())
	wantText(t, f, "#hidden", "")
	if n, err := f.Count("iframe"); err != nil || n != 2 {
		t.Errorf("%d frames, %v", n, err)
	}
	ok(t, "progress", f.Frame("#progress"))
	ok(t, "progress", f.WaitText("p", "waiting"))

	before := visits.Load()
	ok(t, "reload", f.Reload())
	wantText(t, f, "#script", "script is off")
	ok(t, "follow", f.Follow("#next"))
	// Chromium does not count an onion as a secure context.
	wantText(t, f, "#headers", map[bool]string{true: "1 same-origin gzip, deflate", false: "gzip, deflate"}[firefox])
	ok(t, "back", f.Back())
	ok(t, "form again", f.Wait("#form"))
	if n := visits.Load() - before; n != 2 {
		t.Errorf("reload and back fetched the page %d times, want 2", n)
	}
	checkShot(t, filepath.Join(shots, "result.png"), map[bool]int{true: 1388, false: 1400}[firefox]) // without the scrollbar
	others := slices.Compact(proxy.others())
	others = slices.DeleteFunc(others, func(host string) bool {
		return !firefox && browser.ItsMakers(host)
	})
	if len(others) < 1 || slices.ContainsFunc(others, func(host string) bool { return host != "elsewhere.example" }) {
		t.Errorf("hosts asked for beside the onion: %q, want only the picture's", others)
	}
	wantRequests(t, f)
}

// wantRequests checks the browser's own network log against what the test did.
func wantRequests(t *testing.T, f browser.Browser) {
	t.Helper()
	want := map[string]int{"GET /": 303, "GET /form": 200, "GET /progress": 200, "POST /up": 200, "GET /photo.png": 200, "GET /next": 200}
	var all []browser.Request
	var statuses map[string]int
	browser.Until(t, f, "what the last page asks for is answered", func() (answered bool) {
		var err error
		all, err = f.Requests()
		ok(t, "requests", err)
		statuses, answered = map[string]int{}, true
		for _, r := range all {
			statuses[r.Method+" "+strings.TrimPrefix(r.URL, origin)] = r.Status
		}
		for key := range want {
			answered = answered && statuses[key] != 0
		}
		return answered
	})
	elsewhere := false
	for _, r := range all {
		elsewhere = elsewhere || strings.Contains(r.URL, "://elsewhere.example/")
		if !strings.HasPrefix(r.URL, origin) && !strings.HasPrefix(r.URL, "http://elsewhere.example/") && !strings.HasPrefix(r.URL, "https://elsewhere.example/") {
			t.Errorf("a request of %+v", r)
		}
	}
	if !elsewhere {
		t.Error("the log does not show the picture from elsewhere")
	}
	for key, status := range want {
		if statuses[key] != status {
			t.Errorf("of %s the log says %d, want %d", key, statuses[key], status)
		}
	}
}

// checkShot checks that a screenshot holds the whole page and not one colour only.
func checkShot(t *testing.T, file string, width int) {
	t.Helper()
	raw, err := os.ReadFile(file)
	ok(t, "screenshot", err)
	img, err := png.Decode(bytes.NewReader(raw))
	ok(t, "screenshot", err)
	if b := img.Bounds(); b.Dx() != width || b.Dy() < 2000 {
		t.Errorf("the screenshot is %v, want %d wide and the whole page high", b, width)
	}
	first := img.At(0, 0)
	for y := range 300 {
		for x := range 300 {
			if img.At(x, y) != first {
				return
			}
		}
	}
	t.Error("the screenshot is empty")
}

func TestPixels(t *testing.T) {
	proxy, _ := site(t)
	both(t, browser.Config{SOCKS: proxy.addr(), Patience: 20 * time.Second}, pixels)
}

func pixels(t *testing.T, f browser.Browser) {
	ok(t, "open", f.Open(origin+"/form"))
	var got image.Image
	for range 50 { // the picture may come after its element
		var err error
		got, err = f.Pixels("#photo")
		ok(t, "pixels", err)
		if samePixels(got, photo()) {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Errorf("painted %v, want %v", got, photo())
}

func samePixels(a, b image.Image) bool {
	if a.Bounds().Size() != b.Bounds().Size() {
		return false
	}
	for y := range a.Bounds().Dy() {
		for x := range a.Bounds().Dx() {
			r, g, bl, _ := a.At(x, y).RGBA()
			r2, g2, b2, _ := b.At(x, y).RGBA()
			if r != r2 || g != g2 || bl != b2 {
				return false
			}
		}
	}
	return true
}

// A phone's width, dark, and with script: the three ways to leave Tor
// Browser's defaults. With script on the same page must show it, or the other
// test could not tell.
func TestNarrowDarkScript(t *testing.T) {
	proxy, _ := site(t)
	shots := t.TempDir()
	both(t, browser.Config{SOCKS: proxy.addr(), Width: 360, Height: 640, Dark: true, Script: true,
		Shots: shots, Patience: 20 * time.Second}, func(t *testing.T, f browser.Browser) { narrowDarkScript(t, f, shots) })
}

func narrowDarkScript(t *testing.T, f browser.Browser, shots string) {
	ok(t, "open", f.Open(origin+"/form"))
	wantText(t, f, "#script", "script is on")
	ok(t, "the end of the page", f.Wait("#tall"))
	ok(t, "screenshot", f.Screenshot("narrow"))
	checkShot(t, filepath.Join(shots, "narrow.png"), 360)
	ok(t, "resize", f.Resize(768, 500))
	ok(t, "screenshot", f.Screenshot("wide"))
	checkShot(t, filepath.Join(shots, "wide.png"), 768)
	tall, err := f.Pixels("#tall")
	ok(t, "pixels", err)
	if r, g, b, _ := tall.At(700, 100).RGBA(); r+g+b > 3*0x8000 {
		t.Errorf("the page is light: %x %x %x", r, g, b)
	}
}

func TestErrors(t *testing.T) {
	proxy, _ := site(t)
	both(t, browser.Config{SOCKS: proxy.addr(), Patience: 20 * time.Second}, failing)
}

func failing(t *testing.T, f browser.Browser) {
	if err := f.Open("http://elsewhere.example/"); !errors.Is(err, browser.ErrUnreachable) {
		t.Errorf("a refused address: %v, want ErrUnreachable", err)
	}
	ok(t, "open", f.Open(origin+"/next"))
	if err := f.Wait("#never"); err == nil || !strings.Contains(err.Error(), "#never") {
		t.Errorf("waiting for what never comes: %v", err)
	}
	if err := f.Screenshot("x"); err == nil {
		t.Error("a screenshot without a folder succeeds")
	}
	if _, firefox := f.(*browser.Firefox); firefox && f.Resize(360, 640) == nil {
		t.Error("a letterboxed window can be resized")
	}
	ok(t, "close", f.Close())
	ok(t, "close again", f.Close())
	if err := f.Open(origin); err == nil {
		t.Error("a closed browser opens a page")
	}
}

func TestCloseLeavesNothing(t *testing.T) {
	proxy, _ := site(t)
	t.Run("firefox", func(t *testing.T) {
		dir := t.TempDir()
		closes(t, browser.For(t, browser.Config{SOCKS: proxy.addr(), Dir: dir}), dir)
	})
	t.Run("chromium", func(t *testing.T) {
		dir := t.TempDir()
		closes(t, browser.ForChromium(t, browser.Config{SOCKS: proxy.addr(), Dir: dir}), dir)
	})
}

func closes(t *testing.T, f browser.Browser, dir string) {
	ok(t, "open", f.Open(origin+"/next"))
	if len(processes(t, dir)) < 2 {
		t.Fatal("the test does not see the browser's processes")
	}
	ok(t, "close", f.Close())
	if left := processes(t, dir); len(left) > 0 {
		t.Errorf("processes left: %q", left)
	}
}

// With the environment variable set, the test binary is the victim of
// TestKilledTestLeavesNothing: it starts a browser and waits to be killed.
const victim = "EMBERDROP_BROWSER_VICTIM"

func TestMain(m *testing.M) {
	dir := os.Getenv(victim)
	if dir == "" {
		os.Exit(m.Run())
	}
	_, err := browser.Start(context.Background(), browser.Config{SOCKS: "127.0.0.1:9", Dir: dir})
	fmt.Println("started", err)
	time.Sleep(time.Minute)
}

// The keyboard, and the driver's own script in the page and in a frame.
func TestKeysAndScript(t *testing.T) {
	proxy, _ := site(t)
	both(t, browser.Config{SOCKS: proxy.addr(), Width: 600, Patience: 20 * time.Second}, func(t *testing.T, f browser.Browser) {
		ok(t, "open", f.Open(origin+"/form"))
		ok(t, "all of it", f.Wait("#tall")) // keys overtake a parser that is not done
		focus := func() (name string) {
			ok(t, "focus", f.Script("const el = doc.activeElement; return el.name || el.localName", &name))
			return name
		}
		var order []string
		for range 4 {
			ok(t, "tab", f.Press(browser.Tab))
			order = append(order, focus())
		}
		if want := []string{"file", "caption", "burn", "button"}; !slices.Equal(order, want) {
			t.Errorf("Tab goes to %q, want %q", order, want)
		}
		ok(t, "back", f.Press(browser.BackTab))
		ok(t, "space", f.Press(browser.Space))
		var checked bool
		ok(t, "script", f.Script("return doc.querySelector(args[0]).checked", &checked, "[name=burn]"))
		if focus() != "burn" || !checked {
			t.Error("Space does not choose the radio button")
		}
		ok(t, "tab", f.Press(browser.Tab))
		ok(t, "enter", f.Press(browser.Enter))
		ok(t, "frame", f.Frame("#result"))
		ok(t, "sent", f.WaitText(".done", "burn=on"))
		var path string
		ok(t, "script", f.Script("return doc.location.pathname", &path))
		if path != "/up" {
			t.Errorf("the frame's script runs in %q", path)
		}
		ok(t, "top", f.Top())
		if f.Script("nonsense(", nil) == nil || f.Script("throw new Error()", nil) == nil {
			t.Error("a script that fails gives no error")
		}
		if f.Press("Any") == nil {
			t.Error("a key that is none is pressed")
		}
		ok(t, "zoom", f.Zoom(2))
		width := 0
		for end := time.Now().Add(20 * time.Second); width != 300 && time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
			ok(t, "width", f.Script("return doc.defaultView.innerWidth", &width))
		}
		if width != 300 {
			t.Errorf("zoomed to twice its size a page of 600 is %d wide", width)
		}
	})
}

func TestKilledTestLeavesNothing(t *testing.T) {
	if _, err := exec.LookPath("firefox-esr"); err != nil && os.Getenv("CI") != "true" {
		t.Skip(browser.ErrMissing)
	}
	dir := t.TempDir()
	self, err := os.Executable()
	ok(t, "executable", err)
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), victim+"="+dir)
	out, err := cmd.StdoutPipe()
	ok(t, "pipe", err)
	ok(t, "start", cmd.Start())
	defer cmd.Process.Kill()
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || line != "started <nil>\n" {
		t.Fatalf("the victim says %q, %v", line, err)
	}
	if len(processes(t, dir)) < 2 {
		t.Fatal("the test does not see the browser's processes")
	}
	ok(t, "kill", cmd.Process.Signal(syscall.SIGKILL))
	cmd.Wait()
	var left []string
	for range 100 {
		if left = processes(t, dir); len(left) == 0 {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Errorf("processes left 10 s after the test was killed: %q", left)
}

// processes returns the command lines of the processes whose home is dir.
func processes(t *testing.T, dir string) []string {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*/environ")
	ok(t, "processes", err)
	var found []string
	for _, file := range all {
		env, err := os.ReadFile(file)
		if err != nil || !bytes.Contains(env, []byte("HOME="+dir+"\x00")) {
			continue // gone, or another's
		}
		line, _ := os.ReadFile(filepath.Join(filepath.Dir(file), "cmdline"))
		found = append(found, strings.ReplaceAll(string(line), "\x00", " "))
	}
	return found
}
