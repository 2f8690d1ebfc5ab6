package link

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"emberdrop/report"
	"emberdrop/seal"
)

// operator is who has the identity.

func operator() (seal.Identity, func(*Config)) {
	identity := seal.NewIdentity()
	return identity, func(c *Config) { c.Operators = []seal.PublicKey{identity.Public()} }
}

func complaint(c Category) Complaint {
	return Complaint{Category: c, Words: "what is wrong with it", Contact: "me@example.org", Item: 1}
}

func (r *rig) report(a Answer, c Complaint) seal.Token {
	r.t.Helper()
	status, err := r.Report(a.Secret.String(), c)
	if err != nil {
		r.t.Fatalf("report: %v", err)
	}
	return status
}

// oneCase is the only case of the docket, with its boxes.

func (r *rig) oneCase() report.Case {
	r.t.Helper()
	all, err := r.Docket()
	if err != nil || len(all) != 1 {
		r.t.Fatalf("%d cases, want 1 (%v)", len(all), err)
	}
	return r.theCase(all[0].ID)
}

func (r *rig) theCase(id string) report.Case {
	r.t.Helper()
	parsed, err := report.ParseID(id)
	if err != nil {
		r.t.Fatalf("case id: %v", err)
	}
	c, err := r.Case(parsed)
	if err != nil {
		r.t.Fatalf("case: %v", err)
	}
	return c
}

func caseID(c report.Case) report.ID {
	id, err := report.ParseID(c.ID)
	if err != nil {
		panic(err)
	}
	return id
}

// look is what the operator's machine does: open box n and, with it, the item.

func (r *rig) look(identity seal.Identity, c report.Case, n int) (report.Report, []byte) {
	r.t.Helper()
	var sum [32]byte
	copy(sum[:], c.Sum)
	said, err := report.Open(identity, caseID(c), sum, c.Boxes[n].Sealed)
	if err != nil {
		r.t.Fatalf("open a box: %v", err)
	}
	if said.Item == nil {
		return said, nil
	}
	body, err := r.CaseItem(caseID(c), said.Item.At, said.Item.Sealed)
	if err != nil {
		r.t.Fatalf("the item of a case: %v", err)
	}
	defer body.Close()
	sealed, err := io.ReadAll(body)
	if err != nil {
		r.t.Fatalf("read the item of a case: %v", err)
	}
	plain, err := seal.NewReader(bytes.NewReader(sealed), said.Item.Sealed, said.Item.Key, said.Item.AAD)
	if err != nil {
		r.t.Fatalf("open the item of a case: %v", err)
	}
	out := make([]byte, plain.Size())
	if _, err := plain.ReadAt(out, 0); err != nil && err != io.EOF {
		r.t.Fatalf("read: %v", err)
	}
	return said, out
}

func (r *rig) decide(c report.Case, d report.Decision) report.Case {
	r.t.Helper()
	out, err := r.Decide(caseID(c), d)
	if err != nil {
		r.t.Fatalf("%s: %v", d.Decision, err)
	}
	return out
}

func TestReportAndDismiss(t *testing.T) {
	identity, key := operator()
	r := newRig(t, key)
	a := r.upload(Policy{Views: 1}, "the caption", "", picture(1), picture(2), picture(3))
	c := complaint(Intimate)
	c.Item = 2
	c.Words = "see http://x.onion/s/" + a.Secret.String() + " there"
	status := r.report(a, c)
	if got := r.state(a); got != "unopened" {
		t.Fatalf("a report counted: %q", got)
	}
	p, err := r.Preview(a.Secret.String())
	if err != nil || p.ViewsLeft != 1 {
		t.Fatalf("a report changed the link: %+v, %v", p, err)
	}
	if s, err := r.Status(status.String()); err != nil || s.Decided {
		t.Fatalf("status %+v, %v", s, err)
	}
	kase := r.oneCase()
	if kase.Category != "intimate" || !kase.Verified || kase.Reports != 1 || kase.LinkState != report.LinkLive || kase.Source != report.FromViewer {
		t.Fatalf("the case is %+v", kase)
	}
	said, item := r.look(identity, kase, 0)
	if !bytes.Equal(item, clean(t, picture(2))) {
		t.Error("the operator sees another item than was reported")
	}
	if strings.Contains(said.Words, a.Secret.String()) || !strings.Contains(said.Words, "[link "+a.ID+"]") {
		t.Errorf("the words are %q", said.Words)
	}
	// The key of one item opens none of the others.
	payload := said.Item.At - 4096 // there is one item before it
	other, err := r.CaseItem(caseID(kase), 4096, payload)
	if err != nil {
		t.Fatal(err)
	}
	first, _ := io.ReadAll(other)
	other.Close()
	if _, err := seal.NewReader(bytes.NewReader(first), payload, said.Item.Key, said.Item.AAD); !errors.Is(err, seal.ErrDamaged) {
		t.Errorf("the key of item 2 opens item 1: %v", err)
	}
	r.decide(kase, report.Decision{Decision: report.Dismiss})
	if s, err := r.Status(status.String()); err != nil || !s.Decided {
		t.Fatalf("status after the decision %+v, %v", s, err)
	}
	if got := r.theCase(kase.ID); got.State != report.StateDecided || len(got.Boxes) != 0 {
		t.Fatalf("a decided case is %+v", got)
	}
	if _, err := r.Decide(caseID(kase), report.Decision{Decision: report.Remove}); !errors.Is(err, ErrDecided) {
		t.Errorf("decided twice: %v", err)
	}
	r.mustReveal(a)
	r.wantOrderAfterLeases()
	r.clock.forward(8*24*time.Hour + time.Hour)
	_, err = r.Status(status.String())
	r.wantGone("a status that has lapsed", err)
	if p, err := r.Purge(t.Context()); err != nil || p.Streams != 2 {
		t.Fatalf("purged %+v, %v", p, err)
	}
	r.wantOrder()
	_, err = r.Status(status.String())
	r.wantGone("a status that was purged", err)
	for _, bad := range []string{"", "x", seal.NewToken().String()} {
		_, err := r.Status(bad)
		r.wantGone("a status that never was", err)
	}
}

func TestReportNeedsOperatorAndSense(t *testing.T) {
	r := newRig(t)
	a := r.upload(Policy{}, "", "", picture(1))
	if _, err := r.Report(a.Secret.String(), complaint(Child)); !errors.Is(err, ErrNoOperator) {
		t.Errorf("without an operator: %v", err)
	}
	_, err := r.Report(seal.NewToken().String(), complaint(Child))
	r.wantGone("a report of nothing", err)
	if _, err := r.Notice(Notice{Category: Child, About: "all of it", GoodFaith: true}); !errors.Is(err, ErrNoOperator) {
		t.Errorf("a notice that nobody can read: %v", err)
	}
	if _, err := r.Notice(Notice{Category: Child, About: a.Secret.String(), GoodFaith: true}); err != nil {
		t.Errorf("a notice with a link, without an operator's key: %v", err)
	}
	if c := r.oneCase(); len(c.Boxes) != 0 || c.Link != a.ID || len(c.Sum) != 0 {
		t.Errorf("a blind notice made %+v", c)
	}
	_, key := operator()
	r = newRig(t, key)
	a = r.upload(Policy{}, "", "", picture(1))
	for name, change := range map[string]func(*Complaint){
		"no category":    func(c *Complaint) { c.Category = 0 },
		"item 0":         func(c *Complaint) { c.Item = 0 },
		"item 2 of 1":    func(c *Complaint) { c.Item = 2 },
		"too many words": func(c *Complaint) { c.Words = strings.Repeat("x", MaxWords+1) },
		"no text":        func(c *Complaint) { c.Contact = "\xff" },
	} {
		c := complaint(Child)
		change(&c)
		if _, err := r.Report(a.Secret.String(), c); !errors.Is(err, ErrComplaint) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := r.Notice(Notice{Category: Child, About: "that"}); !errors.Is(err, ErrComplaint) {
		t.Errorf("a notice without good faith: %v", err)
	}
}

func TestReportFromLeaseOfBurnedLink(t *testing.T) {
	identity, key := operator()
	r := newRig(t, key)
	a := r.burn()
	lease := r.mustReveal(a)
	status, err := r.ReportLease(lease.Token(), complaint(Child))
	if err != nil {
		t.Fatal(err)
	}
	_, err = r.Preview(a.Secret.String())
	r.wantGone("a burned link that was reported", err)
	_, err = r.reveal(a)
	r.wantGone("a burned link that was reported", err)
	_, err = r.Report(a.Secret.String(), complaint(Child))
	r.wantGone("a report of a burned link", err)
	if err := r.EndLease(lease.Token()); err != nil {
		t.Fatal(err)
	}
	_, err = r.ReportLease(lease.Token(), complaint(Child))
	r.wantGone("a report from a lease that ended", err)
	r.sweep()
	r.wantFiles(1) // frozen
	r.wantOrder()
	kase := r.oneCase()
	if kase.LinkState != report.LinkEnded || kase.Frozen.Sub(start) > 7*24*time.Hour || kase.Frozen.Sub(start) < 6*24*time.Hour {
		t.Fatalf("the case is %+v", kase)
	}
	// Its header is gone: nothing but the item's key opens anything.
	_, _, st, _ := r.lookup(a.Secret.String())
	if _, err := r.vault.Open(st.Payload, a.Secret, ""); err == nil {
		t.Fatal("a burned link's payload opens by its secret while it is frozen")
	}
	if _, item := r.look(identity, kase, 0); !bytes.Equal(item, clean(t, picture(7))) {
		t.Error("the operator sees something else")
	}
	r.clock.forward(7*24*time.Hour + time.Minute)
	r.sweep()
	r.wantFiles(0)
	r.wantOrder()
	if all, err := r.Docket(); len(all) != 0 || err != nil {
		t.Fatalf("%d cases after the freeze, %v", len(all), err)
	}
	if s, err := r.Status(status.String()); err != nil || !s.Decided {
		t.Fatalf("status after the freeze: %+v, %v", s, err)
	}
}

func TestDestroyDuringCase(t *testing.T) {
	identity, key := operator()
	r := newRig(t, key)
	a := r.upload(Policy{}, "", "", picture(1))
	r.report(a, complaint(Child))
	if err := r.Destroy(a.Receipt.String()); err != nil {
		t.Fatal(err)
	}
	_, err := r.Preview(a.Secret.String())
	r.wantGone("a destroyed link with a case", err)
	_, _, st, _ := r.lookup(a.Secret.String())
	if _, err := r.vault.Open(st.Payload, a.Secret, ""); err == nil {
		t.Fatal("a destroyed link's payload opens by its secret while it is frozen")
	}
	r.sweep()
	r.wantFiles(1)
	if n, _, err := r.Purgeable(); n != 0 || err != nil {
		t.Fatalf("%d streams purgeable with an open case", n)
	}
	kase := r.oneCase()
	r.look(identity, kase, 0)
	r.decide(kase, report.Decision{Decision: report.Dismiss})
	r.sweep()
	r.wantFiles(0)
	r.wantOrder()
}

func TestDeadlinePassesWithCase(t *testing.T) {
	_, key := operator()
	r := newRig(t, key)
	a := r.upload(Policy{Expire: time.Hour}, "", "", picture(1))
	r.report(a, complaint(Other))
	r.clock.forward(time.Hour + time.Minute)
	r.sweep()
	if got := r.state(a); got != "destroyed: expired" {
		t.Fatalf("receipt: %q", got)
	}
	r.wantFiles(1)
	r.wantOrder()
	// The deadline of the case, and the end of the freeze.
	r.clock.forward(7 * 24 * time.Hour)
	r.sweep()
	r.wantFiles(0)
	r.wantOrder()
}

// TestFalseReportsBuryNothing: a thousand reports that mean nothing, proved on the

// liar's own uploads and not proved anywhere, leave the true one near the top and

// hide no link.

// TestTakedownBeatsReveal: at the same moment as any number of reveals, a takedown

// leaves no lease that reads, however the writer puts them in order.
