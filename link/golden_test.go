package link

import (
	"encoding/hex"
	"testing"

	"emberdrop/eventlog"
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
		typeCreated:                  {made, "a7017820" + "6162636465666768696a6b6c6d6e6f707172737475767778797a323334353637" + "02192000" + "035820" + "0102" + zeros(30) + "045820" + "0304" + zeros(30) + "051a01c83ce0" + "0603" + "071818"},
		typeViewed:                   {viewed{}, "a0"},
		typeEnded:                    {ended{Reason: Uploader}, "a10104"},
		typeEnded + " by a deadline": {ended{Reason: Expired, Hour: 500_000}, "a20101021a0007a120"},
		typeShredded:                 {shredded{}, "a0"},
		typePurged:                   {Totals{Created: 5, Viewed: 7, Shredded: 2, Ended: map[Reason]int64{Viewed: 1, Expired: 300}}, "a401050207030204a20119012c0201"},
		"state of a link":            {state{created: made, Made: 500_000, Opened: 2, Last: 500_001}, "aa017820" + "6162636465666768696a6b6c6d6e6f707172737475767778797a323334353637" + "02192000" + "035820" + "0102" + zeros(30) + "045820" + "0304" + zeros(30) + "051a01c83ce0" + "0603" + "071818" + "141a0007a120" + "1502" + "161a0007a121"},
		"state of an ended link":     {state{created: created{Payload: "a"}, Made: 1, Reason: Expired, End: 2, Gone: true}, "a8016161" + "0200" + "035820" + zeros(32) + "045820" + zeros(32) + "1401" + "1701" + "181802" + "1819f5"},
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
