package tests

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"emberdrop/tests/needle"
	"emberdrop/tests/sample"
)

// TestSealedByTheClient: with --seal neither what reaches the server nor what it
// keeps holds the key or a byte of the content; get opens it.
func TestSealedByTheClient(t *testing.T) {
	d := openDrop(t)
	photo, drawing := sample.Photo(640, 480, 1), sample.PNG(160, 120, 2)
	files := inFiles(t, photo, drawing)
	note := strings.Repeat("meet at noon ", 8)
	needles := append(needle.Windows("photo", stripped(t, photo), 32, 256), needle.Windows("drawing", stripped(t, drawing), 32, 64)...)
	needles = append(needles, needle.Needle{Name: "caption", Bytes: []byte(caption)}, needle.Needle{Name: "note", Bytes: []byte(note)})
	share := func(args ...string) (link, receipt string, sent []byte) {
		d.socks.told()
		link, receipt = d.put(t, append(append(args, "--caption", caption, "--note", note), files...)...)
		sent, _, _ = d.socks.told()
		return link, receipt, sent
	}

	// The search can fail: without --seal the server gets all of it.
	_, _, plain := share("--expire", "1h")
	if hits := inBytes(t, plain, needles); len(hits) < 100 {
		t.Fatalf("without --seal only %d needles reach the server: the search is blind", len(hits))
	}

	pass := inFiles(t, []byte("correct horse"))[0]
	link, receipt, sent := share("--seal", "--burn", "--passphrase-file", pass)
	address, key, _ := strings.Cut(link, "#")
	if len(key) != 52 {
		t.Fatalf("the link has no key: %d letters", len(key))
	}
	needles = append(needles, needle.Needle{Name: "key", Bytes: base32Bytes(t, key)})
	clean := func(when string) {
		t.Helper()
		hits, err := needle.Scan(d.data, needles)
		if err != nil || len(hits) > 0 {
			t.Fatalf("%s, in the data folder: %v\n%s", when, err, needle.Report(hits))
		}
	}
	if hits := inBytes(t, sent, needles); len(hits) > 0 {
		t.Fatalf("sent to the server:\n%s", needle.Report(hits))
	}
	wantFaceless(t, sent)
	clean("after the upload")

	// Another key opens nothing, and saves nothing. It counts, since only the
	// content could tell; so this is another link.
	other, _, _ := share("--seal", "--burn")
	wrong, dir := strings.Split(other, "#")[0]+"#"+key, t.TempDir()
	r := d.get(t, wrong, "--yes", "--out", dir)
	if left, _ := os.ReadDir(dir); r.code != 1 || !strings.Contains(r.stderr, "the sealed content does not open") || len(left) > 0 {
		t.Fatalf("another key: %d, %d files\n%s", r.code, len(left), r.stderr)
	}

	d.socks.told()
	r = d.get(t, link, "--yes", "--out", dir, "--passphrase-file", pass)
	wantSaved(t, r, dir, map[string][]byte{"note-1.txt": []byte(note), "photo-2.jpg": stripped(t, photo), "photo-3.png": stripped(t, drawing)})
	if r.line("caption") != caption {
		t.Fatalf("get prints:\n%s", r.stdout)
	}
	sent, _, _ = d.socks.told()
	if hits := inBytes(t, sent, needles); len(hits) > 0 {
		t.Fatalf("get tells the server:\n%s", needle.Report(hits))
	}
	clean("after it was opened")
	wantLines(t, d.ask(t, "GET", receipt), "state: destroyed: viewed")
	if a := d.ask(t, "GET", strings.TrimPrefix(address, "http://"+onionAddress)); a.Status != 404 {
		t.Fatalf("it is still there: %d", a.Status)
	}
}

// TestSealedNeedsItsKey: a link that lost its # on the way is found out before it
// is opened, and with the whole one nothing has been spent.
func TestSealedNeedsItsKey(t *testing.T) {
	d := openDrop(t)
	photo := sample.Photo(160, 120, 1)
	link, receipt := d.put(t, append(inFiles(t, photo), "--seal", "--burn")...)
	bare, _, _ := strings.Cut(link, "#")
	dir := t.TempDir()
	for _, cut := range []string{bare, bare + "#"} {
		r := d.get(t, cut, "--yes", "--out", dir)
		if r.code != 1 || !strings.Contains(r.stderr, "the link is without its key") || !strings.Contains(r.stderr, "item: application/vnd.emberdrop.sealed ") {
			t.Fatalf("without its key: %d\n%s%s", r.code, r.stdout, r.stderr)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Fatalf("%d files were saved (%v)", len(left), err)
	}
	wantLines(t, d.ask(t, "GET", receipt), "state: unopened")
	wantSaved(t, d.get(t, link, "--yes", "--out", dir), dir, map[string][]byte{"photo-1.jpg": stripped(t, photo)})
	wantLines(t, d.ask(t, "GET", receipt), "state: destroyed: viewed", "views: 1")
}

// inBytes looks for needles in what went over a connection.
func inBytes(t *testing.T, sent []byte, needles []needle.Needle) []needle.Hit {
	t.Helper()
	file := filepath.Join(t.TempDir(), "sent")
	if err := os.WriteFile(file, sent, 0o600); err != nil {
		t.Fatal(err)
	}
	hits, err := needle.ScanFile(file, needles)
	if err != nil {
		t.Fatal(err)
	}
	return hits
}

// What the client cannot strip it does not seal, and says what to do instead.
func TestNotSealed(t *testing.T) {
	d := openDrop(t)
	for name, c := range map[string]struct {
		file []byte
		says string
	}{
		"a document": {[]byte("%PDF-1.7 ..."), "hint: send pictures of its pages"},
		"text":       {[]byte("only words"), "hint: send a JPEG"},
		"damaged":    {sample.Photo(160, 120, 1)[:3000], "damaged file"},
	} {
		t.Run(name, func(t *testing.T) {
			args := append([]string{"put", "--seal", "--to", onionAddress, "--via", d.socks.addr()}, inFiles(t, c.file)...)
			r := emberdrop(t, args...)
			if r.code != 1 || !strings.Contains(r.stderr, c.says) {
				t.Fatalf("ends with %d:\n%s%s", r.code, r.stdout, r.stderr)
			}
		})
	}
	if sent, _, _ := d.socks.told(); len(sent) > 0 {
		t.Fatalf("%d bytes were sent", len(sent))
	}
}

// liar is a server that says what a test wants; it counts what it is asked.
func liar(t *testing.T, answer http.HandlerFunc) *socks {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "http")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: answer}
	t.Cleanup(func() { server.Close() })
	go server.Serve(listener)
	return startSOCKS(t, socket)
}

// TestGetLooksBeforeItOpens: a link without the key that it needs, or with one
// for something that is not sealed, is not opened.
func TestGetLooksBeforeItOpens(t *testing.T) {
	for name, c := range map[string]struct{ item, fragment, says string }{
		"no key":         {"application/vnd.emberdrop.sealed 5000", "", "the link is without its key"},
		"nothing sealed": {"image/jpeg 5000", "#" + stranger, "what the server has is not sealed"},
		"two":            {"application/vnd.emberdrop.sealed 5\nitem: application/vnd.emberdrop.sealed 5", "#" + stranger, "what the server has is not sealed"},
	} {
		t.Run(name, func(t *testing.T) {
			s := liar(t, func(w http.ResponseWriter, r *http.Request) {
				if r.Method != "GET" {
					t.Error("it was opened")
				}
				fmt.Fprintf(w, "item: %s\nends: never\n", c.item)
			})
			r := emberdrop(t, "get", "--yes", "--via", s.addr(), "--out", t.TempDir(), "http://"+onionAddress+"/s/"+stranger+c.fragment)
			if r.code != 1 || !strings.Contains(r.stderr, c.says) {
				t.Fatalf("ends with %d:\n%s%s", r.code, r.stdout, r.stderr)
			}
		})
	}
}

// What a server says is shown without what a terminal would obey, and names no
// file, neither here nor elsewhere.
func TestGetFromAHostileServer(t *testing.T) {
	s := liar(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.Method + r.URL.Path {
		case "GET/s/" + stranger:
			fmt.Fprint(w, "caption: \x1b]0;owned\x07\u202edesrever\n\x1b[2Jitem: ../../x 5\n")
		case "POST/s/" + stranger:
			w.Header().Set("Location", "http://elsewhere.example/v/"+stranger)
			w.WriteHeader(303)
		default:
			t.Errorf("asked for %s", r.URL.Path)
		}
	})
	r := emberdrop(t, "get", "--yes", "--via", s.addr(), "--out", t.TempDir(), "http://"+onionAddress+"/s/"+stranger)
	if r.code != 1 || !strings.Contains(r.stderr, "does not answer as emberdrop does") || !strings.Contains(r.stderr, "caption:  ]0;owned  desrever\n") {
		t.Fatalf("ends with %d:\n%q", r.code, r.stderr)
	}
	if bytes.ContainsAny([]byte(r.stdout+r.stderr), "\x1b\x07") {
		t.Fatalf("an escape sequence got through: %q", r.stdout+r.stderr)
	}
	_, _, hosts := s.told()
	for _, host := range hosts {
		if host != onionAddress+":80" {
			t.Errorf("it went to %s", host)
		}
	}
}
