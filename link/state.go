package link

import (
	"fmt"
	"time"

	"emberdrop/eventlog"
)

// state is what the log says of one link, as stored under its key. It is a
// projection: disposable, and rebuilt from the events at any time.
type state struct {
	created
	Made   int64  `cbor:"20,keyasint"`           // hour of creation, since 1970
	Opened int    `cbor:"21,keyasint,omitempty"` // views so far
	Last   int64  `cbor:"22,keyasint,omitempty"` // hour of the last view; 0: none
	Reason Reason `cbor:"23,keyasint,omitempty"` // why it ended
	End    int64  `cbor:"24,keyasint,omitempty"` // hour of its end
	Gone   bool   `cbor:"25,keyasint,omitempty"` // its payload is shredded

	Held  hold      `cbor:"26,keyasint,omitempty"` // why it answers like a dead one; 0: it does not
	Hold  int64     `cbor:"27,keyasint,omitempty"` // the minute at which a held link ends
	Open  openCases `cbor:"28,keyasint,omitempty"` // cases that wait for a decision
	Cases int       `cbor:"29,keyasint,omitempty"` // streams of cases in the log that name it
	Kept  int       `cbor:"30,keyasint,omitempty"` // cases for which its ciphertext is preserved
}

// Totals counts what ever happened, over purged links too.
type Totals struct {
	Created  int64            `cbor:"1,keyasint"`
	Viewed   int64            `cbor:"2,keyasint"`
	Shredded int64            `cbor:"3,keyasint"`
	Ended    map[Reason]int64 `cbor:"4,keyasint"`

	Reported map[Category]int64 `cbor:"5,keyasint,omitempty"` // cases opened
	// Decided counts cases by decision and category: 256 times the one plus the other.
	Decided map[uint16]int64 `cbor:"6,keyasint,omitempty"`
}

// idleEnd is the minute at which an unopened link ends by its idle limit. The
// hour of the last view is all that is known of its time, so the limit runs from
// that hour's end.
func (s state) idleEnd() int64 {
	if s.Idle == 0 {
		return 0
	}
	return (max(s.Made, s.Last) + s.Idle + 1) * 60
}

// due is the minute at which the link ends unless something ends it sooner; 0: never.
func (s state) due() (minute int64, reason Reason) {
	idle := s.idleEnd()
	minute, reason = idle, Idle
	if s.Deadline != 0 && (idle == 0 || s.Deadline <= idle) {
		minute, reason = s.Deadline, Expired
	}
	if s.Held != notHeld && (minute == 0 || s.Hold < minute) {
		return s.Hold, Operator // nobody let it go: it fails closed
	}
	return minute, reason
}

// at is why the link has ended as seen at now, deadlines included that no sweep
// has yet recorded. Live: it has not, though it may be held.
func (s state) at(now time.Time) Reason {
	if s.Reason != Live {
		return s.Reason
	}
	if minute, reason := s.due(); minute != 0 && now.Unix() >= minute*60 {
		return reason
	}
	return Live
}

// live reports whether the link can be opened.
func (s state) live(now time.Time) bool { return s.at(now) == Live && s.Held == notHeld }

// frozen is the minute until which an ended link's ciphertext is kept for the
// operator, who has an open case about it; 0: it is not.
func (s state) frozen() int64 {
	if s.Reason == Live || s.Gone {
		return 0
	}
	for _, c := range s.Open.list() {
		if c.proved() {
			return (s.End + freeze) * 60
		}
	}
	return 0
}

// freeze is how long, in hours past a link's end, an open case delays the
// overwriting of its ciphertext. Never that of its header page.
const freeze = 7 * 24

// lasts reports whether the link has no deadline.
func (s state) lasts() bool { return s.Deadline == 0 }

// viewsLeft is how often the link can still be opened; 0: no limit.
func (s state) viewsLeft() int { return max(0, s.Views-s.Opened) }

// Fold folds events into link state, the schedule, the receipts and the totals.
// It is pure: no clock, no randomness, nothing but the event and what is stored.
type Fold struct{}

// shredNow is the minute under which the schedule holds links that have ended
// and whose payload still has to be shredded: always due.
const shredNow = 0

// Apply folds one event. An event type or a state that cannot be is an error,
// which stops the log: skipping would make every later answer a guess.
func (Fold) Apply(tx *eventlog.Tx, e eventlog.Event) error {
	switch e.Type {
	case typeCreated:
		return applyCreated(tx, e)
	case typePurged:
		return applyPurged(tx, e)
	case typeViewed, typeEnded, typeShredded, typeHeld, typeReleased:
		return applyChange(tx, e)
	case typeOpened:
		return applyOpened(tx, e)
	case typeJoined, typeOverdue, typeDecided:
		return applyCase(tx, e)
	}
	return fmt.Errorf("event %d: %w", e.Seq, eventlog.ErrUnknownType)
}

func applyCreated(tx *eventlog.Tx, e eventlog.Event) error {
	st := state{Made: e.Hour}
	if err := e.Body(&st.created); err != nil {
		return fmt.Errorf("event %d: %w", e.Seq, err)
	}
	if err := tx.Set(eventlog.ReceiptKey(st.Receipt), e.Link[:]); err != nil {
		return err
	}
	if err := store(tx, e.Link, st); err != nil {
		return err
	}
	if err := reschedule(tx, e.Link, state{created: created{}, Gone: true}, st); err != nil {
		return err
	}
	return count(tx, func(t *Totals) { t.Created++ })
}

// applyChange folds an event of a link that exists.
func applyChange(tx *eventlog.Tx, e eventlog.Event) error {
	st, known, err := load(tx, e.Link)
	if err != nil {
		return err
	}
	if !known {
		return fmt.Errorf("event %d: of a link that was never created", e.Seq)
	}
	before := st
	tally := func(*Totals) {}
	switch e.Type {
	case typeViewed:
		st.Opened++
		st.Last = e.Hour
		tally = func(t *Totals) { t.Viewed++ }
	case typeEnded:
		var body ended
		if err := e.Body(&body); err != nil {
			return fmt.Errorf("event %d: %w", e.Seq, err)
		}
		st.Reason, st.End = body.Reason, e.Hour
		if body.Hour != 0 {
			st.End = body.Hour
		}
		tally = func(t *Totals) { t.Ended[body.Reason]++ }
	case typeShredded:
		st.Gone = true
		tally = func(t *Totals) { t.Shredded++ }
	case typeHeld:
		var body held
		if err := e.Body(&body); err != nil {
			return fmt.Errorf("event %d: %w", e.Seq, err)
		}
		st.Held, st.Hold = body.Why, body.Until
	case typeReleased:
		st.Held, st.Hold = notHeld, 0
	}
	if err := store(tx, e.Link, st); err != nil {
		return err
	}
	if err := reschedule(tx, e.Link, before, st); err != nil {
		return err
	}
	return count(tx, tally)
}

// reschedule moves a link's row in the schedule from where its state before put it
// to where its state after puts it.
func reschedule(tx *eventlog.Tx, id eventlog.ID, before, after state) error {
	was, had := before.row()
	is, has := after.row()
	return moveRow(tx, id, was, had, is, has)
}

// moveRow moves a row of the schedule.
func moveRow(tx *eventlog.Tx, id eventlog.ID, was int64, had bool, is int64, has bool) error {
	if had == has && was == is {
		return nil
	}
	if had {
		if err := tx.Delete(eventlog.DeadlineKey(was, id)); err != nil {
			return err
		}
	}
	if has {
		return tx.Set(eventlog.DeadlineKey(is, id), nil)
	}
	return nil
}

// row is the minute under which the link stands in the schedule, if it does.
func (s state) row() (minute int64, has bool) {
	if s.Gone {
		return 0, false
	}
	if s.Reason != Live {
		// The end of the freeze comes for a preserved one too: what is preserved is one
		// item, and the keys of the others are in the boxes of the cases that wait.
		if until := s.frozen(); until != 0 {
			return until, true
		}
		if s.Kept > 0 {
			return 0, false
		}
		return shredNow, true
	}
	minute, _ = s.due()
	return minute, minute != 0
}

func load(tx *eventlog.Tx, id eventlog.ID) (st state, known bool, err error) {
	value, known, err := tx.Get(eventlog.LinkKey(id))
	if err != nil || !known {
		return state{}, false, err
	}
	st, err = decodeState(value)
	return st, err == nil, err
}

func decodeState(value []byte) (st state, err error) {
	if err := eventlog.Unmarshal(value, &st); err != nil {
		return state{}, fmt.Errorf("link state: %w", err)
	}
	return st, nil
}

func store(tx *eventlog.Tx, id eventlog.ID, st state) error {
	value, err := eventlog.Marshal(st)
	if err != nil {
		return err
	}
	return tx.Set(eventlog.LinkKey(id), value)
}

var totalsKey = eventlog.MetaKey("totals")

func loadTotals(tx *eventlog.Tx) (t Totals, err error) {
	value, known, err := tx.Get(totalsKey)
	if err == nil && known {
		err = eventlog.Unmarshal(value, &t)
	}
	if t.Ended == nil {
		t.Ended = map[Reason]int64{}
	}
	return t, err
}

func count(tx *eventlog.Tx, change func(*Totals)) error {
	t, err := loadTotals(tx)
	if err != nil {
		return err
	}
	change(&t)
	return storeTotals(tx, t)
}

func storeTotals(tx *eventlog.Tx, t Totals) error {
	value, err := eventlog.Marshal(t)
	if err != nil {
		return err
	}
	return tx.Set(totalsKey, value)
}
