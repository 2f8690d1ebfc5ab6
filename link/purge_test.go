package link

import (
	"errors"
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"pgregory.net/rapid"

	"emberdrop/eventlog"
	"emberdrop/report"
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
		for _, bounds := range []func() ([]byte, []byte){eventlog.LinkBounds, eventlog.AllDeadlineBounds, eventlog.ReceiptBounds, eventlog.CaseBounds, eventlog.StatusBounds} {
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
		_, key := operator()
		r := openRig(t, fs, host, c, key)
		var links []Answer
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			switch pick := rapid.IntRange(0, 5).Draw(t, "step"); {
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
				c.forward(time.Duration(rapid.SampledFrom([]int{1, 5, 20, 60, 200}).Draw(t, "hours")) * time.Hour)
				r.sweep()
			case pick == 4:
				_, _ = r.Report(rapid.SampledFrom(links).Draw(t, "link").Secret.String(), complaint(Child))
			case pick == 5:
				r.decideSome(t)
			}
		}
		want := rows(t, r.log)
		now := c.read()
		// Cases first; a link goes when the log has no case left that names it.
		named := map[eventlog.ID]int{}
		err := r.eachCase(func(id eventlog.ID, c caseState) {
			if !r.purgeableCase(c, now) {
				named[c.Link]++
				return
			}
			delete(want, string(eventlog.CaseKey(id)))
			for _, hash := range c.Statuses {
				delete(want, string(eventlog.StatusKey([32]byte(hash))))
			}
		})
		if err != nil {
			t.Fatalf("each case: %v", err)
		}
		err = r.each(func(id eventlog.ID, st state) {
			if st.Cases = named[id]; r.purgeable(st, now) {
				delete(want, string(eventlog.LinkKey(id)))
				delete(want, string(eventlog.ReceiptKey(st.Receipt)))
				return
			}
			row, err := eventlog.Marshal(st)
			if err != nil {
				t.Fatalf("marshal: %v", err)
			}
			want[string(eventlog.LinkKey(id))] = string(row)
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

// decideSome decides one of the cases that wait.
func (r *rig) decideSome(t *rapid.T) {
	all, err := r.Docket()
	if err != nil || len(all) == 0 {
		return
	}
	kase := rapid.SampledFrom(all).Draw(t, "case")
	decision := rapid.SampledFrom([]string{report.Dismiss, report.Remove, report.Preserve, report.Suspend}).Draw(t, "decision")
	_, err = r.Decide(caseID(kase), report.Decision{Decision: decision, Until: r.clock.read().Add(50 * time.Hour)})
	if err != nil && !errors.Is(err, ErrDecided) {
		t.Fatalf("%s: %v", decision, err)
	}
}
