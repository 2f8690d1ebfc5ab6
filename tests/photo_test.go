package tests

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"image/jpeg"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"emberdrop/tests/instance"
	"emberdrop/tests/needle"
	"emberdrop/tests/sample"
)

const caption = "the ash remembers nothing 7QX"

// curl runs curl through the network's SOCKS port and returns status, headers and body.
func curl(t *testing.T, args ...string) instance.Answer {
	t.Helper()
	dir := t.TempDir()
	body, head := filepath.Join(dir, "body"), filepath.Join(dir, "head")
	args = append([]string{"--silent", "--show-error", "--socks5-hostname", theNetwork(t).SOCKS(), "--max-time", "60",
		"--output", body, "--dump-header", head, "--write-out", "%{http_code}"}, args...)
	out, err := exec.CommandContext(t.Context(), tool(t, "curl"), args...).Output()
	if err != nil {
		t.Fatalf("curl: %v", err)
	}
	status, err := strconv.Atoi(string(out))
	if err != nil {
		t.Fatalf("curl gives status %q", out)
	}
	answer := instance.Answer{Status: status, Header: http.Header{}}
	answer.Body, _ = os.ReadFile(body) // absent when the body is empty
	raw, err := os.ReadFile(head)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(raw)) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ": "); ok {
			answer.Header.Add(name, value)
		}
	}
	return answer
}

// TestOnePhotoOverTor is the main job: a photo goes in through an onion service
// and comes out once, without its metadata, over real Tor circuits.
func TestOnePhotoOverTor(t *testing.T) {
	t.Parallel()
	data := freshData(t)
	server := serveTor(t, data)
	photo := sample.Photo(1600, 1200, 1)
	file := filepath.Join(t.TempDir(), "IMG_20261122_101314.jpg")
	if err := os.WriteFile(file, photo, 0o600); err != nil {
		t.Fatal(err)
	}
	wantTags(t, file, true)

	up := curl(t, "-F", "file=@"+file, "-F", "burn=on", "-F", "caption="+caption, server.Address+"/")
	if up.Status != 201 {
		t.Fatalf("upload: %d %s", up.Status, up.Body)
	}
	link, receipt := up.Line("link"), up.Line("receipt")
	if !strings.HasPrefix(link, server.Address+"/s/") || !strings.HasPrefix(receipt, server.Address+"/r/") {
		t.Fatalf("the answer has no link or receipt:\n%s", up.Body)
	}
	if _, err := time.Parse(time.RFC3339, up.Line("ends")); err != nil || up.Line("views") != "1" {
		t.Fatalf("the answer's end or views are wrong:\n%s", up.Body)
	}
	wantReceipt(t, receipt, "state: unopened")
	for range 5 {
		page := curl(t, link)
		if page.Status != 200 || !bytes.Contains(page.Body, []byte(caption)) {
			t.Fatalf("GET of the link: %d %s", page.Status, page.Body)
		}
	}
	wantReceipt(t, receipt, "state: unopened")
	noTCP(t, server.PID())

	out := curl(t, "-X", "POST", link)
	if out.Status != 200 || out.Header.Get("Content-Type") != "image/jpeg" || !strings.HasPrefix(out.Header.Get("Content-Location"), "/v/") {
		t.Fatalf("reveal: %d %v", out.Status, out.Header)
	}
	if h := out.Header; h.Get("Date") != "" || h.Get("Server") != "" || h.Get("Set-Cookie") != "" {
		t.Fatalf("headers that should not be there: %v", h)
	}
	samePixels(t, photo, out.Body)
	noCanaries(t, out.Body)
	clean := filepath.Join(t.TempDir(), "out.jpg")
	if err := os.WriteFile(clean, out.Body, 0o600); err != nil {
		t.Fatal(err)
	}
	wantTags(t, clean, false)

	// Every later answer is the one of a link that never was, byte for byte.
	never := server.Address + "/s/" + strings.Repeat("a", 52)
	for _, method := range []string{"GET", "POST", "DELETE"} {
		was, is := curl(t, "-X", method, never), curl(t, "-X", method, link)
		if is.Status != 404 || !bytes.Equal(is.Body, was.Body) || fmt.Sprint(is.Header) != fmt.Sprint(was.Header) {
			t.Fatalf("%s of the burned link: %d %v %s\nof a random one: %d %v %s", method, is.Status, is.Header, is.Body, was.Status, was.Header, was.Body)
		}
	}
	wantReceipt(t, receipt, "state: destroyed: viewed")

	// The lease still serves, from where a circuit broke off.
	rest := curl(t, "-r", "1000-", server.Address+out.Header.Get("Content-Location"))
	if rest.Status != 206 || !bytes.Equal(rest.Body, out.Body[1000:]) {
		t.Fatalf("resuming: %d, %d bytes", rest.Status, len(rest.Body))
	}
	secrets := []string{path(link), path(receipt), path(out.Header.Get("Content-Location")[:strings.LastIndex(out.Header.Get("Content-Location"), "/")])}
	nothingIn(t, data, out.Body, photo, secrets...)
	noSecrets(t, server.Log(), secrets...)

	done := curl(t, "-X", "POST", server.Address+strings.TrimSuffix(out.Header.Get("Content-Location"), "/1")+"/done")
	if done.Status >= 400 {
		t.Fatalf("ending the lease: %d", done.Status)
	}
	eventually(t, "the payload is gone from the disk", func() bool { return len(payloads(t, data)) == 0 })
	nothingIn(t, data, out.Body, photo, secrets...)
	if err := server.Stop(); err != nil {
		t.Fatalf("stop: %v", err)
	}
	nothingIn(t, data, out.Body, photo, secrets...)
	if out, err := exec.Command(theProgram(t), "verify", "--data", data).CombinedOutput(); err != nil {
		t.Fatalf("verify: %v\n%s", err, out)
	}
}

// TestScanFindsPlaintext is the negative control of every search for content on
// the disk: in a build that encrypts nothing the same search must find the photo
// and the caption.
func TestScanFindsPlaintext(t *testing.T) {
	t.Parallel()
	open, err := instance.Build(t.Context(), scratch, "emberdrop_plaintext")
	if err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(t.TempDir(), "data")
	if _, err := instance.Init(t.Context(), open, data); err != nil {
		t.Fatal(err)
	}
	_, client := servePlainBy(t, open, data)
	photo := sample.Photo(640, 480, 1)
	up, err := client.Upload(t.Context(), "http://drop.test/", instance.File("a.jpg", photo), instance.Text("caption", caption))
	if err != nil || up.Status != 201 {
		t.Fatalf("upload: %v %d", err, up.Status)
	}
	out, err := client.Post(t.Context(), up.Line("link"), nil)
	if err != nil || out.Status != 200 {
		t.Fatalf("reveal: %v %d", err, out.Status)
	}
	found := map[string]bool{}
	for _, hit := range scan(t, data, out.Body, photo, path(up.Line("link"))) {
		name, _, _ := strings.Cut(hit.Needle, " ")
		found[name] = true
	}
	if !found["stripped"] || !found["caption"] {
		t.Fatalf("the search is blind: it found %v", found)
	}
}

func path(url string) string { return url[strings.LastIndex(url, "/")+1:] }

func wantReceipt(t *testing.T, receipt, want string) {
	t.Helper()
	first, _, _ := strings.Cut(string(curl(t, receipt).Body), "\n")
	if first != want {
		t.Fatalf("the receipt says %q, want %q", first, want)
	}
}

func samePixels(t *testing.T, want, got []byte) {
	t.Helper()
	decode := func(raw []byte) image.Image {
		img, err := jpeg.Decode(bytes.NewReader(raw))
		if err != nil {
			t.Fatalf("decode: %v", err)
		}
		return img
	}
	a, b := decode(want).(*image.YCbCr), decode(got).(*image.YCbCr)
	if a.Rect != b.Rect || !bytes.Equal(a.Y, b.Y) || !bytes.Equal(a.Cb, b.Cb) || !bytes.Equal(a.Cr, b.Cr) {
		t.Fatal("the pixels are not the same")
	}
}

func noCanaries(t *testing.T, raw []byte) {
	t.Helper()
	for _, canary := range sample.Canaries {
		if bytes.Contains(raw, []byte(canary)) {
			t.Errorf("the result still says %q", canary)
		}
	}
}

// wantTags asks ExifTool whether a file has metadata. What it derives from the
// picture data itself does not count.
func wantTags(t *testing.T, file string, want bool) {
	t.Helper()
	out, err := exec.Command(tool(t, "exiftool"), "-a", "-G1", "-j", "-ee", file).Output()
	if err != nil {
		t.Fatalf("exiftool: %v", err)
	}
	var tags []map[string]any
	if err := json.Unmarshal(out, &tags); err != nil {
		t.Fatal(err)
	}
	var left []string
	for name := range tags[0] {
		group, _, _ := strings.Cut(name, ":")
		switch group {
		case "SourceFile", "ExifTool", "System", "File", "Composite", "JFIF":
		default:
			left = append(left, name)
		}
	}
	if (len(left) > 0) != want {
		t.Fatalf("metadata tags: %v, want some: %v", left, want)
	}
}

// nothingIn scans every file and name below a data folder for what must not be
// on the disk: both photos' bytes, the caption, and the secrets of URLs.
func nothingIn(t *testing.T, data string, clean, original []byte, secrets ...string) {
	t.Helper()
	if hits := scan(t, data, clean, original, secrets...); len(hits) > 0 {
		t.Fatalf("on the disk:\n%s", needle.Report(hits))
	}
}

func scan(t *testing.T, data string, clean, original []byte, secrets ...string) []needle.Hit {
	t.Helper()
	needles := needle.Windows("stripped photo", clean, 32, 64)
	needles = append(needles, needle.Windows("original photo", original, 32, 64)...)
	needles = append(needles, needle.Needle{Name: "caption", Bytes: []byte(caption)})
	for _, canary := range sample.Canaries {
		needles = append(needles, needle.Needle{Name: "metadata", Bytes: []byte(canary)})
	}
	for _, secret := range secrets {
		needles = append(needles,
			needle.Needle{Name: "secret as in its URL", Bytes: []byte(secret)},
			needle.Needle{Name: "secret", Bytes: base32Bytes(t, secret)})
	}
	hits, err := needle.Scan(data, needles)
	if err != nil {
		t.Fatal(err)
	}
	return hits
}
