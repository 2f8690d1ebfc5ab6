package link

import (
	"errors"
	"maps"
	"slices"
	"time"

	"emberdrop/eventlog"
	"emberdrop/vault"
)

// sweepBatch bounds how many links one pass ends or shreds in one command.
const sweepBatch = 256

// EndDue ends the links whose deadline or idle limit has come, ends the leases
// and forgets the answers whose time is over.
func (l *Links) EndDue() error {
	now := l.cfg.Now()
	over, _ := l.leases.which(func(s *Lease) bool { return !s.alive(now) })
	for _, s := range over {
		l.endLease(s)
	}
	l.answers.expire(now)
	l.reveals.expire(now)
	l.guesses.expire(now)
	for {
		due, err := l.due(now, sweepBatch)
		if err != nil || len(due) == 0 {
			return err
		}
		ended, suspended, moved, err := l.end(due)
		if err != nil {
			return err
		}
		for _, e := range ended {
			l.finish(e.id, e.st.Payload)
		}
		for _, e := range suspended {
			l.answers.forget(e.id)
			l.endLeases(e.id)
		}
		if !moved {
			return nil // the clock is behind the schedule's reader
		}
	}
}

type entry struct {
	id eventlog.ID
	st state
}

// end appends what is due of every link and case among ids: links end, links whose
// freeze is over lose their cases, cases are overdue or lapse.
func (l *Links) end(ids []eventlog.ID) (done, suspended []entry, moved bool, err error) {
	err = l.cfg.Log.Do(l.cfg.Now(), func(tx *eventlog.Tx) (events []eventlog.Draft, err error) {
		done, suspended = nil, nil
		for _, id := range ids {
			st, known, err := load(tx, id)
			if err != nil {
				return nil, err
			}
			var more []eventlog.Draft
			switch {
			case !known:
				var stopped *entry
				if more, stopped, err = l.dueCase(tx, id); stopped != nil && !twice(suspended, *stopped) {
					suspended = append(suspended, *stopped)
				} else if stopped != nil {
					more = more[:1] // it is suspended by another case already
				}
			case st.Reason == Live && st.at(tx.Now()) != Live:
				more = endBy(id, st, tx.Now(), Live)
				done = append(done, entry{id, st})
			case st.frozen() != 0 && tx.Now().Unix() >= st.frozen()*60:
				more, err = l.lapseOpen(tx, st)
			}
			if err != nil {
				return nil, err
			}
			events = append(events, more...)
		}
		moved = len(events) > 0
		return events, nil
	})
	return done, suspended, moved, err
}

func twice(all []entry, e entry) bool {
	return slices.ContainsFunc(all, func(other entry) bool { return other.id == e.id })
}

// due lists links and cases for which something is due at now or before.
func (l *Links) due(now time.Time, most int) (ids []eventlog.ID, err error) {
	lo, hi := eventlog.DeadlineBounds(now.Unix() / 60)
	err = l.schedule(lo, hi, func(minute int64, id eventlog.ID) (more bool) {
		if minute != shredNow {
			ids = append(ids, id)
		}
		return len(ids) < most
	})
	return ids, err
}

// schedule visits rows of the schedule in order.
func (l *Links) schedule(lo, hi []byte, visit func(minute int64, id eventlog.ID) (more bool)) error {
	return l.cfg.Log.Read(func(tx *eventlog.Tx) error {
		return tx.Scan(lo, hi, func(key, _ []byte) (bool, error) {
			minute, id, ok := eventlog.ParseDeadlineKey(key)
			if !ok {
				return false, errBadKey
			}
			return visit(minute, id), nil
		})
	})
}

var errBadKey = errors.New("a key of the log cannot be read")

// ShredEnded shreds the payload of every ended link that no lease holds, and
// appends that it did. Payload before event: a crash in between finds the file
// gone and appends the event then. Links whose payload cannot be shredded now
// stay in the schedule; the first error is returned when the others are done.
func (l *Links) ShredEnded() error {
	var ids []eventlog.ID
	lo, hi := eventlog.DeadlineBounds(shredNow)
	err := l.schedule(lo, hi, func(_ int64, id eventlog.ID) bool {
		ids = append(ids, id)
		return true
	})
	if err != nil {
		return err
	}
	first := l.overwriteLate()
	for _, id := range ids {
		if l.leases.held(id) {
			continue
		}
		if err := l.shred(id); err != nil && first == nil {
			first = err
		}
	}
	return first
}

func (l *Links) shred(id eventlog.ID) error {
	var st state
	err := l.cfg.Log.Read(func(tx *eventlog.Tx) (err error) {
		st, _, err = load(tx, id)
		return err
	})
	if err != nil {
		return err
	}
	if st.Reason == Live || st.Gone || st.Kept > 0 || st.frozen() != 0 {
		return nil
	}
	if err := l.count(); err != nil {
		return err
	}
	if err := l.shredFiles(st.Payload); err != nil {
		return err
	}
	l.cfg.Step("shredded")
	first := false
	err = l.cfg.Log.Do(l.cfg.Now(), func(tx *eventlog.Tx) ([]eventlog.Draft, error) {
		st, known, err := load(tx, id)
		if first = err == nil && known && !st.Gone; !first {
			return nil, err
		}
		// Nothing is left to look at: what is still open about it is over.
		events, err := l.lapseOpen(tx, st)
		return append(events, eventlog.Draft{Link: id, Type: typeShredded, Data: shredded{}}), err
	})
	if err == nil && first {
		l.freed(st.Size, st.lasts())
	}
	return err
}

// Next is when something becomes due: a link's end, a lease's, or an answer's
// that must be forgotten. The zero time means nothing will.
func (l *Links) Next() (time.Time, error) {
	now := l.cfg.Now()
	_, next := l.leases.which(func(*Lease) bool { return false })
	next = earlier(next, l.answers.expire(now))
	next = earlier(next, l.reveals.expire(now))
	lo, hi := eventlog.AllDeadlineBounds()
	err := l.schedule(lo, hi, func(minute int64, _ eventlog.ID) bool {
		if minute != shredNow {
			next = earlier(next, fromMinute(minute))
		}
		return minute == shredNow
	})
	return next, err
}

// Repair mends, before anything is served, what a crash left: files that no
// living link owns are shredded (payloads whose event was never written, drafts,
// staging files, half-shredded ones), and links that ended before their payload
// was shredded are shredded now. A file that cannot be shredded now does not keep
// the others from their visitors: nothing opens it, and the next start tries again.
func (l *Links) Repair() error {
	leftovers, err := l.cfg.Vault.Leftovers()
	if err != nil {
		return err
	}
	orphans, err := l.orphans()
	if err != nil {
		return err
	}
	if err := l.repairFrozen(); err != nil {
		return err
	}
	for _, name := range append(leftovers, orphans...) {
		if l.cfg.Vault.Shred(name) != nil {
			l.cfg.Events.Error("a file left by a crash could not be shredded", "room", "link")
		}
	}
	if l.ShredEnded() != nil {
		l.cfg.Events.Error("an ended link could not be shredded, the sweeper tries again", "room", "link")
	}
	return nil
}

// orphans are payload files that no link in the log names, and preserved ones
// that no case preserves.
func (l *Links) orphans() (names []string, err error) {
	payloads, err := l.cfg.Vault.Names()
	if err != nil {
		return nil, err
	}
	kept, err := l.cfg.Vault.Kept()
	if err != nil || len(payloads)+len(kept) == 0 {
		return nil, err
	}
	loose, spare := setOf(payloads), setOf(kept)
	err = l.each(func(_ eventlog.ID, st state) {
		delete(loose, st.Payload)
		// Not while its link waits to be shredded, which takes both names.
		if st.Kept > 0 || !st.Gone {
			delete(spare, st.Payload)
		}
	})
	if err != nil {
		return nil, err
	}
	for name := range spare {
		names = append(names, vault.KeptName(name))
	}
	return slices.AppendSeq(names, maps.Keys(loose)), nil
}

func setOf(names []string) map[string]struct{} {
	set := make(map[string]struct{}, len(names))
	for _, name := range names {
		set[name] = struct{}{}
	}
	return set
}

// each visits the state of every link that the log knows.
func (l *Links) each(visit func(eventlog.ID, state)) error {
	return l.cfg.Log.Read(func(tx *eventlog.Tx) error {
		lo, hi := eventlog.LinkBounds()
		return tx.Scan(lo, hi, func(key, value []byte) (bool, error) {
			id, ok := eventlog.ParseLinkKey(key)
			if !ok {
				return false, errBadKey
			}
			st, err := decodeState(value)
			if err != nil {
				return false, err
			}
			visit(id, st)
			return true, nil
		})
	})
}
