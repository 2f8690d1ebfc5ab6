package link

import (
	"encoding/hex"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"emberdrop/eventlog"
	"emberdrop/seal"
)

// TestGoldenBodies pins the bytes of every event body and of the state row. A
// body that must change gets a new type name and an upcast from the old one; its
// old line stays here.
func TestGoldenBodies(t *testing.T) {
	made := created{
		Payload: "abcdefghijklmnopqrstuvwxyz234567", Size: 8192, Sum: [32]byte{1, 2}, Receipt: [32]byte{3, 4},
		Deadline: 29_900_000, Views: 3, Idle: 24,
	}
	for name, c := range map[string]struct {
		value any
		want  string
	}{
		typeCreated:                        {made, "a7017820" + "6162636465666768696a6b6c6d6e6f707172737475767778797a323334353637" + "02192000" + "035820" + "0102" + zeros(30) + "045820" + "0304" + zeros(30) + "051a01c83ce0" + "0603" + "071818"},
		typeViewed:                         {viewed{}, "a0"},
		typeEnded:                          {ended{Reason: Uploader}, "a10104"},
		typeEnded + " by a deadline":       {ended{Reason: Expired, Hour: 500_000}, "a20101021a0007a120"},
		typeShredded:                       {shredded{}, "a0"},
		typePurged:                         {Totals{Created: 5, Viewed: 7, Shredded: 2, Ended: map[Reason]int64{Viewed: 1, Expired: 300}}, "a401050207030204a20119012c0201"},
		typePurged + " with cases":         {Totals{Ended: map[Reason]int64{}, Reported: map[Category]int64{Child: 2}, Decided: map[uint16]int64{uint16(removed)<<8 | uint16(Child): 1}}, "a601000200030004a005a1010206a119020101"},
		typeHeld:                           {held{Why: heldMachine, Until: 29_900_000}, "a20101021a01c83ce0"},
		typeReleased:                       {released{}, "a0"},
		typeOpened:                         {opened{Link: make([]byte, 16), Source: fromViewer, Category: Child, Flags: flagVerified, Sum: make([]byte, 32), Status: make([]byte, 32), Deadline: 500_048}, "a7015000000000000000000000000000000000020103010401055820" + zeros(32) + "065820" + zeros(32) + "071a0007a150"},
		typeOpened + " not proved":         {opened{Source: fromPublic, Category: Other, Deadline: 500_048}, "a302020308071a0007a150"},
		typeJoined:                         {joined{Category: Intimate, Flags: flagAuthority, Status: make([]byte, 32), Deadline: 500_001}, "a401020204035820" + zeros(32) + "041a0007a121"},
		typeOverdue:                        {overdue{}, "a0"},
		typeDecided:                        {decided{Decision: removed}, "a10102"},
		typeDecided + " to preserve":       {decided{Decision: preserved, Until: 29_900_000}, "a20104021a01c83ce0"},
		"boxes of a case":                  {[]box{{To: "a", Sealed: []byte{1}}}, "81a2016161024101"},
		"state of a case":                  {caseState{Source: fromViewer, Category: Child, Flags: flagVerified, Statuses: [][]byte{{1}}, Deadline: 3, Opened: 2, Reports: 1, Overdue: true, Decision: preserved, Until: 4, Decided: 5}, "ad015000000000000000000000000000000000020103010401055820" + zeros(32) + "068141010703080209010af50b040c040d05"},
		"state of a held link with a case": {state{created: created{Payload: "a"}, Made: 1, Held: heldLate, Hold: 2, Open: openCases(nil).with(openCase{}), Cases: 1, Kept: 1}, "aa01616102000358" + "20" + zeros(32) + "045820" + zeros(32) + "1401" + "181a02" + "181b02" + "181c5830" + zeros(48) + "181d01" + "181e01"},
		"state of a link":                  {state{created: made, Made: 500_000, Opened: 2, Last: 500_001}, "aa017820" + "6162636465666768696a6b6c6d6e6f707172737475767778797a323334353637" + "02192000" + "035820" + "0102" + zeros(30) + "045820" + "0304" + zeros(30) + "051a01c83ce0" + "0603" + "071818" + "141a0007a120" + "1502" + "161a0007a121"},
		"state of an ended link":           {state{created: created{Payload: "a"}, Made: 1, Reason: Expired, End: 2, Gone: true}, "a8016161" + "0200" + "035820" + zeros(32) + "045820" + zeros(32) + "1401" + "1701" + "181802" + "1819f5"},
	} {
		raw, err := eventlog.Marshal(c.value)
		if err != nil {
			t.Fatal(err)
		}
		if got := hex.EncodeToString(raw); got != c.want {
			t.Errorf("%s is\n%s, want\n%s", name, got, c.want)
		}
	}
}

func zeros(n int) string { return hex.EncodeToString(make([]byte, n)) }

// TestOldTotals: a log that was purged, or inherited totals, before totals counted
// cases is read as ever.
func TestOldTotals(t *testing.T) {
	fs, host := vfs.NewMem(), seal.NewKey()
	initStore(t, fs, host)
	before := logConfig(fs)
	before.Types, before.Upcasts, before.Fold = []string{"streams.purged.1"}, nil, blind{}
	log, err := eventlog.Open(before)
	if err != nil {
		t.Fatal(err)
	}
	old := map[int]any{1: 5, 2: 7, 3: 2, 4: map[int]int{2: 1}}
	if err := log.Do(start, func(*eventlog.Tx) ([]eventlog.Draft, error) {
		return []eventlog.Draft{{Type: "streams.purged.1", Data: old}}, nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := eventlog.Rebuild(logConfig(fs)); err != nil {
		t.Fatal(err)
	}
	r := openRig(t, fs, host, &clock{now: start})
	if totals, err := r.Totals(); err != nil || totals.Created != 5 || totals.Ended[Viewed] != 1 {
		t.Fatalf("totals %+v, %v", totals, err)
	}
	r.wantOrder()
}

// blind folds nothing.
type blind struct{ Fold }

func (blind) Apply(*eventlog.Tx, eventlog.Event) error { return nil }
