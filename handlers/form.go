package handlers

import (
	"bufio"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"emberdrop/link"
)

// form is what an upload asks for besides its files.
type form struct {
	upload     *link.Upload // takes files and notes as they arrive
	items      int          // that it took
	policy     link.Policy
	burn       bool
	caption    string
	passphrase string
}

// maxPassphrase is in bytes: the whole of it goes into the key derivation.
const maxPassphrase = 1024

// field is one field of the upload form. A field with more than max bytes is
// refused with the same error as a value that set does not take.
type field struct {
	max int
	bad error
	set func(f *form, value string) error
}

// fields are all that an upload may have besides file, each at most once, in
// any order. An empty optional field is what a browser sends for one left blank.
var fields = map[string]field{
	"expire": {16, errExpire, func(f *form, v string) error {
		d, ok := expiries[v]
		if !ok {
			return errExpire
		}
		f.policy.Expire = d
		return f.upload.Expire(d)
	}},
	"burn": {16, errBurn, func(f *form, v string) error {
		if v != "on" {
			return errBurn
		}
		f.burn = true
		return nil
	}},
	"views": {16, errViews, func(f *form, v string) error {
		if v == "" {
			return nil
		}
		n, err := strconv.ParseUint(v, 10, 16)
		if err != nil || n > link.MaxViews {
			return errViews
		}
		f.policy.Views = int(n)
		return nil
	}},
	"idle": {16, errIdle, func(f *form, v string) error {
		d, ok := map[string]time.Duration{"": 0, "0": 0, "1d": 24 * time.Hour, "1w": 7 * 24 * time.Hour}[v]
		if !ok {
			return errIdle
		}
		f.policy.Idle = d
		return nil
	}},
	// Browsers send line ends as two bytes, which a note of the greatest length must survive.
	"note": {2 * link.MaxNote, link.ErrNote, func(f *form, v string) error {
		if v == "" {
			return nil
		}
		f.items++
		return f.upload.AddNote(strings.ReplaceAll(v, "\r\n", "\n"))
	}},
	"pass": {64, link.ErrPass, func(f *form, v string) error {
		if v == "" {
			return nil
		}
		return f.upload.Pass(v)
	}},
	"caption": {8 * link.MaxCaption, link.ErrCaption, func(f *form, v string) error {
		if !utf8.ValidString(v) {
			return errText
		}
		f.caption = oneLine(v)
		if utf8.RuneCountInString(f.caption) > link.MaxCaption {
			return link.ErrCaption
		}
		return nil
	}},
	"passphrase": {maxPassphrase, errPassphraseLong, func(f *form, v string) error {
		if !utf8.ValidString(v) {
			return errText
		}
		f.passphrase = v
		return nil
	}},
}

// expiries are the deadlines that a form can ask for; 0 is none.
var expiries = map[string]time.Duration{"1h": time.Hour, "1d": 24 * time.Hour, "1w": 7 * 24 * time.Hour, "never": 0}

// choices are the deadlines that the operator allows, the shortest first, and
// the one that an upload gets which asks for none.
func (l Limits) choices() (allowed []string, usual string) {
	for _, name := range []string{"1h", "1d", "1w", "never"} {
		if d := expiries[name]; l.MaxExpire == 0 || d > 0 && d <= l.MaxExpire {
			allowed = append(allowed, name)
		}
	}
	usual = "1d"
	if !slices.Contains(allowed, usual) {
		usual = "1h" // the operator's longest is at least that, see New
	}
	return allowed, usual
}

// newForm holds what an upload gets that asks for nothing.
func newForm(up *link.Upload, l Limits) *form {
	_, usual := l.choices()
	return &form{upload: up, policy: link.Policy{Expire: expiries[usual]}}
}

// finish checks what only all fields together can tell.
func (f *form) finish() error {
	if f.burn {
		if f.policy.Views > 1 {
			return errContradiction
		}
		f.policy.Views = 1
	}
	return nil
}

// oneLine makes a caption safe for a terminal and for one line of a text
// answer: control characters, escape sequences and line breaks become spaces.
func oneLine(s string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, s))
}

// spareParts is how many parts an upload may have besides its files: every
// field once, and the empty file parts of a form with several file inputs.
const spareParts = 32

// readUpload reads a multipart body as it arrives and hands files and notes to
// up. It never holds more than one field in memory and writes nothing anywhere.
func readUpload(r *http.Request, limits Limits, up *link.Upload) (*form, error) {
	parts, err := r.MultipartReader()
	if err != nil {
		return nil, errMalformed
	}
	f, seen := newForm(up, limits), map[string]bool{}
	for n := 0; ; n++ {
		// Raw: a part's own transfer encoding is content to us, never undone.
		part, err := parts.NextRawPart()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, errors.Join(errMalformed, err)
		}
		if n >= limits.MaxItems+spareParts {
			return nil, link.ErrTooMany
		}
		name := part.FormName()
		if name == "file" {
			if err := f.readFile(part); err != nil {
				return nil, err
			}
			continue
		}
		known, ok := fields[name]
		if !ok || seen[name] {
			return nil, errMalformed
		}
		seen[name] = true
		value, err := readField(part, known)
		if err != nil {
			return nil, err
		}
		if err := known.set(f, value); err != nil {
			return nil, err
		}
	}
	if f.items == 0 {
		return nil, errNoFile
	}
	return f, f.finish()
}

// readFile takes a file, unless it is what a browser sends when none was
// chosen: an empty part without a file name.
func (f *form) readFile(part *multipart.Part) error {
	body := bufio.NewReader(part)
	if _, err := body.Peek(1); err == io.EOF && part.FileName() == "" {
		return nil
	}
	f.items++
	file := &sender{src: body}
	_, err := f.upload.Add(file)
	if file.err != nil {
		return errors.Join(errMalformed, err) // the form ends in the middle of the file
	}
	return err
}

// sender remembers that reading failed, which whoever reads may tell in words of
// its own.
type sender struct {
	src io.Reader
	err error
}

func (s *sender) Read(p []byte) (int, error) {
	n, err := s.src.Read(p)
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}

func readField(part io.Reader, f field) (string, error) {
	value, err := io.ReadAll(io.LimitReader(part, int64(f.max)+1))
	if err != nil {
		return "", errors.Join(errMalformed, err)
	}
	if len(value) > f.max {
		return "", f.bad
	}
	return string(value), nil
}

// maxReveal is how many bytes a reveal's body may have.
const maxReveal = 8 << 10

// readReveal reads the fields reveal and passphrase; no body at all is fine too.
func readReveal(r *http.Request) (map[string]string, error) {
	return readFields(r, maxReveal, map[string]int{"reveal": maxPassphrase, "passphrase": maxPassphrase}, errMalformedReveal)
}

// readForm reads a form of short fields.
func (s *site) readForm(v *visit, most int64, known map[string]int) (map[string]string, error) {
	s.formBody(v, most)
	return readFields(v.r, int(most), known, errMalformedForm)
}

// readFields reads a form of known fields, each at most once, in either encoding
// that a form can have. known says how many bytes each may have; bad is the error
// for everything else.
func readFields(r *http.Request, most int, known map[string]int, bad error) (map[string]string, error) {
	body := io.LimitReader(r.Body, int64(most)+1)
	kind, params, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if kind == "multipart/form-data" {
		return readParts(multipart.NewReader(body, params["boundary"]), known, bad)
	}
	raw, err := io.ReadAll(body)
	if err != nil {
		return nil, errors.Join(bad, err)
	}
	if len(raw) == 0 {
		return nil, nil
	}
	if len(raw) > most || kind != "application/x-www-form-urlencoded" {
		return nil, bad
	}
	values, err := url.ParseQuery(string(raw))
	if err != nil {
		return nil, bad
	}
	fields := map[string]string{}
	for name, v := range values {
		if max, ok := known[name]; !ok || len(v) != 1 || len(v[0]) > max {
			return nil, bad
		}
		fields[name] = v[0]
	}
	return fields, nil
}

func readParts(parts *multipart.Reader, known map[string]int, bad error) (map[string]string, error) {
	fields := map[string]string{}
	for {
		part, err := parts.NextRawPart()
		if err == io.EOF {
			return fields, nil
		}
		if err != nil {
			return nil, errors.Join(bad, err)
		}
		name := part.FormName()
		max, ok := known[name]
		if _, again := fields[name]; again || !ok {
			return nil, bad
		}
		value, err := readField(part, field{max: max, bad: bad})
		if err != nil {
			return nil, err
		}
		fields[name] = value
	}
}
