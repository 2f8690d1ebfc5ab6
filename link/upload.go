package link

import (
	"context"
	"errors"
	"io"
	"time"
	"unicode/utf8"

	"emberdrop/eventlog"
	"emberdrop/seal"
	"emberdrop/strip"
	"emberdrop/vault"
)

// AnswerTTL is how long an uploader can see the answer to an upload again.
const AnswerTTL = 10 * time.Minute

// Item describes one file of a link.
type Item struct {
	Kind string // media type, by content
	Size int64  // bytes
}

// Answer is what an uploader is shown. It stays in RAM for AnswerTTL, or until
// the link's first reveal or its end; then the link secret is forgotten.
type Answer struct {
	Secret, Receipt seal.Token
	Items           []Item
	Removed         []strip.Removed // beside Items; never stored
	Ends            time.Time       // zero: never
	Views           int             // view limit; 0: none
	Idle            time.Duration   // idle limit; 0: none
}

// Upload is one upload under way. It belongs to one goroutine.
type Upload struct {
	links *Links
	key   [32]byte // under which the answer is kept
	draft *vault.Draft
	over  bool  // committed or aborted
	room  int64 // bytes reserved on the disk

	secret  seal.Token
	items   []vault.Item
	removed []strip.Removed
	total   int64 // bytes taken from the client
}

// Begin starts an upload under an id that the page gave out, of so many bytes as
// the client announces (0: not announced). If that upload has been answered it
// returns the answer instead; while it is under way elsewhere it waits. The
// caller of a started upload must call Abort, at the latest when it is done. The
// error is ErrFull when the disk has no room for it, or ctx's.
func (l *Links) Begin(ctx context.Context, upload seal.Token, size int64) (*Upload, *Answer, error) {
	key := upload.Hash()
	answer, found, err := l.answers.begin(ctx, key)
	if err != nil {
		return nil, nil, err
	}
	if found {
		return nil, &answer, nil
	}
	room, err := l.reserve(size)
	if err != nil {
		l.answers.fail(key)
		return nil, nil, err
	}
	return &Upload{links: l, key: key, secret: seal.NewToken(), room: room}, nil, nil
}

// Answered reports whether an upload has an answer that can still be shown.
func (l *Links) Answered(upload seal.Token) bool { return l.answers.known(upload.Hash()) }

// Add takes one file as it arrives: staged in RAM or sealed under a key that
// only RAM holds, recognised by content, stripped and sealed. Its errors are
// ErrEmpty, ErrTooLarge, ErrTooMany, what strip refuses, or one of the disk or
// of r. After an error only Abort is of use.
func (u *Upload) Add(r io.Reader) (strip.Report, error) {
	if len(u.items) == u.links.cfg.MaxItems {
		return strip.Report{}, ErrTooMany
	}
	stage := u.links.cfg.Vault.Stage()
	defer stage.Close()
	size, err := io.Copy(stage, io.LimitReader(r, u.links.cfg.MaxFile+1))
	if err != nil {
		return strip.Report{}, err
	}
	u.total += size
	switch {
	case size == 0:
		return strip.Report{}, ErrEmpty
	case size > u.links.cfg.MaxFile, u.total > u.links.cfg.MaxUpload:
		return strip.Report{}, ErrTooLarge
	}
	if err := stage.Done(); err != nil {
		return strip.Report{}, err
	}
	return u.strip(stage, size)
}

func (u *Upload) strip(src *vault.Stage, size int64) (strip.Report, error) {
	if u.draft == nil {
		// Not before the first file is here, so that an empty form touches no disk.
		draft, err := u.links.cfg.Vault.Create(u.secret)
		if err != nil {
			return strip.Report{}, err
		}
		u.draft = draft
	}
	item, err := u.draft.Item()
	if err != nil {
		return strip.Report{}, err
	}
	sized := &counter{w: item}
	report, err := strip.Strip(sized, src, size)
	if err != nil {
		return strip.Report{}, err
	}
	if err := item.Close(); err != nil {
		return strip.Report{}, err
	}
	u.items = append(u.items, vault.Item{Kind: string(report.Kind), Size: sized.n})
	u.removed = append(u.removed, report.Removed)
	return report, nil
}

type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

// Commit makes the link: payload on the disk first, then its event, then the
// answer. Its errors are ErrEmpty, ErrCaption, ErrPolicy, or one of the disk.
func (u *Upload) Commit(p Policy, caption, passphrase string) (Answer, error) {
	l := u.links
	if err := p.check(); err != nil {
		return Answer{}, err
	}
	if !utf8.ValidString(caption) || utf8.RuneCountInString(caption) > MaxCaption {
		return Answer{}, ErrCaption
	}
	if len(u.items) == 0 {
		return Answer{}, ErrEmpty
	}
	stored, err := u.draft.Commit(vault.Manifest{Caption: caption, Items: u.items}, passphrase)
	if err != nil {
		return Answer{}, err
	}
	// From here on the file is whole and belongs to nobody until the event is
	// there. If the event is not written, the log has stopped and with it the
	// program; at its next start Repair finds the file without a link and
	// shreds it. Shredding it here could destroy a link whose event was written.
	u.over = true
	defer l.release(u.room)
	receipt := seal.NewToken()
	id := eventlog.ID(stored.ID)
	body := created{
		Payload: stored.Name, Size: stored.Size, Sum: stored.Sum,
		Receipt: receipt.Hash(), Views: p.Views, Idle: int64(p.Idle / time.Hour),
	}
	err = l.cfg.Log.Do(l.cfg.Now(), func(tx *eventlog.Tx) ([]eventlog.Draft, error) {
		if p.Expire != 0 {
			body.Deadline = minuteUp(tx.Now().Add(p.Expire))
		}
		return []eventlog.Draft{{Link: id, Type: typeCreated, Data: body}}, nil
	})
	if err != nil {
		l.answers.fail(u.key)
		return Answer{}, err
	}
	answer := Answer{
		Secret: u.secret, Receipt: receipt, Items: itemsOf(u.items), Removed: u.removed,
		Ends: fromMinute(body.Deadline), Views: p.Views, Idle: p.Idle,
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
	defer u.links.release(u.room)
	if u.draft != nil {
		if err := u.draft.Abort(); err != nil && !errors.Is(err, vault.ErrMissing) {
			u.links.cfg.Events.Warn("upload leftovers stay until the next start", "room", "link")
		}
	}
	u.links.answers.fail(u.key)
}

func itemsOf(items []vault.Item) []Item {
	out := make([]Item, len(items))
	for i, item := range items {
		out[i] = Item(item)
	}
	return out
}
