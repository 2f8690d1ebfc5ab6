package tests

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"emberdrop/tests/browser"
)

// TestPoliciesInBrowsers makes a link with each policy that the form offers. The
// answer, the link and the receipt say in words when it ends.
func TestPoliciesInBrowsers(t *testing.T) {
	t.Parallel()
	server := theService(t)
	inBrowsers(t, browser.Config{Width: 800, Height: 900}, server.Address, func(v visitor) {
		expire := func(value string) func() {
			return func() { v.do(v.f.Click("input[name=expire][value='" + value + "']")) }
		}
		more := func() { v.unfold("details.last > summary", "details.last[open]") }
		for _, p := range []struct {
			name   string
			choose func()
			after  time.Duration // when it ends; 0: no time is said
			says   []string      // each of these, on all three pages
		}{
			{"1h", expire("1h"), time.Hour, nil},
			{"1d", expire("1d"), day, nil},
			{"1w", expire("1w"), 7 * day, nil},
			{"never", expire("never"), 0, []string{"does not end by itself"}},
			{"burn", func() { v.do(v.f.Click("input[name=burn]")) }, day, []string{"or after one view"}},
			{"views", func() { more(); v.pick("select[name=views]", 2) }, day, []string{"or after 3 views"}},
			{"idle", func() { expire("never")(); more(); v.pick("select[name=idle]", 1) }, 0, []string{"when nobody has opened it for 1 day"}},
			{"all", func() { expire("1w")(); more(); v.pick("select[name=views]", 4); v.pick("select[name=idle]", 2) }, 7 * day,
				[]string{"after 10 views", "when nobody has opened it for 7 days"}},
		} {
			v.form()
			v.do(v.f.Fill("textarea[name=note]", "Meet at the bridge"))
			p.choose()
			sent := time.Now()
			v.do(v.f.Click("button.go"))
			link, receipt := v.answered()
			v.do(v.f.Frame("iframe[name=result]"))
			told := map[string]string{"answer": v.text("p.lead")}
			v.do(v.f.Top())
			for page, at := range map[string]string{"link": link, "receipt": receipt} {
				v.do(v.f.Open(at))
				told[page] = v.text("p.left")
			}
			for page, words := range told {
				for _, want := range p.says {
					if !strings.Contains(words, want) {
						v.t.Errorf("%s: the page of the %s says %q, not %q", p.name, page, words, want)
					}
				}
				if said := clockIn(words); p.after == 0 && said != "" || p.after > 0 && !near(said, sent.Add(p.after)) {
					v.t.Errorf("%s: the page of the %s says %q", p.name, page, words)
				}
			}
			v.t.Logf("%-5s %s", p.name, told["link"])
		}
	})
}

const day = 24 * time.Hour

// clockIn is the hour and minute that a sentence names; empty: none.
func clockIn(words string) string {
	if found := regexp.MustCompile(`at (\d\d:\d\d) UTC`).FindStringSubmatch(words); found != nil {
		return found[1]
	}
	return ""
}

// near reports whether an hour and minute is at most three minutes behind a time.
func near(said string, t time.Time) bool {
	for m := range 4 {
		if t.UTC().Add(time.Duration(m)*time.Minute).Format("15:04") == said {
			return true
		}
	}
	return false
}
