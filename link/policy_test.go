package link

import (
	"bytes"
	"testing"
	"time"
)

func TestLeaseEnds(t *testing.T) {
	r := newRig(t)
	a := r.upload(Policy{}, "", "", picture(4))
	idle := r.mustReveal(a)
	r.clock.forward(5 * time.Minute)
	_, err := r.Lease(idle.Token())
	r.wantGone("a lease that nobody used", err)

	busy := r.mustReveal(a)
	for range 14 {
		r.clock.forward(4 * time.Minute)
		r.content(busy, 1)
	}
	r.clock.forward(4 * time.Minute)
	body, _, err := busy.Open(1)
	if err != nil {
		t.Fatal(err)
	}
	_, err = body.Read(make([]byte, 1))
	r.wantGone("a read past --lease-max", err)
	r.sweep()
	if n := len(r.leases.byToken); n != 0 {
		t.Fatalf("%d leases after their end", n)
	}
}

func TestDeadlineDoesNotCutALease(t *testing.T) {
	r := newRig(t)
	a := r.upload(Policy{Expire: 2 * time.Minute}, "", "", picture(4))
	lease := r.mustReveal(a)
	r.clock.forward(4 * time.Minute)
	r.sweep()
	if got := r.state(a); got != "destroyed: expired" {
		t.Fatalf("receipt says %q", got)
	}
	if !bytes.Equal(r.content(lease, 1), clean(t, picture(4))) {
		t.Fatal("the lease lost its content")
	}
}

func TestPolicies(t *testing.T) {
	for _, c := range []struct {
		name   string
		policy Policy
		lives  time.Duration // can be opened so long after it was made (10:20:30)
		dead   time.Duration // and not any more then
		reason string
	}{
		{"an hour", Policy{Expire: time.Hour}, time.Hour + 29*time.Second, time.Hour + 30*time.Second, "destroyed: expired"},
		{"a day", Policy{Expire: 24 * time.Hour}, 24 * time.Hour, 24*time.Hour + 30*time.Second, "destroyed: expired"},
		{"idle for a day", Policy{Idle: 24 * time.Hour}, 24*time.Hour + 39*time.Minute, 24*time.Hour + 40*time.Minute, "destroyed: idle"},
		{"the first one reached", Policy{Expire: time.Hour, Idle: 24 * time.Hour}, time.Hour, 2 * time.Hour, "destroyed: expired"},
		{"never", Policy{}, 10 * 365 * 24 * time.Hour, 0, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			a := r.upload(c.policy, "", "", picture(4))
			r.clock.forward(c.lives)
			if _, err := r.Preview(a.Secret.String()); err != nil {
				t.Fatalf("after %s: %v", c.lives, err)
			}
			if c.reason == "" {
				return
			}
			r.clock.forward(c.dead - c.lives)
			_, err := r.Preview(a.Secret.String()) // at the request, before any sweep
			r.wantGone("preview", err)
			_, err = r.reveal(a)
			r.wantGone("reveal", err)
			if got := r.state(a); got != c.reason {
				t.Fatalf("receipt says %q before the sweep", got)
			}
			r.sweep()
			if got := r.state(a); got != c.reason {
				t.Fatalf("receipt says %q after the sweep", got)
			}
			r.wantFiles(0)
			r.wantOrder()
		})
	}
}

func TestViewsAndIdleTogether(t *testing.T) {
	r := newRig(t)
	a := r.upload(Policy{Views: 3, Idle: 24 * time.Hour}, "", "", picture(4))
	r.clock.forward(24 * time.Hour)
	r.mustReveal(a) // resets the idle limit
	r.clock.forward(24 * time.Hour)
	if p, err := r.Preview(a.Secret.String()); err != nil || p.ViewsLeft != 2 {
		t.Fatalf("%+v, %v", p, err)
	}
	r.mustReveal(a)
	if lease := r.mustReveal(a); !lease.Final() {
		t.Fatal("the third of three views is not the last")
	}
	_, err := r.reveal(a)
	r.wantGone("fourth view", err)
	r.wantOrderAfterLeases()
}

func TestClockSetBackRevivesNothing(t *testing.T) {
	t.Run("not even unswept", func(t *testing.T) {
		r := newRig(t)
		a := r.upload(Policy{Expire: time.Hour}, "", "", picture(4))
		r.clock.forward(2 * time.Hour)
		r.upload(Policy{}, "", "", picture(5)) // the log now knows how late it is
		r.clock.forward(-2 * time.Hour)
		_, err := r.Preview(a.Secret.String())
		r.wantGone("preview with the clock set back", err)
	})
	r := newRig(t)
	a := r.upload(Policy{Expire: time.Hour}, "", "", picture(4))
	r.clock.forward(2 * time.Hour)
	r.sweep()
	r.clock.forward(-2 * time.Hour)
	_, err := r.Preview(a.Secret.String())
	r.wantGone("preview with the clock set back", err)
	b := r.upload(Policy{Expire: time.Hour}, "", "", picture(5))
	if want := start.Add(3 * time.Hour); b.Ends.Before(want) {
		t.Fatalf("a link made with the clock set back ends at %s, before %s", b.Ends, want)
	}
}

func TestReceiptLapses(t *testing.T) {
	r := newRig(t)
	a := r.burn()
	r.mustReveal(a)
	receipt, err := r.Receipt(a.Receipt.String())
	if err != nil {
		t.Fatal(err)
	}
	if want := time.Date(2026, 11, 23, 11, 0, 0, 0, time.UTC); !receipt.Lapses.Equal(want) {
		t.Fatalf("lapses at %s, want %s", receipt.Lapses, want)
	}
	r.clock.forward(receipt.Lapses.Sub(start) - time.Second)
	if _, err := r.Receipt(a.Receipt.String()); err != nil {
		t.Fatal(err)
	}
	r.clock.forward(time.Second)
	_, err = r.Receipt(a.Receipt.String())
	r.wantGone("a lapsed receipt", err)
	r.wantGone("destroy by a lapsed receipt", r.Destroy(a.Receipt.String()))
}

// TestLateSweep: a server that was off for days records when a link ended, not
// when it noticed, so a receipt that has lapsed does not come back.
func TestLateSweep(t *testing.T) {
	r := newRig(t)
	a := r.upload(Policy{Expire: time.Hour}, "", "", picture(1))
	r.clock.forward(3 * time.Hour)
	before, err := r.Receipt(a.Receipt.String())
	if err != nil {
		t.Fatal(err)
	}
	r.sweep()
	if after, err := r.Receipt(a.Receipt.String()); err != nil || after != before {
		t.Fatalf("the receipt was %+v and is %+v (%v)", before, after, err)
	}
	b := r.upload(Policy{Expire: time.Hour}, "", "", picture(2))
	r.clock.forward(30 * time.Hour)
	_, err = r.Receipt(b.Receipt.String())
	r.wantGone("a lapsed receipt before the sweep", err)
	r.sweep()
	_, err = r.Receipt(b.Receipt.String())
	r.wantGone("a lapsed receipt after the sweep", err)
}
