package eventlog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// toy is a small domain: things are made, hit a few times and end.
type toy struct{}

const (
	made  = "thing.made.1"
	hit   = "thing.hit.1"
	ended = "thing.ended.1"
)

type madeBody struct {
	Name     string   `cbor:"1,keyasint"`
	Receipt  [32]byte `cbor:"2,keyasint"`
	Deadline int64    `cbor:"3,keyasint"`
}

type empty struct{}

type toyRow struct {
	Name     string   `cbor:"1,keyasint"`
	Receipt  [32]byte `cbor:"2,keyasint"`
	Deadline int64    `cbor:"3,keyasint"`
	Hits     uint64   `cbor:"4,keyasint"`
	Ended    bool     `cbor:"5,keyasint"`
}

type sums struct {
	Made uint64 `cbor:"1,keyasint"`
	Hits uint64 `cbor:"2,keyasint"`
}

func (toy) Apply(tx *Tx, e Event) error {
	switch e.Type {
	case made:
		var b madeBody
		if err := e.Body(&b); err != nil {
			return err
		}
		return errors.Join(
			putRow(tx, e.Link, toyRow{Name: b.Name, Receipt: b.Receipt, Deadline: b.Deadline}),
			tx.Set(DeadlineKey(b.Deadline, e.Link), nil),
			tx.Set(ReceiptKey(b.Receipt), e.Link[:]),
			addTotal(tx, "made", 1))
	case hit:
		row, _, err := getRow(tx, e.Link)
		if err != nil {
			return err
		}
		row.Hits++
		return errors.Join(putRow(tx, e.Link, row), addTotal(tx, "hits", 1))
	case ended:
		row, _, err := getRow(tx, e.Link)
		if err != nil {
			return err
		}
		row.Ended = true
		return errors.Join(putRow(tx, e.Link, row), tx.Delete(DeadlineKey(row.Deadline, e.Link)))
	case TypePurged:
		var s sums
		if err := e.Body(&s); err != nil {
			return err
		}
		return errors.Join(addTotal(tx, "made", int64(s.Made)), addTotal(tx, "hits", int64(s.Hits)))
	}
	return fmt.Errorf("toy: %s", e.Type)
}

func (toy) Drop(tx *Tx, id ID) error {
	row, ok, err := getRow(tx, id)
	if err != nil || !ok {
		return err
	}
	return errors.Join(
		tx.Delete(LinkKey(id)),
		tx.Delete(DeadlineKey(row.Deadline, id)),
		tx.Delete(ReceiptKey(row.Receipt)),
		addTotal(tx, "made", -1),
		addTotal(tx, "hits", -int64(row.Hits)))
}

func getRow(tx *Tx, id ID) (row toyRow, ok bool, err error) {
	v, ok, err := tx.Get(LinkKey(id))
	if err != nil || !ok {
		return row, ok, err
	}
	return row, true, Unmarshal(v, &row)
}

func putRow(tx *Tx, id ID, row toyRow) error {
	v, err := Marshal(row)
	if err != nil {
		return err
	}
	return tx.Set(LinkKey(id), v)
}

func total(tx *Tx, name string) (uint64, error) {
	v, ok, err := tx.Get(MetaKey("total/" + name))
	if err != nil || !ok {
		return 0, err
	}
	return binary.BigEndian.Uint64(v), nil
}

func addTotal(tx *Tx, name string, n int64) error {
	if n == 0 {
		return nil // a total of nothing is no row, in a replay neither
	}
	v, err := total(tx, name)
	if err != nil {
		return err
	}
	return tx.Set(MetaKey("total/"+name), u64(v+uint64(n)))
}

func toyConfig(fs vfs.FS) Config {
	return Config{FS: fs, Dir: "log", Fold: toy{}, Types: []string{made, hit, ended, TypePurged}, Cache: 1 << 20, Memtable: 1 << 20}
}

func mustOpen(t testing.TB, cfg Config) *Log {
	t.Helper()
	l, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func newLog(t testing.TB, cfg Config) *Log {
	t.Helper()
	if err := Create(cfg); err != nil {
		t.Fatal(err)
	}
	l := mustOpen(t, cfg)
	t.Cleanup(func() {
		if err := l.Close(); err != nil && !errors.Is(err, ErrClosed) && !errors.Is(err, ErrStopped) {
			t.Error(err)
		}
	})
	return l
}

// noon is where tests start their clocks.
func noon() time.Time { return time.Unix(1_800_000_000, 0) }

func id(n int) ID {
	var i ID
	binary.BigEndian.PutUint64(i[:], uint64(n)*0x9e3779b97f4a7c15)
	binary.BigEndian.PutUint64(i[8:], uint64(n))
	return i
}

func receiptOf(n int) (r [32]byte) {
	i := id(n)
	copy(r[:], "receipt:")
	copy(r[8:], i[:])
	return r
}

func drafts(d ...Draft) func(*Tx) ([]Draft, error) {
	return func(*Tx) ([]Draft, error) { return d, nil }
}

func making(n int) Draft {
	return Draft{Link: id(n), Type: made, Data: madeBody{Name: fmt.Sprintf("thing %d", n), Receipt: receiptOf(n), Deadline: noon().Unix()/60 + int64(n)}}
}

func hitting(n int) Draft { return Draft{Link: id(n), Type: hit, Data: empty{}} }

func ending(n int) Draft { return Draft{Link: id(n), Type: ended, Data: empty{}} }

func do(t testing.TB, l *Log, d ...Draft) {
	t.Helper()
	if err := l.Do(noon(), drafts(d...)); err != nil {
		t.Fatal(err)
	}
}

func rowOf(t testing.TB, l *Log, n int) (row toyRow, ok bool) {
	t.Helper()
	err := l.Read(func(tx *Tx) (err error) {
		row, ok, err = getRow(tx, id(n))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return row, ok
}
