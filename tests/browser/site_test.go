package browser_test

import (
	"fmt"
	"image"
	"image/color"
	"image/png"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"emberdrop/tests/browser"
)

const formPage = `<!doctype html><html lang=en><meta charset=utf-8><meta name=color-scheme content="light dark">
<title>form</title><style>body{margin:0;color-scheme:light dark} #tall{height:2000px} iframe{width:100%;height:100px;border:0}</style>
<p id=script>script is off</p><script>document.getElementById("script").textContent = "script is on"</script>
<noscript><p id=noscript>no script</p></noscript>
<form id=form method=post action=/up enctype=multipart/form-data target=result>
<input type=file name=file multiple><input name=caption maxlength=20 value=old>
<label><input type=radio name=burn value=on> burn</label><button>Send</button></form>
<iframe id=progress src=/progress></iframe><iframe id=result name=result></iframe>
<img id=photo src=/photo.png width=4 height=2 alt=photo><img id=away src=http://elsewhere.example/x.png alt=away>
<a id=next href=/next>next</a><p id=hidden style=display:none>hidden</p><div id=tall></div>`

// photo has a different colour in every pixel.
func photo() *image.NRGBA {
	img := image.NewNRGBA(image.Rect(0, 0, 4, 2))
	for i := range 8 {
		img.Set(i%4, i/4, color.NRGBA{uint8(30 * i), uint8(255 - 20*i), uint8(i), 255})
	}
	return img
}

// site is a stand-in for emberdrop's pages, the never-ending progress frame included.
func site(t *testing.T) (proxy *socks, visits *atomic.Int32) {
	t.Helper()
	visits = new(atomic.Int32)
	mux := http.NewServeMux()
	page := func(w http.ResponseWriter, format string, args ...any) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store")
		fmt.Fprintf(w, format, args...)
	}
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/form", http.StatusSeeOther)
	})
	mux.HandleFunc("GET /form", func(w http.ResponseWriter, r *http.Request) {
		visits.Add(1)
		page(w, "%s", formPage)
	})
	mux.HandleFunc("GET /next", func(w http.ResponseWriter, r *http.Request) {
		page(w, `<!doctype html><p id=next>second page</p><p id=headers>%s %s %s</p>`,
			r.Header.Get("Sec-GPC"), r.Header.Get("Sec-Fetch-Site"), r.Header.Get("Accept-Encoding"))
	})
	mux.HandleFunc("GET /progress", func(w http.ResponseWriter, r *http.Request) {
		page(w, "<!doctype html><p>waiting</p>")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	mux.HandleFunc("GET /photo.png", func(w http.ResponseWriter, r *http.Request) { png.Encode(w, photo()) })
	mux.HandleFunc("POST /up", func(w http.ResponseWriter, r *http.Request) {
		r.ParseMultipartForm(1 << 20)
		var names []string
		for _, h := range r.MultipartForm.File["file"] {
			names = append(names, fmt.Sprintf("%s:%d", h.Filename, h.Size))
		}
		page(w, `<!doctype html><p class=done title=title>got %s, "%s", burn=%s</p>`,
			strings.Join(names, " "), r.FormValue("caption"), r.FormValue("burn"))
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	t.Cleanup(server.CloseClientConnections) // runs first: the progress frame never ends by itself
	return startSOCKS(t, server.Listener.Addr().String()), visits
}

// ok fails the test on an error, with the step that had it.
func ok(t *testing.T, step string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", step, err)
	}
}

func wantText(t *testing.T, f browser.Browser, selector, want string) {
	t.Helper()
	got, err := f.Text(selector)
	ok(t, selector, err)
	if got != want {
		t.Errorf("%s shows %q, want %q", selector, got, want)
	}
}

// both runs a test in each browser.
func both(t *testing.T, cfg browser.Config, test func(t *testing.T, f browser.Browser)) {
	t.Run("firefox", func(t *testing.T) { test(t, browser.For(t, cfg)) })
	t.Run("chromium", func(t *testing.T) { test(t, browser.ForChromium(t, cfg)) })
}
