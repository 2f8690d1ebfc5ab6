package link

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"emberdrop/seal"
	"emberdrop/vault"
)

// TestWantedRoom: who is refused for what another upload has reserved wants its
// place, for a while; who would not fit without it either does not.
func TestWantedRoom(t *testing.T) {
	for name, c := range map[string]struct {
		room func(*Config)
		size int64 // of what is refused
		want bool
	}{
		"quota, reserved":        {func(c *Config) { c.Quota = vault.Bound(100) }, 100, true},
		"quota, too large":       {func(c *Config) { c.Quota = vault.Bound(100) }, 1 << 20, false},
		"staged":                 {func(c *Config) { c.MaxStaged = 1 }, 100, true},
		"floor, reserved":        {func(c *Config) { c.Free = func() (int64, error) { return vault.Bound(100) + 100 + overhead, nil } }, 100, true},
		"floor, full without it": {func(c *Config) { c.Free = func() (int64, error) { return vault.Bound(100) + 100 + overhead, nil } }, 1 << 20, false},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, c.room, func(c *Config) { c.UploadWait = time.Hour })
			u, _, err := r.Begin(t.Context(), seal.NewToken(), 100)
			if err != nil {
				t.Fatal(err)
			}
			defer u.Abort()
			if u.Wanted() {
				t.Error("wanted by nobody")
			}
			if _, _, err := r.Begin(t.Context(), seal.NewToken(), c.size); !errors.Is(err, ErrFull) && !errors.Is(err, ErrBusy) {
				t.Fatalf("the second: %v", err)
			}
			if u.Wanted() != c.want {
				t.Errorf("wanted: %v", !c.want)
			}
			r.cfg.UploadWait = 0
			if u.Wanted() {
				t.Error("wanted for ever")
			}
		})
	}
}

// TestSlots: uploads beyond the slots wait in line, get one when one is given
// back, and are refused when none is, or when the line is full too.
func TestSlots(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Uploads, c.UploadWait = 2, time.Hour })
	begin := func(ctx context.Context) (*Upload, error) {
		u, _, err := r.Begin(ctx, seal.NewToken(), 0)
		return u, err
	}
	first, err := begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	second, err := begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if first.Wanted() {
		t.Fatal("wanted, and nobody waits")
	}
	got := make(chan *Upload)
	go func() {
		u, err := begin(t.Context())
		if err != nil {
			t.Error(err)
		}
		got <- u
	}()
	impatient, cancel := context.WithCancel(t.Context())
	left := make(chan error)
	waits := func(n int) {
		t.Helper()
		for end := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
			if _, waiting := r.Uploads(); waiting == n {
				return
			}
			if time.Now().After(end) {
				t.Fatalf("%d never wait", n)
			}
		}
	}
	waits(1)
	go func() {
		_, err := begin(impatient)
		left <- err
	}()
	waits(2)
	if !first.Wanted() {
		t.Fatal("two wait, and no slot is wanted")
	}
	if _, err := begin(t.Context()); !errors.Is(err, ErrBusy) {
		t.Fatalf("with the line full: %v", err)
	}
	cancel()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Fatalf("one that left: %v", err)
	}
	second.Abort()
	third := <-got
	first.Abort()
	third.Abort()
	r.wantCounted()

	r.slots.wait = time.Millisecond
	a, _ := begin(t.Context())
	b, _ := begin(t.Context())
	if _, err := begin(t.Context()); !errors.Is(err, ErrBusy) {
		t.Fatalf("after its time in line: %v", err)
	}
	a.Abort()
	b.Abort()
	r.wantCounted()
}

// TestStagedBudget: what uploads put aside together is bounded, and one alone is
// always taken.
func TestStagedBudget(t *testing.T) {
	r := newRig(t, func(c *Config) { c.MaxStaged = 1 << 20; c.MaxUpload = 4 << 20 })
	u, _, err := r.Begin(context.Background(), seal.NewToken(), 4<<20)
	if err != nil {
		t.Fatalf("one alone: %v", err)
	}
	if _, _, err := r.Begin(context.Background(), seal.NewToken(), 1); !errors.Is(err, ErrBusy) {
		t.Fatalf("one more: %v", err)
	}
	u.Abort()
	r.wantCounted()
}

// TestLeaseBudget: whoever opens many leases of one link loses those; other
// viewers keep theirs.
func TestLeaseBudget(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Leases = 8 })
	mine := r.mustReveal(r.burn())
	crowd := r.upload(Policy{}, "", "", picture(2))
	oldest := r.mustReveal(crowd)
	for range 20 {
		r.clock.forward(time.Second)
		r.mustReveal(crowd)
	}
	if n := r.Leases(); n != 8 {
		t.Fatalf("%d leases, want 8", n)
	}
	if !bytes.Equal(r.content(mine, 1), clean(t, picture(7))) {
		t.Fatal("another link's lease was taken")
	}
	_, err := r.Lease(oldest.Token())
	r.wantGone("the crowd's oldest lease", err)

	// Where every link has one, nobody's goes, and nothing is burned.
	r = newRig(t, func(c *Config) { c.Leases = 2 })
	r.mustReveal(r.burn())
	r.mustReveal(r.burn())
	third := r.burn()
	if _, err := r.reveal(third); !errors.Is(err, ErrBusy) {
		t.Fatalf("with two leases of two: %v", err)
	}
	if got := r.state(third); got != "unopened" {
		t.Fatalf("the refused reveal left the link %s", got)
	}
}
