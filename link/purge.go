package link

import (
	"context"
	"fmt"
	"time"

	"emberdrop/eventlog"
)

// contribution is what one link has added to the totals.
func (s state) contribution() Totals {
	t := Totals{Created: 1, Viewed: int64(s.Opened), Ended: map[Reason]int64{}}
	if s.Reason != Live {
		t.Ended[s.Reason] = 1
	}
	if s.Gone {
		t.Shredded = 1
	}
	return t
}

// plus adds sign times other: 1 adds, -1 takes away. Counts that reach zero leave
// no row, so that equal totals are equal bytes.
func (t *Totals) plus(other Totals, sign int64) {
	t.Created += sign * other.Created
	t.Viewed += sign * other.Viewed
	t.Shredded += sign * other.Shredded
	for reason, n := range other.Ended {
		t.Ended[reason] += sign * n
		if t.Ended[reason] == 0 {
			delete(t.Ended, reason)
		}
	}
	for category, n := range other.Reported {
		t.report(category, sign*n)
	}
	for key, n := range other.Decided {
		t.decide(decision(key>>8), Category(key&0xff), sign*n)
	}
}

func (t *Totals) report(c Category, n int64) {
	if t.Reported == nil {
		t.Reported = map[Category]int64{}
	}
	if t.Reported[c] += n; t.Reported[c] == 0 {
		delete(t.Reported, c)
	}
}

func (t *Totals) decide(d decision, c Category, n int64) {
	if t.Decided == nil {
		t.Decided = map[uint16]int64{}
	}
	key := uint16(d)<<8 | uint16(c)
	if t.Decided[key] += n; t.Decided[key] == 0 {
		delete(t.Decided, key)
	}
}

// Drop removes every row of a link whose stream leaves the log. What the link
// added to the totals leaves with it; the purge's summary event brings it back
// without an id, so live totals do not move and a rebuild gives the same.
func (Fold) Drop(tx *eventlog.Tx, id eventlog.ID) error {
	st, known, err := load(tx, id)
	if err != nil {
		return err
	}
	if !known {
		return dropCase(tx, id)
	}
	if minute, has := st.row(); has {
		if err := tx.Delete(eventlog.DeadlineKey(minute, id)); err != nil {
			return err
		}
	}
	if err := tx.Delete(eventlog.ReceiptKey(st.Receipt)); err != nil {
		return err
	}
	if err := tx.Delete(eventlog.LinkKey(id)); err != nil {
		return err
	}
	return count(tx, func(t *Totals) { t.plus(st.contribution(), -1) })
}

func applyPurged(tx *eventlog.Tx, e eventlog.Event) error {
	var summary Totals
	if err := e.Body(&summary); err != nil {
		return fmt.Errorf("event %d: %w", e.Seq, err)
	}
	return count(tx, func(t *Totals) { t.plus(summary, 1) })
}

// purgeable reports whether nothing of a link need be kept: its payload is
// shredded and its receipt has lapsed.
func (l *Links) purgeable(st state, now time.Time) bool {
	return st.Gone && st.Cases == 0 && !now.Before(l.lapses(st.End))
}

// Purgeable counts the links and cases that Purge would remove, and says since
// when the oldest of them could have been; the zero time when there is none.
func (l *Links) Purgeable() (count int, since time.Time, err error) {
	now := l.cfg.Now()
	err = l.each(func(_ eventlog.ID, st state) {
		if l.purgeable(st, now) {
			count++
			since = earlier(since, l.lapses(st.End))
		}
	})
	if err != nil {
		return 0, time.Time{}, err
	}
	err = l.eachCase(func(_ eventlog.ID, c caseState) {
		if l.purgeableCase(c, now) {
			count++
			since = earlier(since, l.caseLapses(c))
		}
	})
	return count, since, err
}

// Dead is how many bytes of the log are deleted but not yet erased from the disk.
func (l *Links) Dead() (int64, error) {
	size, err := l.cfg.Log.Size()
	return int64(size.Dead), err
}

// Purge removes every link and every case that is over and done from the log, and
// every trace of them from the disk. Totals stay. Appends go on but for the last
// moments.
func (l *Links) Purge(ctx context.Context) (eventlog.Purged, error) {
	return l.purge(ctx, l.purgeable, l.purgeableCase)
}

func (l *Links) purge(ctx context.Context, link func(state, time.Time) bool, kase func(caseState, time.Time) bool) (eventlog.Purged, error) {
	// Cases first: a link stays as long as the log has a case that names it. Each
	// step goes on where the one before ended, so that a purge reads every row
	// once. What becomes purgeable behind it waits for the next purge.
	cases, links := newWalk(eventlog.CaseBounds()), newWalk(eventlog.LinkBounds())
	return l.cfg.Log.Purge(ctx, l.cfg.Now(), func(tx *eventlog.Tx, limit int) (ids []eventlog.ID, summary any, err error) {
		sum := Totals{Ended: map[Reason]int64{}}
		err = cases.on(tx, func(key, value []byte) (more bool, err error) {
			var c caseState
			id, ok := eventlog.ParseCaseKey(key)
			if !ok {
				return false, errBadKey
			}
			if err := eventlog.Unmarshal(value, &c); err != nil {
				return false, err
			}
			if kase(c, tx.Now()) {
				ids = append(ids, id)
				sum.plus(c.contribution(), 1)
			}
			return len(ids) < limit, nil
		})
		if err != nil || len(ids) > 0 {
			return ids, sum, err
		}
		err = links.on(tx, func(key, value []byte) (more bool, err error) {
			id, ok := eventlog.ParseLinkKey(key)
			if !ok {
				return false, errBadKey
			}
			st, err := decodeState(value)
			if err != nil {
				return false, err
			}
			if link(st, tx.Now()) {
				ids = append(ids, id)
				sum.plus(st.contribution(), 1)
			}
			return len(ids) < limit, nil
		})
		return ids, sum, err
	})
}

// walk visits the rows of a range in several goes.
type walk struct{ from, end []byte }

func newWalk(lo, hi []byte) *walk { return &walk{lo, hi} }

func (w *walk) on(tx *eventlog.Tx, visit func(key, value []byte) (more bool, err error)) error {
	return tx.Scan(w.from, w.end, func(key, value []byte) (bool, error) {
		w.from = append(append([]byte{}, key...), 0)
		return visit(key, value)
	})
}

// Totals counts what ever happened, over purged links too.
func (l *Links) Totals() (t Totals, err error) {
	err = l.cfg.Log.Read(func(tx *eventlog.Tx) error {
		t, err = loadTotals(tx)
		return err
	})
	return t, err
}

// Inherit adds another log's totals to an empty one's, for a restored host.
func (l *Links) Inherit(t Totals) error {
	return l.cfg.Log.Do(l.cfg.Now(), func(*eventlog.Tx) ([]eventlog.Draft, error) {
		return []eventlog.Draft{{Type: typePurged, Data: t}}, nil
	})
}

// Removed counts, by category, what the operator removed, blocked or preserved.
func (t Totals) Removed() map[Category]int64 {
	out := map[Category]int64{}
	for key, n := range t.Decided {
		switch decision(key >> 8) {
		case removed, blocked, preserved:
			out[Category(key&0xff)] += n
		}
	}
	return out
}

// Preserved counts what was kept until a date, among what was removed.
func (t Totals) Preserved() (n int64) {
	for key, count := range t.Decided {
		if decision(key>>8) == preserved {
			n += count
		}
	}
	return n
}
