package link

import (
	"context"
	"errors"
	"time"

	"emberdrop/eventlog"
)

// Panic makes every payload unreadable at once: the vault key is overwritten
// first, then every lease ends and every answer is forgotten. Whatever happens
// next, a copy of the vault opens nothing any more. Wipe does the rest.
func (l *Links) Panic() error {
	// Before the leases are listed: a reveal that is under way either sees this,
	// or its lease is in the list.
	l.panicked.Store(true)
	err := l.cfg.Vault.DestroyKey()
	all, _ := l.leases.which(func(*Lease) bool { return true })
	for _, s := range all {
		l.endLease(s)
	}
	l.answers.drop(func(*slot[Answer]) bool { return true })
	return err
}

// Wipe ends every link, shreds every file of the vault and purges the log,
// receipts included. It can be repeated until it gives nil; only totals stay.
func (l *Links) Wipe(ctx context.Context) error {
	errs := []error{l.lapseAll(), l.endAll()}
	leftovers, err := l.cfg.Vault.Leftovers()
	errs = append(errs, err)
	names, err := l.cfg.Vault.Names()
	errs = append(errs, err)
	for _, name := range append(names, leftovers...) {
		errs = append(errs, l.cfg.Vault.Shred(name))
	}
	kept, err := l.cfg.Vault.Kept()
	errs = append(errs, err)
	for _, name := range kept {
		errs = append(errs, l.cfg.Vault.ShredKept(name))
	}
	errs = append(errs, l.ShredEnded())
	_, err = l.purge(ctx,
		func(st state, _ time.Time) bool { return st.Gone && st.Cases == 0 },
		func(c caseState, _ time.Time) bool { return !c.open() && !c.preserved() })
	return errors.Join(append(errs, err)...)
}

// endAll ends every live link on behalf of the operator.
func (l *Links) endAll() error {
	var live []eventlog.ID
	err := l.each(func(id eventlog.ID, st state) {
		if st.Reason == Live {
			live = append(live, id)
		}
	})
	if err != nil {
		return err
	}
	for len(live) > 0 {
		batch := live[:min(len(live), sweepBatch)]
		live = live[len(batch):]
		err := l.cfg.Log.Do(l.cfg.Now(), func(tx *eventlog.Tx) (events []eventlog.Draft, err error) {
			for _, id := range batch {
				st, known, err := load(tx, id)
				if err != nil {
					return nil, err
				}
				if known {
					events = append(events, endBy(id, st, tx.Now(), Operator)...)
				}
			}
			return events, nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
