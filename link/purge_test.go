package link

import (
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"pgregory.net/rapid"

	"emberdrop/eventlog"
	"emberdrop/seal"
)

func TestPurge(t *testing.T) {
	r := newRig(t)
	dead, live := r.burn(), r.upload(Policy{}, "", "", picture(2))
	r.endLease(r.mustReveal(dead))
	r.sweep()
	before, err := r.Totals()
	if err != nil {
		t.Fatal(err)
	}
	if n, _, err := r.Purgeable(); n != 0 || err != nil {
		t.Fatalf("%d links are purgeable before the receipt has lapsed (%v)", n, err)
	}
	r.clock.forward(26 * time.Hour)
	if n, _, err := r.Purgeable(); n != 1 || err != nil {
		t.Fatalf("%d links are purgeable, want 1 (%v)", n, err)
	}
	purged, err := r.Purge(t.Context())
	if err != nil || purged.Streams != 1 || purged.Events != 4 {
		t.Fatalf("purged %+v: %v", purged, err)
	}
	_, err = r.Receipt(dead.Receipt.String())
	r.wantGone("the receipt of a purged link", err)
	if _, err := r.Preview(live.Secret.String()); err != nil {
		t.Fatalf("a live link was purged: %v", err)
	}
	after, err := r.Totals()
	if err != nil || fmt.Sprint(before) != fmt.Sprint(after) || after.Ended[Viewed] != 1 {
		t.Fatalf("totals were %v and are %v (%v)", before, after, err)
	}
	r.wantOrder() // a rebuild from the purged log gives the same rows and totals
}

// rows is every projection row of a log, by replaying it from the start.
func rows(t tester, log *eventlog.Log) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := log.Read(func(tx *eventlog.Tx) error {
		for _, bounds := range []func() ([]byte, []byte){eventlog.LinkBounds, eventlog.AllDeadlineBounds, eventlog.ReceiptBounds} {
			lo, hi := bounds()
			if err := tx.Scan(lo, hi, func(k, v []byte) (bool, error) {
				out[string(k)] = string(v)
				return true, nil
			}); err != nil {
				return err
			}
		}
		totals, _, err := tx.Get(totalsKey)
		out["totals"] = string(totals)
		return err
	})
	if err != nil {
		t.Fatalf("rows: %v", err)
	}
	return out
}

// TestPurgeLaw: fold(purge(log, S)) == drop(S, fold(log)), for every projection:
// the rows of S are gone, all others and the totals are as they were, live and
// after a rebuild.
func TestPurgeLaw(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		fs, host, c := vfs.NewMem(), seal.NewKey(), &clock{now: start}
		initStore(t, fs, host)
		r := openRig(t, fs, host, c)
		var links []Answer
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			switch pick := rapid.IntRange(0, 3).Draw(t, "step"); {
			case pick == 0 || len(links) == 0:
				views := rapid.IntRange(0, 2).Draw(t, "views")
				links = append(links, r.upload(Policy{Views: views, Expire: 30 * time.Hour}, "", "", picture(1)))
			case pick == 1:
				if lease, err := r.reveal(rapid.SampledFrom(links).Draw(t, "link")); err == nil {
					r.endLease(lease)
				}
			case pick == 2:
				_ = r.Destroy(rapid.SampledFrom(links).Draw(t, "link").Receipt.String())
			case pick == 3:
				c.forward(time.Duration(rapid.IntRange(1, 20).Draw(t, "hours")) * time.Hour)
				r.sweep()
			}
		}
		want := rows(t, r.log)
		now := c.read()
		err := r.each(func(id eventlog.ID, st state) {
			if r.purgeable(st, now) {
				delete(want, string(eventlog.LinkKey(id)))
				delete(want, string(eventlog.ReceiptKey(st.Receipt)))
			}
		})
		if err != nil {
			t.Fatalf("each: %v", err)
		}
		if _, err := r.Purge(t.Context()); err != nil {
			t.Fatalf("purge: %v", err)
		}
		if got := rows(t, r.log); !maps.Equal(got, want) {
			t.Fatalf("%d rows after the purge, want %d", len(got), len(want))
		}
		r.log.Close()
		if _, err := eventlog.Rebuild(logConfig(fs)); err != nil {
			t.Fatalf("rebuild: %v", err)
		}
		again := openRig(t, fs, host, c)
		if got := rows(t, again.log); !maps.Equal(got, want) {
			t.Fatalf("%d rows after purge and rebuild, want %d", len(got), len(want))
		}
	})
}
