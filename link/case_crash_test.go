package link

import (
	"bytes"
	"errors"
	"time"

	"pgregory.net/rapid"

	"emberdrop/report"
	"emberdrop/seal"
)

// acknowledged is a report whose sender has a token.
type acknowledged struct {
	status seal.Token
	at     time.Time
}

func (w *world) isHeld(m *twin) bool {
	receipt, err := w.Receipt(m.answer.Receipt.String())
	return err == nil && receipt.State == "held"
}

// report reports a link, from itself or from a lease that has just been opened.
func (s *machine) report(t *rapid.T) {
	m := s.pick(t)
	c := complaint(rapid.SampledFrom([]Category{Child, Other}).Draw(t, "category"))
	usable := !m.dead(s.w.clock.read()) && !s.w.isHeld(m)
	var status seal.Token
	var err error
	crashed := s.w.during(s.operations(t), s.lossy(t), func() { status, err = s.w.Report(m.answer.Secret.String(), c) })
	if crashed {
		return // whoever reported got no answer
	}
	if (err == nil) != usable || (err != nil && !errors.Is(err, ErrGone)) {
		t.Fatalf("a report gave %v, the link can be opened: %v", err, usable)
	}
	if err == nil {
		s.reports = append(s.reports, acknowledged{status, s.w.clock.read()})
	}
}

// decide decides one of the cases that wait.
func (s *machine) decide(t *rapid.T) {
	all, err := s.w.Docket()
	if err != nil {
		t.Fatalf("docket: %v", err)
	}
	if len(all) == 0 {
		t.Skip("no cases")
	}
	c := rapid.SampledFrom(all).Draw(t, "case")
	d := report.Decision{
		Decision: rapid.SampledFrom([]string{report.Dismiss, report.Remove, report.Preserve, report.Suspend}).Draw(t, "decision"),
		Until:    s.w.clock.read().Add(30 * time.Hour),
	}
	crashed := s.w.during(s.operations(t), s.lossy(t), func() { _, err = s.w.Decide(caseID(c), d) })
	if !crashed && err != nil && !errors.Is(err, ErrDecided) {
		t.Fatalf("%s: %v", d.Decision, err)
	}
	if ends := d.Decision == report.Remove || d.Decision == report.Preserve; ends {
		s.ended(c.Link, crashed || err != nil)
	}
}

func (s *machine) takedown(t *rapid.T) {
	m := s.pick(t)
	var err error
	crashed := s.w.during(s.operations(t), s.lossy(t), func() { _, err = s.w.Takedown(m.answer.ID, Child, false) })
	switch {
	case crashed:
		m.doubt = true
	case errors.Is(err, ErrNoCase) && m.mayLapse(s.w.clock.read()): // purged
	case err != nil:
		t.Fatalf("takedown: %v", err)
	default:
		m.destroyed = true
	}
}

func (s *machine) ended(link string, doubt bool) {
	for _, m := range s.twins {
		if m.answer.ID == link {
			if doubt {
				m.doubt = true
			} else {
				m.destroyed = true
			}
		}
	}
}

// checkCases holds after every step: what was acknowledged has a case that answers;
// what waits can be looked at with the operator's identity, and shows the item that
// was reported.
func (s *machine) checkCases() {
	w := s.w
	w.t.Helper()
	for _, r := range s.reports {
		if _, err := w.Status(r.status.String()); err != nil && w.clock.read().Sub(r.at) < 7*24*time.Hour {
			w.t.Fatalf("an acknowledged report is not known: %v", err)
		}
	}
	all, err := w.Docket()
	if err != nil {
		w.t.Fatalf("docket: %v", err)
	}
	for _, c := range all {
		if c.LinkState == report.LinkGone {
			w.t.Fatalf("a case waits about a link that is gone")
		}
		for _, m := range s.twins {
			if m.answer.ID != c.Link {
				continue
			}
			// Only the item's key opens anything of a link that has ended; else its
			// time is over and the sweeper has yet to see it.
			if _, _, st, _ := w.lookup(m.answer.Secret.String()); st.Reason != Live {
				w.wantNoHeader(st.Payload)
			}
			whole := w.theCase(c.ID)
			if _, item := w.look(w.identity, whole, 0); !bytes.Equal(item, m.content) {
				w.t.Fatalf("the operator sees another item than was reported")
			}
		}
	}
}

// wantNoHeader checks that a payload which is kept, whatever it is called by now,
// has lost the page without which its link opens nothing.
func (r *rig) wantNoHeader(payload string) {
	r.t.Helper()
	file, err := r.vault.Ciphertext(payload)
	if err != nil {
		r.t.Fatalf("what is kept for a case: %v", err)
	}
	defer file.Close()
	magic := make([]byte, 8)
	if _, err := file.ReadAt(magic, 0); err != nil || string(magic) == "EMBRDROP" {
		r.t.Fatalf("what is kept for a case still has its header (%v)", err)
	}
}
