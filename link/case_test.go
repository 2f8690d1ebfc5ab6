package link

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"emberdrop/eventlog"
	"emberdrop/match"
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

func TestRemoveAndBlock(t *testing.T) {
	for _, decision := range []string{report.Remove, report.Block} {
		t.Run(decision, func(t *testing.T) {
			_, key := operator()
			var bank []string
			r := newRig(t, key, func(c *Config) {
				c.Bank = func(_ string, lines []string) error { bank = append(bank, lines...); return nil }
			})
			a := r.upload(Policy{}, "", "", picture(1), picture(2))
			lease := r.mustReveal(a)
			body, _, err := lease.Open(1)
			if err != nil {
				t.Fatal(err)
			}
			r.report(a, complaint(Child))
			second := complaint(Child)
			second.Item = 2
			r.report(a, second)
			all, err := r.Docket()
			if err != nil || len(all) != 2 {
				t.Fatalf("%d cases (%v)", len(all), err)
			}
			r.decide(all[0], report.Decision{Decision: decision, Bank: []string{"sha256 00"}})
			if _, err := body.Read(make([]byte, 10)); !errors.Is(err, ErrGone) {
				t.Errorf("an open lease reads on: %v", err)
			}
			if got := r.state(a); got != "destroyed: operator" {
				t.Errorf("receipt: %q", got)
			}
			r.wantFiles(0) // at once, without a sweep
			r.wantOrder()
			if all, _ := r.Docket(); len(all) != 0 {
				t.Errorf("%d cases are open", len(all))
			}
			if want := decision == report.Block; (len(bank) == 1) != want {
				t.Errorf("the bank has %q", bank)
			}
		})
	}
	_, key := operator()
	r := newRig(t, key, func(c *Config) { c.Bank = func(string, []string) error { return errors.New("full") } })
	a := r.upload(Policy{}, "", "", picture(1))
	r.report(a, complaint(Child))
	if _, err := r.Decide(caseID(r.oneCase()), report.Decision{Decision: report.Block}); err == nil {
		t.Fatal("blocked without a bank that took it")
	}
	r.mustReveal(a) // nothing was decided
}

func TestPreserve(t *testing.T) {
	identity, key := operator()
	r := newRig(t, key)
	a := r.upload(Policy{}, "", "", picture(1), picture(2))
	r.report(a, complaint(Child))
	kase := r.oneCase()
	for _, until := range []time.Time{{}, start.Add(-time.Hour), start.Add(3 * 366 * 24 * time.Hour)} {
		if _, err := r.Decide(caseID(kase), report.Decision{Decision: report.Preserve, Until: until}); !errors.Is(err, ErrDecision) {
			t.Errorf("preserved until %v: %v", until, err)
		}
	}
	date := start.Add(100 * 24 * time.Hour)
	kase = r.decide(kase, report.Decision{Decision: report.Preserve, Until: date})
	if kase.State != report.StatePreserved || kase.LinkState != report.LinkEnded || len(kase.Boxes) != 1 {
		t.Fatalf("a preserved case is %+v", kase)
	}
	_, err := r.Preview(a.Secret.String())
	r.wantGone("a preserved link", err)
	_, _, st, _ := r.lookup(a.Secret.String())
	r.wantNoHeader(st.Payload)
	for range 3 { // sweeps and starts leave it alone
		r.sweep()
		if err := r.Repair(); err != nil {
			t.Fatal(err)
		}
		r.wantFiles(1)
		r.wantOrder()
		r.clock.forward(24 * time.Hour)
	}
	if _, item := r.look(identity, kase, 0); !bytes.Equal(item, clean(t, picture(1))) {
		t.Error("what is preserved is something else")
	}
	if n, _, _ := r.Purgeable(); n != 0 {
		t.Errorf("%d streams purgeable while preserved", n)
	}
	r.clock.forward(100 * 24 * time.Hour)
	r.sweep()
	r.wantFiles(0)
	r.wantOrder()
	if got := r.theCase(kase.ID); got.State != report.StateDecided || got.Decision != report.Preserve || len(got.Boxes) != 0 {
		t.Errorf("after the date the case is %+v", got)
	}
	r.clock.forward(9 * 24 * time.Hour)
	if p, err := r.Purge(t.Context()); err != nil || p.Streams != 2 {
		t.Fatalf("purged %+v, %v", p, err)
	}
	r.wantOrder()
}

func TestUrgentCaseSuspendsAtItsDeadline(t *testing.T) {
	for category, suspends := range map[Category]bool{Child: true, Intimate: true, Other: false} {
		t.Run(category.String(), func(t *testing.T) {
			_, key := operator()
			r := newRig(t, key)
			a := r.upload(Policy{}, "", "", picture(1))
			lease := r.mustReveal(a)
			r.report(a, complaint(category))
			r.clock.forward(37 * time.Hour)
			r.sweep()
			if c := r.oneCase(); !c.Warn || c.Overdue {
				t.Errorf("at T-11 h the case is %+v", c)
			}
			r.clock.forward(12 * time.Hour)
			_ = lease
			r.sweep()
			if c := r.oneCase(); !c.Overdue {
				t.Errorf("after its deadline the case is %+v", c)
			}
			_, err := r.Preview(a.Secret.String())
			if gone := errors.Is(err, ErrGone); gone != suspends {
				t.Fatalf("after the deadline: %v", err)
			}
			if !suspends {
				return
			}
			if got := r.state(a); got != "held" {
				t.Errorf("receipt: %q", got)
			}
			r.wantOrder()
			r.decide(r.oneCase(), report.Decision{Decision: report.Dismiss})
			if _, err := r.Preview(a.Secret.String()); err != nil {
				t.Errorf("a link that was let go: %v", err)
			}
		})
	}
}

func TestSuspendEndsByItself(t *testing.T) {
	_, key := operator()
	r := newRig(t, key)
	a := r.upload(Policy{}, "", "", picture(1))
	lease := r.mustReveal(a)
	r.report(a, complaint(Child))
	r.decide(r.oneCase(), report.Decision{Decision: report.Suspend})
	_, _, err := lease.Open(1)
	r.wantGone("an open lease of a suspended link", err)
	_, err = r.Report(a.Secret.String(), complaint(Child))
	r.wantGone("a report of a suspended link", err)
	r.clock.forward(14*24*time.Hour + time.Hour)
	r.sweep()
	if got := r.state(a); got != "destroyed: operator" {
		t.Errorf("receipt: %q", got)
	}
	r.clock.forward(7 * 24 * time.Hour)
	r.sweep()
	r.wantFiles(0)
	r.wantOrder()
}

func TestHeldUpload(t *testing.T) {
	bad := picture(66)
	scan := func(c *Config) {
		c.Scan = func(_ context.Context, kind string, file io.ReaderAt, size int64) Verdict {
			b := make([]byte, size)
			file.ReadAt(b, 0)
			switch {
			case bytes.Equal(b, bad):
				return Verdict{match.Hold, []report.Finding{{By: "a list", What: "an entry", Value: 3, Action: "hold"}}}
			case bytes.Equal(b, picture(67)):
				return Verdict{Action: match.Label}
			case bytes.Equal(b, picture(68)):
				return Verdict{Action: match.Block}
			}
			return Verdict{}
		}
	}
	identity, key := operator()
	r := newRig(t, scan, key)
	a := r.upload(Policy{}, "", "", picture(1), bad)
	if !a.Held || r.state(a) != "held" {
		t.Fatalf("held: %v, receipt %q", a.Held, r.state(a))
	}
	_, err := r.Preview(a.Secret.String())
	r.wantGone("a held link", err)
	_, err = r.reveal(a)
	r.wantGone("a held link", err)
	_, err = r.Report(a.Secret.String(), complaint(Child))
	r.wantGone("a report of a held link", err)
	r.wantOrder()
	kase := r.oneCase()
	if !kase.Machine || kase.LinkState != report.LinkHeld || kase.Category != "machine" {
		t.Fatalf("the case is %+v", kase)
	}
	said, item := r.look(identity, kase, 0)
	if !bytes.Equal(item, clean(t, bad)) || len(said.Findings) != 1 || said.Findings[0].What != "an entry" {
		t.Errorf("the operator sees %+v", said)
	}
	r.decide(kase, report.Decision{Decision: report.Dismiss})
	lease := r.mustReveal(a)
	if !lease.Items()[1].Veil || lease.Items()[0].Veil || lease.Items()[1].Kind != "image/jpeg" {
		t.Errorf("items %+v", lease.Items())
	}
	if _, err := r.tryUpload(seal.NewToken(), Policy{}, "", "", picture(68)); !errors.Is(err, ErrRefused) {
		t.Errorf("a blocked file: %v", err)
	}
	if a := r.upload(Policy{}, "", "", picture(67)); a.Held || !r.mustReveal(a).Items()[0].Veil {
		t.Error("a labelled file has no veil, or is held")
	}
	held := r.upload(Policy{}, "", "", bad)
	if err := r.Destroy(held.Receipt.String()); err != nil || r.state(held) != "destroyed: uploader" {
		t.Errorf("an uploader cannot take back a held link: %v", err)
	}
	left := r.upload(Policy{}, "", "", bad)
	r.clock.forward(14*24*time.Hour + time.Minute)
	r.sweep()
	if r.state(left) != "destroyed: operator" {
		t.Errorf("a hold does not end: %q", r.state(left))
	}
	// What viewers got of an item is known again, in whatever it comes.
	for name, banned := range map[string][]byte{"picture": picture(70), "note": []byte("a note")} {
		sum := sha256.Sum256(banned)
		if name == "picture" {
			sum = sha256.Sum256(clean(t, banned))
		}
		r = newRig(t, key, func(c *Config) {
			c.ScanSum = func(got [32]byte) Verdict {
				if got == sum {
					return Verdict{Action: match.Block}
				}
				return Verdict{}
			}
		})
		if _, err := r.tryUpload(seal.NewToken(), Policy{}, "", "", picture(1), banned); !errors.Is(err, ErrRefused) {
			t.Errorf("a blocked %s: %v", name, err)
		}
		r.upload(Policy{}, "", "", picture(1))
	}
	r = newRig(t, scan)
	if _, err := r.tryUpload(seal.NewToken(), Policy{}, "", "", bad); !errors.Is(err, ErrRefused) {
		t.Errorf("held without an operator: %v", err)
	}
	r.wantFiles(0)
}

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
	if kase.Reports != 10 || len(kase.Boxes) != maxBoxes || kase.Category != "intimate" {
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

// TestFalseReportsBuryNothing: a thousand reports that mean nothing, proved on the
// liar's own uploads and not proved anywhere, leave the true one near the top and
// hide no link.
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
	if len(all) > maxLooseCases+maxLinkCases+maxLinkLoose+1 {
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

func TestNotice(t *testing.T) {
	identity, key := operator()
	r := newRig(t, key)
	a := r.upload(Policy{}, "", "", picture(1))
	dead := r.upload(Policy{}, "", "", picture(2))
	if err := r.Destroy(dead.Receipt.String()); err != nil {
		t.Fatal(err)
	}
	status, err := r.Notice(Notice{
		Category: Intimate, GoodFaith: true, Authority: true,
		About: "http://x.onion/s/" + dead.Secret.String() + " and HTTP://x.onion/S/" + strings.ToUpper(a.Secret.String()),
		Words: "that is me", Contact: "me@example.org",
	})
	if err != nil {
		t.Fatal(err)
	}
	kase := r.oneCase()
	if kase.Link != a.ID || !kase.Verified || !kase.Authority || kase.Source != report.FromPublic || kase.Deadline.Sub(start) > time.Hour {
		t.Fatalf("the case is %+v", kase)
	}
	said, item := r.look(identity, kase, 0)
	if !bytes.Equal(item, clean(t, picture(1))) || strings.Contains(strings.ToLower(said.About), a.Secret.String()) ||
		!strings.Contains(said.About, "[link "+dead.ID+"]") || !said.GoodFaith {
		t.Errorf("the operator reads %+v", said)
	}
	r.decide(kase, report.Decision{Decision: report.Remove})
	if s, err := r.Status(status.String()); err != nil || !s.Decided {
		t.Errorf("status %+v, %v", s, err)
	}
	// One that names nothing is last, and does not lie here for ever.
	if _, err := r.Notice(Notice{Category: Child, About: "a picture of me", GoodFaith: true}); err != nil {
		t.Fatal(err)
	}
	if c := r.oneCase(); c.Verified || c.Link != "" || len(c.Boxes) != 1 {
		t.Errorf("the case is %+v", c)
	}
	r.clock.forward(31 * 24 * time.Hour)
	r.sweep()
	r.sweep()
	if all, _ := r.Docket(); len(all) != 0 {
		t.Errorf("%d cases after a month", len(all))
	}
	r.wantOrder()
}

func TestTakedown(t *testing.T) {
	for _, by := range []string{"link", "secret", "id"} {
		t.Run(by, func(t *testing.T) {
			r := newRig(t)
			a := r.upload(Policy{}, "", "", picture(1))
			lease := r.mustReveal(a)
			body, _, err := lease.Open(1)
			if err != nil {
				t.Fatal(err)
			}
			what := map[string]string{"link": "http://x.onion/s/" + a.Secret.String() + "\n", "secret": a.Secret.String(), "id": a.ID}[by]
			done, err := r.Takedown(what, Child, true)
			if err != nil || done.Was != report.LinkLive || done.ID != a.ID {
				t.Fatalf("%+v, %v", done, err)
			}
			if _, err := body.Read(make([]byte, 10)); !errors.Is(err, ErrGone) {
				t.Errorf("an open lease reads on: %v", err)
			}
			_, err = r.Preview(a.Secret.String())
			r.wantGone("a link that was taken down", err)
			if r.state(a) != "destroyed: operator" {
				t.Errorf("receipt %q", r.state(a))
			}
			r.wantFiles(0)
			r.wantOrder()
			if again, err := r.Takedown(what, Child, false); err != nil || again.Was != report.LinkEnded {
				t.Errorf("again: %+v, %v", again, err)
			}
			if totals, _ := r.Totals(); totals.Removed()[Child] != 1 {
				t.Errorf("totals %+v", totals)
			}
			if _, err := r.Takedown(seal.NewToken().String(), Child, false); !errors.Is(err, ErrNoCase) {
				t.Errorf("a link that never was: %v", err)
			}
		})
	}
}

// TestTakedownBeatsReveal: at the same moment as any number of reveals, a takedown
// leaves no lease that reads, however the writer puts them in order.
func TestTakedownBeatsReveal(t *testing.T) {
	for range 20 {
		var opened sync.WaitGroup
		const racing = 8
		opened.Add(racing)
		r := newRig(t, func(c *Config) {
			c.Step = func(step string) {
				if step == "opened" {
					opened.Done()
					opened.Wait()
				}
			}
		})
		a := r.upload(Policy{}, "", "", picture(1))
		var race sync.WaitGroup
		leases := make(chan *Lease, racing)
		for range racing {
			race.Go(func() {
				if lease, err := r.reveal(a); err == nil {
					leases <- lease
				} else if !errors.Is(err, ErrGone) {
					t.Errorf("reveal: %v", err)
				}
			})
		}
		race.Go(func() {
			opened.Wait()
			if _, err := r.Takedown(a.ID, Child, false); err != nil {
				t.Errorf("takedown: %v", err)
			}
		})
		race.Wait()
		close(leases)
		for lease := range leases {
			if _, _, err := lease.Open(1); !errors.Is(err, ErrGone) {
				t.Fatalf("a lease survives the takedown: %v", err)
			}
		}
		r.wantFiles(0)
		r.wantOrder()
	}
}

func TestWipeTakesCases(t *testing.T) {
	_, key := operator()
	r := newRig(t, key)
	a, b := r.upload(Policy{}, "", "", picture(1)), r.upload(Policy{}, "", "", picture(2))
	r.report(a, complaint(Child))
	r.decide(r.oneCase(), report.Decision{Decision: report.Preserve, Until: start.Add(24 * time.Hour)})
	r.report(b, complaint(Child))
	if err := r.Wipe(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.wantFiles(0)
	r.wantOrder()
	err := r.log.Read(func(tx *eventlog.Tx) error {
		for _, bounds := range []func() ([]byte, []byte){eventlog.LinkBounds, eventlog.CaseBounds, eventlog.StatusBounds, eventlog.AllSealedBounds, eventlog.AllDeadlineBounds} {
			lo, hi := bounds()
			if err := tx.Scan(lo, hi, func(k, _ []byte) (bool, error) {
				t.Errorf("a row of class %q is left", k[:2])
				return true, nil
			}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
