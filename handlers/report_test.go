package handlers

import (
	"net/url"
	"regexp"
	"strings"
	"testing"

	"emberdrop/link"
	"emberdrop/seal"
)

func withOperator(_ *Config, l *link.Config) {
	l.Operators = []seal.PublicKey{seal.NewIdentity().Public()}
}

// pathOf is an address without its origin.
func pathOf(address string) string { return strings.TrimPrefix(address, origin) }

func (r *rig) form(target, accept string, fields url.Values) got {
	r.t.Helper()
	return r.do("POST", target, accept, strings.NewReader(fields.Encode()), "Content-Type", "application/x-www-form-urlencoded")
}

func TestReport(t *testing.T) {
	r := newRig(t, withOperator)
	shared := r.share(file("a.jpg", aJPEG(1)), file("b.jpg", aJPEG(2)), val("views", "2"))
	form := r.get(pathOf(shared["link"])+"/report", browser)
	if form.status != 200 || !strings.Contains(form.body, `action="`+pathOf(shared["link"])+`/report"`) || !strings.Contains(form.body, `value="intimate"`) {
		t.Fatalf("the form: %d %s", form.status, form.body)
	}
	if page := r.get(shared["link"], browser); !strings.Contains(page.body, pathOf(shared["link"])+"/report") {
		t.Error("the closed page does not lead to the report")
	}
	sent := r.form(pathOf(shared["link"])+"/report", browser, url.Values{"category": {"intimate"}, "item": {"2"}, "words": {"canary words"}, "contact": {""}})
	if sent.status != 303 || !regexp.MustCompile(`^/report/[a-z2-7]{52}$`).MatchString(sent.header.Get("Location")) {
		t.Fatalf("a report: %d %s", sent.status, sent.body)
	}
	if page := r.get(sent.header.Get("Location"), browser); page.status != 200 || !strings.Contains(page.body, "Your report is with the operator") {
		t.Errorf("the report's page: %d %s", page.status, page.body)
	}
	if got := r.get(sent.header.Get("Location"), ""); !strings.HasPrefix(got.body, "state: received\n") {
		t.Errorf("the report's text: %s", got.body)
	}
	if p := r.get(shared["link"], ""); !strings.Contains(p.body, "views-left: 2") {
		t.Errorf("a report counted: %s", p.body)
	}
	text := r.post(pathOf(shared["link"])+"/report", "", val("category", "child"))
	if text.status != 201 || !strings.HasPrefix(text.body, "report: "+origin+"/report/") {
		t.Errorf("a report by curl: %d %s", text.status, text.body)
	}
	// From an open view.
	opened := r.do("POST", shared["link"], browser, nil).header.Get("Location")
	if page := r.get(opened, browser); !strings.Contains(page.body, opened+"/report") {
		t.Error("the view does not lead to the report")
	}
	if form := r.get(opened+"/report", browser); form.status != 200 || !strings.Contains(form.body, `action="`+opened+`/report"`) {
		t.Errorf("the view's form: %d", form.status)
	}
	if sent := r.form(opened+"/report", browser, url.Values{"category": {"other"}}); sent.status != 303 {
		t.Errorf("a report from a view: %d %s", sent.status, sent.body)
	}
}

func TestReportRefusals(t *testing.T) {
	r := newRig(t, withOperator)
	shared := r.share(file("a.jpg", aJPEG(1)), val("passphrase", "right"))
	at := pathOf(shared["link"]) + "/report"
	for _, tt := range []struct {
		fields url.Values
		status int
		says   string
	}{
		{url.Values{}, 422, "Please choose what is wrong"},
		{url.Values{"category": {"machine"}}, 422, "Please choose what is wrong"},
		{url.Values{"category": {"child"}, "item": {"1a"}}, 422, "Please choose what is wrong"},
		{url.Values{"category": {"child"}, "passphrase": {"wrong"}, "words": {"kept words"}}, 403, "kept words"},
		{url.Values{"category": {"child"}, "bogus": {"x"}}, 400, "did not arrive whole"},
		{url.Values{"category": {"child", "child"}}, 400, "did not arrive whole"},
		{url.Values{"category": {"child"}, "words": {strings.Repeat("x", 4001)}}, 422, "Please choose what is wrong"},
		{url.Values{"category": {"child"}, "passphrase": {"right"}}, 303, ""},
		{url.Values{"category": {"child"}}, 303, ""},
	} {
		if got := r.form(at, browser, tt.fields); got.status != tt.status || !strings.Contains(got.body, tt.says) {
			t.Errorf("%v: %d, want %d saying %q", tt.fields, got.status, tt.status, tt.says)
		}
	}
	nobody := newRig(t)
	shared = nobody.share(file("a.jpg", aJPEG(1)))
	if page := nobody.get(pathOf(shared["link"])+"/report", browser); page.status != 200 || !strings.Contains(page.body, `href="/takedown"`) || strings.Contains(page.body, "<form") {
		t.Errorf("without an operator the form is %s", page.body)
	}
	if got := nobody.form(pathOf(shared["link"])+"/report", "", url.Values{"category": {"child"}}); got.status != 503 {
		t.Errorf("without an operator: %d", got.status)
	}
}

func TestTakedownForm(t *testing.T) {
	r := newRig(t, withOperator)
	shared := r.share(file("a.jpg", aJPEG(1)))
	if page := r.get("/takedown", browser); page.status != 200 || !strings.Contains(page.body, `action="/takedown"`) {
		t.Fatalf("the form: %d", page.status)
	}
	missing := r.form("/takedown", browser, url.Values{"category": {"copyright"}, "about": {"kept words"}})
	if missing.status != 422 || !strings.Contains(missing.body, "kept words") {
		t.Errorf("without good faith: %d", missing.status)
	}
	sent := r.form("/takedown", browser, url.Values{"category": {"copyright"}, "about": {"canary " + shared["link"]}, "words": {"mine"}, "faith": {"on"}, "authority": {"on"}})
	if sent.status != 303 {
		t.Fatalf("a notice: %d %s", sent.status, sent.body)
	}
	all, err := r.links.Docket()
	must(t, err)
	if len(all) != 1 || !all[0].Authority || !all[0].Verified {
		t.Errorf("the docket is %+v", all)
	}
}

// TestReportsOfNothing: whatever is asked or sent, what is not there has the one
// answer (law 5).
func TestReportsOfNothing(t *testing.T) {
	r := newRig(t, withOperator)
	want := r.get("/s/x", "")
	wantPage := r.get("/s/x", browser)
	dead := pathOf(r.share(file("a.jpg", aJPEG(1)), val("burn", "on"))["link"])
	r.do("POST", dead, "", nil)
	unknown := seal.NewToken().String()
	for _, at := range []string{dead + "/report", "/s/" + unknown + "/report", "/s/x/report", "/v/" + unknown + "/report", "/report/" + unknown, "/report/x", "/report", "/report/"} {
		for _, method := range []string{"GET", "POST", "DELETE"} {
			if got := r.do(method, at, "", strings.NewReader("category=child"), "Content-Type", "application/x-www-form-urlencoded"); got.status != want.status || got.body != want.body {
				t.Errorf("%s %s: %d %q", method, at, got.status, got.body)
			}
			if got := r.do(method, at, browser, strings.NewReader("nonsense=1"), "Content-Type", "application/x-www-form-urlencoded"); got.status != 404 || got.body != wantPage.body {
				t.Errorf("%s %s in a browser: %d", method, at, got.status)
			}
		}
	}
}

func TestPapers(t *testing.T) {
	r := newRig(t, withOperator)
	for at, says := range map[string]string{"/terms": "-", "/how": "<ol>", "/transparency": "Nothing so far"} {
		page := r.get(at, browser)
		if page.status != 200 || !strings.Contains(page.body, says) {
			t.Errorf("%s: %d %s", at, page.status, page.body)
		}
		if text := r.get(at, ""); text.status != 200 || strings.Contains(text.body, "<") {
			t.Errorf("%s as text: %d %s", at, text.status, text.body)
		}
	}
	shared := r.share(file("a.jpg", aJPEG(1)))
	if _, err := r.links.Takedown(shared["link"], link.Child, false); err != nil {
		t.Fatal(err)
	}
	if text := r.get("/transparency", ""); !strings.Contains(text.body, "child: 1\n") {
		t.Errorf("after a removal: %s", text.body)
	}
}
