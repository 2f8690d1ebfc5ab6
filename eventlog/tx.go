package eventlog

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

type role int

const (
	roleRead   role = iota // Read: looks only
	roleDecide             // Do's decide: looks, and stages changes of what stands beside the log
	roleFold               // Fold.Apply and Drop: reads and writes projections only
)

// Tx is a view of the state for the length of one call; it must not be kept.
type Tx struct {
	reader pebble.Reader
	batch  *pebble.Batch // where a fold writes; nil for the other roles
	role   role
	shadow bool // projections live under the shadow prefix
	now    time.Time
	staged []change // passes and sealed reports that decide set or deleted, oldest first
	dead   uint64   // bytes that deletes of this transaction made dead
}

type change struct {
	key, value []byte
	del        bool
}

// Now is the time that decisions go by: the caller's now, or the high-water mark of
// time when the clock runs behind it. In a Read it is the mark itself. In a fold it is
// zero: a fold goes by the event's Hour.
func (tx *Tx) Now() time.Time { return tx.now }

// Get returns a copy of the value under key, and whether there is one.
func (tx *Tx) Get(key []byte) (value []byte, ok bool, err error) {
	if tx.role == roleFold && !foldable(key) {
		return nil, false, fmt.Errorf("%w: a fold reads projections only", ErrMisuse)
	}
	for i := len(tx.staged) - 1; i >= 0; i-- {
		if c := tx.staged[i]; bytes.Equal(c.key, key) {
			return bytes.Clone(c.value), !c.del, nil
		}
	}
	return get(tx.reader, tx.place(key))
}

// Set writes a row. A fold may set projections, a decide function passes and sealed
// reports; what a decide function sets is dropped when it returns an error.
func (tx *Tx) Set(key, value []byte) error {
	switch {
	case tx.role == roleFold && foldable(key):
		return tx.batch.Set(tx.place(key), value, nil)
	case tx.role == roleDecide && outside(key):
		tx.staged = append(tx.staged, change{key: bytes.Clone(key), value: bytes.Clone(value)})
		return nil
	}
	return fmt.Errorf("%w: set", ErrMisuse)
}

// Delete removes a row if it is there, under the same rules as Set.
func (tx *Tx) Delete(key []byte) error {
	switch {
	case tx.role == roleFold && foldable(key):
		tx.dead += uint64(len(key))
		return tx.batch.Delete(tx.place(key), nil)
	case tx.role == roleDecide && outside(key):
		tx.staged = append(tx.staged, change{key: bytes.Clone(key), del: true})
		return nil
	}
	return fmt.Errorf("%w: delete", ErrMisuse)
}

// Scan calls fn for every row with lo <= key < hi in order, until fn says that it wants
// no more. Key and value are valid during the call only. What fn itself writes, and
// what decide staged, do not show up in the scan.
func (tx *Tx) Scan(lo, hi []byte, fn func(key, value []byte) (more bool, err error)) error {
	if tx.role == roleFold && !foldableRange(lo, hi) {
		return fmt.Errorf("%w: a fold reads projections only", ErrMisuse)
	}
	prefix := 0
	if tx.shadow {
		prefix = len(shadow)
	}
	return scan(tx.reader, tx.place(lo), tx.place(hi), func(k, v []byte) (bool, error) {
		return fn(k[prefix:], v)
	})
}

func (tx *Tx) place(key []byte) []byte {
	if tx.shadow {
		return shadowKey(key)
	}
	return key
}

func get(r pebble.Reader, key []byte) ([]byte, bool, error) {
	v, closer, err := r.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, damaged("reading a row", err)
	}
	value := append([]byte{}, v...)
	return value, true, closer.Close()
}

func scan(r pebble.Reader, lo, hi []byte, fn func(key, value []byte) (bool, error)) error {
	it, err := r.NewIter(&pebble.IterOptions{LowerBound: lo, UpperBound: hi})
	if err != nil {
		return damaged("opening an iterator", err)
	}
	for ok := it.First(); ok; ok = it.Next() {
		v, err := it.ValueAndErr()
		if err != nil {
			return errors.Join(damaged("reading a value", err), quiet(it.Close()))
		}
		more, err := fn(it.Key(), v)
		if err != nil {
			return errors.Join(err, quiet(it.Close()))
		}
		if !more {
			break
		}
	}
	if err := it.Close(); err != nil {
		return damaged("scanning", err)
	}
	return nil
}

// last returns the greatest row with lo <= key < hi.
func last(r pebble.Reader, lo, hi []byte) (key, value []byte, err error) {
	it, err := r.NewIter(&pebble.IterOptions{LowerBound: lo, UpperBound: hi})
	if err != nil {
		return nil, nil, damaged("opening an iterator", err)
	}
	if it.Last() {
		v, err := it.ValueAndErr()
		if err != nil {
			return nil, nil, errors.Join(damaged("reading a value", err), quiet(it.Close()))
		}
		key, value = bytes.Clone(it.Key()), bytes.Clone(v)
	}
	if err := it.Close(); err != nil {
		return nil, nil, damaged("scanning", err)
	}
	return key, value, nil
}

// damaged says what failed without passing on Pebble's text, which may quote keys.
func damaged(doing string, err error) error {
	if errors.Is(err, pebble.ErrCorruption) {
		return fmt.Errorf("%w: %s: bad checksum or structure", ErrDamaged, doing)
	}
	return fmt.Errorf("eventlog: %s: %w", doing, category(err))
}

func quiet(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: closing an iterator", ErrDamaged)
}
