package link

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"testing"
	"time"

	"emberdrop/match"
	"emberdrop/report"
	"emberdrop/seal"
)

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
