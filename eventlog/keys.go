package eventlog

import (
	"bytes"
	"encoding/binary"
)

// This file alone builds and takes apart keys. A key is a class ("e/"), then fixed-size
// fields without separators, big endian, so that byte order is the order of the fields.
//
//	e/<seq u64>                    event
//	s/<stream 16><version u32>     -> seq u64
//	l/<stream 16>                  link state
//	x/<unix minute u64><stream 16> what ends when
//	r/<hash 32>                    receipt -> stream
//	k/<case 16>                    state of a case
//	t/<hash 32>                    status token of a report -> case
//	p/<hash 32>                    pass                              } outside the log: not folded from events,
//	c/<case 16><number u16>        sealed report of an open case     } deleted in the batch of a decision
//	m/<name>                       totals; m/log/<name> is the log's own
//	~<key>                         a projection being rebuilt
//
// Random 16-byte streams and hashes are the only variable parts that a key may carry:
// keys linger in Pebble's MANIFEST until a purge has rolled it.
const (
	classEvent    = "e/"
	classStream   = "s/"
	classLink     = "l/"
	classDeadline = "x/"
	classReceipt  = "r/"
	classCase     = "k/"
	classStatus   = "t/"
	classPass     = "p/"
	classSealed   = "c/"
	classMeta     = "m/"
	classOwn      = "m/log/"
	shadow        = "~"
)

// layout is the version of this key and envelope layout, kept in keyFormat.
const layout = 1

// The log's own keys.
var (
	keyFormat = []byte(classOwn + "format") // layout, one byte; its presence says that Create finished
	keySeq    = []byte(classOwn + "seq")    // u64: seq of the last event that the projections hold
	keyTime   = []byte(classOwn + "time")   // u64: high-water mark of time, unix minutes
	keyDead   = []byte(classOwn + "dead")   // u64: bytes deleted since the last erasure
	keyRoll   = []byte(classOwn + "roll")   // no value: Erase writes it to roll the WAL and the MANIFEST
)

// EventKey is the key of an event.
func EventKey(seq uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte(classEvent), seq)
}

// ParseEventKey takes an EventKey apart.
func ParseEventKey(key []byte) (seq uint64, ok bool) {
	rest, ok := fields(key, classEvent, 8)
	if !ok {
		return 0, false
	}
	return binary.BigEndian.Uint64(rest), true
}

// EventBounds holds every EventKey from seq on.
func EventBounds(seq uint64) (lo, hi []byte) { return EventKey(seq), classEnd(classEvent) }

// StreamKey is the key of a stream's event number version (from 1); its value is the seq.
func StreamKey(stream ID, version uint32) []byte {
	return binary.BigEndian.AppendUint32(append([]byte(classStream), stream[:]...), version)
}

// ParseStreamKey takes a StreamKey apart.
func ParseStreamKey(key []byte) (stream ID, version uint32, ok bool) {
	rest, ok := fields(key, classStream, 20)
	if !ok {
		return ID{}, 0, false
	}
	return ID(rest[:16]), binary.BigEndian.Uint32(rest[16:]), true
}

// StreamBounds holds every StreamKey of one stream.
func StreamBounds(stream ID) (lo, hi []byte) {
	return StreamKey(stream, 0), append(StreamKey(stream, ^uint32(0)), 0)
}

// LinkKey is the key of a link's state.
func LinkKey(link ID) []byte { return append([]byte(classLink), link[:]...) }

// ParseLinkKey takes a LinkKey apart.
func ParseLinkKey(key []byte) (link ID, ok bool) {
	rest, ok := fields(key, classLink, 16)
	if !ok {
		return ID{}, false
	}
	return ID(rest), true
}

// LinkBounds holds every LinkKey.
func LinkBounds() (lo, hi []byte) { return []byte(classLink), classEnd(classLink) }

// DeadlineKey is the key of what ends when; times before 1970 count as 1970.
func DeadlineKey(unixMinute int64, link ID) []byte {
	key := binary.BigEndian.AppendUint64([]byte(classDeadline), uint64(max(unixMinute, 0)))
	return append(key, link[:]...)
}

// ParseDeadlineKey takes a DeadlineKey apart.
func ParseDeadlineKey(key []byte) (unixMinute int64, link ID, ok bool) {
	rest, ok := fields(key, classDeadline, 24)
	if !ok {
		return 0, ID{}, false
	}
	return int64(binary.BigEndian.Uint64(rest)), ID(rest[8:]), true
}

// DeadlineBounds holds every DeadlineKey up to and including unixMinute.
func DeadlineBounds(unixMinute int64) (lo, hi []byte) {
	return []byte(classDeadline), binary.BigEndian.AppendUint64([]byte(classDeadline), uint64(max(unixMinute, -1)+1))
}

// AllDeadlineBounds holds every DeadlineKey: the first one in it is the next to end.
func AllDeadlineBounds() (lo, hi []byte) { return []byte(classDeadline), classEnd(classDeadline) }

// ReceiptKey is the key of a receipt; hash is the token's hash, never the token.
func ReceiptKey(hash [32]byte) []byte { return append([]byte(classReceipt), hash[:]...) }

// ReceiptBounds holds every ReceiptKey.
func ReceiptBounds() (lo, hi []byte) { return []byte(classReceipt), classEnd(classReceipt) }

// PassKey is the key of a pass; hash is the pass's hash, never the pass.
func PassKey(hash [32]byte) []byte { return append([]byte(classPass), hash[:]...) }

// PassBounds holds every PassKey.
func PassBounds() (lo, hi []byte) { return []byte(classPass), classEnd(classPass) }

// CaseKey is the key of a case's state.
func CaseKey(id ID) []byte { return append([]byte(classCase), id[:]...) }

// ParseCaseKey takes a CaseKey apart.
func ParseCaseKey(key []byte) (id ID, ok bool) {
	rest, ok := fields(key, classCase, 16)
	if !ok {
		return ID{}, false
	}
	return ID(rest), true
}

// CaseBounds holds every CaseKey.
func CaseBounds() (lo, hi []byte) { return []byte(classCase), classEnd(classCase) }

// StatusKey is the key of a report's status; hash is the token's hash, never the token.
func StatusKey(hash [32]byte) []byte { return append([]byte(classStatus), hash[:]...) }

// StatusBounds holds every StatusKey.
func StatusBounds() (lo, hi []byte) { return []byte(classStatus), classEnd(classStatus) }

// SealedKey is the key of a case's sealed report number n, from 0.
func SealedKey(id ID, n uint16) []byte {
	return binary.BigEndian.AppendUint16(append([]byte(classSealed), id[:]...), n)
}

// ParseSealedKey takes a SealedKey apart.
func ParseSealedKey(key []byte) (id ID, n uint16, ok bool) {
	rest, ok := fields(key, classSealed, 18)
	if !ok {
		return ID{}, 0, false
	}
	return ID(rest[:16]), binary.BigEndian.Uint16(rest[16:]), true
}

// SealedBounds holds every SealedKey of one case.
func SealedBounds(id ID) (lo, hi []byte) {
	return SealedKey(id, 0), append(SealedKey(id, ^uint16(0)), 0)
}

// AllSealedBounds holds every SealedKey.
func AllSealedBounds() (lo, hi []byte) { return []byte(classSealed), classEnd(classSealed) }

// MetaKey is the key of a total. Names that begin with "log/" are the log's own.
func MetaKey(name string) []byte { return append([]byte(classMeta), name...) }

// MetaBounds holds every MetaKey whose name begins with prefix.
func MetaBounds(prefix string) (lo, hi []byte) {
	return MetaKey(prefix), classEnd(classMeta + prefix)
}

func typeKey(name string) []byte { return append([]byte(classOwn+"type/"), name...) }

func typeBounds() (lo, hi []byte) { return typeKey(""), classEnd(classOwn + "type/") }

func shadowKey(key []byte) []byte { return append([]byte(shadow), key...) }

func shadowBounds() (lo, hi []byte) { return []byte(shadow), classEnd(shadow) }

// everything bounds every key that this room writes.
func everything() (lo, hi []byte) { return []byte{0}, []byte{0xff} }

// span is a range of keys that Rebuild and Verify compare under one name.
type span struct {
	name   string
	lo, hi []byte
}

// derived lists what can be folded again from the events: the stream index and the
// projections. Events are the source; passes, sealed reports and the log's own keys are outside.
func derived() []span {
	return []span{
		{"streams", []byte(classStream), classEnd(classStream)},
		{"links", []byte(classLink), classEnd(classLink)},
		{"deadlines", []byte(classDeadline), classEnd(classDeadline)},
		{"receipts", []byte(classReceipt), classEnd(classReceipt)},
		{"cases", []byte(classCase), classEnd(classCase)},
		{"statuses", []byte(classStatus), classEnd(classStatus)},
		{"totals", []byte(classMeta), []byte(classOwn)}, // up to the log's own keys
		{"totals", classEnd(classOwn), classEnd(classMeta)},
	}
}

// foldable says whether a fold may read and write key.
func foldable(key []byte) bool {
	switch {
	case hasClass(key, classLink), hasClass(key, classDeadline), hasClass(key, classReceipt),
		hasClass(key, classCase), hasClass(key, classStatus):
		return true
	}
	return hasClass(key, classMeta) && !hasClass(key, classOwn)
}

// outside says whether key belongs to what stands beside the log: a decide function may
// set and delete it, a fold must not look at it, since a rebuild could not know it.
func outside(key []byte) bool { return hasClass(key, classPass) || hasClass(key, classSealed) }

// foldableRange says whether a fold may scan lo <= key < hi: one class, and in m/ not
// across the log's own keys, which differ between a live log and one being rebuilt.
func foldableRange(lo, hi []byte) bool {
	if !foldable(lo) || bytes.Compare(hi, classEnd(string(lo[:len(classLink)]))) > 0 {
		return false
	}
	return !hasClass(lo, classMeta) || bytes.Compare(hi, []byte(classOwn)) <= 0 ||
		bytes.Compare(lo, classEnd(classOwn)) >= 0
}

func hasClass(key []byte, class string) bool {
	return len(key) >= len(class) && string(key[:len(class)]) == class
}

// classEnd is the first key after every key that begins with prefix, which never ends in 0xff.
func classEnd(prefix string) []byte {
	end := []byte(prefix)
	end[len(end)-1]++
	return end
}

func fields(key []byte, class string, size int) ([]byte, bool) {
	if !hasClass(key, class) || len(key) != len(class)+size {
		return nil, false
	}
	return key[len(class):], true
}
