package handlers

import (
	"bytes"
	"fmt"
	"image"
	_ "image/jpeg"
	_ "image/png"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"emberdrop/link"
	"emberdrop/seal"
)

func TestUploadAnswers(t *testing.T) {
	r := newRig(t)
	day := start.Add(24 * time.Hour).Format(time.RFC3339)
	for _, tt := range []struct {
		name  string
		parts []part
		ends  string
		views string
	}{
		{"plain", []part{file("a.jpg", aJPEG(1))}, day, ""},
		{"burn after the file", []part{file("a.jpg", aJPEG(1)), val("burn", "on")}, day, "1"},
		{"everything, files last", []part{val("expire", "1w"), val("caption", "x"), val("passphrase", "y"), val("idle", "1d"), val("views", "3"), file("a", aPNG(2)), file("b", aJPEG(3))}, start.Add(7 * 24 * time.Hour).Format(time.RFC3339), "3"},
		{"hour", []part{file("a.jpg", aJPEG(1)), val("expire", "1h")}, start.Add(time.Hour).Format(time.RFC3339), ""},
		{"never", []part{file("a.jpg", aJPEG(1)), val("expire", "never"), val("views", "0"), val("idle", "0")}, "never", ""},
		{"burn said twice", []part{val("views", "1"), file("a.jpg", aJPEG(1)), val("burn", "on")}, day, "1"},
		{"a browser's blanks", []part{file("a.jpg", aJPEG(1)), {"file", "", "", true}, val("caption", ""), val("passphrase", ""), val("expire", "1d")}, day, ""},
		{"wrong name for what it is", []part{file("a.txt", aPNG(1))}, day, ""},
		{"no name at all", []part{val("file", string(aPNG(1)))}, day, ""},
		{"200 characters of several bytes", []part{file("a", aPNG(1)), val("caption", strings.Repeat("🔥", 200))}, day, ""},
	} {
		g := r.post("/", "", tt.parts...)
		want := fmt.Sprintf(`^link: %s/s/[a-z2-7]{52}\nreceipt: %s/r/[a-z2-7]{52}\nends: %s\n`, origin, origin, tt.ends)
		if tt.views != "" {
			want += "views: " + tt.views + "\n"
		}
		if g.status != 201 || !regexp.MustCompile(want+"$").MatchString(g.body) {
			t.Errorf("%s: %d %s", tt.name, g.status, g.body)
		}
	}
}

func TestRefusedUploads(t *testing.T) {
	r := newRig(t, func(c *Config, _ *link.Config) {
		c.Limits = Limits{MaxFile: 1 << 20, MaxUpload: 2 << 20, MaxItems: 3}
	})
	good := file("a.jpg", aJPEG(1))
	broken := aJPEG(1)
	huge := append(aJPEG(1), make([]byte, 1<<20)...)
	for _, tt := range []struct {
		name   string
		parts  []part
		status int
		says   string
	}{
		{"no parts", nil, 400, "Choose at least one photo"},
		{"no file", []part{val("expire", "1d")}, 400, "Choose at least one photo"},
		{"none chosen", []part{{"file", "", "", true}}, 400, "Choose at least one photo"},
		{"unknown field", []part{good, val("canary", "1")}, 400, "multipart"},
		{"unknown field first", []part{val("note", "canary"), good}, 400, "multipart"},
		{"field twice", []part{good, val("burn", "on"), val("burn", "on")}, 400, "multipart"},
		{"empty file", []part{file("a.jpg", nil)}, 422, "empty"},
		{"good and empty file", []part{good, file("a.jpg", nil)}, 422, "empty"},
		{"cut JPEG", []part{file("a.jpg", broken[:len(broken)/2])}, 422, "damaged"},
		{"text", []part{file("a.jpg", []byte("canary, not a photo"))}, 415, "JPEG and PNG"},
		{"PDF", []part{file("a.jpg", []byte("%PDF-1.4 canary"))}, 415, "pictures of its pages"},
		{"good, then text", []part{good, file("b.jpg", []byte("canary"))}, 415, "JPEG and PNG"},
		{"too large", []part{file("a.jpg", huge)}, 413, "1 MB"},
		{"too large together", []part{file("a", huge[:1<<20]), file("b", huge[:1<<20]), file("c", huge[:1<<20])}, 413, "2 MB"},
		{"too many", []part{good, good, good, good}, 413, "up to 3"},
		{"caption of 201", []part{good, val("caption", strings.Repeat("é", 201))}, 422, "200 characters"},
		{"caption of very many", []part{val("caption", strings.Repeat("é", 1<<19)), good}, 422, "200 characters"},
		{"caption that is no text", []part{good, val("caption", "\xff\xfe")}, 422, "UTF-8"},
		{"expire", []part{good, val("expire", "2d")}, 422, "1h, 1d, 1w or never"},
		{"empty expire", []part{good, val("expire", "")}, 422, "1h, 1d, 1w or never"},
		{"burn", []part{good, val("burn", "yes")}, 422, "Set burn to on"},
		{"views", []part{good, val("views", "101")}, 422, "100"},
		{"views, signed", []part{good, val("views", "-1")}, 422, "100"},
		{"idle", []part{good, val("idle", "2h")}, 422, "1d or 1w"},
		{"burn and views", []part{good, val("burn", "on"), val("views", "3")}, 422, "either burn or views"},
		{"views and burn", []part{val("views", "3"), val("burn", "on"), good}, 422, "either burn or views"},
		{"long passphrase", []part{good, val("passphrase", strings.Repeat("p", 1025))}, 422, "1024"},
	} {
		for _, accept := range []string{"", browser} {
			g := r.post("/up/"+seal.NewToken().String(), accept, tt.parts...)
			if g.status != tt.status || !strings.Contains(g.body, tt.says) {
				t.Errorf("%s: %d %s", tt.name, g.status, g.body)
			}
			if accept == "" && strings.Count(g.body, "\n") != 1 {
				t.Errorf("%s: not one line: %q", tt.name, g.body)
			}
			r.empty(tt.name)
		}
	}
	for kind, body := range map[string]string{
		"":                                  "canary",
		"application/x-www-form-urlencoded": "file=canary",
		"multipart/form-data":               "no boundary",
		"multipart/form-data; boundary=x":   "--x\r\ncanary",
		"multipart/mixed; boundary=x":       "--x--\r\n",
	} {
		if g := r.do("POST", "/", "", strings.NewReader(body), "Content-Type", kind); g.status != 400 {
			t.Errorf("%q: %d", kind, g.status)
		}
	}
	r.empty("what is no form")
}

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
	if g := r.get(action[1], browser); g.status != 303 || !strings.HasPrefix(g.header.Get("Location"), "/u/") {
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

func TestFormsOfOtherSites(t *testing.T) {
	r := newRig(t)
	a := r.share(file("a", aJPEG(1)), val("burn", "on"))
	for _, h := range [][]string{
		{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"},
		{"Origin", "http://elsewhere.onion"}, {"Origin", "null"},
	} {
		for _, p := range []string{local(a["link"]), local(a["receipt"]) + "/destroy", "/"} {
			g := r.do("POST", p, browser, nil, h...)
			if g.status != http.StatusForbidden || g.header.Get("Content-Type") != typeHTML {
				t.Errorf("%v %.4s: %d", h, p, g.status)
			}
		}
	}
	if g := r.do("GET", local(a["link"]), browser, nil, "Sec-Fetch-Site", "cross-site"); g.status != 200 {
		t.Errorf("a link followed from elsewhere: %d", g.status)
	}
	if g := r.do("POST", local(a["link"]), browser, nil, "Origin", origin); g.status != 303 {
		t.Errorf("our own form: %d", g.status)
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
