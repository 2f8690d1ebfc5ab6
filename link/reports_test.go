package link

import (
	"bytes"
	"errors"
	"sync"
	"testing"
	"time"

	"emberdrop/report"
	"emberdrop/seal"
)

func TestLockedLink(t *testing.T) {
	identity, key := operator()
	r := newRig(t, key)
	a := r.upload(Policy{Views: 1}, "", "right", picture(1))
	c := complaint(Child)
	r.report(a, c)
	if k := r.oneCase(); k.Verified || len(k.Sum) != 0 {
		t.Fatalf("a report without the passphrase is %+v", k)
	}
	c.Passphrase = "wrong"
	if _, err := r.Report(a.Secret.String(), c); !errors.Is(err, ErrPassphrase) {
		t.Fatalf("a wrong passphrase: %v", err)
	}
	c.Passphrase = "right"
	r.report(a, c)
	all, _ := r.Docket()
	if len(all) != 2 || !all[0].Verified || all[1].Verified {
		t.Fatalf("the docket is %+v", all)
	}
	if _, item := r.look(identity, r.theCase(all[0].ID), 0); !bytes.Equal(item, clean(t, picture(1))) {
		t.Error("the operator sees something else")
	}
	c.Passphrase = ""
	r.report(a, c)
	if _, err := r.Report(a.Secret.String(), c); !errors.Is(err, ErrReports) {
		t.Fatalf("a third report that is not proved: %v", err)
	}
	// Nothing is frozen for what cannot be looked at, and it is over with the link.
	r.decide(all[0], report.Decision{Decision: report.Dismiss})
	if err := r.Destroy(a.Receipt.String()); err != nil {
		t.Fatal(err)
	}
	r.sweep()
	r.wantFiles(0)
	if all, _ := r.Docket(); len(all) != 0 {
		t.Errorf("%d cases about nothing", len(all))
	}
	r.wantOrder()
}

func TestReportsOfOneItemJoin(t *testing.T) {
	identity, key := operator()
	r := newRig(t, key)
	a := r.upload(Policy{}, "", "", picture(1))
	var statuses []seal.Token
	var mu sync.Mutex
	var crowd sync.WaitGroup
	for i := range 10 {
		crowd.Go(func() {
			c := complaint(Other)
			if i == 9 {
				c.Category = Intimate
			}
			status, err := r.Report(a.Secret.String(), c)
			if err != nil {
				t.Errorf("report %d: %v", i, err)
			}
			mu.Lock()
			defer mu.Unlock()
			statuses = append(statuses, status)
		})
	}
	crowd.Wait()
	kase := r.oneCase()
	// The graver one has a box of its own when it comes behind the first few.
	if n := len(kase.Boxes); kase.Reports != 10 || n != maxBoxes && n != maxBoxes+1 || kase.Category != "intimate" {
		t.Fatalf("the case is %+v", kase)
	}
	for n := range kase.Boxes {
		r.look(identity, kase, n)
	}
	r.wantOrder()
	r.decide(kase, report.Decision{Decision: report.Remove})
	for _, status := range statuses {
		if s, err := r.Status(status.String()); err != nil || !s.Decided {
			t.Fatalf("status %+v, %v", s, err)
		}
	}
	totals, err := r.Totals()
	if err != nil || totals.Removed()[Intimate] != 1 || totals.Reported[Intimate] != 1 || totals.Reported[Other] != 0 {
		t.Fatalf("totals %+v, %v", totals, err)
	}
	r.clock.forward(9 * 24 * time.Hour)
	if _, err := r.Purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.wantOrder()
	if after, err := r.Totals(); err != nil || after.Removed()[Intimate] != 1 {
		t.Fatalf("totals after the purge %+v, %v", after, err)
	}
}

func TestFalseReportsBuryNothing(t *testing.T) {
	_, key := operator()
	r := newRig(t, key)
	own := r.upload(Policy{}, "", "", repeat(picture(2), 40)...)
	locked := r.upload(Policy{}, "", "x", picture(3))
	sent, refused := 0, 0
	lie := func(err error) {
		sent++
		if errors.Is(err, ErrReports) {
			refused++
		} else if err != nil {
			t.Fatalf("a false report: %v", err)
		}
	}
	for i := range 500 {
		c := complaint(Child)
		c.Item = i%40 + 1
		_, err := r.Report(own.Secret.String(), c)
		lie(err)
	}
	for i := range 500 {
		if i%10 == 0 {
			_, err := r.Report(locked.Secret.String(), complaint(Child))
			lie(err)
			continue
		}
		_, err := r.Notice(Notice{Category: Child, About: "something", Words: "false", GoodFaith: true, Authority: true})
		lie(err)
	}
	if refused == 0 {
		t.Error("no cap was reached")
	}
	victim := r.upload(Policy{}, "", "", picture(4))
	r.report(victim, complaint(Other)) // not even the most urgent category
	all, err := r.Docket()
	if err != nil {
		t.Fatal(err)
	}
	at := -1
	for i, c := range all {
		if c.Link == victim.ID {
			at = i
		}
	}
	if at < 0 || at > 1 {
		t.Fatalf("the true report stands at %d of %d", at, len(all))
	}
	for _, a := range []Answer{own, locked, victim} {
		if _, err := r.Preview(a.Secret.String()); err != nil {
			t.Errorf("false reports hide a link: %v", err)
		}
	}
	if len(all) > maxLooseCases+40+maxLinkLoose+1 {
		t.Errorf("%d cases", len(all))
	}
	r.wantOrder()
}

func repeat(file []byte, n int) (files [][]byte) {
	for i := range n {
		files = append(files, append(append([]byte{}, picture(byte(i))...), file[:0]...))
	}
	return files
}
