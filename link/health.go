package link

import (
	"time"

	"emberdrop/eventlog"
)

// overdueAfter is how long an ended link may wait for its shredding before the
// operator should know. Ends are kept to the hour, so it is at least an hour more
// than it says.
const overdueAfter = time.Hour

// Health is what an operator should know of the links beside their totals.
type Health struct {
	// Overdue is how many links ended over an hour ago, are held by no lease, and
	// are not shredded yet: overwriting or unlinking their payloads fails.
	Overdue int64
	// Behind is how far the clock is behind the latest time in the log: it was set
	// back, or ran ahead before. 0 when it is not.
	Behind time.Duration
}

// Health looks at what waits to be shredded, and at the clock.
func (l *Links) Health() (h Health, err error) {
	err = l.cfg.Log.Read(func(tx *eventlog.Tx) error {
		now := l.cfg.Now()
		// The log keeps minutes, rounded down, and so may never be ahead by itself.
		h.Behind = max(tx.Now().Sub(now), 0)
		lo, hi := eventlog.DeadlineBounds(shredNow)
		return tx.Scan(lo, hi, func(key, _ []byte) (bool, error) {
			_, id, ok := eventlog.ParseDeadlineKey(key)
			if !ok {
				return false, errBadKey
			}
			st, known, err := load(tx, id)
			if err == nil && known && !l.leases.held(id) && !l.now(tx).Before(fromHour(st.End+1).Add(overdueAfter)) {
				h.Overdue++
			}
			return true, err
		})
	})
	return h, err
}
