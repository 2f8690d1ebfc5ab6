package eventlog

import (
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"pgregory.net/rapid"
)

// TestGoldenEnvelope pins the bytes of events on disk. When it fails, what is stored on
// every host can no longer be read: bring the old layout back, never change the fixture.
func TestGoldenEnvelope(t *testing.T) {
	fixture, err := os.ReadFile("testdata/envelope.golden")
	if err != nil {
		t.Fatal(err)
	}
	cases := []Event{
		{Link: id(1), Version: 1, Type: made, Hour: 500000, Data: []byte{0xa0}},
		{Link: id(2), Version: 70000, Type: ended, Hour: -1, Data: []byte{0xa1, 0x01, 0x18, 0x2a}},
		{Version: 3, Type: "streams.purged.1", Hour: 0, Data: []byte{0x80}},
	}
	lines := strings.Fields(string(fixture))
	if len(lines) != len(cases) {
		t.Fatalf("%d fixtures for %d cases", len(lines), len(cases))
	}
	for i, e := range cases {
		b, err := encodeEvent(e)
		if err != nil {
			t.Fatal(err)
		}
		if got := hex.EncodeToString(b); got != lines[i] {
			t.Errorf("event %d encodes to\n%s, was\n%s", i, got, lines[i])
		}
		old, err := hex.DecodeString(lines[i])
		if err != nil {
			t.Fatal(err)
		}
		back, err := decodeEvent(9, old)
		e.Seq = 9
		if err != nil || fmt.Sprint(back) != fmt.Sprint(e) {
			t.Errorf("fixture %d decodes to %v, %v", i, back, err)
		}
	}
}

func TestEnvelopeIsStrict(t *testing.T) {
	good, err := encodeEvent(Event{Link: id(1), Version: 1, Type: made, Data: []byte{0xa0}})
	if err != nil {
		t.Fatal(err)
	}
	without := func(field byte) []byte { // a map of five whose first entries are renamed
		b := append([]byte{}, good...)
		b[1] = field
		return b
	}
	for name, bad := range map[string][]byte{
		"nothing":          {},
		"a cut event":      good[:len(good)-1],
		"a trailing byte":  append(append([]byte{}, good...), 0),
		"an unknown field": without(9),
		"a field twice":    without(2),
		"not a map":        {0x80},
		"an empty map":     {0xa0},
		"indefinite":       {0xbf, 0xff},
	} {
		if _, err := decodeEvent(1, bad); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestEveryEventComesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		data, err := Marshal(rapid.SliceOf(rapid.Byte()).Draw(t, "data"))
		if err != nil {
			t.Fatal(err)
		}
		e := Event{
			Seq: rapid.Uint64().Draw(t, "seq"), Version: rapid.Uint32Min(1).Draw(t, "version"),
			Type: rapid.StringN(1, 40, -1).Draw(t, "type"), Hour: rapid.Int64().Draw(t, "hour"), Data: data,
		}
		copy(e.Link[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "link"))
		b, err := encodeEvent(e)
		if err != nil {
			t.Fatal(err)
		}
		back, err := decodeEvent(e.Seq, b)
		if err != nil || fmt.Sprint(back) != fmt.Sprint(e) {
			t.Fatalf("%v came back as %v, %v", e, back, err)
		}
	})
}

func FuzzDecodeEvent(f *testing.F) {
	good, err := encodeEvent(Event{Link: id(1), Version: 1, Type: made, Data: []byte{0xa0}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := decodeEvent(1, b)
		if err != nil {
			return
		}
		again, err := encodeEvent(e)
		if err != nil {
			t.Fatal(err)
		}
		back, err := decodeEvent(1, again)
		if err != nil || fmt.Sprint(back) != fmt.Sprint(e) {
			t.Fatalf("%v came back as %v, %v", e, back, err)
		}
	})
}

// TestUpcast: a log written by an old program is read by a new one through two steps.
func TestUpcast(t *testing.T) {
	type bodyZero struct {
		Name string `cbor:"1,keyasint"`
	}
	const older, oldest = "thing.born.2", "thing.born.1"
	cfg := toyConfig(vfs.NewMem())
	l := newLog(t, cfg)
	do(t, l, hitting(5))
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	tamper(t, cfg, func(db *pebble.DB) error {
		data, err := Marshal(bodyZero{Name: "old"})
		if err != nil {
			return err
		}
		b, err := encodeEvent(Event{Link: id(1), Version: 1, Type: oldest, Hour: 7, Data: data})
		if err != nil {
			return err
		}
		return errors.Join(db.Set(EventKey(2), b, pebble.Sync), db.Set(keySeq, u64(2), pebble.Sync), db.Set(typeKey(oldest), nil, pebble.Sync))
	})
	if _, err := Open(cfg); !errors.Is(err, ErrUnknownType) || !contains(err, oldest) {
		t.Fatalf("without an upcast: %v", err)
	}
	cfg.Upcasts = map[string]Upcast{
		oldest: func(e Event) (Event, error) { e.Type, e.Seq = older, 99; return e, nil },
		older: func(e Event) (Event, error) {
			var b bodyZero
			if err := e.Body(&b); err != nil {
				return e, err
			}
			data, err := Marshal(madeBody{Name: b.Name, Receipt: receiptOf(1), Deadline: 11})
			e.Type, e.Data = made, data
			return e, err
		},
	}
	if _, err := Rebuild(cfg); err != nil {
		t.Fatal(err)
	}
	l = mustOpen(t, cfg)
	defer l.Close()
	if row, ok := rowOf(t, l, 1); !ok || row.Name != "old" || row.Deadline != 11 {
		t.Errorf("%+v %v", row, ok)
	}
	err := l.Events(func(e Event) error {
		if e.Link == id(1) && (e.Type != made || e.Seq != 2 || e.Hour != 7) {
			t.Errorf("%+v", e)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if err := l.Do(noon(), drafts(Draft{Link: id(1), Type: older, Data: empty{}})); !errors.Is(err, ErrUnknownType) {
		t.Errorf("an old type was appended: %v", err)
	}
	circle := cfg
	circle.Upcasts = map[string]Upcast{
		oldest: func(e Event) (Event, error) { e.Type = older; return e, nil },
		older:  func(e Event) (Event, error) { e.Type = oldest; return e, nil },
	}
	if _, err := circle.current(Event{Type: oldest}); !errors.Is(err, ErrUnknownType) {
		t.Errorf("a circle: %v", err)
	}
}

func TestKeysComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seq, ver, minute := rapid.Uint64().Draw(t, "seq"), rapid.Uint32().Draw(t, "ver"), rapid.Int64Min(0).Draw(t, "minute")
		link := id(rapid.Int().Draw(t, "link"))
		if got, ok := ParseEventKey(EventKey(seq)); !ok || got != seq {
			t.Error("event")
		}
		if l, v, ok := ParseStreamKey(StreamKey(link, ver)); !ok || l != link || v != ver {
			t.Error("stream")
		}
		if l, ok := ParseLinkKey(LinkKey(link)); !ok || l != link {
			t.Error("link")
		}
		if m, l, ok := ParseDeadlineKey(DeadlineKey(minute, link)); !ok || l != link || m != minute {
			t.Error("deadline")
		}
		junk := rapid.SliceOf(rapid.Byte()).Draw(t, "junk")
		if l, v, ok := ParseStreamKey(junk); ok && string(StreamKey(l, v)) != string(junk) {
			t.Error("junk")
		}
	})
}
