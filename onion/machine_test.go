package onion

import (
	"maps"
	"strings"
	"testing"
)

const testID = "pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd"

// The lines are what tor 0.4.9.11 sent, after the event's name.
func TestMachine(t *testing.T) {
	type step struct {
		code, raw string
		want      Progress
	}
	boot := func(n, rest string) string {
		return "NOTICE BOOTSTRAP PROGRESS=" + n + " TAG=x SUMMARY=\"" + rest + "\""
	}
	up := Progress{State: Published, Percent: 100, Summary: "Done"}
	publishing := Progress{State: Publishing, Percent: 100, Summary: "Done"}
	done := step{"STATUS_CLIENT", boot("100", "Done"), publishing}
	desc := func(action, rest string) string { return action + " " + testID + " " + rest }
	upload := step{"HS_DESC", desc("UPLOAD", "UNKNOWN $AA~a BLINDED HSDIR_INDEX=00"), publishing}
	for name, steps := range map[string][]step{
		"the way up": {
			{"STATUS_CLIENT", boot("5", "Connecting to a relay"), Progress{State: Connecting, Percent: 5, Summary: "Connecting to a relay"}},
			{"STATUS_CLIENT", boot("3", "Back"), Progress{State: Connecting, Percent: 5, Summary: "Connecting to a relay"}},
			{"STATUS_CLIENT", boot("45", `Asking for \"descriptors\"`), Progress{State: Connecting, Percent: 45, Summary: `Asking for "descriptors"`}},
			done,
			{"HS_DESC", desc("CREATED", "UNKNOWN UNKNOWN BLINDED"), publishing},
			upload,
			{"HS_DESC", desc("UPLOADED", "UNKNOWN $AA~a"), up},
		},
		"a warning comes and goes": {
			{"STATUS_CLIENT", `WARN BOOTSTRAP PROGRESS=5 TAG=conn SUMMARY="Connecting to a relay" WARNING="Connection refused" REASON=CONNECTREFUSED COUNT=9 RECOMMENDATION=ignore HOSTID="AA" HOSTADDR="1.2.3.4:5"`,
				Progress{State: Connecting, Percent: 5, Summary: "Connecting to a relay"}},
			{"STATUS_CLIENT", `WARN BOOTSTRAP PROGRESS=5 TAG=conn SUMMARY="Connecting to a relay" WARNING="Connection refused" REASON=CONNECTREFUSED COUNT=10 RECOMMENDATION=warn HOSTID="AA" HOSTADDR="1.2.3.4:5"`,
				Progress{State: Connecting, Percent: 5, Summary: "Connecting to a relay", Warning: complaint("TIMEOUT")}},
			{"STATUS_CLIENT", boot("10", "Connected"), Progress{State: Connecting, Percent: 10, Summary: "Connected"}},
		},
		"only our own uploads count": {
			done,
			{"HS_DESC", desc("UPLOADED", "UNKNOWN $AA~a"), publishing},
			{"HS_DESC", "UPLOAD other UNKNOWN $BB~b BLINDED HSDIR_INDEX=00", publishing},
			{"HS_DESC", desc("UPLOADED", "UNKNOWN $BB~b"), publishing},
			upload,
			{"HS_DESC", "UPLOADED other UNKNOWN $AA~a", publishing},
			{"HS_DESC", desc("UPLOADED", "UNKNOWN $AA~a"), up},
		},
		"all refused, then one is taken": {
			done, upload,
			{"HS_DESC", desc("FAILED", "UNKNOWN $AA~a REASON=UPLOAD_REJECTED"), Progress{State: Publishing, Percent: 100, Summary: "Done", Warning: "no directory took the descriptor yet, tor tries again: check the clock"}},
			{"HS_DESC", desc("UPLOAD", "UNKNOWN $AA~a BLINDED"), Progress{State: Publishing, Percent: 100, Summary: "Done", Warning: "no directory took the descriptor yet, tor tries again: check the clock"}},
			{"HS_DESC", desc("UPLOADED", "UNKNOWN $AA~a"), up},
		},
		"the network goes and comes": {
			done, upload, {"HS_DESC", desc("UPLOADED", "UNKNOWN $AA~a"), up},
			{"NETWORK_LIVENESS", "DOWN", Progress{State: Degraded, Percent: 100, Summary: "Done", Warning: "tor hears nothing from the network: check this host's connection"}},
			{"NETWORK_LIVENESS", "UP", up},
			{"STATUS_CLIENT", "NOTICE CIRCUIT_NOT_ESTABLISHED REASON=CLOCK_JUMPED TIME=90", Progress{State: Degraded, Percent: 100, Summary: "Done", Warning: "the clock jumped, tor builds new circuits"}},
			{"STATUS_CLIENT", "NOTICE CIRCUIT_ESTABLISHED", up},
		},
		"published while it is degraded": {
			done,
			{"NETWORK_LIVENESS", "DOWN", Progress{State: Degraded, Percent: 100, Summary: "Done", Warning: "tor hears nothing from the network: check this host's connection"}},
			{"HS_DESC", desc("UPLOAD", "UNKNOWN $AA~a BLINDED"), Progress{State: Degraded, Percent: 100, Summary: "Done", Warning: "tor hears nothing from the network: check this host's connection"}},
			{"HS_DESC", desc("UPLOADED", "UNKNOWN $AA~a"), Progress{State: Degraded, Percent: 100, Summary: "Done", Warning: "tor hears nothing from the network: check this host's connection"}},
			{"NETWORK_LIVENESS", "UP", up},
		},
		"nonsense changes nothing": {
			{"STATUS_CLIENT", "", Progress{State: Connecting}},
			{"STATUS_CLIENT", "NOTICE BOOTSTRAP", Progress{State: Connecting}},
			{"STATUS_CLIENT", "NOTICE BOOTSTRAP PROGRESS=-1", Progress{State: Connecting}},
			{"STATUS_CLIENT", "NOTICE BOOTSTRAP PROGRESS=101", Progress{State: Connecting}},
			{"HS_DESC", "UPLOADED", Progress{State: Connecting}},
			{"HS_DESC", desc("UPLOADED", ""), Progress{State: Connecting}},
			{"CIRC", "1 BUILT", Progress{State: Connecting}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(testID)
			m.state = Connecting
			for i, s := range steps {
				m.apply(event{s.code, s.raw})
				if got := m.progress(); got != s.want {
					t.Fatalf("step %d, %s:\ngot  %+v\nwant %+v", i, s.raw, got, s.want)
				}
			}
		})
	}
}

// Uploads that tor never speaks of again do not pile up.
func TestPendingIsBounded(t *testing.T) {
	m := newMachine(testID)
	for i := range 5000 {
		m.apply(event{"HS_DESC", "UPLOAD " + testID + " UNKNOWN $" + strings.Repeat("A", i%4000) + " BLINDED"})
	}
	if len(m.pending) > 1100 {
		t.Errorf("%d uploads remembered", len(m.pending))
	}
}

func TestArguments(t *testing.T) {
	for in, want := range map[string]map[string]string{
		"":                           {},
		"A=1 B=two":                  {"A": "1", "B": "two"},
		`A="one two" B=3`:            {"A": "one two", "B": "3"},
		`A="say \"hi\" \\" B=`:       {"A": `say "hi" \`, "B": ""},
		`A=1 B="not closed`:          {"A": "1"},
		`A=1 B="ends in \`:           {"A": "1"},
		`A=1 word B=2`:               {"A": "1"},
		`  A=1   B=2 `:               {"A": "1", "B": "2"},
		`A="1"B=2`:                   {"A": "1", "B": "2"},
		`HOSTADDR="[::1]:1" COUNT=1`: {"HOSTADDR": "[::1]:1", "COUNT": "1"},
	} {
		if got := arguments(in); !maps.Equal(got, want) {
			t.Errorf("%q: got %v, want %v", in, got, want)
		}
	}
}

// Whatever tor sends, the machine keeps its promises: a percentage in range that never falls, a known state,
// one line of text.
func FuzzMachine(f *testing.F) {
	f.Add("STATUS_CLIENT", "NOTICE BOOTSTRAP PROGRESS=5 TAG=conn SUMMARY=\"Connecting to a relay\"")
	f.Add("HS_DESC", "UPLOADED "+testID+" UNKNOWN $AA~a")
	f.Add("NETWORK_LIVENESS", "DOWN")
	f.Fuzz(func(t *testing.T, code, raw string) {
		m := newMachine(testID)
		for _, e := range []event{{"STATUS_CLIENT", "NOTICE BOOTSTRAP PROGRESS=50 SUMMARY=x"}, {code, raw}, {code, raw}} {
			before := m.progress().Percent
			m.apply(e)
			p := m.progress()
			if p.Percent < before || p.Percent > 100 {
				t.Fatalf("from %d to %d %%", before, p.Percent)
			}
			switch p.State {
			case Starting, Publishing, Degraded:
			default:
				t.Fatalf("state %q from nothing", p.State)
			}
		}
	})
}
