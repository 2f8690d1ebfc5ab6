package match

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// Skipped says why an entry of a list was left out.
type Skipped string

// The reasons.
const (
	SkippedPhotoDNA   Skipped = "PhotoDNA, which is proprietary"
	SkippedKind       Skipped = "another kind of hash"
	SkippedMalformed  Skipped = "not a hash of its kind"
	SkippedUnbalanced Skipped = "PDQ of a blank picture" // it would match a great many
	SkippedBare       Skipped = "64 digits that may be PDQ or SHA-256"
)

// Summary says what ReadEntries made of a file.
type Summary struct {
	Format    string          // "lines", "NCMEC XML" or "StopNCII JSON"
	Taken     int             // entries returned, each counted once
	Skipped   map[Skipped]int // left out, by reason; nil if nothing was
	Withdrawn int             // records taken back by the list's maker
}

// LeftOut says in words what was not taken; "" if all was.
func (s Summary) LeftOut() string {
	var parts []string
	for _, why := range slices.Sorted(maps.Keys(s.Skipped)) {
		parts = append(parts, fmt.Sprintf("%d %s", s.Skipped[why], why))
	}
	if s.Withdrawn > 0 {
		parts = append(parts, fmt.Sprintf("%d withdrawn", s.Withdrawn))
	}
	return strings.Join(parts, "; ")
}

// ErrFormat means a file that is none of the formats, or is cut short. A list
// of which a part is missing is not taken at all.
var ErrFormat = errors.New("not a whole list of hashes: lines, NCMEC XML or StopNCII JSON")

// ReadEntries reads a list that others have made; its format is recognised by
// its content:
//
//   - lines, each with a hash in hexadecimal, or a kind (pdq, md5, sha1, sha256)
//     and a hash. What follows on the line is passed over, so the output of
//     sha256sum can be read too, and that of the PDQ reference. Empty lines and
//     those that begin with # do not count.
//   - NCMEC XML: queryResult documents of its hash sharing API, version 2.
//   - StopNCII JSON: answers of its FetchHashes API.
//
// Pages of XML or JSON may stand one behind the other: later records replace
// and withdraw what earlier ones have brought. bare says what 64 digits without
// a kind are, KindPDQ or KindSHA256; without it (0) they are skipped.
//
// The entries come sorted. Errors are ErrFormat, or of r. That nothing was taken
// is no error when all was skipped for a reason other than SkippedMalformed.
func ReadEntries(r io.Reader, bare Kind) ([]Entry, Summary, error) {
	from := &source{r: r}
	src := bufio.NewReader(from)
	first, err := firstByte(src)
	if err != nil {
		return nil, Summary{}, err
	}
	t := &table{bare: bare, records: map[string]listed{}}
	switch first {
	case '<':
		t.Format = "NCMEC XML"
		err = t.readNCMEC(src)
	case '{', '[':
		t.Format = "StopNCII JSON"
		err = t.readStopNCII(src)
	default:
		t.Format = "lines"
		err = t.readLines(src)
	}
	if from.err != nil {
		return nil, Summary{}, from.err
	}
	if err != nil {
		return nil, Summary{}, ErrFormat // a decoder's own words may quote the file
	}
	entries := t.entries()
	if len(entries) == 0 && (t.Skipped[SkippedMalformed] > 0 || len(t.Skipped) == 0 && t.Withdrawn == 0) {
		return nil, Summary{}, ErrFormat
	}
	return entries, t.Summary, nil
}

// source tells a reader's errors from those of a decoder.
type source struct {
	r   io.Reader
	err error
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}

// firstByte is the first byte that is not white space, after a byte order mark.
// The mark is dropped.
func firstByte(src *bufio.Reader) (byte, error) {
	if mark, _ := src.Peek(3); string(mark) == "\xef\xbb\xbf" {
		src.Discard(3)
	}
	for {
		b, err := src.ReadByte()
		if errors.Is(err, io.EOF) {
			return 0, ErrFormat
		}
		if err != nil {
			return 0, err
		}
		if !bytes.ContainsRune([]byte(" \t\r\n"), rune(b)) {
			return b, src.UnreadByte()
		}
	}
}

// table gathers a list's records.
type table struct {
	Summary
	bare    Kind
	records map[string]listed // by what their maker calls them
	loose   []Entry           // of lines, which have no names
}

// listed is the last that a list has said about a record.
type listed struct {
	entries   []Entry
	withdrawn bool
}

func (t *table) entries() []Entry {
	all := t.loose
	for _, r := range t.records {
		if r.withdrawn {
			t.Withdrawn++
		}
		all = append(all, r.entries...)
	}
	slices.SortFunc(all, func(a, b Entry) int {
		if a.Kind != b.Kind {
			return int(a.Kind) - int(b.Kind)
		}
		return bytes.Compare(a.Sum[:], b.Sum[:])
	})
	all = slices.Compact(all)
	t.Taken = len(all)
	return all
}

func (t *table) skip(why Skipped) {
	if t.Skipped == nil {
		t.Skipped = map[Skipped]int{}
	}
	t.Skipped[why]++
}

// read makes an entry of a kind's name and a hash, or counts why not.
func (t *table) read(name, digits string) (e Entry, ok bool) {
	kind, why := kindOf(name)
	if why != "" {
		t.skip(why)
		return e, false
	}
	e, ok = parseEntry(kind, strings.TrimSpace(digits))
	switch {
	case !ok:
		t.skip(SkippedMalformed)
	case kind == KindPDQ && !PDQ(e.Sum).Balanced():
		t.skip(SkippedUnbalanced)
		ok = false
	}
	return e, ok
}

// kindOf reads what lists call kinds of hashes: ThreatExchange's, NCMEC's and
// StopNCII's names.
func kindOf(name string) (Kind, Skipped) {
	switch strings.NewReplacer("-", "", "_", "").Replace(strings.ToLower(name)) {
	case "pdq", "imagepdq":
		return KindPDQ, ""
	case "md5", "photomd5", "imagemd5", "videomd5":
		return KindMD5, ""
	case "sha1", "photosha1", "videosha1":
		return KindSHA1, ""
	case "sha256", "photosha256", "videosha256":
		return KindSHA256, ""
	case "pdna", "photodna":
		return kindNone, SkippedPhotoDNA
	}
	return kindNone, SkippedKind
}

func (t *table) readLines(src io.Reader) error {
	lines := bufio.NewScanner(src)
	for lines.Scan() {
		fields := strings.FieldsFunc(lines.Text(), func(c rune) bool {
			return c == ' ' || c == '\t' || c == ',' || c == ';' || c == '\r'
		})
		if len(fields) > 0 && fields[0][0] != '#' {
			t.readLine(fields)
		}
	}
	return lines.Err()
}

// readLine reads "hash" or "kind hash", with anything behind.
func (t *table) readLine(fields []string) {
	name, digits := "", fields[0]
	switch {
	case !isHex(digits):
		name = digits
		if len(fields) < 2 || !isWord(name) {
			t.skip(SkippedMalformed)
			return
		}
		digits = fields[1]
	case len(digits) == 2*144: // the size of PhotoDNA
		name = "pdna"
	case len(digits) == 64 && t.bare == kindNone:
		t.skip(SkippedBare)
		return
	case len(digits) == 64:
		name = t.bare.String()
	case len(digits) == 40:
		name = "sha1"
	default:
		name = "md5"
	}
	if e, ok := t.read(name, digits); ok {
		t.loose = append(t.loose, e)
	}
}

func isHex(s string) bool { return strings.Trim(s, "0123456789abcdefABCDEF") == "" }

// isWord says whether s can be the name of a kind.
func isWord(s string) bool {
	return len(s) <= 32 && strings.Trim(strings.ToLower(s), "abcdefghijklmnopqrstuvwxyz0123456789-_") == ""
}
