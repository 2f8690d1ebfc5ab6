package tests

import (
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"emberdrop/report"
	"emberdrop/seal"
	"emberdrop/tests/browser"
	"emberdrop/tests/instance"
	"emberdrop/tests/sample"
)

// TestOnePhotoInBrowsers goes the whole way as a visitor does, JavaScript off,
// over real Tor circuits. It keeps a screenshot of every page.
func TestOnePhotoInBrowsers(t *testing.T) {
	t.Parallel()
	server := theService(t)
	photo := sample.Photo(1200, 900, 3)
	file := filepath.Join(t.TempDir(), "holiday.jpg")
	if err := os.WriteFile(file, photo, 0o600); err != nil {
		t.Fatal(err)
	}
	inBrowsers(t, browser.Config{Width: 1000, Height: 800}, server.Address, func(v visitor) {
		v.form()
		v.shot("upload")
		v.do(v.f.SetFiles("input[type=file]", file))
		v.do(v.f.Fill("input[name=caption]", caption))
		v.do(v.f.Click("input[name=burn]"))
		v.shot("upload-filled")
		v.do(v.f.Click("button.go"))
		link, receipt := v.answered()
		v.shot("link-framed")
		// The answer has a page of its own.
		used := v.url()
		v.do(v.f.Open(strings.Replace(used, "/u/", "/up/", 1)))
		v.picture("img.tile")
		v.shot("link-ready")
		if again := v.text("#link"); again != link {
			v.t.Fatalf("the page of its own shows the link %q", again)
		}
		// Back is for sharing something else: a fresh form, under an id of its own.
		v.do(v.f.Back())
		v.do(v.f.Wait("input[type=file]"))
		// Chromium asks nobody, and shows the page as it was left.
		_, firefox := v.f.(*browser.Firefox)
		if fresh := v.url(); firefox && path(fresh) == path(used) {
			v.t.Fatal("Back leads to the form that has its link already")
		}

		for range 3 {
			v.do(v.f.Open(link))
			v.styled()
		}
		v.shot("interstitial")
		if page := v.source(); !strings.Contains(page, caption) {
			v.t.Fatal("the interstitial does not show the caption")
		}
		v.do(v.f.Follow("button.go"))
		v.picture("figure img")
		v.shot("view")
		v.do(v.f.Reload())
		v.picture("figure img")
		v.styled()
		v.do(v.f.Follow("form.end button"))
		v.do(v.f.Wait("div.calm"))
		v.styled()
		v.shot("done")
		if firefox {
			// Chromium shows the page out of its memory: the README says so.
			v.do(v.f.Back())
			v.styled()
			if n, err := v.f.Count("figure"); err != nil || n != 0 {
				v.t.Errorf("Back shows what has been destroyed: %d, %v", n, err)
			}
		}

		v.do(v.f.Open(receipt))
		v.do(v.f.Wait("h1.state.is-destroyed"))
		v.shot("receipt")
		v.do(v.f.Open(link))
		v.styled()
		v.shot("gone")
		dead := v.source()
		v.do(v.f.Open(server.Address + "/s/" + strings.Repeat("a", 52)))
		v.styled()
		if never := v.source(); never != dead {
			v.t.Fatal("a burned link's page is not the page of a link that never was")
		}
		v.phone([]state{{"upload", server.Address + "/"}, {"receipt", receipt}, {"gone", link}})
		if firefox {
			readmePictures(v.t, shots(v.t, "firefox"))
		}
	})
}

// state is a page that can be opened by its address.
type state struct{ name, url string }

// phone shows pages once more as a phone does.
func (v visitor) phone(pages []state) {
	v.t.Helper()
	v.do(v.f.Resize(360, 740))
	for _, p := range pages {
		v.do(v.f.Open(p.url))
		v.styled()
		v.shot(p.name + "-360")
	}
}

// readmePictures copies the two screenshots that the README shows, when asked to.
func readmePictures(t *testing.T, shots string) {
	t.Helper()
	docs := os.Getenv("EMBERDROP_PICTURES")
	if docs == "" {
		return
	}
	for _, name := range []string{"upload", "link-ready"} {
		raw, err := os.ReadFile(filepath.Join(shots, name+".png"))
		if err == nil {
			err = os.WriteFile(filepath.Join(docs, name+".png"), raw, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestAFirstVisit measures a first visit: a photo of 3 MB, from the address typed
// to the link shown, in Firefox over Tor. It takes at most 4 clicks; the machine's
// part is logged, since what it is depends on the machine.
func TestAFirstVisit(t *testing.T) {
	server := theService(t)
	photo := hugePhoto(3_000_000)
	file := filepath.Join(t.TempDir(), "IMG_20261122_101314.jpg")
	if err := os.WriteFile(file, photo, 0o600); err != nil {
		t.Fatal(err)
	}
	line := tapTor(t)
	f := browser.For(t, browser.Config{SOCKS: line.addr(), Shots: shots(t, "firefox"), Width: 1000, Height: 800})
	v := visitor{musts{t, f}, server.Address, line}
	clicks := 0
	click := func(what func() error) {
		clicks++
		v.do(what())
	}
	start := time.Now()
	v.form()
	// A person clicks twice for this: on the field, and in the system's chooser.
	clicks++
	click(func() error { return f.SetFiles("input[type=file]", file) })
	click(func() error { return f.Click("button.go") })
	link, _ := v.answered()
	took := time.Since(start)
	t.Logf("%.1f MB, from the address to the link: %.1f s and %d clicks", float64(len(photo))/1e6, took.Seconds(), clicks)
	if clicks > 4 {
		t.Errorf("it takes %d clicks", clicks)
	}
	if took > 2*time.Minute {
		t.Errorf("it takes %v: that is not a slow machine any more", took)
	}
	v.reveal(link)
	v.picture("figure img")
	v.wantOwnRequests()
}

// TestReceiptsInBrowsers: a receipt says what became of its link, through all
// that can happen to it, and destroys it after a second thought.
func TestReceiptsInBrowsers(t *testing.T) {
	t.Parallel()
	ahead, err := instance.Build(t.Context(), scratch, "emberdrop_ahead")
	if err != nil {
		t.Fatal(err)
	}
	data := freshData(t)
	key := filepath.Join(t.TempDir(), "operator.pub")
	if err := os.WriteFile(key, []byte(seal.NewIdentity().Public().Text()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	flags := []string{"--receipt-ttl", "240h", "--operator-key", key}
	server, operator := serveTorBy(t, ahead, data, flags...), &site{data: data}
	client, err := instance.ViaSOCKS(theNetwork(t).SOCKS())
	if err != nil {
		t.Fatal(err)
	}
	up := func(parts ...instance.Field) (link, receipt string) {
		t.Helper()
		a, err := client.Upload(t.Context(), server.Address+"/", append(parts, instance.File("a.png", sample.PNG(64, 48, 2)))...)
		if err != nil || a.Status != 201 {
			t.Fatalf("upload: %v %d", err, a.Status)
		}
		return a.Line("link"), a.Line("receipt")
	}
	cfg := browser.Config{Width: 360, Height: 740, Dark: true}
	_, expires := up(instance.Text("expire", "1h"))
	_, idles := up(instance.Text("expire", "never"), instance.Text("idle", "1d"))
	inBrowsers(t, cfg, server.Address, func(v visitor) {
		says := func(receipt, state, lead string) {
			v.t.Helper()
			v.do(v.f.Open(receipt))
			v.do(v.f.Wait("h1.state.is-" + state))
			v.styled()
			if told := v.text("p.lead"); !strings.Contains(told, lead) {
				v.t.Errorf("%s: it says %q, want %q", state, told, lead)
			}
			v.shot("receipt-" + state + "-360-dark")
		}
		link, receipt := up(instance.Text("views", "3"))
		says(receipt, "unopened", "Nobody has revealed")
		for range 2 {
			v.reveal(link)
			v.picture("figure img")
		}
		says(receipt, "opened", "")
		if told := v.text("h1"); !strings.Contains(told, "2 times") && !strings.Contains(told, "twice") {
			v.t.Errorf("opened twice it says %q", told)
		}
		v.reveal(link)
		v.picture("figure img")
		says(receipt, "destroyed", "")
		v.t.Logf("by its last view: %q", v.text("p.lead"))

		link, receipt = up()
		says(receipt, "unopened", "")
		v.unfold("summary.danger", "details.sure[open]")
		v.shot("destroy-360-dark")
		if page, err := client.Get(v.t.Context(), link); err != nil || page.Status != 200 {
			v.t.Fatalf("one click destroyed the link: %v %d", err, page.Status)
		}
		v.do(v.f.Follow("form button.danger"))
		v.do(v.f.Wait("h1.is-destroyed"))
		v.t.Logf("by its uploader: %q", v.text("p.lead"))
		v.shot("destroyed-360-dark")
		if page, err := client.Get(v.t.Context(), link); err != nil || page.Status != 404 {
			v.t.Fatalf("the destroyed link: %v %d", err, page.Status)
		}

		link, receipt = up()
		if out, err := exec.CommandContext(v.t.Context(), ahead, "takedown", "--data", data, link).CombinedOutput(); err != nil {
			v.t.Fatalf("takedown: %v\n%s", err, out)
		}
		says(receipt, "destroyed", "operator of this service took it down")

		link, receipt = up()
		var before, cases []report.Case
		operator.admin(v.t, "GET", "/cases", nil, &before)
		if a, err := client.Post(v.t.Context(), link+"/report", url.Values{"category": {"other"}}); err != nil || a.Status != 201 {
			v.t.Fatalf("report: %v %d", err, a.Status)
		}
		operator.admin(v.t, "GET", "/cases", nil, &cases)
		cases = slices.DeleteFunc(cases, func(c report.Case) bool {
			return slices.ContainsFunc(before, func(b report.Case) bool { return b.ID == c.ID })
		})
		if len(cases) != 1 {
			v.t.Fatalf("%d cases after a report", len(cases))
		}
		operator.admin(v.t, "POST", "/cases/"+cases[0].ID+"/decide", report.Decision{Decision: report.Suspend}, nil)
		says(receipt, "held", "until the operator has looked into it")
		v.unfold("summary.danger", "details.sure[open]")
		v.do(v.f.Follow("form button.danger"))
		v.do(v.f.Wait("h1.is-destroyed"))
	})

	// Thirty hours later.
	if err := server.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := os.Setenv("EMBERDROP_AHEAD", "30h"); err != nil { // no other test's program reads it
		t.Fatal(err)
	}
	server = serveTorBy(t, ahead, data, flags...)
	inBrowsers(t, cfg, server.Address, func(v visitor) {
		var told []string
		for _, receipt := range []string{expires, idles} {
			v.do(v.f.Open(receipt))
			v.do(v.f.Wait("h1.state.is-destroyed"))
			v.styled()
			told = append(told, v.text("p.lead"))
		}
		v.t.Logf("by its time: %q; because nobody came: %q", told[0], told[1])
		if told[0] == told[1] || told[0] == "" {
			v.t.Errorf("two reasons are told as one: %q", told)
		}
		v.do(v.f.Open(server.Address + "/")) // one more page, so that the network log has something to show
		v.styled()
		v.do(v.f.Reload())
		v.styled()
	})
}
