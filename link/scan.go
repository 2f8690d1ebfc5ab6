package link

import (
	"errors"
	"mime"

	"emberdrop/eventlog"
	"emberdrop/match"
	"emberdrop/report"
	"emberdrop/seal"
	"emberdrop/strip"
	"emberdrop/vault"
)

// ErrRefused is the one refusal of a file that a scan found, whatever found it: a
// reason would let anyone find out what the lists hold.
var ErrRefused = errors.New("file refused")

// Verdict is what a scan says of one file.
type Verdict struct {
	Action   match.Action // the greatest that anything in it asks for
	Findings []report.Finding
}

// found is what a scan found in one item of an upload.
type found struct {
	item     int // from 0
	findings []report.Finding
}

// scan asks what is known of a file, before anything is taken out of it. veil says
// that it is to be shown behind a click only. The error is ErrRefused.
func (u *Upload) scan(src *vault.Stage, size int64) (veil bool, err error) {
	if u.links.cfg.Scan == nil {
		return false, nil
	}
	kind, err := strip.Recognise(src, size)
	if err != nil {
		kind = "" // not one of ours; a scan may know it all the same
	}
	return u.obey(u.links.cfg.Scan(u.ctx, string(kind), src, size), len(u.items))
}

// obey does what a verdict about item n, from 0, asks for. The error is ErrRefused.
func (u *Upload) obey(verdict Verdict, n int) (veil bool, err error) {
	switch verdict.Action {
	case match.Pass:
		return false, nil
	case match.Label:
		return true, nil
	case match.Hold:
		if len(u.links.cfg.Operators) > 0 { // with nobody to look, a hold is a refusal
			u.found = append(u.found, found{n, verdict.Findings})
			return true, nil
		}
	}
	return false, ErrRefused
}

// scanSum asks for the last item, as it is stored now.
func (u *Upload) scanSum(sum [32]byte) error {
	if u.links.cfg.ScanSum == nil {
		return nil
	}
	n := len(u.items) - 1
	veil, err := u.obey(u.links.cfg.ScanSum(sum), n)
	if veil {
		u.items[n].Kind = veiled(u.items[n].Kind)
	}
	return err
}

// veiled is a kind that says that its item is shown behind a click only. It stands
// in the sealed manifest, so nobody without the link learns of it.
func veiled(kind string) string {
	base, params, err := mime.ParseMediaType(kind)
	if err != nil {
		return kind
	}
	params["veil"] = "1"
	if out := mime.FormatMediaType(base, params); out != "" {
		return out
	}
	return kind
}

// matters are the cases that a scan opens about an upload. It is called when all
// items are in the draft and before the draft is finished, which wipes the keys.
func (u *Upload) matters() ([]matter, error) {
	var out []matter
	for i, f := range u.found {
		if i > 0 && u.found[i-1].item == f.item { // found by its original and by what is stored
			out[len(out)-1].said.Findings = append(out[len(out)-1].said.Findings, f.findings...)
			continue
		}
		e, err := u.draft.Evidence(f.item)
		if err != nil {
			return nil, err
		}
		m := matter{source: fromMachine, category: byMachine, flags: flagMachine, proof: sealedItem(e, u.items[f.item].Kind)}
		m.said = report.Report{Source: report.FromMachine, Findings: f.findings, Item: m.proof}
		out = append(out, m)
	}
	return out, nil
}

// machineCase is a case with its boxes, ready to be drafted.
type machineCase struct {
	id    eventlog.ID
	boxes []byte
	matter
}

func (l *Links) machineCases(link eventlog.ID, all []matter) (out []machineCase, err error) {
	for _, m := range all {
		m.link = link
		c := machineCase{id: newCaseID(), matter: m}
		if c.boxes, err = l.boxes(m.said, c.id, m.sum()); err != nil {
			return nil, err
		}
		m.proof.Key.Wipe()
		out = append(out, c)
	}
	return out, nil
}

// hold drafts, behind a link's creation, that it is held and why.
func (l *Links) hold(tx *eventlog.Tx, link eventlog.ID, cases []machineCase) ([]eventlog.Draft, error) {
	if len(cases) == 0 {
		return nil, nil
	}
	events := []eventlog.Draft{l.holdDraft(tx, link, heldMachine)}
	for _, c := range cases {
		more, err := draftCase(tx, c.id, c.matter, seal.Token{}, c.boxes)
		if err != nil {
			return nil, err
		}
		events = append(events, more...)
	}
	return events, nil
}
