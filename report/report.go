// Package report holds what a report to the operator is: the sealed form that
// only the operator's identity opens, and the forms in which the admin socket
// speaks of cases. The server makes the first and the operator's client reads
// it, so both stand on this package. It is pure: it must not open a file, read a
// clock, log, or know a link's secret, an album's other items or a passphrase;
// what it has no field for cannot be sealed by mistake.
package report

import (
	"encoding/base32"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/fxamacker/cbor/v2"

	"emberdrop/seal"
)

// The errors at this room's border.
var (
	// ErrReport: a sealed report that does not open with this identity for this
	// case, or that a newer program wrote.
	ErrReport = errors.New("this report does not open")
	// ErrID: text that is not the id of a case or a link.
	ErrID = errors.New("malformed id")
)

// Format is the version of the sealed form.
const Format = 1

// ID is the id of a case or of a link: 26 letters and digits as text. It opens nothing.
type ID [16]byte

var idText = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

func (id ID) String() string { return idText.EncodeToString(id[:]) }

// ParseID reads what String writes and nothing else.
func ParseID(text string) (id ID, err error) {
	if len(text) != 26 {
		return id, ErrID
	}
	if n, err := idText.Decode(id[:], []byte(text)); err != nil || n != len(id) || id.String() != text {
		return ID{}, ErrID
	}
	return id, nil
}

// Sources say who brought a case.
const (
	FromViewer  = "report"   // somebody who holds the link or looks at it
	FromPublic  = "takedown" // the takedown form
	FromMachine = "machine"  // the scan at upload
)

// Report is what the operator reads and the server cannot: CBOR with integer
// keys, sealed to each of the operator's public keys.
type Report struct {
	Format  int    `cbor:"1,keyasint"`
	Source  string `cbor:"2,keyasint"`           // one of the sources
	Item    *Item  `cbor:"3,keyasint,omitempty"` // nil: the report could not be proved
	Words   string `cbor:"5,keyasint,omitempty"` // links in it are replaced by "[link ID]"
	Contact string `cbor:"6,keyasint,omitempty"` // how to reach who reported

	// Of the takedown form:
	About     string `cbor:"7,keyasint,omitempty"` // what is to go; links are replaced as in Words
	GoodFaith bool   `cbor:"8,keyasint,omitempty"` // the statement was ticked

	// Findings are what the machine found; empty unless it brought the case.
	Findings []Finding `cbor:"9,keyasint,omitempty"`
}

// Item is one item of a link, and what opens it and nothing else of the link.
type Item struct {
	Key    seal.Key `cbor:"1,keyasint"` // opens the item's stream (seal.NewReader)
	AAD    []byte   `cbor:"2,keyasint"` // additional data of its chunks
	Number int      `cbor:"3,keyasint"` // in the link, from 0
	Items  int      `cbor:"4,keyasint"` // how many the link has
	Kind   string   `cbor:"5,keyasint"` // as in the manifest: notes are "text/plain; encoding=zstd; size=N"
	Plain  int64    `cbor:"6,keyasint"` // bytes of plaintext, as sealed
	At     int64    `cbor:"7,keyasint"` // where its ciphertext begins in the payload file
	Sealed int64    `cbor:"8,keyasint"` // bytes of ciphertext
	Sum    [32]byte `cbor:"9,keyasint"` // SHA-256 of that ciphertext; the case's Sum
}

// Finding is one thing that a scan found.
type Finding struct {
	By     string  `cbor:"1,keyasint"`           // the list, the classifier or the hook
	What   string  `cbor:"2,keyasint"`           // the class or the entry's note
	Value  float64 `cbor:"3,keyasint,omitempty"` // a distance or a score
	Action string  `cbor:"4,keyasint"`           // label, hold or block
}

// Info is what a case's boxes are bound to: this case, and this ciphertext, so
// that nobody with the database in hand can swap one report for another.
func Info(id ID, sum [32]byte) string {
	return "emberdrop/v1/report|" + id.String() + "|" + hex.EncodeToString(sum[:])
}

// Seal seals a report of a case to one public key.
func (r Report) Seal(to seal.PublicKey, id ID, sum [32]byte) ([]byte, error) {
	r.Format = Format
	plain, err := cbor.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("encode a report: %w", err)
	}
	defer clear(plain)
	return to.Seal(Info(id, sum), plain)
}

// Open opens a box of a case. The error is ErrReport.
func Open(identity seal.Identity, id ID, sum [32]byte, box []byte) (Report, error) {
	plain, err := identity.Open(Info(id, sum), box)
	if err != nil {
		return Report{}, ErrReport
	}
	defer clear(plain)
	var r Report
	if err := cbor.Unmarshal(plain, &r); err != nil || r.Format != Format {
		return Report{}, ErrReport
	}
	if r.Item != nil && r.Item.Sum != sum {
		return Report{}, ErrReport
	}
	return r, nil
}

// Redact replaces every link in a text by "[link ID]": the secret in it would
// open all of the link. id gives a link's id by its secret's text; where it knows
// none, "[link]" stands. The address in front of a secret may be written in many
// ways, or be missing, so it is the secret that is looked for: every run of at
// least as many letters and digits as a secret has.
func Redact(text string, id func(secret string) (ID, bool)) (out string, found []ID) {
	var b strings.Builder
	for at := 0; at < len(text); {
		end := at
		for end < len(text) && isToken(text[end]) {
			end++
		}
		if end-at < seal.TokenLen {
			end = min(end+1, len(text))
			b.WriteString(text[at:end])
			at = end
			continue
		}
		if link, known := linkIn(strings.ToLower(text[at:end]), id); known {
			found = append(found, link)
			b.WriteString("[link " + link.String() + "]")
		} else {
			b.WriteString("[link]")
		}
		at = end
	}
	return b.String(), found
}

// linkIn looks for a secret in a run that may have other letters around it.
func linkIn(run string, id func(secret string) (ID, bool)) (ID, bool) {
	const tries = 64 // a run longer than this has no good reason
	for i := 0; i+seal.TokenLen <= len(run) && i < tries; i++ {
		if link, known := id(run[i : i+seal.TokenLen]); known {
			return link, true
		}
	}
	return ID{}, false
}

// isToken says whether c may stand in a token's text.
func isToken(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '2' && c <= '7'
}
