package link

import (
	"bytes"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"emberdrop/eventlog"
	"emberdrop/report"
	"emberdrop/seal"
)

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
