package match

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// List is one list of entries with what its operator wants done on a match.
type List struct {
	Name     string // see CheckName
	Action   Action // for every match; Pass (zero) only notes it
	Distance int    // greatest PDQ distance that is a match; 0: MaxDistance; ExactOnly: identical hashes only
	DryRun   bool   // matches are reported and do not count
	Note     string // one line for the operator: where it comes from
	LeftOut  string // the same: what was not taken from its source, see Summary
	Entries  []Entry
}

// ExactOnly is the Distance of a list of which only identical hashes match.
const ExactOnly = -1

// FarDistance is the greatest Distance that a list may have. Unrelated pictures
// are about 128 apart and seldom below 90.
const FarDistance = 64

func (l List) distance() int {
	switch {
	case l.Distance == 0:
		return MaxDistance
	case l.Distance < 0:
		return 0
	}
	return l.Distance
}

// Errors of lists.
var (
	ErrName = errors.New("a list's name is 1 to 32 of a-z, 0-9 and -, and not " + BankName)
	ErrList = errors.New("not a list that emberdrop has written")
)

// CheckName says whether a name is fit for a list: it becomes a file's name and
// a word in reports. The error is ErrName.
func CheckName(name string) error {
	if name == "" || len(name) > 32 || name == BankName {
		return ErrName
	}
	for _, c := range name {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return ErrName
		}
	}
	return nil
}

const listHead = "# emberdrop list 1"

// WriteTo writes the list as text: a head of "# key: value" lines with the
// settings, then a line "kind hash" for each entry. Its name is its file's name.
func (l List) WriteTo(w io.Writer) (int64, error) {
	out := bufio.NewWriter(w)
	n, _ := fmt.Fprintf(out, "%s\n# action: %s\n# distance: %d\n# dry-run: %t\n# note: %s\n# left out: %s\n",
		listHead, l.Action, l.distance(), l.DryRun, oneLine(l.Note), oneLine(l.LeftOut))
	total := int64(n)
	for _, e := range l.Entries {
		n, _ := fmt.Fprintln(out, e)
		total += int64(n)
	}
	return total, out.Flush()
}

// oneLine keeps a note from becoming entries.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// ReadList reads what WriteTo wrote, edited by hand or not. It is strict: a line
// that cannot be read is an error, since what protects must not shrink unseen.
// Errors wrap ErrList or are of r.
func ReadList(name string, r io.Reader) (List, error) {
	list := List{Name: name}
	if err := CheckName(name); err != nil {
		return list, err
	}
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		ok := true
		switch {
		case n == 1:
			ok = line == listHead
		case line == "":
		case line[0] == '#':
			ok = list.set(line)
		default:
			e, err := ParseEntry(line)
			list.Entries = append(list.Entries, e)
			ok = err == nil
		}
		if !ok {
			return list, fmt.Errorf("%w: line %d", ErrList, n)
		}
	}
	if lines.Err() != nil {
		return list, fmt.Errorf("list %s: %w", name, lines.Err())
	}
	if len(list.Entries) == 0 {
		return list, fmt.Errorf("%w: it has no entries", ErrList)
	}
	return list, nil
}

// set takes one line of the head. Other comments are passed over.
func (l *List) set(line string) (ok bool) {
	key, value, _ := strings.Cut(strings.TrimLeft(line, "# "), ":")
	value = strings.TrimSpace(value)
	var err error
	switch key {
	case "action":
		l.Action, err = ParseAction(value)
	case "distance":
		l.Distance, err = strconv.Atoi(value)
		if l.Distance < 0 || l.Distance > FarDistance {
			return false
		}
		if l.Distance == 0 {
			l.Distance = ExactOnly
		}
	case "dry-run":
		l.DryRun, err = strconv.ParseBool(value)
	case "note":
		l.Note = value
	case "left out":
		l.LeftOut = value
	}
	return err == nil
}
