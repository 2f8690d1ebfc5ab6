package link

import (
	"fmt"
	"strings"
	"time"

	"emberdrop/eventlog"
	"emberdrop/report"
	"emberdrop/seal"
)

// dismiss closes a case: nothing is wrong. A held link answers again when no other
// case about it is open. Of a preserved case it ends the preservation.
func (l *Links) dismiss(id eventlog.ID) error {
	return l.cfg.Log.Do(l.cfg.Now(), func(tx *eventlog.Tx) ([]eventlog.Draft, error) {
		c, st, err := undecidedCase(tx, id)
		if err != nil {
			return nil, err
		}
		events, err := decide(tx, id, decided{Decision: dismissed})
		if err == nil && c.open() && c.linked() && st.Held != notHeld && len(st.Open) == openCaseLen {
			events = append(events, eventlog.Draft{Link: c.Link, Type: typeReleased, Data: released{}})
		}
		return events, err
	})
}

// block is remove, after the bank has the item.
func (l *Links) block(id eventlog.ID, lines []string) error {
	if l.cfg.Bank == nil {
		return fmt.Errorf("%w: this server keeps no bank", ErrDecision)
	}
	if err := l.cfg.Log.Read(func(tx *eventlog.Tx) error {
		_, _, err := undecidedCase(tx, id)
		return err
	}); err != nil {
		return err
	}
	// The bank first: a crash in between leaves a case that is decided once more,
	// and never an item that was to be blocked and is not.
	if err := l.cfg.Bank(report.ID(id).String(), lines); err != nil {
		return fmt.Errorf("the bank: %w", err)
	}
	return l.remove(id, blocked)
}

// remove ends the link of a case at once, open leases included, and shreds
// everything of it. All other cases about the link are over with it, but for what
// is preserved.
func (l *Links) remove(id eventlog.ID, how decision) error {
	var link eventlog.ID
	var payload string
	err := l.cfg.Log.Do(l.cfg.Now(), func(tx *eventlog.Tx) ([]eventlog.Draft, error) {
		c, st, err := undecidedCase(tx, id)
		if err != nil {
			return nil, err
		}
		link, payload = c.Link, st.Payload
		events, err := decide(tx, id, decided{Decision: how})
		if err != nil || !c.linked() {
			return events, err
		}
		more, err := removeLink(tx, c.Link, st, id)
		return append(events, more...), err
	}) // COMMIT POINT of a removal: from here on no reveal gets a view.
	if err != nil || link == (eventlog.ID{}) {
		return err
	}
	return l.vanish(link, payload)
}

// removeLink is what ends a link by the operator's word, with every open case
// about it but the one that is decided already.
func removeLink(tx *eventlog.Tx, id eventlog.ID, st state, but eventlog.ID) ([]eventlog.Draft, error) {
	events := endBy(id, st, tx.Now(), Operator)
	for _, c := range st.Open.list() {
		if c.ID == but {
			continue
		}
		more, err := decide(tx, c.ID, decided{Decision: removed})
		if err != nil {
			return nil, err
		}
		events = append(events, more...)
	}
	return events, nil
}

// vanish makes true what the log says of a link that the operator has removed: no
// lease reads its next chunk, and the payload is shredded. What fails is done
// again by the sweeper.
func (l *Links) vanish(id eventlog.ID, payload string) error {
	l.finish(id, payload)
	l.endLeases(id)
	if l.shred(id) != nil {
		l.cfg.Events.Error("a removed link could not be shredded, the sweeper tries again", "room", "link")
	}
	return nil
}

// suspend makes the link of a case answer like a dead one until there is a decision.
func (l *Links) suspend(id eventlog.ID) error {
	var link eventlog.ID
	err := l.cfg.Log.Do(l.cfg.Now(), func(tx *eventlog.Tx) ([]eventlog.Draft, error) {
		c, st, err := undecidedCase(tx, id)
		if err != nil {
			return nil, err
		}
		if !c.open() || !c.linked() || st.at(tx.Now()) != Live {
			return nil, ErrDecided
		}
		link = c.Link
		if st.Held != notHeld {
			return nil, nil
		}
		return []eventlog.Draft{l.holdDraft(tx, link, heldByHand)}, nil
	})
	if err == nil {
		l.answers.forget(link)
		l.endLeases(link)
	}
	return err
}

// preserve ends the link of a case and keeps its ciphertext until a date, beside
// the boxes, which alone hold the key of the one item. The date ends it by itself.
func (l *Links) preserve(id eventlog.ID, until time.Time) error {
	if now := l.cfg.Now(); !until.After(now) || until.After(now.Add(maxPreserve)) {
		return fmt.Errorf("%w: preserve until when? at most two years from now", ErrDecision)
	}
	var link eventlog.ID
	var payload string
	err := l.cfg.Log.Do(l.cfg.Now(), func(tx *eventlog.Tx) ([]eventlog.Draft, error) {
		c, st, err := undecidedCase(tx, id)
		if err != nil {
			return nil, err
		}
		if !c.linked() || st.Gone || c.Sum == ([32]byte{}) {
			return nil, fmt.Errorf("%w: there is nothing that a key was proved for", ErrDecided)
		}
		link, payload = c.Link, st.Payload
		events := endBy(link, st, tx.Now(), Operator)
		return append(events, eventlog.Draft{Link: id, Type: typeDecided, Data: decided{Decision: preserved, Until: minuteUp(until)}}), nil
	})
	if err != nil {
		return err
	}
	l.answers.forget(link)
	l.endLeases(link)
	if l.overwriteHeader(link, payload) != nil {
		l.cfg.Events.Error("the header of an ended link was not overwritten", "room", "link")
		return nil
	}
	l.keep(payload)
	return nil
}

// Takedown ends a link at once, blind: no case and no key is needed. what is a
// link, its secret, or its id. The errors are ErrNoCase when the log knows no such
// link, or one of the disk.
func (l *Links) Takedown(what string, why Category, authority bool) (report.TakenDown, error) {
	id, err := l.find(what)
	if err != nil {
		return report.TakenDown{}, err
	}
	out := report.TakenDown{ID: report.ID(id).String()}
	var payload string
	err = l.cfg.Log.Do(l.cfg.Now(), func(tx *eventlog.Tx) ([]eventlog.Draft, error) {
		st, known, err := load(tx, id)
		if err != nil {
			return nil, err
		}
		if !known {
			return nil, ErrNoCase
		}
		payload = st.Payload
		switch {
		case st.at(tx.Now()) != Live:
			out.Was = report.LinkEnded
		case st.Held != notHeld:
			out.Was = report.LinkHeld
		default:
			out.Was = report.LinkLive
		}
		if st.Gone {
			return nil, nil
		}
		events, err := removeLink(tx, id, st, eventlog.ID{})
		if err != nil || out.Was == report.LinkEnded {
			return events, err
		}
		// A case of its own, opened and decided in one, so that the removal is counted
		// under its reason.
		one := newCaseID()
		m := matter{link: id, source: fromOperator, category: why}
		if authority {
			m.flags = flagAuthority
		}
		drafts, err := draftCase(tx, one, m, seal.Token{}, nil)
		if err != nil {
			return nil, err
		}
		events = append(events, drafts...)
		return append(events, eventlog.Draft{Link: one, Type: typeDecided, Data: decided{Decision: removed}}), nil
	}) // COMMIT POINT of a takedown: decided in the log's writer, so it is before or after any reveal.
	if err != nil {
		return report.TakenDown{}, err
	}
	return out, l.vanish(id, payload)
}

// find is the id of a link that the operator names.
func (l *Links) find(what string) (eventlog.ID, error) {
	what = strings.TrimSpace(what)
	if id, err := report.ParseID(strings.ToLower(what)); err == nil {
		return eventlog.ID(id), nil
	}
	for _, secret := range l.links(what) {
		if id, known := l.known(secret); known {
			return id, nil
		}
	}
	return eventlog.ID{}, ErrNoCase
}
