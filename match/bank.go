package match

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// BankName is the bank's name in findings.
const BankName = "bank"

// BankHold is the greatest PDQ distance at which the bank asks for Hold. Up to
// MaxDistance it asks for Block.
const BankHold = 48

// Errors of the bank.
var (
	ErrBank = errors.New("the bank's file is damaged")
	ErrCase = errors.New("a case id is 1 to 64 letters, digits, - and _")
)

// Banked is one entry of the bank with what it is there for.
type Banked struct {
	Entry
	Case string // the case by which it came in
	Date string // the day, such as 2026-11-22
}

// Bank is the operator's own list: what has been taken down and must not come
// back. Every match of a digest, and of a PDQ hash at up to MaxDistance, asks
// for Block; of one at up to BankHold for Hold. It may be used by many at once.
type Bank struct {
	save func(text []byte) error
	lock sync.Mutex // held by who changes it
	now  atomic.Pointer[banked]
}

// banked is one state of the bank, never changed.
type banked struct {
	lines []Banked
	sums  map[Entry]int // digests, by their place in lines
	close []pdqLine
}

type pdqLine struct {
	words
	line int
}

// NewBank makes a bank of the text that save was last given; an empty text is
// an empty bank. save must have written the text so that it outlives a crash
// when it returns nil. It is never called twice at once. nil: the bank lives in
// RAM only. A line that cannot be read is ErrBank: nothing in it is passed over.
func NewBank(text io.Reader, save func(text []byte) error) (*Bank, error) {
	b := &Bank{save: save}
	var all []Banked
	lines := bufio.NewScanner(text)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		entry, ok := parseBanked(line)
		if !ok {
			return nil, fmt.Errorf("%w: line %d", ErrBank, n)
		}
		all = append(all, entry)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBank, err)
	}
	b.use(all)
	return b, nil
}

func parseBanked(line string) (b Banked, ok bool) {
	fields := strings.Fields(line)
	if len(fields) != 4 || !caseOK(fields[2]) {
		return b, false
	}
	var err error
	b.Entry, err = ParseEntry(fields[0] + " " + fields[1])
	b.Case, b.Date = fields[2], fields[3]
	return b, err == nil
}

func caseOK(id string) bool {
	return id != "" && len(id) <= 64 && strings.Trim(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") == ""
}

const bankHead = "# emberdrop bank 1: what was taken down and is refused when it comes again.\n" +
	"# kind, hash, case, day. Change it with `emberdrop lists`, or by hand while no server runs.\n"

// Text is the bank as save gets it: a line for each entry.
func (b *Bank) Text() []byte { return bankText(b.now.Load().lines) }

func bankText(lines []Banked) []byte {
	var out bytes.Buffer
	out.WriteString(bankHead)
	for _, l := range lines {
		fmt.Fprintf(&out, "%s %s %s\n", l.Entry, l.Case, l.Date)
	}
	return out.Bytes()
}

// Entries returns all entries, the oldest first.
func (b *Bank) Entries() []Banked { return slices.Clone(b.now.Load().lines) }

// Len is the number of entries.
func (b *Bank) Len() int { return len(b.now.Load().lines) }

// Add puts entries into the bank, saves it, and only then compares uploads with
// them. Those that are there already stay as they are. date is the day, such as
// 2026-11-22. It returns how many are new. Errors are ErrCase, or of save; then
// the bank is as it was.
func (b *Bank) Add(caseID, date string, entries []Entry) (added int, err error) {
	if !caseOK(caseID) || len(strings.Fields(date)) != 1 {
		return 0, ErrCase
	}
	b.lock.Lock()
	defer b.lock.Unlock()
	old := b.now.Load().lines
	lines := slices.Clone(old)
	known := make(map[Entry]bool, len(lines))
	for _, l := range lines {
		known[l.Entry] = true
	}
	for _, e := range entries {
		if !known[e] {
			known[e] = true
			lines = append(lines, Banked{Entry: e, Case: caseID, Date: date})
		}
	}
	return len(lines) - len(old), b.change(lines)
}

// Remove takes out all entries of a case, and saves. It returns how many there
// were. The error is of save; then the bank is as it was.
func (b *Bank) Remove(caseID string) (removed int, err error) {
	b.lock.Lock()
	defer b.lock.Unlock()
	old := b.now.Load().lines
	lines := slices.DeleteFunc(slices.Clone(old), func(l Banked) bool { return l.Case == caseID })
	return len(old) - len(lines), b.change(lines)
}

// change saves and then uses new lines.
func (b *Bank) change(lines []Banked) error {
	if len(lines) == b.Len() {
		return nil // only ever all added, or all removed
	}
	if b.save != nil {
		if err := b.save(bankText(lines)); err != nil {
			return err
		}
	}
	b.use(lines)
	return nil
}

func (b *Bank) use(lines []Banked) {
	state := &banked{lines: lines, sums: map[Entry]int{}}
	for i, l := range lines {
		if l.Kind == KindPDQ {
			state.close = append(state.close, pdqLine{PDQ(l.Sum).words(), i})
		} else {
			state.sums[l.Entry] = i
		}
	}
	b.now.Store(state)
}

func (b *Bank) exact(e Entry, found func(Finding)) {
	state := b.now.Load()
	if i, ok := state.sums[e]; ok {
		found(Finding{List: BankName, Kind: e.Kind, Action: Block, Case: state.lines[i].Case})
	}
}

// near scans all entries. The multi-index would not find what is further than
// MaxDistance; a bank of ten thousand takedowns takes some milliseconds.
func (b *Bank) near(w words, found func(Finding)) {
	state := b.now.Load()
	for i := range state.close {
		h := &state.close[i]
		d := h.distance(w)
		if d > BankHold {
			continue
		}
		action := Hold
		if d <= MaxDistance {
			action = Block
		}
		found(Finding{List: BankName, Kind: KindPDQ, Distance: d, Action: action, Case: state.lines[h.line].Case})
	}
}
