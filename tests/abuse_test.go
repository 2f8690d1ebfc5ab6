package tests

import (
	"bufio"
	"bytes"
	"encoding/json"
	"image"
	"image/draw"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	xdraw "golang.org/x/image/draw"

	"emberdrop/report"
	"emberdrop/tests/instance"
	"emberdrop/tests/sample"
)

// attended is a data folder whose reports are sealed to an operator, and the
// file of the identity that opens them, which lies elsewhere.
func attended(t *testing.T) (data, identity string) {
	t.Helper()
	data = freshData(t)
	identity = filepath.Join(t.TempDir(), "operator.identity")
	cmd := exec.CommandContext(t.Context(), theProgram(t), "keys", "new", identity)
	public, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(data, "operator.pub"), public, 0o600); err != nil {
		t.Fatal(err)
	}
	return data, identity
}

// waiting are the cases that wait for a decision.
func waiting(t *testing.T, data string) (cases []report.Case) {
	t.Helper()
	if err := json.Unmarshal([]byte(succeeds(t, "reports", "--data", data, "--json")), &cases); err != nil {
		t.Fatal(err)
	}
	return cases
}

// look runs a review, gives its page to see, and decides.
func look(t *testing.T, data, identity, id, decision string) (page string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), theProgram(t), "review", id, "--identity", identity, "--data", data)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		cmd.Wait()
		t.Fatalf("no page: %v\n%s", err, said.Bytes())
	}
	address := strings.TrimSpace(strings.TrimPrefix(line, "look: "))
	page = loopback(t, http.MethodGet, address, nil)
	action := regexp.MustCompile(`action="(/[^"]+)"`).FindStringSubmatch(page)
	if action == nil {
		t.Fatalf("no form to decide by\n%s", page)
	}
	at, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	loopback(t, http.MethodPost, "http://"+at.Host+action[1], url.Values{"decision": {decision}})
	if err := cmd.Wait(); err != nil {
		t.Fatalf("review: %v\n%s", err, said.Bytes())
	}
	return page
}

func loopback(t *testing.T, method, address string, form url.Values) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s %s: %d %v\n%s", method, address, res.StatusCode, err, body)
	}
	return string(body)
}

// again are the ways in which people send a picture that was blocked.
func again(img image.Image) map[string]image.Image {
	w, h := img.Bounds().Dx(), img.Bounds().Dy()
	resized := image.NewRGBA(image.Rect(0, 0, w/2, h/2))
	xdraw.CatmullRom.Scale(resized, resized.Rect, img, img.Bounds(), draw.Src, nil)
	return map[string]image.Image{
		"resized to 50 %":       resized,
		"mirrored":              redrawn(img, w, h, func(x, y int) (int, int) { return w - 1 - x, y }),
		"rotated by 90 degrees": redrawn(img, h, w, func(x, y int) (int, int) { return y, h - 1 - x }),
		"cropped by 10 %":       redrawn(img, w*9/10, h*9/10, func(x, y int) (int, int) { return x + w/20, y + h/20 }),
		"bordered": redrawn(img, w+80, h+80, func(x, y int) (int, int) {
			return x - 40, y - 40 // outside a picture is black
		}),
	}
}

// Upload, report, review with the operator's key, remove and block; then the same
// picture in every disguise that is promised, and two hundred others.
func TestReportedPictureDoesNotComeBack(t *testing.T) {
	t.Parallel()
	data, identity := attended(t)
	s := serveTor(t, data)
	client, err := instance.ViaSOCKS(theNetwork(t).SOCKS())
	if err != nil {
		t.Fatal(err)
	}
	upload := func(parts ...instance.Field) instance.Answer {
		t.Helper()
		answer, err := client.Upload(t.Context(), s.Address+"/", parts...)
		if err != nil {
			t.Fatal(err)
		}
		return answer
	}
	get := func(address string) instance.Answer {
		t.Helper()
		answer, err := client.Get(t.Context(), address)
		if err != nil {
			t.Fatal(err)
		}
		return answer
	}

	picture := sample.Picture(800, 600, 1)
	photo := encoded(t, picture, 92)
	up := upload(instance.File("a.jpg", photo))
	if up.Status != 201 {
		t.Fatalf("upload: %d %s", up.Status, up.Body)
	}
	link, receipt := up.Line("link"), up.Line("receipt")

	filed, err := client.Post(t.Context(), link+"/report", url.Values{"category": {"intimate"}, "words": {"that is me, see " + link}, "contact": {"me@example.org"}})
	if err != nil || filed.Status != 201 {
		t.Fatalf("report: %v %d %s", err, filed.Status, filed.Body)
	}
	state := filed.Line("report")
	if got := get(state).Line("state"); got != "received" {
		t.Errorf("the reporter reads %q", got)
	}
	if got := get(receipt).Line("state"); got != "unopened" {
		t.Errorf("reporting counted a view: %q", got)
	}

	cases := waiting(t, data)
	if len(cases) != 1 || !cases[0].Verified || cases[0].Category != "intimate" {
		t.Fatalf("cases: %+v", cases)
	}
	page := look(t, data, identity, cases[0].ID, "block")
	for _, want := range []string{"data:image/png;base64,", "that is me, see http://", "[link ", "me@example.org", "image/jpeg"} {
		if !strings.Contains(page, want) {
			t.Errorf("the operator's page has no %q", want)
		}
	}
	if strings.Contains(page, link[strings.LastIndex(link, "/")+1:]) {
		t.Error("the operator's page has the link's secret")
	}
	if shots := os.Getenv("EMBERDROP_SHOTS"); shots != "" {
		if err := os.WriteFile(filepath.Join(shots, "review.html"), []byte(page), 0o600); err != nil {
			t.Error(err)
		}
	}
	if got := get(link).Status; got != 404 {
		t.Errorf("the removed link answers %d", got)
	}
	if got := get(receipt).Line("state"); got != "destroyed: operator" {
		t.Errorf("its receipt says %q", got)
	}
	if got := get(state).Line("state"); got != "decided" {
		t.Errorf("the reporter reads %q", got)
	}
	if left := waiting(t, data); len(left) != 0 {
		t.Errorf("cases wait still: %+v", left)
	}

	send := map[string][]byte{"as is": photo, "JPEG of quality 30": encoded(t, picture, 30)}
	for name, img := range again(picture) {
		send[name] = encoded(t, img, 90)
	}
	for name, file := range send {
		up := upload(instance.File("a.jpg", file))
		verdict := "refused"
		switch {
		case up.Status == 201 && get(up.Line("receipt")).Line("state") == "held" && get(up.Line("link")).Status == 404:
			verdict = "held"
		case up.Status != 422:
			verdict = "PASSED"
			t.Errorf("%s: %d %s", name, up.Status, up.Body)
		}
		t.Logf("%-24s %s", name, verdict)
	}

	for n := range uint64(4) {
		var files []instance.Field
		for i := range uint64(50) {
			files = append(files, instance.File("b.jpg", encoded(t, sample.Picture(320, 240, 1000+50*n+i), 85)))
		}
		up := upload(files...)
		if up.Status != 201 || get(up.Line("link")).Status != 200 {
			t.Errorf("of fifty other pictures one is refused or held: %d %s", up.Status, up.Body)
		}
	}
}
