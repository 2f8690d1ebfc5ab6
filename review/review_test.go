package review_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/jpeg"
	"image/png"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"emberdrop/match"
	"emberdrop/report"
	"emberdrop/review"
	"emberdrop/seal"
)

// The test binary is the child too: what it does is named by its first argument.
func TestMain(m *testing.M) {
	if len(os.Args) < 2 || !strings.HasPrefix(os.Args[1], "child-") {
		os.Exit(m.Run())
	}
	switch os.Args[1] {
	case "child-draws":
		if err := review.Child(context.Background(), os.Stdin, os.Stdout); err != nil {
			os.Exit(1)
		}
	case "child-dies":
		os.Stdout.WriteString("p\x00\x00\x00\x05\x00\x00\x00\x05only a little")
	case "child-lies":
		os.Stdout.WriteString("p\x7f\xff\xff\xff\x7f\xff\xff\xff")
	case "child-floods":
		for {
			if _, err := os.Stdout.WriteString("h" + strings.Repeat("x", 32)); err != nil {
				return
			}
		}
	}
}

func child(t *testing.T, does string) func(context.Context) *exec.Cmd {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return func(ctx context.Context) *exec.Cmd { return exec.CommandContext(ctx, exe, "child-"+does) }
}

// scene is a picture with enough in it for a perceptual hash.
func scene(w, h int) image.Image {
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	shades := rand.New(rand.NewPCG(1, 2))
	for range 60 {
		x, y := shades.IntN(w), shades.IntN(h)
		box := image.Rect(x, y, x+w/4, y+h/5)
		draw.Draw(img, box, image.NewUniform(color.Gray{uint8(shades.IntN(256))}), image.Point{}, draw.Src)
	}
	return img
}

func jpegOf(t *testing.T, img image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, &jpeg.Options{Quality: 95}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// filed is a case as the server would have it, and the ciphertext of its item.
func filed(t *testing.T, to seal.PublicKey, kind string, plain []byte) (report.Case, []byte) {
	t.Helper()
	key, aad := seal.NewKey(), []byte("of the item")
	var b bytes.Buffer
	w := seal.NewWriter(&b, key, aad)
	if _, err := w.Write(plain); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(b.Bytes())
	id := report.ID(key[:16])
	r := report.Report{Source: report.FromViewer, Words: "<b>look</b> at this", Contact: "a@b", Item: &report.Item{
		Key: key, AAD: aad, Items: 1, Kind: kind, Plain: int64(len(plain)), Sealed: int64(b.Len()), Sum: sum,
	}}
	box, err := r.Seal(to, id, sum)
	if err != nil {
		t.Fatal(err)
	}
	return report.Case{
		ID: id.String(), State: report.StateOpen, Category: "other", Verified: true, Link: id.String(), LinkState: report.LinkLive,
		Sum: sum[:], Boxes: []report.Box{{To: to.Fingerprint(), Sealed: box}},
	}, b.Bytes()
}

func lay(t *testing.T, kind string, plain []byte, does string) review.Look {
	t.Helper()
	identity := seal.NewIdentity()
	c, sealed := filed(t, identity.Public(), kind, plain)
	reports, err := review.Open(identity, c)
	if err != nil {
		t.Fatal(err)
	}
	look, err := review.Lay(t.Context(), time.Now(), c, reports, sealed, child(t, does))
	if err != nil {
		t.Fatal(err)
	}
	return look
}

func TestPictureIsDrawnAndHashed(t *testing.T) {
	img := scene(640, 480)
	plain := jpegOf(t, img)
	look := lay(t, "image/jpeg", plain, "draws")
	if len(look.Page.Pictures) != 1 || look.Page.Unseen != "" {
		t.Fatalf("%d pictures, %q", len(look.Page.Pictures), look.Page.Unseen)
	}
	raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(look.Page.Pictures[0], "data:image/png;base64,"))
	if err != nil {
		t.Fatal(err)
	}
	drawn, err := png.Decode(bytes.NewReader(raw))
	if err != nil || drawn.Bounds().Dx() != 640 || drawn.Bounds().Dy() != 480 {
		t.Fatalf("%v, %v", drawn, err)
	}
	want, _ := match.Hash(img)
	if got, _ := match.Hash(drawn); got.Distance(want) > 10 {
		t.Errorf("what is shown is %d from what was reported", got.Distance(want))
	}
	sum := sha256.Sum256(plain)
	if !look.Page.Blockable || !strings.Contains(strings.Join(look.Bank, "\n"), fmt.Sprintf("sha256 %x", sum)) {
		t.Errorf("the bank would get %q", look.Bank)
	}
	near := 0
	for _, line := range look.Bank {
		if hex, ok := strings.CutPrefix(line, "pdq "); ok {
			p, err := match.ParsePDQ(hex)
			if err != nil {
				t.Fatal(err)
			}
			if p.Distance(want) <= 10 {
				near++
			}
		}
	}
	if near == 0 || len(look.Bank) < 5 {
		t.Errorf("no hash of the picture among %d lines", len(look.Bank))
	}
}

func TestLargePictureIsMadeSmall(t *testing.T) {
	look := lay(t, "image/jpeg", jpegOf(t, scene(3200, 400)), "draws")
	raw, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(look.Page.Pictures[0], "data:image/png;base64,"))
	c, err := png.DecodeConfig(bytes.NewReader(raw))
	if err != nil || c.Width != 1600 || c.Height != 200 {
		t.Fatalf("%+v, %v", c, err)
	}
}

// The operator has to decide even where nothing can be shown.
func TestWhatCannotBeDrawn(t *testing.T) {
	whole := jpegOf(t, scene(100, 100))
	for name, c := range map[string]struct {
		kind, does string
		plain      []byte
	}{
		"a video":           {"video/mp4", "draws", []byte("moov")},
		"half a picture":    {"image/jpeg", "draws", whole[:len(whole)/8]},
		"a child that died": {"image/jpeg", "dies", whole},
		"a child that lies": {"image/jpeg", "lies", whole},
		"a flooding child":  {"image/jpeg", "floods", whole},
	} {
		look := lay(t, c.kind, c.plain, c.does)
		if look.Page.Unseen == "" || len(look.Page.Pictures) != 0 {
			t.Errorf("%s: %d pictures, %q", name, len(look.Page.Pictures), look.Page.Unseen)
		}
		if !look.Page.Blockable { // the digests at least
			t.Errorf("%s cannot be blocked", name)
		}
	}
}

// A kind may say more than the media type.
func TestKindWithParametersIsDrawn(t *testing.T) {
	look := lay(t, "image/jpeg; veil=1", jpegOf(t, scene(64, 64)), "draws")
	if len(look.Page.Pictures) != 1 || look.Page.Unseen != "" {
		t.Fatalf("%d pictures, %q", len(look.Page.Pictures), look.Page.Unseen)
	}
}

// Proved is what has an item, whoever brought it.
func TestProvedIsWhatHasAnItem(t *testing.T) {
	for name, c := range map[string]struct {
		kase report.Case
		want bool
	}{
		"a scan's find":             {report.Case{Machine: true, Sum: make([]byte, 32)}, true},
		"a notice of a locked link": {report.Case{Verified: true}, false},
	} {
		look, err := review.Lay(t.Context(), time.Now(), c.kase, nil, nil, nil)
		if err != nil || look.Page.Verified != c.want {
			t.Errorf("%s: proved %v, %v", name, look.Page.Verified, err)
		}
	}
}

func TestNoteIsText(t *testing.T) {
	look := lay(t, "text/plain", []byte("<script>a</script>\xff"), "dies")
	if look.Page.Note != "<script>a</script>?" || look.Page.Blockable {
		t.Errorf("%q", look.Page.Note)
	}
}

func TestOnlyTheIdentityAndTheItem(t *testing.T) {
	identity, other := seal.NewIdentity(), seal.NewIdentity()
	c, sealed := filed(t, identity.Public(), "image/jpeg", jpegOf(t, scene(64, 64)))
	if _, err := review.Open(other, c); !errors.Is(err, review.ErrIdentity) {
		t.Errorf("another identity: %v", err)
	}
	elsewhere := c
	elsewhere.ID = report.ID{1}.String()
	if _, err := review.Open(identity, elsewhere); !errors.Is(err, review.ErrIdentity) {
		t.Errorf("a box moved to another case: %v", err)
	}
	reports, err := review.Open(identity, c)
	if err != nil {
		t.Fatal(err)
	}
	sealed[len(sealed)/2] ^= 1
	if _, err := review.Lay(t.Context(), time.Now(), c, reports, sealed, child(t, "draws")); !errors.Is(err, review.ErrSwapped) {
		t.Errorf("another ciphertext: %v", err)
	}
}

// asked runs a page and gives its address.
func asked(t *testing.T, p review.Page, decide func(review.Decision) error) (address string, ended <-chan error) {
	at, end := make(chan string, 1), make(chan error, 1)
	go func() { end <- review.Ask(t.Context(), p, func(a string) { at <- a }, decide) }()
	select {
	case address = <-at:
	case <-time.After(30 * time.Second):
		t.Fatal("no page")
	}
	return address, end
}

func get(t *testing.T, req *http.Request) (int, string, http.Header) {
	t.Helper()
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(b), res.Header
}

func request(t *testing.T, method, address, body string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return req
}

func TestPageIsShownOnceAndDecidesOnce(t *testing.T) {
	var got []review.Decision
	address, ended := asked(t, review.Page{
		Case: "abc", Verified: true, Removable: true, Blockable: true,
		Reports:  []review.Words{{Words: "<script>alert(1)</script>", Contact: "<i>"}},
		Pictures: []string{"data:image/png;base64,AAAA"},
	}, func(d review.Decision) error { got = append(got, d); return nil })

	rebound := request(t, "GET", address, "")
	rebound.Host = "evil.example"
	if status, _, _ := get(t, rebound); status != 404 {
		t.Errorf("another host name: %d", status)
	}
	u, _ := url.Parse(address)
	if u.Hostname() != "127.0.0.1" || len(u.Path) < 20 {
		t.Errorf("address %s", address)
	}
	if status, _, _ := get(t, request(t, "GET", "http://"+u.Host+"/", "")); status != 404 {
		t.Errorf("without the token: %d", status)
	}

	status, page, head := get(t, request(t, "GET", address, ""))
	if status != 200 || strings.Contains(page, "<script") || strings.Contains(page, "<i>") || !strings.Contains(page, "&lt;script&gt;") {
		t.Errorf("%d %s", status, page)
	}
	csp := head.Get("Content-Security-Policy")
	if !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") || head.Get("Cache-Control") != "no-store" {
		t.Errorf("%v", head)
	}
	if !regexp.MustCompile(`\.look img \{[^}]*blur\(18px\) grayscale\(1\)`).MatchString(page) || strings.Contains(page, "checked>") {
		t.Error("the picture is not blurred and grey at first")
	}
	if status, _, _ := get(t, request(t, "GET", address, "")); status != 404 {
		t.Errorf("a second look: %d", status)
	}

	action := regexp.MustCompile(`action="(/[^"]+)"`).FindStringSubmatch(page)
	if action == nil {
		t.Fatal("no form")
	}
	form := "http://" + u.Host + action[1]
	for _, bad := range []string{"decision=burn", "decision=preserve", "decision=preserve&until=soon", ""} {
		if status, _, _ := get(t, request(t, "POST", form, bad)); status != 400 {
			t.Errorf("%q: %d", bad, status)
		}
	}
	if status, page, _ := get(t, request(t, "POST", form, "decision=preserve&until=2030-12-31")); status != 200 || !strings.Contains(page, "Done") {
		t.Errorf("%d %s", status, page)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	want := review.Decision{Verdict: "preserve", Until: time.Date(2030, 12, 31, 0, 0, 0, 0, time.UTC)}
	if len(got) != 1 || got[0] != want {
		t.Errorf("decided %v", got)
	}
}

func TestFailedDecisionIsTold(t *testing.T) {
	refused := errors.New("the server is away")
	address, ended := asked(t, review.Page{Case: "abc"}, func(review.Decision) error { return refused })
	_, page, _ := get(t, request(t, "GET", address, ""))
	action := regexp.MustCompile(`action="(/[^"]+)"`).FindStringSubmatch(page)[1]
	u, _ := url.Parse(address)
	status, page, _ := get(t, request(t, "POST", "http://"+u.Host+action, "decision=dismiss"))
	if status != 500 || strings.Contains(page, "away") {
		t.Errorf("%d %s", status, page)
	}
	if err := <-ended; !errors.Is(err, refused) {
		t.Errorf("ended with %v", err)
	}
}
