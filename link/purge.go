package link

import (
	"errors"
	"fmt"

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
		return errors.New("drop of a link that is not known")
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
