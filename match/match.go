// Package match knows what must not be uploaded again: PDQ hashes of pictures
// and exact digests of files, from lists that an operator has loaded and from
// the operator's own bank. It is pure: pictures, lists and texts in, verdicts
// and texts out. It must not know links, HTTP, the vault or the log, opens no
// file, reads no clock and logs nothing.
//
// A Set holds all lists and the Bank; Set.Check asks them about one item.
// Pictures decodes what is to be asked about, within limits. ReadEntries reads
// the lists that others publish. Nothing here remembers what it was asked.
//
// A match is not proof. PDQ tells apart whether two pictures look alike; what a
// list says about a picture is the word of its maker. It is easy to evade: a
// rotation by a few degrees or an overlay on more than a tenth is enough.
package match

import (
	"errors"
	"fmt"
	"strings"
)

// Action is what a rule asks for. They are ordered: of several the greatest holds.
type Action uint8

// The actions.
const (
	Pass  Action = iota // nothing
	Label               // shown behind a veil; looked at first when reported
	Hold                // not shown until the operator has looked at it
	Block               // refused
)

var actions = [...]string{"pass", "label", "hold", "block"}

// String gives the action's word: pass, label, hold or block.
func (a Action) String() string {
	if int(a) < len(actions) {
		return actions[a]
	}
	return fmt.Sprintf("Action(%d)", uint8(a))
}

// ParseAction reads an action's word. The error is ErrAction.
func ParseAction(s string) (Action, error) {
	for i, word := range actions {
		if strings.EqualFold(s, word) {
			return Action(i), nil
		}
	}
	return Pass, ErrAction
}

// ErrAction means a word that names no action.
var ErrAction = errors.New("an action is pass, label, hold or block")

// Verdict is what Set.Check found.
type Verdict struct {
	Action   Action    // the greatest of all findings that are no dry run
	Findings []Finding // the worst first; nil if nothing matched
}

// Finding is one list's best match of one kind. It is for the operator; a
// visitor who saw it could find out what a list holds by trying.
type Finding struct {
	List     string // the list's name; BankName for the operator's own bank
	Kind     Kind
	Distance int    // PDQ: number of bits that differ, of 256; 0 for digests
	Action   Action // what the list asks for
	DryRun   bool   // it was only to be noted: Verdict.Action does not count it
	Case     string // the bank: the case by which the entry came in
}

// String describes a finding in one line, without the entry itself.
func (f Finding) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s %s", f.Action, f.List, f.Kind)
	if f.Kind == KindPDQ {
		fmt.Fprintf(&b, ", distance %d", f.Distance)
	}
	if f.Case != "" {
		fmt.Fprintf(&b, ", case %s", f.Case)
	}
	if f.DryRun {
		b.WriteString(", dry run")
	}
	return b.String()
}
