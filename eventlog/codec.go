package eventlog

import (
	"fmt"
	"sync"

	"github.com/fxamacker/cbor/v2"
)

// Event is one thing that happened, as the log gives it back.
type Event struct {
	// Seq is the place in the log, from 1; a purge leaves holes.
	Seq uint64
	// Link is the stream; zero for the log's own.
	Link ID
	// Version is the place in the stream, from 1 without holes.
	Version uint32
	// Type is the name with its version, such as "link.created.1".
	Type string
	// Hour is when it happened, in unix hours.
	Hour int64
	// Data is the body: deterministic CBOR.
	Data []byte
}

// Draft is an event to be appended.
type Draft struct {
	Link ID
	Type string
	Data any // encoded by Marshal
}

// Upcast turns an event of an old type into one of a newer type. It must be pure, set
// Type and Data, and leave the rest.
type Upcast func(Event) (Event, error)

// Body decodes the event's body into v, strictly (see Unmarshal).
func (e Event) Body(v any) error { return Unmarshal(e.Data, v) }

// envelope is an event as stored under its EventKey: a CBOR map with integer keys
// (RFC 8949 section 4.2.1, core deterministic encoding), so that equal events are equal bytes.
// Fields are only ever added, with a layout version of their own.
type envelope struct {
	Link    []byte          `cbor:"1,keyasint"`
	Version uint32          `cbor:"2,keyasint"`
	Type    string          `cbor:"3,keyasint"`
	Hour    int64           `cbor:"4,keyasint"`
	Data    cbor.RawMessage `cbor:"5,keyasint"`
}

// modes are immutable once built, which OnceValues puts off until the first use.
var modes = sync.OnceValues(func() (cbor.EncMode, cbor.DecMode) {
	enc := cbor.CoreDetEncOptions()
	enc.IndefLength = cbor.IndefLengthForbidden
	e, err := enc.EncMode()
	if err != nil {
		panic(err) // the options are constants
	}
	d, err := cbor.DecOptions{
		DupMapKey:         cbor.DupMapKeyEnforcedAPF,
		IndefLength:       cbor.IndefLengthForbidden,
		TagsMd:            cbor.TagsForbidden,
		ExtraReturnErrors: cbor.ExtraDecErrorUnknownField,
		UTF8:              cbor.UTF8RejectInvalid,
	}.DecMode()
	if err != nil {
		panic(err)
	}
	return e, d
})

// Marshal encodes v as deterministic CBOR: equal values give equal bytes. Event bodies
// and projection rows go through it.
func Marshal(v any) ([]byte, error) {
	enc, _ := modes()
	b, err := enc.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("eventlog: encoding %T: not representable", v)
	}
	return b, nil
}

// Unmarshal decodes what Marshal made: unknown fields, duplicate keys, tags, indefinite
// lengths and trailing bytes are ErrDamaged. The error never quotes the data.
func Unmarshal(data []byte, v any) error {
	_, dec := modes()
	if err := dec.Unmarshal(data, v); err != nil {
		return fmt.Errorf("%w: undecodable %T", ErrDamaged, v)
	}
	return nil
}

func encodeEvent(e Event) ([]byte, error) {
	return Marshal(envelope{Link: e.Link[:], Version: e.Version, Type: e.Type, Hour: e.Hour, Data: e.Data})
}

func decodeEvent(seq uint64, value []byte) (Event, error) {
	var v envelope
	if err := Unmarshal(value, &v); err != nil {
		return Event{}, err
	}
	if len(v.Link) != len(ID{}) || v.Version == 0 || v.Type == "" || len(v.Data) == 0 {
		return Event{}, fmt.Errorf("%w: incomplete event", ErrDamaged)
	}
	return Event{Seq: seq, Link: ID(v.Link), Version: v.Version, Type: v.Type, Hour: v.Hour, Data: v.Data}, nil
}

// current brings an event as stored to a type that the fold knows.
func (c Config) current(e Event) (Event, error) {
	// A chain longer than the number of steps is a circle.
	for range len(c.Upcasts) + 1 {
		if c.folds(e.Type) {
			return e, nil
		}
		up, ok := c.Upcasts[e.Type]
		if !ok {
			break
		}
		next, err := up(e)
		if err != nil {
			return Event{}, fmt.Errorf("eventlog: upcasting %s: %w", e.Type, err)
		}
		next.Seq, next.Link, next.Version, next.Hour = e.Seq, e.Link, e.Version, e.Hour
		e = next
	}
	return Event{}, unknown(e.Type)
}

func unknown(name string) error {
	return fmt.Errorf("%w: %.64q, written by a newer program or missing from this one", ErrUnknownType, name)
}

func (c Config) folds(name string) bool {
	for _, t := range c.Types {
		if t == name {
			return true
		}
	}
	return false
}

// reads says whether a stored event of this type can be brought to one that is folded.
func (c Config) reads(name string) bool {
	_, old := c.Upcasts[name]
	return old || c.folds(name)
}
