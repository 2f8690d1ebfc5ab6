// Package link decides what happens to links: it turns commands (create,
// reveal, destroy, expire) into events, folds events into link state, answers
// what a visitor may know, and keeps the leases and upload answers that live in
// RAM only. It must not know HTTP, pages, or the database behind the log, and
// it never logs or stores a secret, a token, a caption or a byte of content.
package link

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"emberdrop/eventlog"
	"emberdrop/seal"
	"emberdrop/vault"
)

// What a caller can be told. Refusals of a file's content pass through as
// *strip.UnsupportedError and strip.ErrDamaged.
var (
	// ErrGone is the one answer for links, leases and receipts that ended, never
	// were, are held, or whose token is malformed (law 5).
	ErrGone = errors.New("no such link")
	// ErrPassphrase means that the passphrase does not open the link. It burned nothing.
	ErrPassphrase = errors.New("wrong passphrase")
	// ErrUnavailable means that the link lives but could not be opened or
	// finished now; nothing was served.
	ErrUnavailable = errors.New("link cannot be opened now")
	ErrEmpty       = errors.New("nothing was sent")
	ErrTooLarge    = errors.New("too large")
	ErrTooMany     = errors.New("too many files")
	ErrBusy        = errors.New("busy")
	ErrFull        = errors.New("no room left")
	// ErrFullNever means that links without a deadline have no room left; others have.
	ErrFullNever = errors.New("no room left for links without a deadline")
	// ErrExpire means a deadline later than the operator allows.
	ErrExpire = errors.New("deadline refused")
	// ErrTooFast means too many wrong passphrases: wait a little.
	ErrTooFast = errors.New("too many tries")
	// ErrPass means a pass that is not one, or is spent.
	ErrPass = errors.New("no such pass")
	// ErrNote means a note of more than MaxNote bytes or not UTF-8.
	ErrNote = errors.New("note refused")
	// ErrCaption means a caption of more than MaxCaption characters or not UTF-8.
	ErrCaption = errors.New("caption refused")
	// ErrPolicy means a policy that contradicts itself or is out of range.
	ErrPolicy = errors.New("policy refused")
)

// Config is what Links stands on.
type Config struct {
	Log   *eventlog.Log
	Vault *vault.Vault

	// HostKey goes into every link id. Required; the one that the vault was opened with.
	HostKey seal.Key

	// Now is the clock; nil means time.Now.
	Now func() time.Time

	// Verified is told how many bytes of payloads Verify has read, of how many; nil: nobody.
	Verified func(read, all int64)

	LeaseIdle  time.Duration // a lease ends after so long without a fetch; 0 means 5 minutes
	LeaseMax   time.Duration // and at the latest after this; 0 means 1 hour
	ReceiptTTL time.Duration // a receipt answers so long after the link's end; 0 means 24 hours

	MaxFile int64 // bytes of one file; 0 means 50 MiB
	// MaxPassFile is bytes of one file of an upload with a pass; 0 means 100 MiB.
	MaxPassFile int64
	MaxUpload   int64 // bytes of one upload's files together; 0 means 200 MiB
	MaxItems    int   // files in one link; 0 means 50

	// AnyFile takes files of other kinds too, as they are, for download only.
	AnyFile bool

	// Quota is bytes of all payloads together, padding included; an upload that
	// could go beyond it is refused with ErrFull. 0 means no limit.
	Quota int64
	// NeverQuota is how many of them links without a deadline may fill; more is
	// ErrFullNever. 0 means no limit of their own, below zero that none is taken.
	NeverQuota int64
	// NeverIdle is the idle limit that a link without a deadline gets unless it asks
	// for a shorter one, in whole hours; 0 means none.
	NeverIdle time.Duration
	// MaxExpire is the longest time to a deadline; longer, or none at all, is
	// ErrExpire. 0 means no limit.
	MaxExpire time.Duration

	// Uploads is how many uploads are under way at once; 0 means 64. As many more
	// wait for up to UploadWait, 0 means a minute; what finds no place is ErrBusy.
	Uploads    int
	UploadWait time.Duration
	// MaxStaged is bytes that uploads under way may put aside on the disk
	// together; more is ErrBusy. One upload alone is always taken. 0 means no limit.
	MaxStaged int64
	// Leases is how many leases are open at once; 0 means 1000. For one more, the
	// link with the most of them loses the one that was unused for longest.
	Leases int

	// Free says how many bytes the vault's disk has left; nil means plenty.
	// Uploads are refused with ErrFull when less than Floor would be left.
	Free  func() (int64, error)
	Floor int64

	// Operators are the public keys that reports are sealed to, of one person or
	// two. None: nobody can look at anything, so reports are not taken and what
	// would be held is refused.
	Operators []seal.PublicKey
	// HoldMax is how long a held link waits for the operator, in whole minutes; then
	// it ends. 0 means 14 days.
	HoldMax time.Duration
	// CaseTTL is how long the status of a report answers after the decision; 0
	// means 7 days.
	CaseTTL time.Duration
	// Scan looks at a file as it came, before anything is taken out. nil: nobody does.
	Scan func(ctx context.Context, kind string, file io.ReaderAt, size int64) Verdict
	// Bank takes what the operator's machine computed of an item that is blocked.
	// nil: there is none, and nothing can be blocked.
	Bank func(caseID string, lines []string) error
	// ScanSum asks for the SHA-256 of an item as viewers get it: what was blocked is
	// known in that form. nil: nobody does.
	ScanSum func(sum [32]byte) Verdict

	// Events is where constant categories of trouble go; nil means nowhere.
	Events *slog.Logger

	// Step is called between the steps of a burn and may never return, so that
	// a test can end the process there. nil means nothing is called.
	Step func(step string)
}

// Links is the domain: every command and every question goes through it.
type Links struct {
	cfg Config // not changed after New

	answers *once[Answer]     // upload id -> what its uploader is shown
	reveals *once[seal.Token] // reveal value -> lease token
	leases  *leases
	guesses *guesses
	room    room
	slots   slots
	headers headers
	decoy   []byte // the row of a link that never was; not changed after New

	panicked atomic.Bool // no lease is given out any more

	wake chan struct{} // buffered, 1
}

// New wires the domain over an open log and vault.
func New(cfg Config) *Links {
	or := func(d *time.Duration, zero time.Duration) {
		if *d == 0 {
			*d = zero
		}
	}
	or(&cfg.LeaseIdle, 5*time.Minute)
	or(&cfg.LeaseMax, time.Hour)
	or(&cfg.ReceiptTTL, 24*time.Hour)
	or(&cfg.HoldMax, 14*24*time.Hour)
	or(&cfg.CaseTTL, 7*24*time.Hour)
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.MaxFile == 0 {
		cfg.MaxFile = 50 << 20
	}
	if cfg.MaxPassFile == 0 {
		cfg.MaxPassFile = max(100<<20, cfg.MaxFile)
	}
	if cfg.MaxUpload == 0 {
		cfg.MaxUpload = 200 << 20
	}
	if cfg.MaxItems == 0 {
		cfg.MaxItems = 50
	}
	if cfg.Uploads == 0 {
		cfg.Uploads = 64
	}
	or(&cfg.UploadWait, time.Minute)
	if cfg.Leases == 0 {
		cfg.Leases = 1000
	}
	if cfg.Events == nil {
		cfg.Events = slog.New(slog.DiscardHandler)
	}
	if cfg.Step == nil {
		cfg.Step = func(string) {}
	}
	decoy, err := eventlog.Marshal(state{
		created: created{Payload: strings.Repeat("a", 32), Size: 4096, Deadline: 1, Views: 1},
		Made:    1, Opened: 1, Last: 1, Reason: Viewed, End: 1, Gone: true,
	})
	if err != nil {
		panic(err) // a constant, which Marshal takes or never did
	}
	return &Links{
		cfg:     cfg,
		decoy:   decoy,
		answers: newOnce[Answer](maxRepeats),
		reveals: newOnce[seal.Token](0),
		leases:  newLeases(),
		guesses: newGuesses(),
		headers: headers{late: map[eventlog.ID]string{}},
		slots:   slots{most: cfg.Uploads, wait: cfg.UploadWait},
		wake:    make(chan struct{}, 1),
	}
}

// Wake delivers when something became due sooner than Next said: a new link, a
// lease that ended, a link that was destroyed.
func (l *Links) Wake() <-chan struct{} { return l.wake }

func (l *Links) stir() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// lookup finds the state of the link that secret opens. A malformed secret takes
// the same path as an unknown one: derive an id, look it up (law 5).
func (l *Links) lookup(secret string) (token seal.Token, id eventlog.ID, st state, err error) {
	token, bad := seal.ParseToken(secret)
	id = eventlog.ID(seal.LinkID(token, l.cfg.HostKey))
	st, err = l.read(id)
	if err == nil && bad != nil {
		err = ErrGone
	}
	return token, id, st, err
}

// read returns the state of a link that can be opened now, else ErrGone.
func (l *Links) read(id eventlog.ID) (st state, err error) {
	err = l.cfg.Log.Read(func(tx *eventlog.Tx) error {
		var known bool
		st, known, err = load(tx, id)
		if err != nil {
			return err
		}
		if !known {
			// The same work as for a link that was: reading its row is most of what
			// a clock on this machine could tell the two apart by (law 5).
			if st, err = decodeState(l.decoy); err != nil {
				return err
			}
		}
		if !st.live(l.now(tx)) || !known {
			return ErrGone
		}
		return nil
	})
	return st, err
}

// now is the clock, but never behind the log's high-water mark, so that a clock
// set back revives nothing.
func (l *Links) now(tx *eventlog.Tx) time.Time {
	now, mark := l.cfg.Now(), tx.Now()
	if mark.After(now) {
		return mark
	}
	return now
}
