package views

import (
	"time"

	"github.com/a-h/templ"
)

// Paged is what every page is.
type Paged interface{ Page(w Words) templ.Component }

// Report is the form by which a link, or what a view shows, is reported.
type Report struct {
	Action     string // where the form posts to, without a language
	Back       string // the page that it came from
	Locked     bool   // a passphrase is needed to prove the report; no items are known
	Wrong      bool   // the passphrase just given was wrong
	Slow       bool   // too many were
	Missing    bool   // no category was chosen, or too much was said
	Nobody     bool   // there is no key to seal a report to
	Items      []Item
	Categories []string // names, in order

	// What was filled in before:
	Category, Words, Reach string
	Item                   int // counted from 1

	Contact string // how to reach the operator; empty: not said
}

// Takedown is the form that needs no link.
type Takedown struct {
	Missing    bool // something that is needed was not filled in
	Nobody     bool // there is no key to seal words to
	Categories []string

	Category, About, Words, Reach string
	Authority                     bool

	Contact string
}

// Sent says what has become of a report.
type Sent struct {
	Decided bool
	At      time.Time // start of the hour in which it came, or was decided
	Now     time.Time
}

// Rules are the terms of use.
type Rules struct {
	Keys    []string // fingerprints of what reports are sealed to; none: there is nobody
	Contact string
}

// How explains what to choose, how to test the service, and what it cannot do.
type How struct{ Contact string }

// Transparency counts what the operator removed.
type Transparency struct {
	Removed   []Removal // by category, without zeros
	Preserved int       // of them, kept by order until a date
}

// Removal is one line of the count.
type Removal struct {
	Category string
	Count    int
}
