package link

import (
	"errors"
	"fmt"
	"slices"

	"emberdrop/eventlog"
	"emberdrop/vault"
)

// Finding is one class of disorder: what is wrong, how often, and what would be
// done about it. It names no link, file or token.
type Finding struct {
	What    string
	Count   int
	Remedy  string
	Pending bool // no disorder, but work that the next start does
}

func (f Finding) String() string { return fmt.Sprintf("%d %s; %s", f.Count, f.What, f.Remedy) }

// Verify holds log, projections and vault against each other and changes
// nothing. It needs no link secret: payloads are checked by the hash of their
// ciphertext. No findings, or only pending ones, means in order.
func (l *Links) Verify() ([]Finding, error) {
	report, err := l.cfg.Log.Verify()
	if err != nil {
		return nil, err
	}
	var out []Finding
	for _, diff := range report.Diffs {
		out = append(out, Finding{What: "rows of " + diff.Class + " differ from what the events say", Count: diff.Missing + diff.Extra + diff.Different, Remedy: "`emberdrop rebuild` makes the projections anew from the events"})
	}
	payloads, err := l.verifyPayloads()
	if err != nil {
		return nil, err
	}
	boxes, err := l.verifyBoxes()
	if err != nil {
		return nil, err
	}
	return append(append(out, payloads...), boxes...), nil
}

func (l *Links) verifyPayloads() ([]Finding, error) {
	missing := Finding{What: "payloads of live links are missing", Remedy: "those links cannot be opened any more; they end by their policy"}
	damaged := Finding{What: "payloads of live links are damaged", Remedy: "those links cannot be opened any more; they end by their policy"}
	waiting := Finding{What: "ended links wait to be shredded", Remedy: "the sweeper shreds them at the next start", Pending: true}
	lost := Finding{What: "ciphertexts that are kept for a case are missing or damaged", Remedy: "those cases have nothing to look at any more; dismiss them or let them lapse"}
	loose := Finding{What: "files in the vault belong to no link", Remedy: "the next start shreds them"}

	var live, kept []state
	err := l.each(func(_ eventlog.ID, st state) {
		switch {
		case st.Reason == Live:
			live = append(live, st)
		case st.Gone:
		case st.Kept > 0, st.frozen() != 0:
			kept = append(kept, st)
		default:
			waiting.Count++
		}
	})
	if err != nil {
		return nil, err
	}
	var read, all int64
	for _, st := range slices.Concat(live, kept) {
		all += st.Size
	}
	tell := func(st state) {
		read += st.Size
		if l.cfg.Verified != nil {
			l.cfg.Verified(read, all)
		}
	}
	for _, st := range live {
		switch err := l.cfg.Vault.Verify(st.Payload, st.Size, st.Sum); {
		case errors.Is(err, vault.ErrMissing):
			missing.Count++
		case errors.Is(err, vault.ErrDamaged):
			damaged.Count++
		case err != nil:
			return nil, err
		}
		tell(st)
	}
	for _, st := range kept {
		switch err := l.cfg.Vault.VerifyCiphertext(st.Payload, st.Size, st.Sum); {
		case errors.Is(err, vault.ErrMissing), errors.Is(err, vault.ErrDamaged):
			lost.Count++
		case err != nil:
			return nil, err
		}
		tell(st)
	}
	leftovers, err := l.cfg.Vault.Leftovers()
	if err != nil {
		return nil, err
	}
	orphans, err := l.orphans()
	if err != nil {
		return nil, err
	}
	loose.Count = len(orphans) + len(leftovers)

	var out []Finding
	for _, f := range []Finding{missing, damaged, waiting, lost, loose} {
		if f.Count > 0 {
			out = append(out, f)
		}
	}
	return out, nil
}

// verifyBoxes looks for sealed reports that no case needs.
func (l *Links) verifyBoxes() ([]Finding, error) {
	spare := Finding{What: "sealed reports belong to no case that waits", Remedy: "nobody but the operator opens them; report this as a fault of the program"}
	err := l.cfg.Log.Read(func(tx *eventlog.Tx) error {
		lo, hi := eventlog.AllSealedBounds()
		return tx.Scan(lo, hi, func(key, _ []byte) (bool, error) {
			id, _, ok := eventlog.ParseSealedKey(key)
			if !ok {
				return false, errBadKey
			}
			c, known, err := loadCase(tx, id)
			if err == nil && (!known || !c.open() && !c.preserved()) {
				spare.Count++
			}
			return true, err
		})
	})
	if err != nil || spare.Count == 0 {
		return nil, err
	}
	return []Finding{spare}, nil
}
