package report

import "time"

// The admin socket's side (JSON over HTTP on <data>/admin.sock):
//
//	GET  /cases                what waits, most urgent first -> []Case, without boxes
//	GET  /cases/{id}           -> Case with its boxes
//	GET  /cases/{id}/item?at=N&size=N   -> bytes of the payload file as stored:
//	                           At and Sealed of the opened report's Item
//	POST /cases/{id}/decide    Decision -> Case
//	POST /takedown             Takedown -> TakenDown
//
// Refusals are 404 (no such case or link), 409 (it is decided, or nothing is left
// to preserve), 400 (a request that makes no sense), each with one line of text.

// States of a case.
const (
	StateOpen      = "open"
	StatePreserved = "preserved" // decided, and kept until a date
	StateDecided   = "decided"
)

// Decisions of the operator.
const (
	Dismiss  = "dismiss"  // nothing is wrong: a held link answers again
	Remove   = "remove"   // the link ends, everything of it is shredded
	Block    = "block"    // the same, and Bank goes to the local bank
	Preserve = "preserve" // the link ends, the ciphertext is kept until a date; the boxes too, as they alone open it
	Suspend  = "suspend"  // not a decision yet: the link answers like a dead one until there is one
)

// Lapsed is the decision of nobody: what a case was about has gone, or the date
// of a preservation has come.
const Lapsed = "lapsed"

// Links of a case are in one of these states.
const (
	LinkLive  = "live"
	LinkHeld  = "held"  // answers like a dead one, by a machine's or the operator's word
	LinkEnded = "ended" // dead; its ciphertext is kept until Frozen
	LinkGone  = "gone"  // shredded
)

// Case is what the server knows of a case.
type Case struct {
	ID        string    `json:"id"`
	State     string    `json:"state"`
	Decision  string    `json:"decision,omitempty"` // once decided
	Source    string    `json:"source"`
	Category  string    `json:"category"`  // one of Categories
	Verified  bool      `json:"verified"`  // who reported could open the item
	Machine   bool      `json:"machine"`   // a scan found something
	Authority bool      `json:"authority"` // an order of an authority: one hour
	Reports   int       `json:"reports"`   // how often this item was reported
	Received  time.Time `json:"received"`  // to the hour
	Deadline  time.Time `json:"deadline"`  // when it should be decided
	Warn      bool      `json:"warn"`      // less than 12 hours are left, or none
	Overdue   bool      `json:"overdue"`
	Link      string    `json:"link,omitempty"`       // its id; empty: not known
	LinkState string    `json:"link_state,omitempty"` // one of the states of links
	Frozen    time.Time `json:"frozen,omitzero"`      // when the ciphertext of an ended link goes, decided or not
	Until     time.Time `json:"until,omitzero"`       // when a preservation ends
	Sum       []byte    `json:"sum,omitempty"`        // SHA-256 of the item's ciphertext; empty: none proved
	Boxes     []Box     `json:"boxes,omitempty"`
}

// Box is one sealed report of a case.
type Box struct {
	Report int    `json:"report"` // 0: the one that opened the case; from 1: those that joined it
	To     string `json:"to"`     // fingerprint of the key that it is sealed to
	Sealed []byte `json:"sealed"`
}

// Decision is what the operator decides.
type Decision struct {
	Decision string    `json:"decision"`
	Until    time.Time `json:"until,omitzero"` // of preserve: at most two years from now
	// Bank, of block: lines for the local bank, "pdq HEX", "sha256 HEX" and so on,
	// which the operator's machine computed.
	Bank []string `json:"bank,omitempty"`
}

// Takedown ends a link blind and at once.
type Takedown struct {
	Link   string `json:"link"`   // a link (URL or its secret) or a link's id
	Reason string `json:"reason"` // one of Categories, or "authority"
}

// TakenDown answers a Takedown.
type TakenDown struct {
	ID  string `json:"id"`
	Was string `json:"was"` // live, held or ended
}

// Categories of reports, by the code that the log keeps. They are never renumbered.
func Categories() []string {
	return []string{
		"machine",   // 0: only of cases that a scan brought
		"child",     // 1: sexual abuse of children
		"intimate",  // 2: intimate images without consent
		"violence",  // 3: violence or terror
		"personal",  // 4: personal data
		"copyright", // 5
		"harassment",
		"malware", // 7: malware or spam
		"other",   // 8
	}
}
