package link

import "emberdrop/eventlog"

// The events of a link's life. Names carry a version; a body that changes gets a
// new version, and old ones are upcast on read. Bodies hold ids, random file
// names, padded sizes, deadlines, counts, hashes of ciphertext and reason codes:
// never a byte of content, a name, a caption, a key or an address. Their time is
// the event's hour, which the log keeps.
const (
	typeCreated  = "link.created.1"
	typeViewed   = "link.viewed.1"
	typeEnded    = "link.ended.1"
	typeShredded = "payload.shredded.1"
	typeHeld     = "link.held.1"
	typeReleased = "link.released.1"
	typePurged   = eventlog.TypePurged
)

// Types lists every event type that this package folds.
func Types() []string {
	return []string{
		typeCreated, typeViewed, typeEnded, typeShredded, typeHeld, typeReleased,
		typeOpened, typeJoined, typeOverdue, typeDecided, typePurged,
	}
}

// Upcasts turns events of old types into newer ones, as they are read.
func Upcasts() map[string]eventlog.Upcast {
	return map[string]eventlog.Upcast{
		// The totals of version 2 count cases too. A log of version 1 had none.
		"streams.purged.1": func(e eventlog.Event) (eventlog.Event, error) {
			e.Type = typePurged
			return e, nil
		},
	}
}

type created struct {
	Payload  string   `cbor:"1,keyasint"`           // the payload's random file name
	Size     int64    `cbor:"2,keyasint"`           // bytes of the padded file
	Sum      [32]byte `cbor:"3,keyasint"`           // SHA-256 of what follows its header page
	Receipt  [32]byte `cbor:"4,keyasint"`           // hash of the receipt token
	Deadline int64    `cbor:"5,keyasint,omitempty"` // minutes since 1970; 0: never
	Views    int      `cbor:"6,keyasint,omitempty"` // view limit; 0: none
	Idle     int64    `cbor:"7,keyasint,omitempty"` // idle limit in hours; 0: none
}

type viewed struct{}

type ended struct {
	Reason Reason `cbor:"1,keyasint"`
	// Hour is when a deadline ended it, which can be long before the sweep that
	// records it; 0: the event's own hour.
	Hour int64 `cbor:"2,keyasint,omitempty"`
}

type shredded struct{}

type held struct {
	Why   hold  `cbor:"1,keyasint"`
	Until int64 `cbor:"2,keyasint"` // minutes since 1970: then it ends
}

type released struct{}

// hold is why a link answers like a dead one though it has not ended, as stored.
type hold uint8

const (
	notHeld     hold = 0
	heldMachine hold = 1 // a scan at upload
	heldLate    hold = 2 // a case that cannot wait was not decided in time
	heldByHand  hold = 3 // the operator
)

// Reason is why a link ended.
type Reason uint8

// The reasons, as stored. They are never renumbered.
const (
	Live     Reason = 0 // it has not ended
	Expired  Reason = 1 // its deadline came
	Viewed   Reason = 2 // its last view was taken
	Idle     Reason = 3 // nobody opened it for its idle limit
	Uploader Reason = 4 // the receipt's holder destroyed it
	Operator Reason = 5 // the operator took it down
)

// String is the word that receipts and scripts show.
func (r Reason) String() string {
	switch r {
	case Expired:
		return "expired"
	case Viewed:
		return "viewed"
	case Idle:
		return "idle"
	case Uploader:
		return "uploader"
	case Operator:
		return "operator"
	}
	return "live"
}
