package link

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"emberdrop/seal"
	"emberdrop/vault"
)

// wantCounted checks that what is counted in RAM is what the log says is stored,
// and that nothing stays reserved.
func (r *rig) wantCounted() {
	r.t.Helper()
	stored, lasting, err := r.weigh()
	if err != nil {
		r.t.Fatalf("weigh: %v", err)
	}
	room, err := r.Room()
	if err != nil {
		r.t.Fatalf("room: %v", err)
	}
	if room.Stored != stored || room.Lasting != lasting || room.Reserved != 0 || r.room.staged != 0 {
		r.t.Fatalf("counted %+v with %d put aside; the log says %d stored, %d of it lasting", room, r.room.staged, stored, lasting)
	}
	if working, waiting := r.Uploads(); working+waiting != 0 {
		r.t.Fatalf("%d uploads are under way and %d wait, after all have ended", working, waiting)
	}
}

// TestQuotaIsExact: of 100 uploads at once with a quota for 20, as many as fit
// are taken and the others leave nothing. A shred gives room back, a restart
// changes nothing.
func TestQuotaIsExact(t *testing.T) {
	one := vault.Bound(8 << 10)
	limits := func(c *Config) { c.Quota, c.MaxUpload, c.MaxFile, c.MaxPassFile = 20*one, 8<<10, 8<<10, 8<<10 }
	r := newRig(t, limits)
	var full, stored, other atomic.Int32
	var asked, done sync.WaitGroup
	asked.Add(100)
	r.slots.most = 100
	for n := range 100 {
		done.Go(func() {
			u, _, err := r.Begin(context.Background(), seal.NewToken(), 8<<10)
			asked.Done()
			if errors.Is(err, ErrFull) {
				full.Add(1)
				return
			}
			if err != nil {
				other.Add(1)
				return
			}
			defer u.Abort()
			asked.Wait()
			if n%2 == 0 {
				return // it changed its mind: its room goes back
			}
			if _, err := u.Add(bytes.NewReader(picture(byte(n)))); err != nil {
				other.Add(1)
				return
			}
			if _, err := u.Commit(Policy{Expire: time.Hour}, "", ""); err != nil {
				other.Add(1)
				return
			}
			stored.Add(1)
		})
	}
	done.Wait()
	if full.Load() != 80 || other.Load() != 0 {
		t.Fatalf("%d refused, %d stored, %d other errors", full.Load(), stored.Load(), other.Load())
	}
	r.wantFiles(int(stored.Load()))
	r.wantCounted()

	// To the last byte: what is left takes one upload of just that size, and no other.
	room, _ := r.Room()
	fill, _, err := r.Begin(context.Background(), seal.NewToken(), 8<<10)
	if err != nil {
		t.Fatal(err)
	}
	fill.Abort()
	r.cfg.Quota = room.Stored + one
	u, _, err := r.Begin(context.Background(), seal.NewToken(), 8<<10)
	if err != nil {
		t.Fatalf("an upload that fits to the byte: %v", err)
	}
	if _, _, err := r.Begin(context.Background(), seal.NewToken(), 1); !errors.Is(err, ErrFull) {
		t.Fatalf("one more: %v", err)
	}
	u.Abort()
	r.wantCounted()

	// After a restart the same counts, from the log alone.
	again := rigOver(t, r.fs, r.log, r.host, r.clock, limits)
	again.wantCounted()
	if now, _ := again.Room(); now.Stored != room.Stored {
		t.Fatalf("%d bytes were stored before the restart, %d after it", room.Stored, now.Stored)
	}
	r.clock.forward(2 * time.Hour)
	again.sweep()
	again.wantCounted()
	if now, _ := again.Room(); now.Stored != 0 {
		t.Fatalf("%d bytes are counted when everything is shredded", now.Stored)
	}
}

// TestNeverShare: links without a deadline fill their part of the quota and no
// more; others go on. Of many at once exactly as many are taken as fit.
func TestNeverShare(t *testing.T) {
	r := newRig(t)
	one := vaultSize(r, r.upload(Policy{}, "", "", picture(1)))
	r.cfg.Quota, r.cfg.NeverQuota = 1<<40, 5*one+one/2
	var stored, refused atomic.Int32
	var done sync.WaitGroup
	for n := range 20 {
		done.Go(func() {
			switch _, err := r.tryUpload(seal.NewToken(), Policy{Views: 1}, "", "", picture(byte(n))); {
			case err == nil:
				stored.Add(1)
			case errors.Is(err, ErrFullNever):
				refused.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	done.Wait()
	if stored.Load() != 4 || refused.Load() != 16 {
		t.Fatalf("beside one: %d stored and %d refused, with room for 5", stored.Load(), refused.Load())
	}
	r.wantFiles(5)
	r.wantCounted()
	a := r.upload(Policy{Expire: time.Hour}, "", "", picture(9))
	r.wantFiles(6)
	_ = a

	r.cfg.NeverQuota = -1
	u, _, err := r.Begin(context.Background(), seal.NewToken(), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer u.Abort()
	if err := u.Expire(0); !errors.Is(err, ErrFullNever) {
		t.Fatalf("said early: %v", err)
	}
	if err := u.Expire(time.Hour); err != nil {
		t.Fatalf("with a deadline: %v", err)
	}
}

func vaultSize(r *rig, a Answer) int64 {
	r.t.Helper()
	_, _, st, err := r.lookup(a.Secret.String())
	if err != nil {
		r.t.Fatalf("lookup: %v", err)
	}
	return st.Size
}

// TestCountsFollowTheLog: whatever happens in whatever order, what is counted is
// what a count of the log gives (as rebuild == live, for what is in RAM).
func TestCountsFollowTheLog(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		one := vault.Bound(8 << 10)
		limits := func(c *Config) {
			c.MaxUpload, c.MaxFile, c.MaxPassFile = 8<<10, 8<<10, 8<<10
			c.Quota, c.NeverQuota = 6*one, 2*one
		}
		r := newRig(t, limits)
		var live []Answer
		pick := func(t *rapid.T) (a Answer) {
			if len(live) == 0 {
				t.Skip("no link")
			}
			n := rapid.IntRange(0, len(live)-1).Draw(t, "link")
			a, live = live[n], append(live[:n:n], live[n+1:]...)
			return a
		}
		t.Repeat(map[string]func(*rapid.T){
			"upload": func(t *rapid.T) {
				p := Policy{Expire: time.Duration(rapid.IntRange(0, 3).Draw(t, "hours")) * time.Hour, Views: rapid.IntRange(0, 1).Draw(t, "views")}
				a, err := r.tryUpload(seal.NewToken(), p, "", "", picture(1))
				if err == nil {
					live = append(live, a)
				} else if !errors.Is(err, ErrFull) && !errors.Is(err, ErrFullNever) {
					t.Fatal(err)
				}
			},
			"refused": func(t *rapid.T) {
				if _, err := r.tryUpload(seal.NewToken(), Policy{}, "", "", []byte("%PDF-1.4\n")); err == nil {
					t.Fatal("taken")
				}
			},
			"reveal":  func(t *rapid.T) { r.reveal(pick(t)) },
			"destroy": func(t *rapid.T) { r.Destroy(pick(t).Receipt.String()) },
			"hour":    func(t *rapid.T) { r.clock.forward(time.Hour) },
			"sweep":   func(t *rapid.T) { r.sweep() },
			"purge": func(t *rapid.T) {
				if _, err := r.Purge(context.Background()); err != nil {
					t.Fatal(err)
				}
			},
			"restart": func(t *rapid.T) {
				again := rigOver(t, r.fs, r.log, r.host, r.clock, limits)
				r.Links = again.Links
				if err := r.Repair(); err != nil {
					t.Fatal(err)
				}
			},
			"": func(t *rapid.T) {
				r.wantCounted()
				if room, _ := r.Room(); room.Stored > room.Quota || room.Lasting > r.cfg.NeverQuota {
					t.Fatalf("over the quota: %+v", room)
				}
			},
		})
	})
}

// TestWhatGrowsIsHeldAgainstTheQuota: an upload that becomes more than it
// announced is refused when that does not fit, and leaves nothing.
func TestWhatGrowsIsHeldAgainstTheQuota(t *testing.T) {
	r := newRig(t)
	r.cfg.Quota = vault.Bound(1)
	u, _, err := r.Begin(context.Background(), seal.NewToken(), 1)
	if err != nil {
		t.Fatal(err)
	}
	defer u.Abort()
	if _, err := u.Add(bytes.NewReader(bytes.Repeat(picture(1), 1))); err != nil {
		t.Fatal(err)
	}
	if err := u.AddNote("abcdefghijklmnop"); err != nil {
		t.Fatal(err)
	}
	for n := range 20 {
		if _, err := u.Add(bytes.NewReader(picture(byte(n)))); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := u.Commit(Policy{Expire: time.Hour}, "", ""); !errors.Is(err, ErrFull) {
		t.Fatalf("it gives %v", err)
	}
	u.Abort()
	r.wantFiles(0)
	r.wantCounted()
}

// TestPolicyLimits: a deadline beyond the longest is refused, and links without
// one get the operator's idle limit unless theirs is shorter.
func TestPolicyLimits(t *testing.T) {
	const week = 7 * 24 * time.Hour
	r := newRig(t, func(c *Config) { c.NeverIdle = week })
	for _, c := range []struct{ p, want Policy }{
		{Policy{}, Policy{Idle: week}},
		{Policy{Idle: 24 * time.Hour}, Policy{Idle: 24 * time.Hour}},
		{Policy{Idle: 2 * week}, Policy{Idle: week}},
		{Policy{Expire: time.Hour}, Policy{Expire: time.Hour}},
	} {
		if a := r.upload(c.p, "", "", picture(1)); a.Idle != c.want.Idle {
			t.Errorf("%+v got the idle limit %v, want %v", c.p, a.Idle, c.want.Idle)
		}
	}
	r.clock.forward(week + 2*time.Hour)
	r.sweep()
	r.wantFiles(0)

	r.cfg.MaxExpire = 24 * time.Hour
	for _, p := range []Policy{{}, {Expire: week}, {Views: 1}} {
		if _, err := r.tryUpload(seal.NewToken(), p, "", "", picture(1)); !errors.Is(err, ErrExpire) {
			t.Errorf("%+v: %v", p, err)
		}
	}
	r.upload(Policy{Expire: 24 * time.Hour}, "", "", picture(1))
	r.wantFiles(1)
	r.wantCounted()
}
