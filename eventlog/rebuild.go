package eventlog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// foldBytes is the size after which a refold commits its batch and begins another.
const foldBytes = 4 << 20

// Diff is how a class of derived rows differs from what the events say.
type Diff struct {
	Class     string // streams, links, deadlines, receipts, cases, statuses or totals
	Missing   int    // rows that the events call for and the log lacks
	Extra     int    // rows that the events do not account for
	Different int    // rows with another value
}

// Report is what Verify and Rebuild found. It holds counts, never an id.
type Report struct {
	Events int
	Rows   int    // derived rows that the events call for
	Diffs  []Diff // empty: live == rebuild
}

// Clean says that nothing differed.
func (r Report) Clean() bool { return len(r.Diffs) == 0 }

// String is one line for an operator.
func (r Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d events, %d rows", r.Events, r.Rows)
	for _, d := range r.Diffs {
		fmt.Fprintf(&b, "; %s: %d missing, %d extra, %d different", d.Class, d.Missing, d.Extra, d.Different)
	}
	return b.String()
}

// Verify folds every event again, into memory, and compares with the live index and
// projections. It goes by one view, so appends may go on, and writes nothing to disk.
// An event that cannot be read or folded is ErrDamaged or ErrUnknownType, wrapped.
//
// Memory: about the compressed size of the projections.
func (l *Log) Verify() (Report, error) {
	var report Report
	err := l.view(func(s *pebble.Snapshot, _ tip) error {
		// A store in memory takes the refold: it sorts, compresses and reads like the
		// one on disk, so that the fold runs on the same code as ever.
		o := &pebble.Options{FS: vfs.NewMem(), DisableWAL: true, FormatMajorVersion: format,
			MemTableSize: l.cfg.Memtable, Logger: logger{l.cfg.Log, newFatality(nil)}}
		mem, err := pebble.Open("verify", o)
		if err != nil {
			return fmt.Errorf("eventlog: a store in memory: %w", category(err))
		}
		_, events, err := refold(s, mem, l.cfg, false)
		if err == nil {
			report, err = compare(s, mem, false, nil)
			report.Events = events
		}
		return errors.Join(err, mem.Close())
	})
	return report, err
}

// Rebuild makes the stream index, the projections and the checkpoint of a stopped log
// anew from its events. It folds under a shadow prefix, then corrects what differs in
// one batch with one sync, so a crash leaves the old or the new rows, never a mixture.
// What stands beside the log is left alone. The report says what was corrected.
//
// Memory: the size of the rows that differ. Disk: the rows once more, until the end,
// when every trace of the old ones is erased.
func Rebuild(cfg Config) (Report, error) {
	cfg, err := cfg.checked()
	if err != nil {
		return Report{}, err
	}
	db, err := openStore(cfg, false)
	if err != nil {
		return Report{}, err
	}
	report, err := rebuild(db, cfg)
	return report, errors.Join(err, db.close())
}

func rebuild(db *store, cfg Config) (report Report, err error) {
	if _, ok, err := get(db, keyFormat); err != nil || !ok {
		return Report{}, errors.Join(err, ErrMissing)
	}
	if err := db.clearShadow(); err != nil {
		return Report{}, err
	}
	var own tip
	var events int
	if err := db.fatal.guard(func() (err error) {
		own, events, err = refold(db, db.DB, cfg, true)
		return err
	}); err != nil {
		return Report{}, err
	}
	swap := db.NewBatch()
	if report, err = compare(db, db, true, swap); err != nil {
		return Report{}, errors.Join(err, quiet(swap.Close()))
	}
	report.Events = events
	lo, hi := shadowBounds()
	err = errors.Join(swap.DeleteRange(lo, hi, nil), swap.Set(keySeq, u64(own.seq), nil))
	for name := range own.types {
		err = errors.Join(err, swap.Set(typeKey(name), nil, nil))
	}
	if err != nil {
		return Report{}, category(err)
	}
	if err := db.fatal.guard(func() error { return swap.Commit(pebble.Sync) }); err != nil {
		return Report{}, err
	}
	// The shadow was a copy of every row, and the rows that were wrong are deleted too.
	mark := uint64(swap.SeqNum()) + uint64(swap.Count())
	_, err = db.erase(context.Background(), mark, func(call func() error) error { return call() })
	return report, errors.Join(err, quiet(swap.Close()))
}

// refold folds every event of from into to: the stream index and the projections, under
// the shadow prefix or not. It returns the seq and the types that it met.
func refold(from pebble.Reader, to *pebble.DB, cfg Config, shadow bool) (own tip, events int, err error) {
	own.types = map[string]bool{}
	tx := &Tx{role: roleFold, shadow: shadow}
	renew := func() {
		tx.batch = to.NewIndexedBatch()
		tx.reader = tx.batch
	}
	// NoSync: a shadow that a crash cuts short is thrown away.
	flush := func() error {
		return errors.Join(tx.batch.Commit(pebble.NoSync), tx.batch.Close())
	}
	versions := map[ID]uint32{}
	renew()
	err = replay(from, cfg, func(stored, now Event) error {
		own.seq = now.Seq
		own.types[stored.Type] = true
		events++
		if versions[now.Link]++; versions[now.Link] != now.Version {
			return fmt.Errorf("%w: event %d is out of its stream's order", ErrDamaged, now.Seq)
		}
		if err := tx.batch.Set(tx.place(StreamKey(now.Link, now.Version)), u64(now.Seq), nil); err != nil {
			return category(err)
		}
		if err := fold(cfg.Fold, tx, now); err != nil {
			return fmt.Errorf("%w: event %d: %w", ErrDamaged, now.Seq, err)
		}
		if tx.batch.Len() < foldBytes {
			return nil
		}
		if err := flush(); err != nil {
			return category(err)
		}
		renew()
		return nil
	})
	if err != nil {
		return own, events, errors.Join(err, quiet(tx.batch.Close()))
	}
	if err := flush(); err != nil {
		return own, events, category(err)
	}
	return own, events, nil
}

// compare walks the derived rows of live and of the refold side by side and counts what
// differs. With a fix batch it also writes what live lacks.
func compare(live, refolded pebble.Reader, shadow bool, fix *pebble.Batch) (Report, error) {
	var report Report
	for _, class := range derived() {
		d := Diff{Class: class.name}
		rows, err := compareSpan(live, refolded, class, shadow, fix, &d)
		if err != nil {
			return Report{}, err
		}
		report.Rows += rows
		if d != (Diff{Class: class.name}) {
			report.Diffs = append(report.Diffs, d)
		}
	}
	return report, nil
}

func compareSpan(live, refolded pebble.Reader, class span, shadow bool, fix *pebble.Batch, d *Diff) (rows int, err error) {
	has, err := newCursor(live, class.lo, class.hi, 0)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, has.close()) }()
	lo, hi, skip := class.lo, class.hi, 0
	if shadow {
		lo, hi, skip = shadowKey(lo), shadowKey(hi), 1
	}
	wants, err := newCursor(refolded, lo, hi, skip)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, wants.close()) }()
	for has.valid || wants.valid {
		var write func() error
		order := order(has, wants)
		switch {
		case order < 0:
			d.Extra++
			write = func() error { return fix.Delete(has.key, nil) }
		case order > 0:
			d.Missing++
			write = func() error { return fix.Set(wants.key, wants.value, nil) }
		case !bytes.Equal(has.value, wants.value):
			d.Different++
			write = func() error { return fix.Set(wants.key, wants.value, nil) }
		}
		if fix != nil && write != nil {
			if err := write(); err != nil {
				return rows, category(err)
			}
		}
		if order >= 0 {
			rows++
			wants.next()
		}
		if order <= 0 {
			has.next()
		}
	}
	return rows, nil
}

// order compares the keys that two cursors stand on; one at its end comes last.
func order(a, b *cursor) int {
	switch {
	case !a.valid:
		return 1
	case !b.valid:
		return -1
	}
	return bytes.Compare(a.key, b.key)
}

// cursor is an iterator that stands on a row.
type cursor struct {
	it         *pebble.Iterator
	skip       int // bytes of prefix that are not part of the key
	valid      bool
	key, value []byte
	err        error
}

func newCursor(r pebble.Reader, lo, hi []byte, skip int) (*cursor, error) {
	it, err := r.NewIter(&pebble.IterOptions{LowerBound: lo, UpperBound: hi})
	if err != nil {
		return nil, damaged("opening an iterator", err)
	}
	c := &cursor{it: it, skip: skip}
	c.take(it.First())
	return c, nil
}

func (c *cursor) next() { c.take(c.it.Next()) }

func (c *cursor) take(ok bool) {
	if c.valid = ok; !ok {
		return
	}
	c.key = c.it.Key()[c.skip:]
	if c.value, c.err = c.it.ValueAndErr(); c.err != nil {
		c.valid = false
	}
}

func (c *cursor) close() error {
	if err := errors.Join(c.err, c.it.Close()); err != nil {
		return damaged("comparing rows", err)
	}
	return nil
}
