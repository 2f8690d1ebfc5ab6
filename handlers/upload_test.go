package handlers

import (
	"fmt"
	"regexp"
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
		{"no parts", nil, 400, "Choose at least one file or write a note"},
		{"no file", []part{val("expire", "1d")}, 400, "Choose at least one file or write a note"},
		{"none chosen", []part{{"file", "", "", true}}, 400, "Choose at least one file or write a note"},
		{"unknown field", []part{good, val("canary", "1")}, 400, "multipart"},
		{"unknown field first", []part{val("other", "canary"), good}, 400, "multipart"},
		{"field twice", []part{good, val("burn", "on"), val("burn", "on")}, 400, "multipart"},
		{"empty file", []part{file("a.jpg", nil)}, 422, "empty"},
		{"good and empty file", []part{good, file("a.jpg", nil)}, 422, "empty"},
		{"cut JPEG", []part{file("a.jpg", broken[:len(broken)/2])}, 422, "damaged"},
		{"no kind at all", []part{file("a.jpg", []byte("\x00canary, not a photo"))}, 415, "JPEG, PNG, GIF or WebP"},
		{"PDF", []part{file("a.jpg", []byte("%PDF-1.4 canary"))}, 415, "pictures of its pages"},
		{"good, then not", []part{good, file("b.jpg", []byte("\x00canary"))}, 415, "JPEG, PNG, GIF or WebP"},
		{"too large", []part{file("a.jpg", huge)}, 413, "1 MB"},
		{"too large together", []part{file("a", huge[:1<<20]), file("b", huge[:1<<20]), file("c", huge[:1<<20])}, 413, "2 MB"},
		{"too many", []part{good, good, good, good}, 413, "up to 3"},
		{"caption of 201", []part{good, val("caption", strings.Repeat("é", 201))}, 422, "200 characters"},
		{"caption of very many", []part{val("caption", strings.Repeat("é", 1<<19)), good}, 422, "200 characters"},
		{"caption that is no text", []part{good, val("caption", "\xff\xfe")}, 422, "UTF-8"},
		{"expire", []part{good, val("expire", "2d")}, 422, "1h, 1d, 1w, never"},
		{"empty expire", []part{good, val("expire", "")}, 422, "1h, 1d, 1w, never"},
		{"burn", []part{good, val("burn", "yes")}, 422, "Set burn to on"},
		{"views", []part{good, val("views", "101")}, 422, "100"},
		{"views, signed", []part{good, val("views", "-1")}, 422, "100"},
		{"idle", []part{good, val("idle", "2h")}, 422, "1d or 1w"},
		{"note that is too long", []part{good, val("note", strings.Repeat("é", 1<<19)+"!")}, 422, "1 MB"},
		{"note of very many", []part{val("note", strings.Repeat("é", 1<<20+1))}, 422, "1 MB"},
		{"note that is no text", []part{val("note", "\xff")}, 422, "1 MB"},
		{"note twice", []part{val("note", "a"), val("note", "b")}, 400, "multipart"},
		{"blank note", []part{val("note", "")}, 400, "write a note"},
		{"pass that is none", []part{val("pass", "AAAA-BBBB"), good}, 422, "mistyped"},
		{"endless pass", []part{good, val("pass", strings.Repeat("A", 1<<16))}, 422, "mistyped"},
		{"four items, one a note", []part{good, good, good, val("note", "canary")}, 413, "up to 3"},
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
		"multipart/form-data; boundary=z":   "--z\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\n" + string(broken),
	} {
		if g := r.do("POST", "/", "", strings.NewReader(body), "Content-Type", kind); g.status != 400 {
			t.Errorf("%q: %d", kind, g.status)
		}
	}
	r.empty("what is no form")
}
