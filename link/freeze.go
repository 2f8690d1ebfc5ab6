package link

import (
	"errors"
	"sync"

	"emberdrop/eventlog"
)

// An open case with a proved item delays one thing: the overwriting of an ended
// link's ciphertext, for at most the freeze. The header page goes at the end as
// ever, so no link opens it again; the key of the one item is in the case's boxes,
// which the operator alone opens.

// headers are the ended links whose header page is still to be overwritten, since
// the first try failed.
type headers struct {
	mu   sync.Mutex
	late map[eventlog.ID]string // -> payload
}

// overwriteHeader makes an ended link's payload one that no link opens. If that
// fails the sweeper does it again, and at the latest the next start.
func (l *Links) overwriteHeader(id eventlog.ID, payload string) error {
	err := l.cfg.Vault.ShredHeader(payload)
	l.headers.mu.Lock()
	defer l.headers.mu.Unlock()
	if err == nil {
		delete(l.headers.late, id)
	} else {
		l.headers.late[id] = payload
	}
	return err
}

// overwriteLate tries again what failed.
func (l *Links) overwriteLate() error {
	l.headers.mu.Lock()
	late := make(map[eventlog.ID]string, len(l.headers.late))
	for id, payload := range l.headers.late {
		late[id] = payload
	}
	l.headers.mu.Unlock()
	var first error
	for id, payload := range late {
		if err := l.overwriteHeader(id, payload); err != nil && first == nil {
			first = err
		}
	}
	return first
}

// repairFrozen finishes, after a crash, what ended links with a case still need:
// the header page overwritten, and what is preserved moved aside.
func (l *Links) repairFrozen() error {
	type one struct {
		id      eventlog.ID
		payload string
		keep    bool
	}
	var all []one
	err := l.each(func(id eventlog.ID, st state) {
		if st.Reason != Live && !st.Gone && (st.Kept > 0 || st.frozen() != 0) {
			all = append(all, one{id, st.Payload, st.Kept > 0})
		}
	})
	if err != nil {
		return err
	}
	for _, o := range all {
		if l.overwriteHeader(o.id, o.payload) != nil {
			l.cfg.Events.Error("the header of an ended link was not overwritten", "room", "link")
		} else if o.keep {
			l.keep(o.payload)
		}
	}
	return nil
}

// keep moves a payload aside for a preservation.
func (l *Links) keep(payload string) {
	if err := l.cfg.Vault.Keep(payload); err != nil {
		l.cfg.Events.Error("a preserved ciphertext was not moved aside, the next start tries again", "room", "link")
	}
}

// lapse decides a case because nobody did, or ends a preservation: its boxes go
// with it.
func (l *Links) lapse(tx *eventlog.Tx, id eventlog.ID) ([]eventlog.Draft, error) {
	return decide(tx, id, decided{Decision: lapsed})
}

// decide is the event of a decision; unless it preserves, the boxes go in the
// same batch.
func decide(tx *eventlog.Tx, id eventlog.ID, d decided) ([]eventlog.Draft, error) {
	if d.Until == 0 {
		if err := dropBoxes(tx, id); err != nil {
			return nil, err
		}
	}
	return []eventlog.Draft{{Link: id, Type: typeDecided, Data: d}}, nil
}

func dropBoxes(tx *eventlog.Tx, id eventlog.ID) error {
	var keys [][]byte
	lo, hi := eventlog.SealedBounds(id)
	err := tx.Scan(lo, hi, func(key, _ []byte) (bool, error) {
		keys = append(keys, append([]byte{}, key...))
		return true, nil
	})
	for _, key := range keys {
		if err == nil {
			err = tx.Delete(key)
		}
	}
	return err
}

// lapseOpen decides every open case of a link that has nothing left to look at.
func (l *Links) lapseOpen(tx *eventlog.Tx, st state) (events []eventlog.Draft, err error) {
	for _, c := range st.Open.list() {
		more, err := l.lapse(tx, c.ID)
		if err != nil {
			return nil, err
		}
		events = append(events, more...)
	}
	return events, nil
}

// dueCase is what the schedule asks of a case whose row has come.
func (l *Links) dueCase(tx *eventlog.Tx, id eventlog.ID) (events []eventlog.Draft, suspended *entry, err error) {
	c, known, err := loadCase(tx, id)
	if err != nil || !known {
		return nil, nil, err
	}
	if minute, has := c.row(); !has || tx.Now().Unix() < minute*60 {
		return nil, nil, nil
	}
	switch {
	case c.preserved(), c.open() && c.Overdue:
		events, err = l.lapse(tx, id)
		return events, nil, err
	case !c.open():
		return nil, nil, nil
	}
	events = []eventlog.Draft{{Link: id, Type: typeOverdue, Data: overdue{}}}
	if !c.linked() || !c.urgent() {
		return events, nil, nil
	}
	st, known, err := load(tx, c.Link)
	if err != nil || !known || st.at(tx.Now()) != Live || st.Held != notHeld {
		return events, nil, err
	}
	events = append(events, l.holdDraft(tx, c.Link, heldLate))
	return events, &entry{c.Link, st}, nil
}

// urgent reports whether an undecided case suspends its link at its deadline:
// what hurts somebody with every view, where the item was proved. The word of who
// has no more than the link of a locked one would let any stranger end it.
func (c caseState) urgent() bool {
	return c.proved() && (c.Category == Child || c.Category == Intimate || c.Flags&flagAuthority != 0)
}

// holdDraft is the event that makes a link answer like a dead one.
func (l *Links) holdDraft(tx *eventlog.Tx, id eventlog.ID, why hold) eventlog.Draft {
	return eventlog.Draft{Link: id, Type: typeHeld, Data: held{Why: why, Until: minuteUp(tx.Now().Add(l.cfg.HoldMax))}}
}

// lapseAll decides every case, for a wipe.
func (l *Links) lapseAll() error {
	var ids []eventlog.ID
	err := l.eachCase(func(id eventlog.ID, c caseState) {
		if c.open() || c.preserved() {
			ids = append(ids, id)
		}
	})
	if err != nil {
		return err
	}
	for len(ids) > 0 {
		batch := ids[:min(len(ids), sweepBatch)]
		ids = ids[len(batch):]
		err := l.cfg.Log.Do(l.cfg.Now(), func(tx *eventlog.Tx) (events []eventlog.Draft, err error) {
			for _, id := range batch {
				c, known, err := loadCase(tx, id)
				if err != nil {
					return nil, err
				}
				if !known || !c.open() && !c.preserved() {
					continue
				}
				more, err := l.lapse(tx, id)
				if err != nil {
					return nil, err
				}
				events = append(events, more...)
			}
			return events, nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// eachCase visits the state of every case that the log knows.
func (l *Links) eachCase(visit func(eventlog.ID, caseState)) error {
	return l.cfg.Log.Read(func(tx *eventlog.Tx) error {
		lo, hi := eventlog.CaseBounds()
		return tx.Scan(lo, hi, func(key, value []byte) (bool, error) {
			id, ok := eventlog.ParseCaseKey(key)
			if !ok {
				return false, errBadKey
			}
			var c caseState
			if err := eventlog.Unmarshal(value, &c); err != nil {
				return false, err
			}
			visit(id, c)
			return true, nil
		})
	})
}

// shredFiles shreds whatever a link's payload is called by now.
func (l *Links) shredFiles(payload string) error {
	return errors.Join(l.cfg.Vault.Shred(payload), l.cfg.Vault.ShredKept(payload))
}
