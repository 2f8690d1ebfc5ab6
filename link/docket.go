package link

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"emberdrop/eventlog"
	"emberdrop/report"
	"emberdrop/vault"
)

// What the operator can be told.
var (
	// ErrNoCase means that there is no case, link or bytes of that name.
	ErrNoCase = errors.New("no such case")
	// ErrDecided means that a case cannot be decided like that (any more).
	ErrDecided = errors.New("the case cannot be decided like that any more")
	// ErrDecision means a decision that makes no sense.
	ErrDecision = errors.New("not a decision")
)

// maxPreserve is how long a preservation may last at most.
const maxPreserve = 2 * 366 * 24 * time.Hour

// Docket lists the cases that wait for the operator, and the preservations that go
// on, most urgent first. Reports that could not be proved come last. Of each link
// one case comes before the second of any other, so that who reports his own
// uploads a thousand times is behind everybody else from the second on.
func (l *Links) Docket() ([]report.Case, error) {
	type ranked struct {
		report.Case
		state caseState
		rank  int
	}
	var all []ranked
	now := l.cfg.Now()
	err := l.eachCase(func(id eventlog.ID, c caseState) {
		if c.open() || c.preserved() {
			all = append(all, ranked{caseOut(id, c, now), c, 0})
		}
	})
	if err != nil {
		return nil, err
	}
	urgent := func(a, b ranked) int {
		return cmp.Or(
			-cmp.Compare(a.state.Flags&flagAuthority, b.state.Flags&flagAuthority),
			cmp.Compare(a.state.Category, b.state.Category),
			cmp.Compare(a.state.Deadline, b.state.Deadline),
			cmp.Compare(a.ID, b.ID),
		)
	}
	slices.SortFunc(all, urgent)
	seen := map[eventlog.ID]int{}
	for i := range all {
		if all[i].state.linked() {
			all[i].rank = seen[all[i].state.Link]
			seen[all[i].state.Link]++
		}
	}
	shelf := func(c ranked) int {
		switch {
		case c.state.preserved():
			return 2
		case c.state.Flags&(flagVerified|flagMachine) == 0:
			return 1
		}
		return 0
	}
	slices.SortStableFunc(all, func(a, b ranked) int {
		return cmp.Or(cmp.Compare(shelf(a), shelf(b)), cmp.Compare(a.rank, b.rank))
	})
	out := make([]report.Case, len(all))
	for i, c := range all {
		out[i] = c.Case
	}
	return out, l.tellLinks(out)
}

// Waiting is how many cases wait for a decision, and for how many of them less
// than 12 hours are left, or none.
func (l *Links) Waiting() (open, due int, err error) {
	now := l.cfg.Now()
	err = l.eachCase(func(_ eventlog.ID, c caseState) {
		if !c.open() {
			return
		}
		open++
		if !now.Before(fromHour(c.Deadline).Add(-warnHours * time.Hour)) {
			due++
		}
	})
	return open, due, err
}

// tellLinks fills in what has become of the links of cases.
func (l *Links) tellLinks(cases []report.Case) error {
	return l.cfg.Log.Read(func(tx *eventlog.Tx) error {
		for i := range cases {
			c := &cases[i]
			id, err := report.ParseID(c.Link)
			if err != nil {
				continue // it names none
			}
			st, known, err := load(tx, eventlog.ID(id))
			if err != nil {
				return err
			}
			switch {
			case !known, st.Gone:
				c.LinkState = report.LinkGone
			case st.at(l.now(tx)) != Live:
				c.LinkState = report.LinkEnded
				if until := st.frozen(); until != 0 {
					c.Frozen = fromMinute(until)
				}
			case st.Held != notHeld:
				c.LinkState = report.LinkHeld
			default:
				c.LinkState = report.LinkLive
			}
		}
		return nil
	})
}

// caseOut is what the admin socket shows of a case.
func caseOut(id eventlog.ID, c caseState, now time.Time) report.Case {
	due := fromHour(c.Deadline)
	out := report.Case{
		ID: report.ID(id).String(), State: report.StateOpen, Source: c.Source.String(), Category: c.Category.String(),
		Verified: c.Flags&flagVerified != 0, Machine: c.Flags&flagMachine != 0, Authority: c.Flags&flagAuthority != 0,
		Reports: c.Reports, Received: fromHour(c.Opened), Deadline: due,
	}
	switch {
	case c.preserved():
		out.State, out.Until = report.StatePreserved, fromMinute(c.Until)
	case !c.open():
		out.State = report.StateDecided
	}
	if c.open() {
		out.Warn = !now.Before(due.Add(-warnHours * time.Hour))
		out.Overdue = !now.Before(due)
	} else {
		out.Decision = c.Decision.String()
	}
	if c.linked() {
		out.Link = report.ID(c.Link).String()
	}
	if c.Sum != ([32]byte{}) {
		out.Sum = c.Sum[:]
	}
	return out
}

// Case is one case with its boxes. The error is ErrNoCase.
func (l *Links) Case(id report.ID) (report.Case, error) {
	var out report.Case
	err := l.cfg.Log.Read(func(tx *eventlog.Tx) error {
		c, known, err := loadCase(tx, eventlog.ID(id))
		if err != nil {
			return err
		}
		if !known {
			return ErrNoCase
		}
		out = caseOut(eventlog.ID(id), c, l.now(tx))
		out.Boxes, err = boxesOf(tx, eventlog.ID(id))
		return err
	})
	if err != nil {
		return report.Case{}, err
	}
	one := []report.Case{out}
	err = l.tellLinks(one)
	return one[0], err
}

func boxesOf(tx *eventlog.Tx, id eventlog.ID) (out []report.Box, err error) {
	lo, hi := eventlog.SealedBounds(id)
	err = tx.Scan(lo, hi, func(key, value []byte) (bool, error) {
		_, n, ok := eventlog.ParseSealedKey(key)
		if !ok {
			return false, errBadKey
		}
		var stored []box
		if err := eventlog.Unmarshal(value, &stored); err != nil {
			return false, err
		}
		for _, b := range stored {
			out = append(out, report.Box{Report: int(n), To: b.To, Sealed: b.Sealed})
		}
		return true, nil
	})
	return out, err
}

// CaseItem gives bytes of a case's payload file as stored, so that the operator's
// machine can open the item: at and size are those of the opened report. The error
// is ErrNoCase when there is no such case or nothing is left.
func (l *Links) CaseItem(id report.ID, at, size int64) (io.ReadCloser, error) {
	var payload string
	err := l.cfg.Log.Read(func(tx *eventlog.Tx) error {
		c, known, err := loadCase(tx, eventlog.ID(id))
		if err != nil {
			return err
		}
		if !known || !c.linked() || !c.open() && !c.preserved() {
			return ErrNoCase
		}
		st, _, err := load(tx, c.Link)
		payload = st.Payload
		return err
	})
	if err != nil {
		return nil, err
	}
	file, err := l.cfg.Vault.Ciphertext(payload)
	if errors.Is(err, vault.ErrMissing) {
		return nil, fmt.Errorf("%w: its ciphertext is gone", ErrNoCase)
	}
	if err != nil {
		return nil, err
	}
	if at < 0 || size < 0 || at > file.Size || size > file.Size-at {
		file.Close()
		return nil, fmt.Errorf("%w: the payload has no such bytes", ErrNoCase)
	}
	return &stored{io.NewSectionReader(file, at, size), file}, nil
}

// stored is a part of a payload's file.
type stored struct {
	io.Reader
	file *vault.Ciphertext
}

func (s *stored) Close() error {
	s.file.Close()
	return nil
}

// Decide carries out what the operator decided. Errors: ErrNoCase, ErrDecided,
// ErrDecision.
func (l *Links) Decide(id report.ID, d report.Decision) (report.Case, error) {
	var err error
	switch d.Decision {
	case report.Dismiss:
		err = l.dismiss(eventlog.ID(id))
	case report.Remove:
		err = l.remove(eventlog.ID(id), removed)
	case report.Block:
		err = l.block(eventlog.ID(id), d.Bank)
	case report.Preserve:
		err = l.preserve(eventlog.ID(id), d.Until)
	case report.Suspend:
		err = l.suspend(eventlog.ID(id))
	default:
		err = ErrDecision
	}
	if err != nil {
		return report.Case{}, err
	}
	l.stir()
	return l.Case(id)
}

// undecidedCase is a case that waits, with its link if it names one.
func undecidedCase(tx *eventlog.Tx, id eventlog.ID) (c caseState, st state, err error) {
	c, known, err := loadCase(tx, id)
	if err != nil {
		return c, st, err
	}
	if !known {
		return c, st, ErrNoCase
	}
	if !c.open() && !c.preserved() {
		return c, st, ErrDecided
	}
	if c.linked() {
		st, _, err = load(tx, c.Link)
	}
	return c, st, err
}
