// Package views holds the pages: templ components, the structs they are filled
// from, one stylesheet, one icon, and every sentence that a visitor can read.
// Pages work with scripts, fonts, SVG and inline style switched off, and load
// nothing from elsewhere. It must not know HTTP, links, the clock or the disk:
// it is handed values and writes HTML.
package views

import (
	"iter"
	"time"
)

// Upload is the page where a link is made.
type Upload struct {
	Action      string // where the form posts to, without a language
	Progress    string // where the progress frame is, without a language
	MaxFile     int64  // bytes
	MaxPassFile int64  // bytes of a file that comes with a pass; 0: there are no passes
	MaxUpload   int64  // bytes, all files together
	MaxItems    int
	AnyFile     bool // other kinds are taken too, as they are

	Expire    []string      // values of the field expire that are allowed, in order
	Usual     string        // the one of them that is chosen at first
	NeverIdle time.Duration // idle limit of a link without a deadline; 0: none
	Contact   string        // how to reach the operator; empty: not said
}

// Progress is the frame that shows how far an upload has come. It is written
// line by line; of the lines only the last is seen.
type Progress struct {
	Lines iter.Seq[Line] // ends when there is no more to say
	Again func() int     // asked after the last line: seconds until the frame loads itself anew; 0: never
}

// Line is one state of an upload.
type Line struct {
	Percent int // negative: no bar
	Text    string
	Bad     bool // it failed
}

// Ready is the answer to an upload: the only time that the link and the
// receipt are shown.
type Ready struct {
	Repeat  bool   // this upload was answered before; nothing new was stored
	Address string // of this page outside a frame, without a language; empty: none
	Link    string
	Receipt string
	ID      string   // of the link, for the operator; empty: none
	QR      string   // data: URI of a PNG; empty: none
	Items   []Item   // with paths where they can be looked at
	Removed []string // ids of messages, see RemovedIDs
	Contact string   // how to reach the operator; empty: not said
	Held    bool     // it answers like a dead link until the operator has looked
	Terms   Terms
}

// Closed is a link that nobody has opened yet in this visit: looking at it
// counts nothing.
type Closed struct {
	Action  string // where the form posts to, without a language
	Reveal  string // random value that makes a repeated POST safe
	Locked  bool   // a passphrase is needed: no caption, no items
	Wrong   bool   // the passphrase just given was wrong
	Slow    bool   // too many were; this one was not looked at
	Caption string
	Items   []Item
	Terms   Terms
	Report  string // where it can be reported, without a language; empty: nowhere
}

// Open is a link that is being looked at.
type Open struct {
	Caption string
	Items   []Item
	Final   bool   // the link has ended: this is the last look
	Done    string // where the form that ends the view posts to
	Terms   Terms  // Ends is when this view closes
	Report  string // where it can be reported, without a language; empty: nowhere
}

// Done is shown when a viewer has ended the view.
type Done struct {
	Final bool // the link has ended too
}

// Receipt is the uploader's page.
type Receipt struct {
	State  State
	Reason Reason        // when destroyed
	Views  int           // so far
	At     time.Time     // start of the hour of its end; zero: not known
	Lapses time.Time     // when this page stops answering; zero while the link lives
	Keeps  time.Duration // how long this page answers after the end; zero: not said
	Terms  Terms         // while it lives; Now always
	Action string        // where the form that destroys it posts to
}

// State is what became of a link.
type State string

// The states, as link names them.
const (
	Unopened  State = "unopened"
	Opened    State = "opened"
	Destroyed State = "destroyed"
	Held      State = "held"
)

// Reason is why a link ended.
type Reason string

// The reasons, as link names them.
const (
	Expired  Reason = "expired"
	Viewed   Reason = "viewed"
	Idle     Reason = "idle"
	Uploader Reason = "uploader"
	Operator Reason = "operator"
)

// Problem is a refusal or a failure. ID names a pair of messages: problem.ID.title
// and problem.ID.next, the second being the one sentence on what to do.
type Problem struct {
	ID      string
	Next    string // replaces problem.ID.next when not empty; already in words
	Status  int
	Contact string // how to reach the operator; empty: not said
}

// RemovedIDs are the messages for the classes of hidden data that can be taken
// out of a file, in the order of strip's bits.
func RemovedIDs() []string {
	return []string{
		"removed.location", "removed.device", "removed.time", "removed.author",
		"removed.software", "removed.text", "removed.thumbnail",
		"removed.provenance", "removed.hidden", "removed.track", "removed.other",
	}
}
