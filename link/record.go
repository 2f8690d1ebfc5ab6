package link

import (
	"crypto/rand"
	"errors"

	"emberdrop/eventlog"
	"emberdrop/report"
	"emberdrop/seal"
)

// matter is a case in the making.
type matter struct {
	link     eventlog.ID // zero: not known
	source   source
	category Category
	flags    flags
	proof    *report.Item // nil: not proved
	said     report.Report
}

func (m matter) sum() (sum [32]byte) {
	if m.proof != nil {
		sum = m.proof.Sum
	}
	return sum
}

// errMoved means that the case that a report was sealed for is not the one that
// it belongs to any more.
var errMoved = errors.New("the case has moved")

// record opens a case, or joins the one that the item has. What was said is
// sealed for the case's id, outside of the log's writer, which then makes sure
// that it is still the right one.
func (l *Links) record(m matter) (seal.Token, error) {
	for range 8 {
		status, err := l.recordOnce(m)
		if !errors.Is(err, errMoved) {
			return status, err
		}
	}
	return seal.Token{}, ErrReports // many at once, for one item
}

func (l *Links) recordOnce(m matter) (seal.Token, error) {
	m.said.Item = m.proof
	if m.proof != nil {
		m.flags |= flagVerified
	}
	seen, err := l.caseOf(m)
	if err != nil {
		return seal.Token{}, err
	}
	id := seen.id
	if !seen.found {
		id = newCaseID()
	}
	boxes, err := l.boxes(m.said, id, m.sum())
	if err != nil {
		return seal.Token{}, err
	}
	status := seal.NewToken()
	err = l.cfg.Log.Do(l.cfg.Now(), func(tx *eventlog.Tx) ([]eventlog.Draft, error) {
		if m.link != (eventlog.ID{}) {
			st, known, err := load(tx, m.link)
			if err != nil {
				return nil, err
			}
			// A report may still be under way when the operator ends its link: it must
			// not freeze what has just been taken down.
			if !known || st.Gone || st.Reason == Operator {
				return nil, ErrGone
			}
			if now, found := st.caseOf(m.sum()); found != seen.found || now != seen.id {
				return nil, errMoved
			}
			if err := st.mayOpen(m); err != nil && !seen.found {
				return nil, err
			}
		}
		if seen.found {
			return l.join(tx, id, m, status, boxes)
		}
		return draftCase(tx, id, m, status, boxes)
	})
	if err != nil {
		return seal.Token{}, err
	}
	l.stir()
	return status, nil
}

// seenCase is the case that a report would join.
type seenCase struct {
	id    eventlog.ID
	found bool
}

// caseOf looks for the open case of an item, and refuses what would be one too many.
func (l *Links) caseOf(m matter) (seen seenCase, err error) {
	if m.link != (eventlog.ID{}) {
		err = l.cfg.Log.Read(func(tx *eventlog.Tx) error {
			st, _, err := load(tx, m.link)
			seen.id, seen.found = st.caseOf(m.sum())
			return err
		})
	}
	if err != nil || seen.found || m.flags&flagVerified != 0 {
		return seen, err
	}
	loose := 0
	err = l.eachCase(func(_ eventlog.ID, c caseState) {
		if c.open() && c.Flags&(flagVerified|flagMachine) == 0 {
			loose++
		}
	})
	if err == nil && loose >= maxLooseCases {
		err = ErrReports
	}
	return seen, err
}

// caseOf is the open case about an item, by its ciphertext. What is not proved
// never joins what is: it would only fill the boxes.
func (s state) caseOf(sum [32]byte) (id eventlog.ID, found bool) {
	for _, c := range s.Open.list() {
		if c.proved() && c.Sum == sum {
			return c.ID, true
		}
	}
	return id, false
}

// mayOpen refuses a case too many of one link. Proved ones are as many as it has
// items: with a cap, who reports some of his own album would keep the rest of it
// from being reported.
func (s state) mayOpen(m matter) error {
	if m.proof != nil {
		return nil
	}
	loose := 0
	for _, c := range s.Open.list() {
		if !c.proved() {
			loose++
		}
	}
	if loose >= maxLinkLoose {
		return ErrReports
	}
	return nil
}

// box is one sealed report of a case, as stored.
type box struct {
	To     string `cbor:"1,keyasint"` // fingerprint
	Sealed []byte `cbor:"2,keyasint"`
}

// boxes seals a report to every key of the operator; no key, no boxes.
func (l *Links) boxes(said report.Report, id eventlog.ID, sum [32]byte) ([]byte, error) {
	var all []box
	for _, key := range l.cfg.Operators {
		sealed, err := said.Seal(key, report.ID(id), sum)
		if err != nil {
			return nil, err
		}
		all = append(all, box{key.Fingerprint(), sealed})
	}
	if len(all) == 0 {
		return nil, nil
	}
	return eventlog.Marshal(all)
}

// draftCase is a case's first event, with its boxes beside it.
func draftCase(tx *eventlog.Tx, id eventlog.ID, m matter, status seal.Token, boxes []byte) ([]eventlog.Draft, error) {
	body := opened{Source: m.source, Category: m.category, Flags: m.flags, Deadline: deadline(tx, m)}
	if m.link != (eventlog.ID{}) {
		body.Link = m.link[:]
	}
	if m.proof != nil {
		body.Sum = m.proof.Sum[:]
	}
	if status != (seal.Token{}) {
		hash := status.Hash()
		body.Status = hash[:]
	}
	if len(boxes) > 0 {
		if err := tx.Set(eventlog.SealedKey(id, 0), boxes); err != nil {
			return nil, err
		}
	}
	return []eventlog.Draft{{Link: id, Type: typeOpened, Data: body}}, nil
}

// join counts one more report of a case. The words of the first few are kept, and
// of each that is graver than what was said before: else who fills the case of his
// own item with harmless ones would keep it from ever being urgent.
func (l *Links) join(tx *eventlog.Tx, id eventlog.ID, m matter, status seal.Token, boxes []byte) ([]eventlog.Draft, error) {
	c, known, err := loadCase(tx, id)
	if err != nil {
		return nil, err
	}
	if !known || !c.open() {
		return nil, errMoved
	}
	worse := m.category < c.Category
	graver := worse || m.flags&flagAuthority&^c.Flags != 0
	if c.Reports >= maxReports && !graver {
		return nil, ErrReports
	}
	n := c.Reports
	switch {
	case n < maxBoxes:
	case worse:
		n = maxBoxes + int(m.category) // used once: the next is worse still
	case graver:
		n = maxBoxes + int(byMachine) // no report is of that category
	}
	if (n < maxBoxes || graver) && len(boxes) > 0 {
		if err := tx.Set(eventlog.SealedKey(id, uint16(n)), boxes); err != nil {
			return nil, err
		}
	}
	hash := status.Hash()
	return []eventlog.Draft{{Link: id, Type: typeJoined, Data: joined{
		Category: m.category, Flags: m.flags, Status: hash[:], Deadline: deadline(tx, m),
	}}}, nil
}

// deadline of a matter that comes now, in hours since 1970.
func deadline(tx *eventlog.Tx, m matter) int64 {
	hours := int64(caseHours)
	if m.flags&flagAuthority != 0 {
		hours = authorityHours
	}
	return tx.Now().Unix()/3600 + hours
}

// newCaseID is random: a case's id is derived from nothing.
func newCaseID() (id eventlog.ID) {
	rand.Read(id[:])
	return id
}
