package link

import (
	"emberdrop/eventlog"
	"emberdrop/report"
)

// A case is what the operator has to decide: a report, a takedown notice, or what
// a scan found. It has a stream of its own, under a random id. Its events hold
// ids, codes, hours and hashes; what was said, and what opens the item, is in
// boxes beside the log (report.Report), which the server cannot open.
const (
	typeOpened  = "case.opened.1"
	typeJoined  = "case.joined.1"
	typeOverdue = "case.overdue.1"
	typeDecided = "case.decided.1"
)

type opened struct {
	Link     []byte   `cbor:"1,keyasint,omitempty"` // link id; none: not known
	Source   source   `cbor:"2,keyasint"`
	Category Category `cbor:"3,keyasint"`
	Flags    flags    `cbor:"4,keyasint,omitempty"`
	Sum      []byte   `cbor:"5,keyasint,omitempty"` // SHA-256 of the item's ciphertext; none: not proved
	Status   []byte   `cbor:"6,keyasint,omitempty"` // hash of the reporter's token; none: nobody asks
	Deadline int64    `cbor:"7,keyasint"`           // hours since 1970
}

type joined struct {
	Category Category `cbor:"1,keyasint"`
	Flags    flags    `cbor:"2,keyasint,omitempty"`
	Status   []byte   `cbor:"3,keyasint"` // hash of the reporter's token
	Deadline int64    `cbor:"4,keyasint"` // hours since 1970
}

type overdue struct{}

type decided struct {
	Decision decision `cbor:"1,keyasint"`
	Until    int64    `cbor:"2,keyasint,omitempty"` // of preserve: minutes since 1970
}

// source is who brought a case, as stored. Never renumbered.
type source uint8

const (
	fromViewer source = iota + 1
	fromPublic
	fromMachine
	fromOperator // a takedown by id or link, decided as it is opened
)

func (s source) String() string {
	return [...]string{"", report.FromViewer, report.FromPublic, report.FromMachine, "operator"}[min(s, fromOperator)]
}

// Category is what a case is about: an index into report.Categories, as stored.
type Category uint8

// The categories that decide something. Their numbers are those of report.Categories.
const (
	byMachine Category = 0
	Child     Category = 1
	Intimate  Category = 2
	Other     Category = 8
)

func (c Category) String() string {
	if names := report.Categories(); int(c) < len(names) {
		return names[c]
	}
	return "other"
}

// ParseCategory takes what String gives; no visitor can name "machine".
func ParseCategory(name string) (Category, bool) {
	for c, known := range report.Categories() {
		if name == known && Category(c) != byMachine {
			return Category(c), true
		}
	}
	return 0, false
}

// flags of a case, as stored: bits.
type flags uint8

const (
	flagVerified  flags = 1 // who reported could open the item
	flagMachine   flags = 2
	flagAuthority flags = 4
)

// decision, as stored. Never renumbered.
type decision uint8

const (
	undecided decision = iota
	dismissed
	removed
	blocked
	preserved
	lapsed // nobody decided: what it was about has gone, or the date has come
)

func (d decision) String() string {
	return [...]string{"", report.Dismiss, report.Remove, report.Block, report.Preserve, report.Lapsed}[min(d, lapsed)]
}

// caseState is what the log says of one case. A projection.
type caseState struct {
	Link     eventlog.ID `cbor:"1,keyasint"` // zero: not known
	Source   source      `cbor:"2,keyasint"`
	Category Category    `cbor:"3,keyasint"`
	Flags    flags       `cbor:"4,keyasint,omitempty"`
	Sum      [32]byte    `cbor:"5,keyasint"`           // zero: not proved
	Statuses [][]byte    `cbor:"6,keyasint,omitempty"` // hashes of tokens, for Drop
	Deadline int64       `cbor:"7,keyasint"`           // hours since 1970
	Opened   int64       `cbor:"8,keyasint"`           // hour
	Reports  int         `cbor:"9,keyasint"`
	Overdue  bool        `cbor:"10,keyasint,omitempty"`
	Decision decision    `cbor:"11,keyasint,omitempty"`
	Until    int64       `cbor:"12,keyasint,omitempty"` // of a preservation, minutes; 0: none goes on
	Decided  int64       `cbor:"13,keyasint,omitempty"` // hour of the (last) decision
}

func (c caseState) open() bool      { return c.Decision == undecided }
func (c caseState) preserved() bool { return c.Decision == preserved && c.Until != 0 }
func (c caseState) linked() bool    { return c.Link != eventlog.ID{} }
func (c caseState) proved() bool    { return c.Sum != [32]byte{} } // there is something to look at

// looseCase is how long a case that names no link waits for a decision; what is
// said in it must not lie here for ever.
const looseCase = 30 * 24 // hours

// row is the minute under which the case stands in the schedule, if it does: its
// deadline, then, when it names no link, its end; while preserved, that end.
func (c caseState) row() (minute int64, has bool) {
	switch {
	case c.preserved():
		return c.Until, true
	case !c.open():
		return 0, false
	case !c.Overdue:
		return c.Deadline * 60, true
	case !c.linked():
		return (c.Opened + looseCase) * 60, true
	}
	return 0, false
}

// openCase is a case in its link's state: enough to find whether an item has one,
// and what a freeze depends on.
type openCase struct {
	ID  eventlog.ID
	Sum [32]byte // zero: not proved, and then nothing is frozen for it
}

// proved reports whether the case has what opens an item, so that there is
// something to look at.
func (o openCase) proved() bool { return o.Sum != [32]byte{} }

// openCases are the open cases of a link, 48 bytes each: one string of bytes, so
// that a row that has them is read as fast as one that has none (law 5).
type openCases []byte

const openCaseLen = 16 + 32

func (all openCases) list() (out []openCase) {
	for ; len(all) >= openCaseLen; all = all[openCaseLen:] {
		out = append(out, openCase{ID: eventlog.ID(all[:16]), Sum: [32]byte(all[16:openCaseLen])})
	}
	return out
}

func (all openCases) with(o openCase) openCases {
	return append(append(append(openCases{}, all...), o.ID[:]...), o.Sum[:]...)
}

// without is nil when nothing is left: equal states are equal bytes.
func (all openCases) without(id eventlog.ID) (out openCases) {
	for _, o := range all.list() {
		if o.ID != id {
			out = out.with(o)
		}
	}
	return out
}

const (
	// maxBoxes is how many sealed reports a case has: the one that opened it and the
	// first few that joined it. More are counted, but one that is graver than all
	// before it has a box, too: one for each category, and one for an authority.
	maxBoxes = 4
	// maxReports is how many reports of one item are counted; it has its case. Only
	// graver ones are still taken then.
	maxReports = 32
)
