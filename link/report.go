package link

import (
	"errors"
	"io/fs"
	"strings"
	"time"
	"unicode/utf8"

	"emberdrop/eventlog"
	"emberdrop/report"
	"emberdrop/seal"
	"emberdrop/vault"
)

// What a report can be told.
var (
	// ErrNoOperator means that there is no key to seal a report to.
	ErrNoOperator = errors.New("no operator key")
	// ErrComplaint means a report without a category, with too many words, or of an
	// item that the link does not have.
	ErrComplaint = errors.New("report refused")
	// ErrReports means that no more reports of this kind are taken for now.
	ErrReports = errors.New("too many reports")
)

// The most that one report says.
const (
	MaxWords   = 4000 // characters
	MaxContact = 200
)

// Caps of open cases. Proved ones need no cap over all links: there is one for
// each item, so who wants to fill the queue has to fill the disk first. What
// cannot be proved costs nothing to send, so it has a queue of its own.
const (
	maxLinkLoose  = 2   // of one link, not proved
	maxLooseCases = 256 // of all links, not proved
)

// Deadlines of a case, in hours from the one in which it came.
const (
	caseHours      = 48
	authorityHours = 1
	warnHours      = 12
)

// Unattended reports whether there is nobody to whom a report could be sealed.
func (l *Links) Unattended() bool { return len(l.cfg.Operators) == 0 }

// OperatorKeys are the fingerprints of the keys that reports are sealed to.
func (l *Links) OperatorKeys() (prints []string) {
	for _, key := range l.cfg.Operators {
		prints = append(prints, key.Fingerprint())
	}
	return prints
}

// Complaint is what somebody who has the link, or looks at it, says of it.
type Complaint struct {
	Category   Category
	Words      string
	Contact    string
	Item       int    // counted from 1
	Passphrase string // of a locked link; empty: the report cannot be proved then
}

// Notice is what the public takedown form says.
type Notice struct {
	Category  Category
	About     string // links, or words that say what is to go
	Words     string // why
	Contact   string
	GoodFaith bool // the statement was ticked
	Authority bool // an order of an authority
}

// Report takes a report of an item of a link. It counts no view and nobody is
// told. The token is for Status. Errors: ErrGone, ErrNoOperator, ErrComplaint,
// ErrPassphrase, ErrTooFast, ErrReports, ErrUnavailable.
func (l *Links) Report(secret string, c Complaint) (seal.Token, error) {
	token, id, st, err := l.lookup(secret)
	if err != nil {
		return seal.Token{}, err
	}
	if err := c.check(l.cfg.Operators); err != nil {
		return seal.Token{}, err
	}
	found := matter{link: id, source: fromViewer, category: c.Category}
	found.said = report.Report{Source: report.FromViewer, Words: l.redact(c.Words), Contact: l.redact(c.Contact)}
	proof, err := l.prove(id, st, token, c.Passphrase, c.Item)
	switch {
	case err == nil:
		found.proof = proof
	case errors.Is(err, ErrPassphrase) && c.Passphrase == "":
		// It is taken all the same, last in the queue.
	default:
		return seal.Token{}, err
	}
	return l.record(found)
}

// ReportLease takes a report of an item that an open lease shows, also when the
// link has ended with that very view. Errors as of Report.
func (l *Links) ReportLease(lease string, c Complaint) (seal.Token, error) {
	s, err := l.Lease(lease)
	if err != nil {
		return seal.Token{}, err
	}
	if err := c.check(l.cfg.Operators); err != nil {
		return seal.Token{}, err
	}
	proof, err := evidence(s.payload, c.Item)
	if errors.Is(err, vault.ErrClosed) {
		return seal.Token{}, ErrGone
	}
	if err != nil {
		return seal.Token{}, err
	}
	return l.record(matter{
		link: s.link, source: fromViewer, category: c.Category, proof: proof,
		said: report.Report{Source: report.FromViewer, Words: l.redact(c.Words), Contact: l.redact(c.Contact)},
	})
}

// Notice takes a takedown notice. The first living link in it becomes what the
// case is about; all are replaced by their ids. Without an operator's key, link
// and category are all that is kept. Errors: ErrNoOperator when neither a key nor a
// living link is there, ErrComplaint, ErrReports.
func (l *Links) Notice(n Notice) (seal.Token, error) {
	if n.Category == byMachine || !n.GoodFaith || !said(n.About, MaxWords) || !said(n.Words, MaxWords) || !said(n.Contact, MaxContact) ||
		strings.TrimSpace(n.About) == "" {
		return seal.Token{}, ErrComplaint
	}
	found := matter{source: fromPublic, category: n.Category}
	if n.Authority {
		found.flags |= flagAuthority
	}
	for _, secret := range l.links(n.About + "\n" + n.Words) {
		token, id, st, err := l.lookup(secret)
		if err != nil {
			continue
		}
		found.link = id
		found.flags |= flagVerified // who wrote holds the link
		if len(l.cfg.Operators) > 0 {
			found.proof, _ = l.prove(id, st, token, "", 1) // one that is locked is not proved
		}
		break
	}
	if len(l.cfg.Operators) == 0 && found.link == (eventlog.ID{}) {
		return seal.Token{}, ErrNoOperator
	}
	found.said = report.Report{
		Source: report.FromPublic, About: l.redact(n.About), Words: l.redact(n.Words), Contact: l.redact(n.Contact),
		GoodFaith: n.GoodFaith,
	}
	return l.record(found)
}

func (c Complaint) check(operators []seal.PublicKey) error {
	switch {
	case len(operators) == 0:
		return ErrNoOperator
	case c.Category == byMachine, c.Item < 1, !said(c.Words, MaxWords), !said(c.Contact, MaxContact):
		return ErrComplaint
	}
	return nil
}

func said(text string, most int) bool {
	return utf8.ValidString(text) && utf8.RuneCountInString(text) <= most
}

// prove opens an item of a link, which is the proof that who reports can.
func (l *Links) prove(id eventlog.ID, st state, token seal.Token, passphrase string, item int) (*report.Item, error) {
	locked, err := l.cfg.Vault.Locked(st.Payload)
	if err == nil && locked && passphrase == "" {
		return nil, ErrPassphrase // not a guess, so it is not counted as one
	}
	payload, err := l.unlock(id, st, token, passphrase)
	if err != nil {
		return nil, l.unopened(id, err)
	}
	defer payload.Close()
	return evidence(payload, item)
}

func evidence(payload *vault.Payload, item int) (*report.Item, error) {
	e, err := payload.Evidence(item - 1)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrComplaint
	}
	if err != nil {
		return nil, err
	}
	return sealedItem(e, payload.Manifest().Items[item-1].Kind), nil
}

func sealedItem(e vault.Evidence, kind string) *report.Item {
	return &report.Item{
		Key: e.Key, AAD: e.AAD, Number: e.Number, Items: e.Items, Kind: kind,
		Plain: e.Plain, At: e.At, Sealed: e.Sealed, Sum: e.Sum,
	}
}

// redact replaces every link in what somebody wrote.
func (l *Links) redact(text string) string {
	out, _ := report.Redact(strings.ToValidUTF8(text, ""), func(secret string) (report.ID, bool) {
		id, known := l.known(secret)
		return report.ID(id), known
	})
	return out
}

// links lists the secrets of links that the log knows, in the order of the text.
func (l *Links) links(text string) (secrets []string) {
	report.Redact(text, func(secret string) (report.ID, bool) {
		id, known := l.known(secret)
		if known {
			secrets = append(secrets, secret)
		}
		return report.ID(id), known
	})
	return secrets
}

// known finds a link by its secret, whatever has become of it.
func (l *Links) known(secret string) (id eventlog.ID, known bool) {
	token, err := seal.ParseToken(secret)
	if err != nil {
		return id, false
	}
	id = eventlog.ID(seal.LinkID(token, l.cfg.HostKey))
	err = l.cfg.Log.Read(func(tx *eventlog.Tx) (err error) {
		_, known, err = load(tx, id)
		return err
	})
	return id, known && err == nil
}

// Status is what a reporter learns of a report.
type Status struct {
	Decided bool
	At      time.Time // start of the hour in which it came, or was decided
}

// Status answers the holder of a report's token. The error is ErrGone when the
// token was never given out, is malformed, or has lapsed.
func (l *Links) Status(token string) (out Status, err error) {
	parsed, malformed := seal.ParseToken(token)
	err = l.cfg.Log.Read(func(tx *eventlog.Tx) error {
		value, known, err := tx.Get(eventlog.StatusKey(parsed.Hash()))
		if err != nil {
			return err
		}
		var id eventlog.ID
		copy(id[:], value)
		c, found, err := loadCase(tx, id)
		if err != nil {
			return err
		}
		if malformed != nil || !known || !found || l.purgeableCase(c, l.now(tx)) {
			return ErrGone
		}
		out = Status{Decided: !c.open(), At: fromHour(c.Opened)}
		if out.Decided {
			out.At = fromHour(c.Decided)
		}
		return nil
	})
	return out, err
}

// caseLapses is when the status of a decided case stops answering.
func (l *Links) caseLapses(c caseState) time.Time { return fromHour(c.Decided + 1).Add(l.cfg.CaseTTL) }

func (l *Links) purgeableCase(c caseState, now time.Time) bool {
	return !c.open() && !c.preserved() && !now.Before(l.caseLapses(c))
}
