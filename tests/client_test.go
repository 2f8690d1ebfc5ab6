package tests

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"emberdrop/strip"
	"emberdrop/tests/instance"
	"emberdrop/tests/sample"
)

// onionAddress has the form of one; the SOCKS server of the tests leads there.
var onionAddress = strings.Repeat("drop", 14) + ".onion"

// drop is a site that `emberdrop put` and `get` reach through a SOCKS port.
type drop struct {
	*site
	socks *socks
}

func openDrop(t *testing.T, args ...string) *drop {
	t.Helper()
	s := openSite(t, append([]string{"--public-url", "http://" + onionAddress}, args...)...)
	return &drop{s, startSOCKS(t, s.socket)}
}

// ran is what a command did.
type ran struct {
	stdout, stderr string
	code           int
}

func (r ran) line(name string) string { return instance.Answer{Body: []byte(r.stdout)}.Line(name) }

func emberdrop(t *testing.T, args ...string) ran {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), theProgram(t), args...)
	// What a client must not listen to.
	cmd.Env = append(os.Environ(), "HTTP_PROXY=http://127.0.0.1:1", "http_proxy=http://127.0.0.1:1", "ALL_PROXY=socks5://127.0.0.1:1")
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var ended *exec.ExitError
	if err != nil && !errors.As(err, &ended) {
		t.Fatal(err)
	}
	return ran{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

// put shares and returns the link and the path of the receipt.
func (d *drop) put(t *testing.T, args ...string) (link, receipt string) {
	t.Helper()
	r := emberdrop(t, append([]string{"put", "--to", onionAddress, "--via", d.socks.addr()}, args...)...)
	if r.code != 0 {
		t.Fatalf("put ends with %d:\n%s%s", r.code, r.stdout, r.stderr)
	}
	link = r.line("link")
	receipt, found := strings.CutPrefix(r.line("receipt"), "http://"+onionAddress)
	if !found || !strings.HasPrefix(link, "http://"+onionAddress+"/s/") {
		t.Fatalf("put prints no link or receipt:\n%s", r.stdout)
	}
	secret, key, sealed := strings.Cut(path(link), "#")
	d.kept(secret, path(receipt))
	if sealed {
		d.kept(key)
	}
	return link, receipt
}

func (d *drop) get(t *testing.T, link string, args ...string) ran {
	t.Helper()
	return emberdrop(t, append([]string{"get", link, "--via", d.socks.addr()}, args...)...)
}

// wantSaved checks that a folder holds just these files.
func wantSaved(t *testing.T, r ran, dir string, want map[string][]byte) {
	t.Helper()
	if r.code != 0 {
		t.Fatalf("get ends with %d:\n%s%s", r.code, r.stdout, r.stderr)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if _, known := want[entry.Name()]; !known {
			t.Errorf("%s is there", entry.Name())
		}
	}
	for name, content := range want {
		got, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || !bytes.Equal(got, content) {
			t.Errorf("%s: %d bytes are not the %d that were sent (%v)", name, len(got), len(content), err)
		}
	}
}

// inFiles writes files and returns their paths.
func inFiles(t *testing.T, contents ...[]byte) (paths []string) {
	t.Helper()
	dir := t.TempDir()
	for i, content := range contents {
		file := filepath.Join(dir, "IMG_20261122_10131"+strconv.Itoa(i)+".bin")
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, file)
	}
	return paths
}

func stripped(t *testing.T, file []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	if _, err := strip.Strip(&out, bytes.NewReader(file), int64(len(file))); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// TestPutGet: photos and a note go there and back; the client tells nobody who it is.
func TestPutGet(t *testing.T) {
	d := openDrop(t)
	photo, drawing := sample.Photo(320, 240, 1), sample.PNG(160, 120, 2)
	files := inFiles(t, photo, drawing)
	link, receipt := d.put(t, append(files, "--burn", "--caption", caption, "--note", "meet at\nnoon")...)
	sent, uploader, hosts := d.socks.told()
	wantFaceless(t, sent)
	if len(hosts) != 1 || hosts[0] != onionAddress+":80" {
		t.Fatalf("the SOCKS port was asked for %q", hosts)
	}

	if r := d.get(t, link); r.code != 2 || !strings.Contains(r.stderr, "needs --yes") || !strings.HasPrefix(r.stderr, "caption: "+caption+"\n") {
		t.Fatalf("without a terminal: %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	wantLines(t, d.ask(t, "GET", receipt), "state: unopened")

	dir := t.TempDir()
	mine := []byte("was here before")
	if err := os.WriteFile(filepath.Join(dir, "photo-2.jpg"), mine, 0o600); err != nil {
		t.Fatal(err)
	}
	d.socks.told()
	r := d.get(t, link, "--yes", "--out", dir)
	wantSaved(t, r, dir, map[string][]byte{
		"note-1.txt": []byte("meet at\nnoon"), "photo-2.jpg": mine,
		"photo-2-2.jpg": stripped(t, photo), "photo-3.png": stripped(t, drawing),
	})
	if r.line("caption") != caption || r.line("saved") != filepath.Join(dir, "note-1.txt") {
		t.Fatalf("get prints:\n%s", r.stdout)
	}
	sent, viewer, _ := d.socks.told()
	wantFaceless(t, sent)
	if len(uploader) != 1 || len(viewer) == 0 || len(viewer[0]) < 52 || viewer[0] == uploader[0] {
		t.Fatalf("the runs are not isolated from each other: %q and %q", uploader, viewer)
	}
	wantLines(t, d.ask(t, "GET", receipt), "state: destroyed: viewed", "views: 1")
	eventually(t, "the lease has ended and the payload with it", func() bool { return len(leftovers(t, d.data)) == 0 })
	if r := d.get(t, link, "--yes", "--out", dir); r.code != 1 || !strings.Contains(r.stderr, "the link has ended, or is mistyped") {
		t.Fatalf("a dead link: %d\n%s", r.code, r.stderr)
	}
}

// faces are headers that would tell one client from another, and a file's name.
var faces = regexp.MustCompile(`(?i)user-agent|accept-language|accept-encoding|cookie|referer|origin:|go-http|IMG_2026`)

// wantFaceless checks what a client sent, headers and all.
func wantFaceless(t *testing.T, sent []byte) {
	t.Helper()
	if found := faces.FindAll(sent, -1); len(sent) == 0 || len(found) > 0 {
		t.Fatalf("in %d bytes that the client sent: %q", len(sent), found)
	}
}

// A wrong passphrase opens nothing and burns nothing.
func TestGetWithPassphrase(t *testing.T) {
	d := openDrop(t)
	photo := sample.Photo(160, 120, 1)
	right, wrong := inFiles(t, []byte("correct horse\n"))[0], inFiles(t, []byte("battery staple\n"))[0]
	link, receipt := d.put(t, append(inFiles(t, photo), "--burn", "--passphrase-file", right)...)
	dir := t.TempDir()
	if r := d.get(t, link, "--yes", "--out", dir); r.code != 1 || !strings.Contains(r.stderr, "--passphrase-file") {
		t.Fatalf("no passphrase: %d\n%s", r.code, r.stderr)
	}
	for range 2 {
		r := d.get(t, link, "--yes", "--out", dir, "--passphrase-file", wrong)
		if r.code != 1 || !strings.Contains(r.stderr, "emberdrop: wrong passphrase\nemberdrop: hint: nothing was opened, and nothing counted\n") {
			t.Fatalf("a wrong passphrase: %d\n%s", r.code, r.stderr)
		}
	}
	wantLines(t, d.ask(t, "GET", receipt), "state: unopened")
	wantSaved(t, d.get(t, link, "--yes", "--out", dir, "--passphrase-file", right), dir, map[string][]byte{"photo-1.jpg": stripped(t, photo)})
	wantLines(t, d.ask(t, "GET", receipt), "state: destroyed: viewed")
}

// TestPutIsRepeated: a circuit dies in the middle of an upload, or while the
// answer is on its way. The client sends it again, and there is one link.
func TestPutIsRepeated(t *testing.T) {
	d := openDrop(t)
	photo := sample.Photo(800, 600, 1)
	for name, c := range map[string]cut{
		"in the middle":        {up: true, after: "filename=", more: len(photo) / 2},
		"before the answer":    {up: false, after: "HTTP/1.1 201"},
		"in the SOCKS port":    {up: true, after: "POST /up/"},
		"in the answer's text": {up: false, after: "link: http"},
	} {
		t.Run(name, func(t *testing.T) {
			before := payloads(t, d.data)
			d.socks.breakOnce(c)
			link, _ := d.put(t, inFiles(t, photo)...)
			if d.socks.unbroken() != 0 {
				t.Fatal("nothing was cut")
			}
			if made := len(payloads(t, d.data)) - len(before); made != 1 {
				t.Fatalf("%d links were made", made)
			}
			dir := t.TempDir()
			wantSaved(t, d.get(t, link, "--yes", "--out", dir), dir, map[string][]byte{"photo-1.jpg": stripped(t, photo)})
		})
	}
}

// TestGetIsResumed: a circuit dies while a link is opened, and in the middle of a
// photo. It counts as one view, and what was here is not fetched again.
func TestGetIsResumed(t *testing.T) {
	d := openDrop(t)
	photo := bigPhoto()
	link, receipt := d.put(t, append(inFiles(t, photo, sample.PNG(160, 120, 2)), "--views", "5")...)
	d.socks.told()
	d.socks.breakOnce(cut{up: false, after: "HTTP/1.1 303"})
	d.socks.breakOnce(cut{up: false, after: "image/jpeg\r\n", more: len(photo) / 3})
	d.socks.breakOnce(cut{up: false, after: "HTTP/1.1 206", more: len(photo) / 3})
	dir := t.TempDir()
	r := d.get(t, link, "--yes", "--out", dir)
	wantSaved(t, r, dir, map[string][]byte{"photo-1.jpg": stripped(t, photo), "photo-2.png": stripped(t, sample.PNG(160, 120, 2))})
	if d.socks.unbroken() != 0 || strings.Count(r.stderr, "trying again") != 3 {
		t.Fatalf("%d cuts did not happen, and it says:\n%s", d.socks.unbroken(), r.stderr)
	}
	wantLines(t, d.ask(t, "GET", receipt), "state: opened 1", "views-left: 4")
	sent, _, _ := d.socks.told()
	starts := regexp.MustCompile(`Range: bytes=(\d+)-\r\n`).FindAllSubmatch(sent, -1)
	last := 0
	for _, start := range starts {
		at, _ := strconv.Atoi(string(start[1]))
		if at < last+len(photo)/4 {
			t.Errorf("it goes on at %d of %d bytes, after %d", at, len(photo), last)
		}
		last = at
	}
	if len(starts) != 2 {
		t.Fatalf("%d ranges were asked for", len(starts))
	}
}

// TestGetAgain: --keep leaves the lease, and so does a failure; its address
// fetches again without another view.
func TestGetAgain(t *testing.T) {
	d := openDrop(t)
	photo := sample.Photo(160, 120, 1)
	link, receipt := d.put(t, append(inFiles(t, photo), "--burn")...)
	r := d.get(t, link, "--yes", "--keep", "--out", t.TempDir())
	lease := r.line("lease")
	if r.code != 0 || !strings.HasPrefix(lease, "http://"+onionAddress+"/v/") {
		t.Fatalf("get --keep: %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	d.kept(path(lease))
	dir := t.TempDir()
	wantSaved(t, d.get(t, lease, "--out", dir), dir, map[string][]byte{"photo-1.jpg": stripped(t, photo)})
	wantLines(t, d.ask(t, "GET", receipt), "state: destroyed: viewed", "views: 1")
	if r := d.get(t, lease, "--out", dir); r.code != 1 {
		t.Fatalf("an ended lease: %d\n%s%s", r.code, r.stdout, r.stderr)
	}
}

// What a server refuses is said in its own words, and nothing is left of it.
func TestPutRefused(t *testing.T) {
	d := openDrop(t, "--max-file", "100KiB", "--max-pass-file", "100KiB")
	for name, c := range map[string]struct {
		file []byte
		args []string
		says string
	}{
		"a document":   {[]byte("%PDF-1.7 ..."), nil, "pictures of its pages"},
		"too large":    {bigPhoto(), nil, "too large"},
		"a wrong pass": {sample.Photo(160, 120, 1), []string{"--pass", "AAAA-BBBB-CCCC-DDDD"}, "pass"},
	} {
		t.Run(name, func(t *testing.T) {
			args := append([]string{"put", "--to", onionAddress, "--via", d.socks.addr()}, append(c.args, inFiles(t, c.file)...)...)
			r := emberdrop(t, args...)
			if r.code != 1 || r.stdout != "" || !strings.Contains(strings.ToLower(r.stderr), c.says) || !strings.Contains(r.stderr, "hint: nothing was stored") {
				t.Fatalf("ends with %d:\n%s%s", r.code, r.stdout, r.stderr)
			}
		})
	}
	eventually(t, "nothing is left", func() bool { return len(leftovers(t, d.data)) == 0 })
}
