package link

import (
	"fmt"

	"emberdrop/eventlog"
)

// applyOpened folds the beginning of a case.
func applyOpened(tx *eventlog.Tx, e eventlog.Event) error {
	var body opened
	if err := e.Body(&body); err != nil {
		return fmt.Errorf("event %d: %w", e.Seq, err)
	}
	c := caseState{
		Source: body.Source, Category: body.Category, Flags: body.Flags, Deadline: body.Deadline,
		Opened: e.Hour, Reports: 1,
	}
	copy(c.Link[:], body.Link)
	copy(c.Sum[:], body.Sum)
	if err := c.addStatus(tx, e.Link, body.Status); err != nil {
		return err
	}
	if c.linked() {
		err := changeLink(tx, e, c.Link, func(st *state) {
			st.Open = st.Open.with(openCase{ID: e.Link, Sum: c.Sum})
			st.Cases++
		})
		if err != nil {
			return err
		}
	}
	if err := storeCase(tx, e.Link, c); err != nil {
		return err
	}
	if err := rescheduleCase(tx, e.Link, caseState{Decision: lapsed}, c); err != nil {
		return err
	}
	return count(tx, func(t *Totals) { t.report(c.Category, 1) })
}

// applyCase folds an event of a case that exists.
func applyCase(tx *eventlog.Tx, e eventlog.Event) error {
	c, known, err := loadCase(tx, e.Link)
	if err != nil {
		return err
	}
	if !known {
		return fmt.Errorf("event %d: of a case that was never opened", e.Seq)
	}
	before := c
	tally := func(*Totals) {}
	switch e.Type {
	case typeJoined:
		var body joined
		if err := e.Body(&body); err != nil {
			return fmt.Errorf("event %d: %w", e.Seq, err)
		}
		c.Reports++
		c.Flags |= body.Flags
		c.Deadline = min(c.Deadline, body.Deadline)
		if body.Category < c.Category { // the most urgent word that was said
			was := c.Category
			c.Category = body.Category
			tally = func(t *Totals) { t.report(was, -1); t.report(body.Category, 1) }
		}
		if err := c.addStatus(tx, e.Link, body.Status); err != nil {
			return err
		}
	case typeOverdue:
		c.Overdue = true
	case typeDecided:
		var body decided
		if err := e.Body(&body); err != nil {
			return fmt.Errorf("event %d: %w", e.Seq, err)
		}
		c.Until, c.Decided = body.Until, e.Hour
		if before.open() { // the end of a preservation is not a second decision
			c.Decision = body.Decision
			tally = func(t *Totals) { t.decide(c.Decision, c.Category, 1) }
		}
		if err := settle(tx, e, before, c); err != nil {
			return err
		}
	}
	if err := storeCase(tx, e.Link, c); err != nil {
		return err
	}
	if err := rescheduleCase(tx, e.Link, before, c); err != nil {
		return err
	}
	return count(tx, tally)
}

// settle tells a link what became of its case.
func settle(tx *eventlog.Tx, e eventlog.Event, before, after caseState) error {
	if !after.linked() {
		return nil
	}
	return changeLink(tx, e, after.Link, func(st *state) {
		if before.open() {
			st.Open = st.Open.without(e.Link)
		}
		if before.preserved() {
			st.Kept--
		}
		if after.preserved() {
			st.Kept++
		}
	})
}

// changeLink changes the state of a case's link, and its place in the schedule.
func changeLink(tx *eventlog.Tx, e eventlog.Event, id eventlog.ID, change func(*state)) error {
	st, known, err := load(tx, id)
	if err != nil {
		return err
	}
	if !known {
		return fmt.Errorf("event %d: of a case whose link was never created", e.Seq)
	}
	before := st
	change(&st)
	if err := store(tx, id, st); err != nil {
		return err
	}
	return reschedule(tx, id, before, st)
}

func (c *caseState) addStatus(tx *eventlog.Tx, id eventlog.ID, hash []byte) error {
	if len(hash) != 32 {
		return nil
	}
	c.Statuses = append(c.Statuses, hash)
	return tx.Set(eventlog.StatusKey([32]byte(hash)), id[:])
}

// dropCase removes every row of a case whose stream leaves the log; see Drop.
func dropCase(tx *eventlog.Tx, id eventlog.ID) error {
	c, known, err := loadCase(tx, id)
	if err != nil {
		return err
	}
	if !known {
		return fmt.Errorf("drop of a stream that is not known")
	}
	if minute, has := c.row(); has {
		if err := tx.Delete(eventlog.DeadlineKey(minute, id)); err != nil {
			return err
		}
	}
	for _, hash := range c.Statuses {
		if err := tx.Delete(eventlog.StatusKey([32]byte(hash))); err != nil {
			return err
		}
	}
	if err := tx.Delete(eventlog.CaseKey(id)); err != nil {
		return err
	}
	if c.linked() {
		if err := changeLink(tx, eventlog.Event{}, c.Link, func(st *state) { st.Cases-- }); err != nil {
			return err
		}
	}
	return count(tx, func(t *Totals) { t.plus(c.contribution(), -1) })
}

// contribution is what one case has added to the totals.
func (c caseState) contribution() (t Totals) {
	t.report(c.Category, 1)
	if !c.open() {
		t.decide(c.Decision, c.Category, 1)
	}
	return t
}

func rescheduleCase(tx *eventlog.Tx, id eventlog.ID, before, after caseState) error {
	was, had := before.row()
	is, has := after.row()
	return moveRow(tx, id, was, had, is, has)
}

func loadCase(tx *eventlog.Tx, id eventlog.ID) (c caseState, known bool, err error) {
	value, known, err := tx.Get(eventlog.CaseKey(id))
	if err != nil || !known {
		return caseState{}, false, err
	}
	if err := eventlog.Unmarshal(value, &c); err != nil {
		return caseState{}, false, fmt.Errorf("case state: %w", err)
	}
	return c, true, nil
}

func storeCase(tx *eventlog.Tx, id eventlog.ID, c caseState) error {
	value, err := eventlog.Marshal(c)
	if err != nil {
		return err
	}
	return tx.Set(eventlog.CaseKey(id), value)
}
