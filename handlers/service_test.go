package handlers

import (
	"bytes"
	"image"
	_ "image/jpeg"
	_ "image/png"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"emberdrop/seal"
)

// The whole way of a burn link, by curl: looking burns nothing, opening burns,
// and afterwards it is as if it had never been.
func TestBurnByCurl(t *testing.T) {
	r := newRig(t)
	a := r.share(file("secret canary name.jpg", aJPEG(77)), val("burn", "on"), val("caption", "canary\x1b[31m\r\nlink: evil"))
	for range 5 {
		g := r.get(a["link"], "")
		want := "caption: canary [31m  link: evil\nitem: image/jpeg "
		if g.status != 200 || !strings.HasPrefix(g.body, want) || !strings.Contains(g.body, "\nviews-left: 1\n") {
			t.Fatalf("preview: %d %q", g.status, g.body)
		}
	}
	if g := r.get(a["receipt"], ""); !strings.HasPrefix(g.body, "state: unopened\n") {
		t.Errorf("receipt: %q", g.body)
	}
	g := r.do("POST", a["link"], "", nil, "Range", "bytes=0-3")
	if g.status != 200 || g.header.Get("Content-Type") != "image/jpeg" {
		t.Fatalf("reveal: %d %v", g.status, g.header)
	}
	img, kind, err := image.Decode(strings.NewReader(g.body))
	if err != nil || kind != "jpeg" || img.Bounds().Dx() != 24 {
		t.Errorf("what came out is no photo: %v", err)
	}
	again := g.header.Get("Content-Location")
	if h := r.do("GET", again, "", nil, "Range", "bytes=2-"); h.status != 206 || h.body != g.body[2:] {
		t.Errorf("resume: %d", h.status)
	}
	never := r.get("/s/"+seal.NewToken().String(), "")
	for range 3 {
		if dead := r.do("POST", a["link"], "", nil); dead.status != 404 || dead.body != never.body || !maps.EqualFunc(dead.header, never.header, slices.Equal) {
			t.Errorf("dead: %d %v %q", dead.status, dead.header, dead.body)
		}
	}
	if g := r.get(a["receipt"], ""); !strings.HasPrefix(g.body, "state: destroyed: viewed\nviews: 1\n") {
		t.Errorf("receipt: %q", g.body)
	}
}

var hidden = regexp.MustCompile(`name="reveal" value="([a-z2-7]{52})"`)

// The same by browser, with everything that a browser repeats.
func TestBurnByBrowser(t *testing.T) {
	r := newRig(t)
	home := r.get("/?lang=en", browser)
	page := home.header.Get("Location")
	if home.status != 303 || !strings.HasPrefix(page, "/u/") || !strings.HasSuffix(page, "?lang=en") {
		t.Fatalf("home: %d %q", home.status, page)
	}
	upload := r.get(page, browser)
	action := regexp.MustCompile(`action="(/up/[a-z2-7]{52}\?lang=en)"`).FindStringSubmatch(upload.body)
	if upload.status != 200 || action == nil {
		t.Fatalf("upload page: %d %s", upload.status, upload.body)
	}
	parts := []part{file("a.png", aPNG(5)), {"file", "", "", true}, val("caption", "<b>canary</b>"), val("expire", "1d"), val("burn", "on"), val("passphrase", "")}
	ready := r.post(action[1], browser, parts...)
	if ready.status != 201 || strings.Contains(ready.body, "a moment ago") {
		t.Fatalf("ready: %d %s", ready.status, ready.body)
	}
	share := regexp.MustCompile(regexp.QuoteMeta(origin) + `(/s/[a-z2-7]{52})`).FindStringSubmatch(ready.body)[1]
	if repeat := r.post(action[1], browser, parts...); repeat.status != 201 || !strings.Contains(repeat.body, share) || !strings.Contains(repeat.body, "a moment ago") {
		t.Errorf("a repeated upload was not answered with the same link: %d", repeat.status)
	}
	if g := r.get(action[1], browser); g.status != 200 || !strings.Contains(g.body, share) || strings.Contains(g.body, "a moment ago") {
		t.Errorf("reloading the answer: %d", g.status)
	}

	closed := r.get(share, browser)
	if closed.status != 200 || !strings.Contains(closed.body, "&lt;b&gt;canary&lt;/b&gt;") {
		t.Fatalf("closed: %d %s", closed.status, closed.body)
	}
	reveal := url.Values{"reveal": {hidden.FindStringSubmatch(closed.body)[1]}}.Encode()
	post := func() got {
		return r.do("POST", share, browser, strings.NewReader(reveal), "Content-Type", "application/x-www-form-urlencoded")
	}
	first, second := post(), post()
	view := first.header.Get("Location")
	if first.status != 303 || !strings.HasPrefix(view, "/v/") || second.header.Get("Location") != view {
		t.Fatalf("reveal: %d %q, repeated: %d %q", first.status, view, second.status, second.header.Get("Location"))
	}
	open := r.get(view, browser)
	if open.status != 200 || !strings.Contains(open.body, `src="`+view+`/1"`) || !strings.Contains(open.body, "destroy it now") {
		t.Fatalf("open: %d %s", open.status, open.body)
	}
	photo := r.get(view+"/1", "image/avif,image/webp,*/*;q=0.5")
	if _, kind, err := image.Decode(strings.NewReader(photo.body)); err != nil || kind != "png" {
		t.Errorf("photo: %v", err)
	}
	if photo.header.Get("Content-Disposition") != "inline; filename=photo-1.png" {
		t.Error(photo.header.Get("Content-Disposition"))
	}
	if g := r.get(view+"/1?download", browser); g.header.Get("Content-Disposition") != "attachment; filename=photo-1.png" {
		t.Error(g.header.Get("Content-Disposition"))
	}
	if g := r.do("HEAD", view+"/1", browser, nil); g.status != 200 || g.body != "" || g.header.Get("Content-Length") != strconv.Itoa(len(photo.body)) {
		t.Errorf("HEAD: %d %v", g.status, g.header)
	}
	for want, status := range map[string]int{"bytes=0-0": 206, "bytes=-4": 206, "bytes=0-1,4-5": 206, "bytes=999999-": 416} {
		if g := r.do("GET", view+"/1", "", nil, "Range", want); g.status != status {
			t.Errorf("%s: %d", want, g.status)
		}
	}
	for _, n := range []string{"0", "2", "01", "+1", "-1", "x", "1/", "99999999999999999999"} {
		if g := r.get(view+"/"+n, browser); g.status != 404 {
			t.Errorf("item %s: %d", n, g.status)
		}
	}
	done := r.do("POST", view+"/done", browser, nil)
	if done.status != 200 || done.header.Get("Clear-Site-Data") != `"cache"` || !strings.Contains(done.body, "destroyed") {
		t.Errorf("done: %d %s", done.status, done.body)
	}
	if g := r.get(action[1], browser); g.status != 303 || !strings.HasPrefix(g.header.Get("Location"), "/u/") {
		t.Errorf("the answer of a link that is gone: %d", g.status)
	}
	for _, p := range []string{view, view + "/1", view + "/done", share} {
		if g := r.get(p, browser); g.status != 404 {
			t.Errorf("%s is still there: %d", p[:3], g.status)
		}
	}
}

func TestSeveralItems(t *testing.T) {
	r := newRig(t)
	a := r.share(file("a", aJPEG(1)), file("b", aPNG(2)))
	g := r.do("POST", a["link"], "", nil)
	urls := strings.Split(strings.TrimSuffix(g.body, "\n"), "\n")
	if g.status != 200 || len(urls) != 2 {
		t.Fatalf("%d %q", g.status, g.body)
	}
	for i, kind := range []string{"jpeg", "png"} {
		if !regexp.MustCompile(`^` + origin + `/v/[a-z2-7]{52}/` + strconv.Itoa(i+1) + `$`).MatchString(urls[i]) {
			t.Errorf("url %q", urls[i])
		}
		if _, got, err := image.Decode(strings.NewReader(r.get(urls[i], "").body)); err != nil || got != kind {
			t.Errorf("item %d: %s %v", i+1, got, err)
		}
	}
	view := strings.TrimSuffix(urls[0], "/1")
	if g := r.get(view, ""); g.status != 200 || strings.Count(g.body, "item: ") != 2 || !strings.Contains(g.body, "until: ") {
		t.Errorf("view: %d %q", g.status, g.body)
	}
	if g := r.do("POST", view+"/done", "", nil); g.status != 200 {
		t.Errorf("done: %d", g.status)
	}
	if g := r.get(a["link"], ""); g.status != 200 {
		t.Errorf("a link without a limit ended with a view: %d", g.status)
	}
}

func TestPassphrase(t *testing.T) {
	r := newRig(t)
	a := r.share(file("a", aJPEG(1)), val("passphrase", "canary open"), val("caption", "canary"), val("burn", "on"))
	closed := r.get(a["link"], browser)
	if strings.Contains(closed.body, "canary") || strings.Contains(closed.body, "JPEG") || !strings.Contains(closed.body, `name="passphrase"`) {
		t.Errorf("a locked link tells too much or asks too little: %s", closed.body)
	}
	if g := r.get(a["link"], ""); !strings.HasPrefix(g.body, "passphrase: needed\nends: ") || strings.Contains(g.body, "item") {
		t.Errorf("locked: %q", g.body)
	}
	for _, try := range []string{"", "x", "canary opem"} {
		if g := r.post(a["link"], "", val("passphrase", try)); g.status != 403 || g.header.Get("Content-Type") != typeText {
			t.Errorf("%q: %d", try, g.status)
		}
		g := r.post(a["link"], browser, val("passphrase", try), val("reveal", seal.NewToken().String()))
		if g.status != 403 || strings.Contains(g.body, "not right") != (try != "") || !strings.Contains(g.body, `name="passphrase"`) {
			t.Errorf("%q in a browser: %d %s", try, g.status, g.body)
		}
	}
	if g := r.post(a["link"], "", val("passphrase", "canary open")); g.status != 200 {
		t.Errorf("the right one: %d %s", g.status, g.body)
	}
	if g := r.post(a["link"], "", val("passphrase", "canary open")); g.status != 404 {
		t.Errorf("the right one again: %d", g.status)
	}
}

func TestRevealBodies(t *testing.T) {
	r := newRig(t)
	a := r.share(file("a", aJPEG(1)))
	dead := r.get("/s/"+seal.NewToken().String(), "")
	for _, tt := range []struct{ kind, body string }{
		{"text/plain", "x"},
		{"application/x-www-form-urlencoded", "passphrase=a&passphrase=b"},
		{"application/x-www-form-urlencoded", "other=a"},
		{"application/x-www-form-urlencoded", "a=%zz"},
		{"application/x-www-form-urlencoded", "passphrase=" + strings.Repeat("a", maxReveal)},
		{"multipart/form-data; boundary=x", "--x\r\nContent-Disposition: form-data; name=\"other\"\r\n\r\na\r\n--x--\r\n"},
		{"multipart/form-data; boundary=x", "--x"},
		{"multipart/form-data", "--x"},
	} {
		if g := r.do("POST", a["link"], "", strings.NewReader(tt.body), "Content-Type", tt.kind); g.status != 400 {
			t.Errorf("%s %.30q: %d", tt.kind, tt.body, g.status)
		}
		g := r.do("POST", "/s/"+seal.NewToken().String(), "", strings.NewReader(tt.body), "Content-Type", tt.kind)
		g.header.Del("Connection")
		if g.status != 404 || g.body != dead.body || !maps.EqualFunc(g.header, dead.header, slices.Equal) {
			t.Errorf("a dead link tells %s %.30q: %d %v", tt.kind, tt.body, g.status, g.header)
		}
	}
	for _, tt := range []struct{ kind, body string }{
		{"", ""},
		{"application/x-www-form-urlencoded", ""},
		{"application/x-www-form-urlencoded", "reveal=canary"},
		{"multipart/form-data; boundary=x", "--x--\r\n"},
	} {
		if g := r.do("POST", a["link"], "", strings.NewReader(tt.body), "Content-Type", tt.kind); g.status != 200 {
			t.Errorf("%s %q: %d", tt.kind, tt.body, g.status)
		}
	}
}

func TestReceipt(t *testing.T) {
	r := newRig(t)
	a := r.share(file("a", aJPEG(1)), val("views", "3"))
	starts := func(want string) {
		t.Helper()
		if g := r.get(a["receipt"], ""); g.status != 200 || !strings.HasPrefix(g.body, want) {
			t.Errorf("receipt: %d %q, want %q", g.status, g.body, want)
		}
	}
	starts("state: unopened\nends: 2026-11-23T10:20:00Z\nviews-left: 3\n")
	r.do("POST", a["link"], "", nil)
	r.do("POST", a["link"], "", nil)
	starts("state: opened 2\nends: 2026-11-23T10:20:00Z\nviews-left: 1\n")
	if g := r.get(a["receipt"], browser); !strings.Contains(g.body, "Opened 2 times") || strings.Contains(g.body, local(a["link"])) {
		t.Errorf("page: %s", g.body)
	}
	if g := r.do("GET", a["receipt"]+"/destroy", "", nil); g.status != 404 {
		t.Errorf("GET destroys: %d", g.status)
	}
	if g := r.do("POST", a["receipt"]+"/destroy", browser, nil); g.status != 303 || g.header.Get("Location") != local(a["receipt"]) {
		t.Errorf("destroy: %d %v", g.status, g.header)
	}
	if g := r.do("POST", a["receipt"]+"/destroy", "", nil); g.status != 200 || !strings.HasPrefix(g.body, "state: destroyed: uploader\nviews: 2\n") {
		t.Errorf("destroy again: %d %q", g.status, g.body)
	}
	if g := r.get(a["receipt"], browser); !strings.Contains(g.body, "You destroyed it.") {
		t.Errorf("page: %s", g.body)
	}
	if g := r.get(a["link"], ""); g.status != 404 {
		t.Errorf("link: %d", g.status)
	}

	a = r.share(file("a", aJPEG(1)), val("expire", "1h"))
	r.forward(time.Hour)
	starts("state: destroyed: expired\nviews: 0\n")
	r.forward(48 * time.Hour)
	if g := r.get(a["receipt"], ""); g.status != 404 {
		t.Errorf("a lapsed receipt: %d", g.status)
	}
}

// Law 5: one answer, whatever the address and the method.
func TestOneAnswer(t *testing.T) {
	r := newRig(t)
	dead := r.share(file("a", aJPEG(1)), val("burn", "on"))
	view := local(strings.TrimSuffix(r.do("POST", dead["link"], "", nil).header.Get("Content-Location"), "/1"))
	r.do("POST", view+"/done", "", nil)
	live := r.share(file("a", aJPEG(1)))
	unknown := seal.NewToken().String()
	paths := []string{
		local(dead["link"]), view, view + "/1", view + "/done",
		"/s", "/s/", "/v", "/v/", "/r", "/r/", "/s/x", "/v/x", "/r/x",
		"/s/" + unknown, "/v/" + unknown, "/r/" + unknown, "/v/" + unknown + "/1", "/v/" + unknown + "/done", "/r/" + unknown + "/destroy",
		"/s/" + strings.ToUpper(unknown), "/s/" + unknown + "/", "/s//" + unknown, "/s/../s/" + unknown, "/s/%2e%2e/" + unknown, "/s/" + unknown + "%00",
		"/s/" + unknown + "/report", "/s/" + strings.Repeat("a", 4000), "/nothing", "/index.php", local(live["link"]) + "/",
	}
	for _, accept := range []string{"", browser} {
		for _, lang := range []string{"", "?lang=en"} {
			want := r.get("/s/"+seal.NewToken().String()+lang, accept)
			if want.status != 404 || len(want.body) < 50 {
				t.Fatalf("%d %q", want.status, want.body)
			}
			for _, p := range paths {
				for _, method := range []string{"GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "BREW"} {
					g := r.do(method, p+lang, accept, nil)
					if method == "HEAD" {
						g.body = want.body
					}
					if g.status != 404 || g.body != want.body || !maps.EqualFunc(g.header, want.header, slices.Equal) {
						t.Errorf("%s %.20s %q: %d %v", method, p, accept, g.status, g.header)
					}
				}
			}
		}
	}
	for _, method := range []string{"PUT", "DELETE", "OPTIONS"} {
		if g := r.do(method, local(live["link"]), "", nil); g.status != 404 {
			t.Errorf("%s of a live link: %d", method, g.status)
		}
	}
}

func TestHeaders(t *testing.T) {
	r := newRig(t)
	a := r.share(file("a", aJPEG(1)))
	view := strings.TrimSuffix(r.do("POST", a["link"], "", nil).header.Get("Content-Location"), "/1")
	sheet := regexp.MustCompile(`/style-[0-9a-f]+\.css`).FindString(r.get("/u/"+seal.NewToken().String(), browser).body)
	seen := 0
	for _, tt := range []struct {
		method, path, cache string
	}{
		{"GET", "/", "no-store"},
		{"GET", "/u/" + seal.NewToken().String(), "no-store"},
		{"POST", "/", "no-store"},
		{"GET", local(a["link"]), "no-store"},
		{"GET", view, "no-store"},
		{"GET", view + "/1", "private, no-store"},
		{"GET", local(a["receipt"]), "no-store"},
		{"GET", "/gone", "no-store"},
		{"GET", sheet, "public, max-age=31536000, immutable"},
	} {
		for _, accept := range []string{"", browser} {
			g := r.do(tt.method, tt.path, accept, nil)
			seen++
			for _, never := range []string{"Date", "Server", "Set-Cookie", "Etag", "Last-Modified", "X-Powered-By", "Allow"} {
				if _, has := g.header[never]; has {
					t.Errorf("%s %.6s: has %s", tt.method, tt.path, never)
				}
			}
			for name, want := range map[string]string{
				"Cache-Control":                tt.cache,
				"X-Content-Type-Options":       "nosniff",
				"X-Frame-Options":              "DENY",
				"Referrer-Policy":              "same-origin",
				"Cross-Origin-Opener-Policy":   "same-origin",
				"Cross-Origin-Embedder-Policy": "require-corp",
				"Cross-Origin-Resource-Policy": "same-origin",
			} {
				if g.header.Get(name) != want {
					t.Errorf("%s %.6s: %s is %q", tt.method, tt.path, name, g.header.Get(name))
				}
			}
			csp := g.header.Get("Content-Security-Policy")
			if !strings.HasPrefix(csp, "default-src 'none'; ") || !strings.Contains(csp, "frame-ancestors 'none'") || strings.Contains(csp, "unsafe") || strings.Contains(csp, "data:") {
				t.Errorf("%s %.6s: %s", tt.method, tt.path, csp)
			}
		}
	}
	if seen != 18 {
		t.Error(seen)
	}
	g := r.do("GET", sheet, "", nil, "Accept-Encoding", "gzip, deflate")
	if g.header.Get("Content-Encoding") != "gzip" || !bytes.HasPrefix([]byte(g.body), []byte{0x1f, 0x8b}) || len(g.body) > 5000 {
		t.Errorf("stylesheet: %v, %d bytes", g.header, len(g.body))
	}
}

// Law 1, as far as HTTP can break it: of many at once, one gets the bytes.
func TestRacingReveals(t *testing.T) {
	r := newRig(t)
	a := r.share(file("a", aJPEG(1)), val("burn", "on"))
	const racers = 50
	answers := make(chan got, racers)
	for range racers {
		go func() { answers <- r.do("POST", a["link"], "", nil) }()
	}
	count := map[int]int{}
	dead := map[string]bool{}
	for range racers {
		g := <-answers
		count[g.status]++
		if g.status == 404 {
			dead[g.body] = true
		}
	}
	if count[200] != 1 || count[404] != racers-1 || len(dead) != 1 {
		t.Errorf("%v, %d different dead answers", count, len(dead))
	}
}
