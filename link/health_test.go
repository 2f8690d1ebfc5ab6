package link

import (
	"testing"
	"time"
)

func TestHealthCountsOverdueShreds(t *testing.T) {
	r := newRig(t)
	want := func(when string, overdue int64) {
		t.Helper()
		h, err := r.Health()
		if err != nil || h.Overdue != overdue || h.Behind != 0 {
			t.Fatalf("%s: %+v, %v, want %d overdue", when, h, err, overdue)
		}
	}
	want("an empty log", 0)
	ended, held := r.burn(), r.burn()
	if err := r.Destroy(ended.Receipt.String()); err != nil {
		t.Fatal(err)
	}
	r.mustReveal(held)
	want("just ended", 0)
	r.clock.forward(50 * time.Minute)
	want("in the hour after", 0)
	r.clock.forward(2 * time.Hour)
	want("hours later: one waits, one is held by a lease", 1)
	if err := r.EndDue(); err != nil { // ends the lease, shreds nothing
		t.Fatal(err)
	}
	want("the lease has ended too", 2)
	r.sweep()
	want("swept", 0)
}

func TestHealthSeesAClockSetBack(t *testing.T) {
	r := newRig(t)
	r.burn()
	r.clock.forward(-3 * time.Hour)
	h, err := r.Health()
	if err != nil || h.Behind < 3*time.Hour-time.Minute || h.Behind > 3*time.Hour {
		t.Fatalf("%+v, %v, want about three hours", h, err)
	}
	r.clock.forward(3 * time.Hour)
	if h, err = r.Health(); err != nil || h.Behind != 0 {
		t.Fatalf("%+v, %v, want none", h, err)
	}
}

func TestVerifyTellsHowFarItIs(t *testing.T) {
	var told [][2]int64
	r := newRig(t, func(c *Config) { c.Verified = func(read, all int64) { told = append(told, [2]int64{read, all}) } })
	r.burn()
	r.burn()
	r.wantOrder()
	if len(told) != 2 || told[0][0]*2 != told[0][1] || told[1][0] != told[1][1] || told[1][1] < 8192 {
		t.Fatalf("told %v, want half and all of two payloads of one size", told)
	}
}
