package link

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"emberdrop/report"
)

// What a stranger says of a link that nobody could look into suspends nothing.
func TestNoticeOfLockedLinkSuspendsNothing(t *testing.T) {
	_, key := operator()
	r := newRig(t, key)
	a := r.upload(Policy{}, "", "right", picture(1))
	if _, err := r.Notice(Notice{Category: Child, About: "http://x.onion/s/" + a.Secret.String(), GoodFaith: true, Authority: true}); err != nil {
		t.Fatal(err)
	}
	r.clock.forward(3 * time.Hour)
	r.sweep()
	if c := r.oneCase(); !c.Overdue || len(c.Sum) != 0 {
		t.Fatalf("the case is %+v", c)
	}
	if _, err := r.Preview(a.Secret.String()); err != nil {
		t.Errorf("after the deadline: %v", err)
	}
	r.wantOrder()
}

// Preserving one item keeps no key of another longer than its freeze.
func TestPreservationKeepsOneItemOnly(t *testing.T) {
	identity, key := operator()
	r := newRig(t, key)
	a := r.upload(Policy{}, "", "", picture(1), picture(2))
	r.report(a, complaint(Child))
	first := r.oneCase()
	second := complaint(Other)
	second.Item = 2
	r.report(a, second)
	r.decide(first, report.Decision{Decision: report.Preserve, Until: start.Add(100 * 24 * time.Hour)})
	var other report.Case
	all, err := r.Docket()
	if err != nil || len(all) != 2 {
		t.Fatalf("%d cases (%v)", len(all), err)
	}
	for _, c := range all {
		if c.ID != first.ID {
			other = c
		}
	}
	r.clock.forward(8 * 24 * time.Hour)
	r.sweep()
	if got := r.theCase(other.ID); got.State != report.StateDecided || got.Decision != report.Lapsed || len(got.Boxes) != 0 {
		t.Errorf("past its freeze the other case is %+v", got)
	}
	if _, item := r.look(identity, r.theCase(first.ID), 0); !bytes.Equal(item, clean(t, picture(1))) {
		t.Error("what is preserved is something else")
	}
	r.wantFiles(1)
	r.wantOrder()
	r.clock.forward(100 * 24 * time.Hour)
	r.sweep()
	r.wantFiles(0)
	r.wantOrder()
}

// A report that was under way while the operator ended the link freezes nothing.
func TestReportInFlightIsRefusedAfterTheOperator(t *testing.T) {
	_, key := operator()
	r := newRig(t, key)
	a := r.upload(Policy{}, "", "", picture(1), picture(2))
	r.report(a, complaint(Child))
	token, id, st, err := r.lookup(a.Secret.String())
	if err != nil {
		t.Fatal(err)
	}
	proof, err := r.prove(id, st, token, "", 2)
	if err != nil {
		t.Fatal(err)
	}
	r.decide(r.oneCase(), report.Decision{Decision: report.Preserve, Until: start.Add(24 * time.Hour)})
	if _, err := r.record(matter{link: id, source: fromViewer, category: Other, proof: proof}); !errors.Is(err, ErrGone) {
		t.Errorf("a report of what the operator has ended: %v", err)
	}
	r.wantOrder()
}

// Who fills the case of his own item with harmless words keeps no grave one out.
func TestFullCaseTakesWorse(t *testing.T) {
	identity, key := operator()
	r := newRig(t, key)
	a := r.upload(Policy{}, "", "", picture(1))
	for range maxReports {
		r.report(a, complaint(Other))
	}
	if _, err := r.Report(a.Secret.String(), complaint(Other)); !errors.Is(err, ErrReports) {
		t.Fatalf("one of the same: %v", err)
	}
	for _, worse := range []Category{Intimate, Child} {
		c := complaint(worse)
		c.Words = "it is " + worse.String()
		r.report(a, c)
		kase := r.oneCase()
		said, _ := r.look(identity, kase, maxBoxes) // behind the first few, the worst in front
		if kase.Category != worse.String() || said.Words != c.Words {
			t.Fatalf("%s: the case is %s, the box says %q", worse, kase.Category, said.Words)
		}
		if _, err := r.Report(a.Secret.String(), c); !errors.Is(err, ErrReports) {
			t.Errorf("%s again: %v", worse, err)
		}
	}
	// An order of an authority is in time, too.
	order := Notice{Category: Other, About: "http://x.onion/s/" + a.Secret.String(), Words: "an order", GoodFaith: true, Authority: true}
	if _, err := r.Notice(order); err != nil {
		t.Errorf("an order: %v", err)
	}
	if _, err := r.Notice(order); !errors.Is(err, ErrReports) {
		t.Errorf("an order again: %v", err)
	}
	kase := r.oneCase()
	if len(kase.Boxes) != maxBoxes+3 || !kase.Authority {
		t.Fatalf("%d boxes, authority %v", len(kase.Boxes), kase.Authority)
	}
	for n := range kase.Boxes {
		r.look(identity, kase, n)
	}
	r.wantOrder()
	if got := r.decide(kase, report.Decision{Decision: report.Dismiss}); len(got.Boxes) != 0 {
		t.Errorf("%d boxes outlive their case", len(got.Boxes))
	}
	if found, err := r.verifyBoxes(); err != nil || len(found) != 0 {
		t.Errorf("boxes of no case: %+v, %v", found, err)
	}
}

// However much of an album its uploader reports, the rest can be reported.
func TestEveryItemCanBeReported(t *testing.T) {
	_, key := operator()
	r := newRig(t, key)
	a := r.upload(Policy{}, "", "", repeat(nil, 50)...)
	for i := range 50 {
		c := complaint(Other)
		c.Item = i + 1
		r.report(a, c)
	}
	if all, err := r.Docket(); err != nil || len(all) != 50 {
		t.Errorf("%d cases, %v", len(all), err)
	}
	r.wantOrder()
}
