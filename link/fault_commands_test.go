package link

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"emberdrop/eventlog"
	"emberdrop/seal"
)

// creating uploads a file; one of more than 1 MiB is staged on the disk.
func creating(file []byte) func(tr *trial) error {
	return func(tr *trial) error {
		a, err := tr.w.tryUpload(seal.NewToken(), Policy{Views: 2}, "caption", "", file)
		if err == nil {
			tr.made = &twin{answer: a, policy: Policy{Views: 2}, content: clean(tr.w.t, file)}
		}
		return err
	}
}

func afterCreate(tr *trial, w *world) {
	least, most := tr.may()
	tr.wantTotals(w, "created links", func(t Totals) int64 { return t.Created }, least, most)
	links := []twin{tr.burn, tr.hour, tr.three}
	if tr.made != nil {
		links = append(links, *tr.made)
	}
	tr.rest(w, links...)
	now, _ := w.Totals()
	w.wantFiles(3 + int(now.Created-tr.totals.Created))
}

// take reveals the burn link and reads it.
func (tr *trial) take(w *world) (served bool, err error) {
	lease, err := w.Reveal(context.Background(), tr.burn.answer.Secret.String(), "", opener)
	if err != nil {
		return false, err
	}
	body, _, err := lease.Open(1)
	if err != nil {
		return true, err
	}
	defer body.Close()
	var got bytes.Buffer
	_, err = got.ReadFrom(body)
	if !bytes.HasPrefix(tr.burn.content, got.Bytes()) || (err == nil && got.Len() != len(tr.burn.content)) {
		return true, errWrongBytes
	}
	return true, err
}

func workReveal(tr *trial) (err error) {
	tr.final, err = tr.take(tr.w)
	return err
}

func afterReveal(tr *trial, w *world) {
	if errors.Is(tr.err, errWrongBytes) {
		w.t.Fatalf("%v", tr.err)
	}
	if errors.Is(tr.err, ErrPassphrase) {
		w.t.Fatalf("a disk's failure is called a wrong passphrase")
	}
	receipt, err := w.Receipt(tr.burn.answer.Receipt.String())
	if err != nil {
		w.t.Fatalf("receipt: %v", err)
	}
	burned := receipt.Reason == "viewed"
	if tr.final && !burned {
		w.t.Fatalf("it was served and is not burned: %+v", receipt)
	}
	if errors.Is(tr.err, ErrGone) && !burned {
		w.t.Fatalf("a live link was called gone")
	}
	served, err := tr.take(w)
	switch {
	case served && tr.final:
		w.t.Fatalf("it was served twice")
	case burned && !errors.Is(err, ErrGone):
		w.t.Fatalf("a burned link gives %v", err)
	case !burned && err != nil:
		w.t.Fatalf("a link that was not burned gives %v", err)
	}
	w.endLeases(tr.id(w, tr.burn))
	w.sweep()
	tr.rest(w, tr.hour, tr.three)
	w.wantFiles(2)
}

func (tr *trial) id(w *world, m twin) eventlog.ID {
	return eventlog.ID(seal.LinkID(m.answer.Secret, w.host))
}

func workDestroy(tr *trial) error { return tr.w.Destroy(tr.three.answer.Receipt.String()) }

func afterDestroy(tr *trial, w *world) {
	if errors.Is(tr.err, ErrGone) {
		w.t.Fatalf("a live link's receipt was called gone")
	}
	least, most := tr.may()
	tr.wantTotals(w, "destroyed links", func(t Totals) int64 { return t.Ended[Uploader] }, least, most)
	m := tr.three
	m.destroyed, m.doubt = tr.err == nil, tr.err != nil
	tr.rest(w, tr.burn, tr.hour, m)
	if tr.err == nil {
		w.wantFiles(2)
	}
}

// readySweep makes work: a burned link, and one whose time has come.
func readySweep(w *world, tr *trial) {
	if _, err := tr.take(w); err != nil {
		w.t.Fatalf("reveal: %v", err)
	}
	w.endLeases(tr.id(w, tr.burn))
	w.clock.forward(2 * time.Hour)
}

func workSweep(tr *trial) error { return errors.Join(tr.w.EndDue(), tr.w.ShredEnded()) }

func beforeSweep(tr *trial, w *world) {
	if tr.err == nil {
		w.wantFiles(1)
		w.wantOrder()
	}
}

func afterSweep(tr *trial, w *world) {
	hour := tr.hour
	tr.rest(w, hour, tr.three) // dead by its deadline, swept or not
	w.sweep()
	w.wantFiles(1)
	tr.wantTotals(w, "shredded", func(t Totals) int64 { return t.Shredded }, 2, 2)
	tr.rest(w, hour, tr.three)
}

func workPurge(tr *trial) error {
	_, err := tr.w.Purge(context.Background())
	return err
}

func beforePurge(tr *trial, w *world) {
	if tr.err == nil {
		tr.wantPurged(w)
	}
}

func afterPurge(tr *trial, w *world) {
	same := func(when string) {
		now, err := w.Totals()
		if err != nil || fmt.Sprint(now) != fmt.Sprint(tr.totals) {
			w.t.Fatalf("%s the totals are %v, want %v (%v)", when, now, tr.totals, err)
		}
	}
	same("after the fault")
	tr.rest(w, tr.burn, tr.hour, tr.three)
	if _, err := w.Purge(context.Background()); err != nil {
		w.t.Fatalf("purge after a restart: %v", err)
	}
	same("after another purge")
	tr.wantPurged(w)
	tr.rest(w, tr.burn, tr.hour, tr.three)
}

// wantPurged checks that neither the log nor a file knows the purged link.
func (tr *trial) wantPurged(w *world) {
	w.t.Helper()
	err := w.log.Events(func(e eventlog.Event) error {
		if e.Link == tr.past {
			return errors.New("its events are there")
		}
		return nil
	})
	if err != nil {
		w.t.Fatalf("a purged link: %v", err)
	}
	names, err := w.mem.List("log")
	if err != nil {
		w.t.Fatalf("list: %v", err)
	}
	for _, name := range names {
		// Tables leave out what a key has in common with the one before it: the middle is enough.
		if bytes.Contains(contents(w.t, w.mem, "log/"+name), tr.past[4:12]) {
			w.t.Fatalf("a purged link is in a file of kind %s", name[max(0, strings.LastIndex(name, ".")):])
		}
	}
}

// contents is a file's bytes; none when it has been unlinked meanwhile.
func contents(t tester, disk vfs.FS, name string) []byte {
	t.Helper()
	f, err := disk.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		t.Fatalf("open %s: %v", name, err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		t.Fatalf("stat %s: %v", name, err)
	}
	out := make([]byte, st.Size())
	if n, _ := f.ReadAt(out, 0); n != len(out) {
		t.Fatalf("%d of %d bytes", n, len(out))
	}
	return out
}
