package link

import (
	"context"
	"encoding/base32"
	"errors"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"emberdrop/eventlog"
	"emberdrop/seal"
	"emberdrop/strip"
	"emberdrop/vault"
)

// AnswerTTL is how long an uploader can see the answer to an upload again.
const AnswerTTL = 10 * time.Minute

// maxRepeats is how many repeats of an upload wait for it at once. Browsers send a
// form again up to three times, and people press twice. Each that gets its turn may
// stand still for a while, so a long line of them would last for hours.
const maxRepeats = 10

// Item describes one file of a link.
type Item struct {
	Kind string // media type, by content
	Size int64  // bytes
	Veil bool   // a scan wants it shown behind a click only
}

// Answer is what an uploader is shown. It stays in RAM for AnswerTTL, or until
// the link's first reveal or its end; then the link secret is forgotten.
type Answer struct {
	Secret, Receipt seal.Token
	ID              string // the link's id, for a request to the operator; it opens nothing
	Items           []Item
	Removed         []strip.Removed // beside Items; never stored
	Ends            time.Time       // zero: never
	Views           int             // view limit; 0: none
	Idle            time.Duration   // idle limit; 0: none
	Held            bool            // it answers like a dead link until the operator has looked
}

// Upload is one upload under way. It belongs to one goroutine.
type Upload struct {
	links *Links
	ctx   context.Context // of the request that brings it
	key   [32]byte        // under which the answer is kept
	draft *vault.Draft
	over  bool  // committed or aborted
	claim claim // what it has reserved

	secret  seal.Token
	items   []vault.Item
	removed []strip.Removed
	found   []found
	total   int64     // bytes taken from the client
	largest int64     // bytes of the largest file
	pass    *[32]byte // hash of the pass that comes with it; nil: none
}

// Begin starts an upload under an id that the page gave out, of so many bytes as
// the client announces (0: not announced). If that upload has been answered it
// returns the answer instead; while it is under way elsewhere it waits. The
// caller of a started upload must call Abort, at the latest when it is done. The
// error is ErrFull when there is no room for it, ErrBusy when too many others are
// under way, or ctx's.
func (l *Links) Begin(ctx context.Context, upload seal.Token, size int64) (*Upload, *Answer, error) {
	key := upload.Hash()
	answer, found, err := l.answers.begin(ctx, key)
	if err != nil {
		return nil, nil, err
	}
	if found {
		return nil, &answer, nil
	}
	if err := l.slots.take(ctx); err != nil {
		l.answers.fail(key)
		return nil, nil, err
	}
	claim, err := l.reserve(size)
	if err != nil {
		l.slots.give()
		l.answers.fail(key)
		return nil, nil, err
	}
	return &Upload{links: l, ctx: ctx, key: key, secret: seal.NewToken(), claim: claim}, nil, nil
}

// Wanted reports whether others wait for the place that the upload takes, or were
// refused within two UploadWaits for the room that uploads under way have reserved.
func (u *Upload) Wanted() bool {
	l := u.links
	return l.slots.wanted() || l.room.wanted(2*l.cfg.UploadWait)
}

// Expire says early that the link shall end so long after it is made (0: never).
// The error is the one that Commit would give for it: ErrExpire or ErrFullNever.
func (u *Upload) Expire(d time.Duration) error {
	l := u.links
	p, err := l.allow(Policy{Expire: d})
	if err != nil || p.Expire != 0 {
		return err
	}
	l.room.mu.Lock()
	defer l.room.mu.Unlock()
	if !l.fitsNever(vault.Bound(1)) {
		return ErrFullNever
	}
	return nil
}

// Uploads is how many uploads are under way, and how many wait for a place.
func (l *Links) Uploads() (working, waiting int) { return l.slots.busy() }

// Answer is the answer of an upload, while it can still be shown.
func (l *Links) Answer(upload seal.Token) (Answer, bool) { return l.answers.known(upload.Hash()) }

// Answered reports whether an upload has an answer that can still be shown.
func (l *Links) Answered(upload seal.Token) bool {
	_, found := l.Answer(upload)
	return found
}

// Peek opens item n, counted from 1, of what an upload made, for its uploader
// while the answer can still be shown. It counts no view. The error is ErrGone,
// also for a link with a passphrase, which is not kept.
func (l *Links) Peek(upload seal.Token, n int) (io.ReadSeekCloser, Item, error) {
	answer, found := l.Answer(upload)
	if !found || n < 1 || n > len(answer.Items) {
		return nil, Item{}, ErrGone
	}
	_, _, st, err := l.lookup(answer.Secret.String())
	if err != nil {
		return nil, Item{}, err
	}
	payload, err := l.cfg.Vault.Open(st.Payload, answer.Secret, "")
	if err != nil {
		return nil, Item{}, ErrGone
	}
	r, err := content(payload, n-1)
	if err != nil {
		payload.Close()
		return nil, Item{}, ErrGone
	}
	return &peeked{r, payload}, answer.Items[n-1], nil
}

// peeked closes the payload with its only reader.
type peeked struct {
	io.ReadSeekCloser
	payload *vault.Payload
}

func (p *peeked) Close() error {
	p.payload.Close()
	return p.ReadSeekCloser.Close()
}

// Commit makes the link: payload on the disk first, then its event, then the
// answer. Its errors are ErrEmpty, ErrCaption, ErrPolicy, ErrExpire, ErrFull,
// ErrFullNever, ErrPass, or one of the disk.
func (u *Upload) Commit(p Policy, caption, passphrase string) (Answer, error) {
	l := u.links
	p, err := l.allow(p)
	if err != nil {
		return Answer{}, err
	}
	if !utf8.ValidString(caption) || utf8.RuneCountInString(caption) > MaxCaption {
		return Answer{}, ErrCaption
	}
	if len(u.items) == 0 {
		return Answer{}, ErrEmpty
	}
	if u.largest > l.cfg.MaxFile && u.pass == nil {
		return Answer{}, ErrTooLarge
	}
	matters, err := u.matters()
	if err != nil {
		return Answer{}, err
	}
	stored, err := u.draft.Commit(vault.Manifest{Caption: caption, Items: u.items}, passphrase)
	if err != nil {
		return Answer{}, full(err)
	}
	if err := l.settle(u.claim, stored.Size, p.Expire == 0); err != nil {
		return Answer{}, errors.Join(err, l.cfg.Vault.Shred(stored.Name))
	}
	// From here on the file is whole and belongs to nobody until the event is
	// there. If the event is not written, the log has stopped and with it the
	// program; at its next start Repair finds the file without a link and
	// shreds it. Shredding it here could destroy a link whose event was written.
	u.over = true
	defer l.slots.give()
	receipt := seal.NewToken()
	id := eventlog.ID(stored.ID)
	body := created{
		Payload: stored.Name, Size: stored.Size, Sum: stored.Sum,
		Receipt: receipt.Hash(), Views: p.Views, Idle: int64(p.Idle / time.Hour),
	}
	cases, err := l.machineCases(id, matters)
	if err != nil {
		l.answers.fail(u.key)
		defer l.freed(stored.Size, p.Expire == 0)
		return Answer{}, errors.Join(err, l.cfg.Vault.Shred(stored.Name))
	}
	err = l.cfg.Log.Do(l.cfg.Now(), func(tx *eventlog.Tx) ([]eventlog.Draft, error) {
		if err := spend(tx, u.pass); err != nil {
			return nil, err
		}
		if p.Expire != 0 {
			body.Deadline = minuteUp(tx.Now().Add(p.Expire))
		}
		events, err := l.hold(tx, id, cases)
		return append([]eventlog.Draft{{Link: id, Type: typeCreated, Data: body}}, events...), err
	})
	if err != nil {
		l.answers.fail(u.key)
		if errors.Is(err, ErrPass) { // refused, so certainly not written
			defer l.freed(stored.Size, p.Expire == 0)
			return Answer{}, errors.Join(err, l.cfg.Vault.Shred(stored.Name))
		}
		return Answer{}, err
	}
	answer := Answer{
		Secret: u.secret, Receipt: receipt, ID: idText(id), Items: itemsOf(u.items), Removed: u.removed,
		Ends: fromMinute(body.Deadline), Views: p.Views, Idle: p.Idle, Held: len(cases) > 0,
	}
	l.answers.finish(u.key, answer, id, l.cfg.Now().Add(AnswerTTL))
	l.stir()
	return answer, nil
}

// Abort ends an upload that was not committed and leaves nothing of it on the
// disk. After Commit it does nothing.
func (u *Upload) Abort() {
	if u.over {
		return
	}
	u.over = true
	defer u.links.slots.give()
	defer u.links.release(u.claim)
	if u.draft != nil {
		if err := u.draft.Abort(); err != nil && !errors.Is(err, vault.ErrMissing) {
			u.links.cfg.Events.Warn("upload leftovers stay until the next start", "room", "link")
		}
	}
	u.links.answers.fail(u.key)
}

// idText is a link's id as people pass it on: 26 letters and digits.
func idText(id eventlog.ID) string {
	return strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(id[:]))
}
