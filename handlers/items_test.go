package handlers

import (
	"bytes"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"emberdrop/link"
	"emberdrop/seal"
)

// opened reveals a link in a browser and returns the view's path and its page.
func (r *rig) opened(url string) (path, page string) {
	r.t.Helper()
	g := r.do("POST", url, browser, nil)
	path = g.header.Get("Location")
	if g.status != 303 {
		r.t.Fatalf("reveal: %d", g.status)
	}
	return path, r.get(path, browser).body
}

// Whatever is in a note or a caption is shown as text, kept apart from the page.
func TestHostileText(t *testing.T) {
	r := newRig(t)
	for text, shown := range map[string]string{
		"<script>alert(1)</script>":                     "&lt;script&gt;alert(1)&lt;/script&gt;",
		"</div></textarea><img src=x onerror=alert(1)>": "&lt;/div&gt;&lt;/textarea&gt;&lt;img src=x onerror=alert(1)&gt;",
		"\" onmouseover=\"alert(1)\" '":                 "&#34; onmouseover=&#34;alert(1)&#34; &#39;",
		"\u202etxt.exe\u202c \u2066x \u200fy \u202dabc": "\u202etxt.exe\u202c \u2066x \u200fy \u202dabc",
		"🔥👩\u200d👩\u200d👧 e\u0301":                      "🔥👩\u200d👩\u200d👧 e\u0301",
		"{{.Caption}} %s ${x} &amp; --> ]]>":            "{{.Caption}} %s ${x} &amp;amp; --&gt; ]]&gt;",
	} {
		a := r.share(val("note", text), val("caption", text))
		closed := r.get(a["link"], browser).body
		if want := `<blockquote class="caption" dir="auto">` + shown + `</blockquote>`; !strings.Contains(closed, want) {
			t.Errorf("closed, %q: %s", text, closed)
		}
		_, open := r.opened(a["link"])
		for _, want := range []string{
			`<blockquote class="caption" dir="auto">` + shown + `</blockquote>`,
			`<div class="note" dir="auto">` + shown + `</div>`,
		} {
			if !strings.Contains(open, want) {
				t.Errorf("open, %q: no %s in %s", text, want, open)
			}
		}
	}
}

// A note goes in by typing or as a file, and comes out byte for byte, but for the
// line ends that browsers make of a field's.
func TestNotes(t *testing.T) {
	r := newRig(t)
	const text = "canary\n\n\ttwo  spaces\n"
	a := r.share(val("note", strings.ReplaceAll(text, "\n", "\r\n")), file("b.txt", []byte("from\r\na file")))
	if g := r.get(a["link"], ""); !strings.Contains(g.body, "item: text/plain; charset=utf-8 "+strconv.Itoa(len(text))+"\n") {
		t.Errorf("closed: %q", g.body)
	}
	view, page := r.opened(a["link"])
	if !strings.Contains(page, `dir="auto">`+text+`</div>`) {
		t.Errorf("open: %s", page)
	}
	for n, want := range []string{text, "from\r\na file"} {
		g := r.get(view+"/"+strconv.Itoa(n+1), browser)
		if g.body != want || g.header.Get("Content-Type") != typeText || !strings.HasPrefix(g.header.Get("Content-Disposition"), "inline") || g.header.Get("Content-Security-Policy") != policyBytes {
			t.Errorf("note %d: %q %v", n+1, g.body, g.header)
		}
	}
	if g := r.do("POST", r.share(val("note", text))["link"], "", nil); g.body != text {
		t.Errorf("by curl: %q", g.body)
	}
}

func TestLongNote(t *testing.T) {
	r := newRig(t)
	text := strings.Repeat("canary 🔥\n", link.MaxNote/12)
	text += strings.Repeat("x", link.MaxNote-len(text))
	a := r.share(val("note", text))
	view, page := r.opened(a["link"])
	if strings.Contains(page, "canary") || !strings.Contains(page, `href="`+view+`/1"`) {
		t.Errorf("the page has %d bytes and no way to the note", len(page))
	}
	if g := r.get(view+"/1", ""); g.body != text {
		t.Errorf("%d bytes", len(g.body))
	}
}

func TestManyItems(t *testing.T) {
	r := newRig(t)
	var parts []part
	for i := range 50 {
		parts = append(parts, file("a", aPNG(byte(i))))
	}
	if g := r.post("/", "", append(parts, file("b", aPNG(50)))...); g.status != 413 || !strings.Contains(g.body, "50") {
		t.Errorf("51 files: %d %s", g.status, g.body)
	}
	r.empty("51 files")
	view, page := r.opened(r.share(parts...)["link"])
	for n := range 50 {
		i := strconv.Itoa(n + 1)
		for _, want := range []string{`src="` + view + "/" + i + `"`, `popovertarget="photo-` + i + `"`, `id="photo-` + i + `" popover`, `href="#photo-` + i + `"`} {
			if !strings.Contains(page, want) {
				t.Fatalf("photo %s: no %s", i, want)
			}
		}
	}
}

// Other kinds are for saving only, and every page says what that means.
func TestAnyFile(t *testing.T) {
	r := newRig(t, func(c *Config, l *link.Config) {
		c.Limits.AnyFile, l.AnyFile = true, true
		c.Limits.MaxPassFile = 100 << 20
	})
	upload := r.get("/u/"+seal.NewToken().String(), browser).body
	if strings.Contains(upload, "accept=") || !strings.Contains(upload, `name="pass"`) || !strings.Contains(upload, "Any kind.") {
		t.Errorf("upload: %s", upload)
	}
	id := seal.NewToken().String()
	ready := r.post("/up/"+id, browser, file("x.html", []byte("\x00<script>alert(1)</script>")))
	if ready.status != 201 || !strings.Contains(ready.body, "still is") {
		t.Errorf("ready: %d %s", ready.status, ready.body)
	}
	share := regexp.MustCompile(`/s/[a-z2-7]{52}`).FindString(ready.body)
	if g := r.get(share, browser); !strings.Contains(g.body, "think before you open it") {
		t.Errorf("closed: %s", g.body)
	}
	view, page := r.opened(share)
	if !strings.Contains(page, "open it offline") || strings.Contains(page, `src="`+view) {
		t.Errorf("open: %s", page)
	}
	for _, g := range []got{r.get(view+"/1", browser), r.get(view+"/1?download", "")} {
		if g.header.Get("Content-Type") != "application/octet-stream" || g.header.Get("Content-Disposition") != "attachment; filename=file-1.bin" {
			t.Errorf("%v", g.header)
		}
	}
}

// What its sender sealed is told apart before it is opened, and is for saving only.
func TestSealedByItsSender(t *testing.T) {
	r := newRig(t)
	const magic = "\x89emberdrop\r\n\x1a\n\x00\x01"
	sealed := bytes.NewBufferString(magic)
	w := seal.NewWriter(sealed, seal.NewKey(), []byte(magic))
	_, err := w.Write(make([]byte, seal.Padme(3000)))
	must(t, err)
	must(t, w.Close())
	content := sealed.Bytes()
	kind := link.Sealed + " " + strconv.Itoa(len(content))

	a := r.share(file("x.html", content))
	const command = "Its sender sealed this: emberdrop get 'LINK', with the part behind the #, opens it.\n"
	if g := r.get(a["link"], ""); !strings.Contains(g.body, "item: "+kind+"\n") || !strings.HasSuffix(g.body, command) || strings.Contains(g.body, "POST") {
		t.Errorf("by curl: %q", g.body)
	}
	if g := r.get(a["link"], browser); !strings.Contains(g.body, "shared a sealed file with you") || !strings.Contains(g.body, "run emberdrop get &#39;LINK&#39;.") || strings.Contains(g.body, "think before you open it") {
		t.Errorf("closed: %s", g.body)
	}
	if g := r.get(a["receipt"], ""); !strings.HasPrefix(g.body, "state: unopened\n") {
		t.Errorf("looking counted: %q", g.body)
	}
	view, page := r.opened(a["link"])
	if !strings.Contains(page, "run emberdrop get &#39;ADDRESS&#39;.") || strings.Contains(page, "open it offline") || strings.Contains(page, `src="`+view) {
		t.Errorf("open: %s", page)
	}
	if g := r.get(view, ""); !strings.Contains(g.body, "/1 "+kind+"\n") {
		t.Errorf("the view by curl: %q", g.body)
	}
	for _, g := range []got{r.get(view+"/1", browser), r.get(view+"/1?download", "")} {
		if g.body != string(content) || g.header.Get("Content-Type") != link.Sealed || g.header.Get("Content-Disposition") != "attachment; filename=sealed-1.emberdrop" || g.header.Get("Content-Security-Policy") != policyBytes {
			t.Errorf("%d bytes, %v", len(g.body), g.header)
		}
	}

	// Behind a passphrase nothing tells what it is.
	a = r.share(file("x", content), val("passphrase", "canary"))
	if g := r.get(a["link"], ""); strings.Contains(g.body, "emberdrop get") || strings.Contains(g.body, "item:") {
		t.Errorf("locked, by curl: %q", g.body)
	}
	if g := r.get(a["link"], browser); strings.Contains(g.body, "emberdrop get") {
		t.Errorf("locked: %s", g.body)
	}
}

// The uploader looks at what was made, without a view, until somebody opens it.
func TestPeek(t *testing.T) {
	r := newRig(t)
	id := seal.NewToken().String()
	ready := r.post("/up/"+id, browser, file("a", aJPEG(1)), val("note", "canary"), val("burn", "on"))
	for _, page := range []string{ready.body, r.get("/up/"+id, browser).body} {
		if !strings.Contains(page, `src="/up/`+id+`/1"`) || !strings.Contains(page, ">canary</div>") {
			t.Errorf("nothing to look at: %s", page)
		}
	}
	for range 3 {
		if g := r.get("/up/"+id+"/1", "image/*"); g.status != 200 || g.header.Get("Content-Type") != "image/jpeg" || g.header.Get("Cache-Control") != "private, no-store" {
			t.Errorf("%d %v", g.status, g.header)
		}
	}
	for _, path := range []string{"/up/" + id + "/3", "/up/" + id + "/0", "/up/" + id + "/01", "/up/" + seal.NewToken().String() + "/1", "/up/x/1"} {
		if g := r.get(path, browser); g.status != 404 {
			t.Errorf("%.5s…: %d", path, g.status)
		}
	}
	share := regexp.MustCompile(`/s/[a-z2-7]{52}`).FindString(ready.body)
	r.opened(share)
	if g := r.get("/up/"+id+"/1", "image/*"); g.status != 404 {
		t.Errorf("after the view: %d", g.status)
	}

	id = seal.NewToken().String()
	ready = r.post("/up/"+id, browser, file("a", aJPEG(1)), val("passphrase", "canary"))
	if strings.Contains(ready.body, "/up/"+id+"/1") {
		t.Error("what is locked cannot be looked at, but the page tries")
	}
	if g := r.get("/up/"+id+"/1", "image/*"); g.status != 404 {
		t.Errorf("a locked item: %d", g.status)
	}
}

// A pass of many uploads that try it at once is good for one.
func TestPass(t *testing.T) {
	r := newRig(t, func(c *Config, l *link.Config) {
		c.Limits = Limits{MaxFile: 1 << 20, MaxUpload: 8 << 20, MaxPassFile: 4 << 20}
		l.MaxPassFile = 4 << 20
	})
	codes, err := r.links.Mint(1)
	must(t, err)
	large := file("a", append([]byte("canary "), strings.Repeat("x", 100)...))
	if g := r.post("/", "", large, val("pass", "WRONG")); g.status != 422 {
		t.Errorf("a wrong pass: %d", g.status)
	}
	const racers = 50
	answers := make(chan got, racers)
	for range racers {
		go func() { answers <- r.post("/", "", large, val("pass", strings.ToLower(codes[0]))) }()
	}
	count := map[int]int{}
	for range racers {
		count[(<-answers).status]++
	}
	if count[201] != 1 || count[422] != racers-1 {
		t.Errorf("%v", count)
	}
}
