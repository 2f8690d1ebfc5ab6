package link

import (
	"context"
	"crypto/sha256"
	"errors"
	"time"

	"emberdrop/eventlog"
	"emberdrop/seal"
	"emberdrop/vault"
)

// Preview is what a link's holder sees before the reveal. Asking for it counts nothing.
type Preview struct {
	Locked    bool // a passphrase is needed; Caption and Items are then empty
	Caption   string
	Items     []Item
	Ends      time.Time     // zero: never
	ViewsLeft int           // 0: no limit
	Idle      time.Duration // idle limit; 0: none
}

// Preview shows what a link holds without revealing it.
func (l *Links) Preview(secret string) (Preview, error) {
	token, id, st, err := l.lookup(secret)
	if err != nil {
		return Preview{}, err
	}
	out := Preview{
		Ends: fromMinute(st.Deadline), ViewsLeft: st.viewsLeft(),
		Idle: time.Duration(st.Idle) * time.Hour,
	}
	out.Locked, err = l.cfg.Vault.Locked(st.Payload)
	if err == nil && out.Locked {
		return out, nil
	}
	if err != nil {
		return Preview{}, l.unopened(id, err)
	}
	payload, err := l.cfg.Vault.Open(st.Payload, token, "")
	if err != nil {
		return Preview{}, l.unopened(id, err)
	}
	defer payload.Close()
	manifest := payload.Manifest()
	out.Caption, out.Items = manifest.Caption, itemsOf(manifest.Items)
	return out, nil
}

// unopened explains a payload that did not open: the link may have ended since
// its state was read, and then its answer is the one of every ended link.
func (l *Links) unopened(id eventlog.ID, err error) error {
	switch {
	case errors.Is(err, vault.ErrPassphrase):
		return ErrPassphrase
	case errors.Is(err, ErrTooFast):
		return ErrTooFast
	case errors.Is(err, vault.ErrBusy):
		return ErrBusy
	}
	if _, gone := l.read(id); gone != nil {
		return gone
	}
	l.cfg.Events.Error("a live link's payload does not open", "room", "link")
	return ErrUnavailable
}

// Reveal takes one view of a link and returns the lease under which its content
// can be fetched. reveal is the form's random value: with it a repeat of the
// same request returns the same lease while that lives; without one ("" or
// malformed) every call is a view of its own. Errors: ErrGone, ErrPassphrase,
// ErrTooFast, ErrBusy, ErrUnavailable, or ctx's.
func (l *Links) Reveal(ctx context.Context, secret, reveal, passphrase string) (*Lease, error) {
	token, id, st, err := l.lookup(secret)
	value, malformed := seal.ParseToken(reveal)
	if malformed != nil {
		if err != nil {
			return nil, err
		}
		return l.reveal(token, id, st, passphrase)
	}
	// The lease outlives the link, so a repeat is looked for even when the link is gone.
	hash := value.Hash()
	key := sha256.Sum256(append(hash[:], id[:]...))
	known, found, waited := l.reveals.begin(ctx, key)
	if waited != nil {
		return nil, waited
	}
	if found {
		return l.leases.get(known, l.cfg.Now())
	}
	if err != nil {
		l.reveals.fail(key)
		return nil, err
	}
	lease, err := l.reveal(token, id, st, passphrase)
	if err != nil {
		l.reveals.fail(key)
		return nil, err
	}
	l.reveals.finish(key, lease.token, id, lease.born.Add(l.cfg.LeaseMax))
	return lease, nil
}

// reveal opens, commits, and only then hands out. Whatever fails before the
// commit point burns nothing; whatever fails after it serves nothing.
func (l *Links) reveal(token seal.Token, id eventlog.ID, st state, passphrase string) (*Lease, error) {
	payload, err := l.unlock(id, st, token, passphrase)
	if err != nil {
		return nil, l.unopened(id, err)
	}
	if err := l.makeRoom(); err != nil {
		payload.Close()
		return nil, err
	}
	// The lease exists before the commit, under a token that nobody knows yet, so
	// that a destroy or the sweeper between the commit and here finds it.
	lease := l.leases.add(id, payload, l.cfg)
	l.cfg.Step("opened")
	if l.panicked.Load() {
		l.endLease(lease)
		return nil, ErrGone
	}
	final, err := l.takeView(id)
	if err != nil {
		l.endLease(lease)
		return nil, err
	}
	l.cfg.Step("committed")
	l.answers.forget(id)
	if final {
		if err := l.overwriteHeader(id, st.Payload); err != nil {
			// No byte may leave while the disk still holds what opens them. The
			// view is lost; the sweeper finds the ended link and retries.
			l.endLease(lease)
			l.cfg.Events.Error("the header of an ended link was not overwritten", "room", "link")
			return nil, ErrUnavailable
		}
		l.cfg.Step("overwritten")
	}
	lease.used.Store(l.cfg.Now().UnixNano()) // its time begins now, however long the disk took
	lease.final = final
	return lease, nil
}

// unlock opens a payload. Behind a passphrase, tries are counted per link.
func (l *Links) unlock(id eventlog.ID, st state, token seal.Token, passphrase string) (*vault.Payload, error) {
	locked, err := l.cfg.Vault.Locked(st.Payload)
	if err != nil {
		return nil, err
	}
	if locked {
		if err := l.guesses.try(id, l.cfg.Now()); err != nil {
			return nil, err
		}
	} else {
		passphrase = ""
	}
	payload, err := l.cfg.Vault.Open(st.Payload, token, passphrase)
	if errors.Is(err, vault.ErrBusy) {
		l.guesses.untried(id)
	}
	if err != nil {
		return nil, err
	}
	l.guesses.right(id)
	// Opening proves the ends of every item. Where a view is worth something, prove
	// the middle too, so that a rotten disk cannot take it for half a photo.
	if st.Views > 0 {
		if err := l.cfg.Vault.Verify(st.Payload, st.Size, st.Sum); err != nil {
			payload.Close()
			return nil, err
		}
	}
	return payload, nil
}

// takeView appends the view, and the end if it was the last one. The decision
// runs in the log's writer against every earlier event, so of racing calls for a
// last view exactly one returns nil.
func (l *Links) takeView(id eventlog.ID) (final bool, err error) {
	err = l.cfg.Log.Do(l.cfg.Now(), func(tx *eventlog.Tx) ([]eventlog.Draft, error) {
		st, known, err := load(tx, id)
		if err != nil {
			return nil, err
		}
		if !known || !st.live(tx.Now()) {
			return nil, ErrGone
		}
		events := []eventlog.Draft{{Link: id, Type: typeViewed, Data: viewed{}}}
		final = st.viewsLeft() == 1
		if final {
			events = append(events, eventlog.Draft{Link: id, Type: typeEnded, Data: ended{Reason: Viewed}})
		}
		return events, nil
	}) // COMMIT POINT of a reveal: when Do returns nil the view is taken, on the disk, for good.
	return final, err
}
