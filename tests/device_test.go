package tests

import (
	"os"
	"slices"
	"testing"

	"emberdrop/tests/needle"
)

// TestDevice is law 3: links of all kinds are made on a disk of their own, opened,
// ended in every way and purged, and then no byte of them is on the raw disk. It
// runs the rooms in this process, where the clock can be moved and every key can be
// known; TestDeviceProgram does the same from outside with the program.
func TestDevice(t *testing.T) {
	links := 500
	if os.Getenv("EMBERDROP_SOAK") != "" {
		links = 5000
	}
	w := newWorld(t, false)
	w.live(links)
	w.wantTraceless("after the purge")
	w.wantKept()
	w.stop()
	w.wantTraceless("after the end")
	w.device.mount()
	w.start()
	w.wantKept()
	w.stop()
}

// wantTraceless searches the raw disk: nothing of what is over, all of what is not.
func (w *world) wantTraceless(when string) {
	w.t.Helper()
	journal, elsewhere := w.device.scan(slices.Concat(w.needles, w.kept, halves(w.kept)))
	w.t.Logf("%s: of %d needles, and %d of links that live, %v are on the disk, and %v in its journal",
		when, len(w.needles), len(w.kept), elsewhere.kinds, journal.kinds)
	// A folder's blocks pass through the journal, and random names of payloads with
	// them. They are derived from nothing and say nothing once the log has forgotten them.
	bad := append(besides(elsewhere.hits, "live"), besides(journal.hits, "live", "name")...)
	if len(bad) > 0 {
		w.t.Errorf("%s there is left on the disk:\n%s", when, needle.Report(bad))
	}
	// What is not yet over must be found by the same search, or it proves nothing.
	for _, n := range w.kept {
		if !elsewhere.needles[n.Name] {
			w.t.Errorf("%s the search does not find what must be there: %s", when, n.Name)
		}
	}
}

// halves are both ends of each needle, under its name: the edge of a disk's block, or a compressor that has seen four of
// its bytes before, breaks a needle once in many runs.
func halves(needles []needle.Needle) (out []needle.Needle) {
	for _, n := range needles {
		half := max(needle.MinBytes, len(n.Bytes)/2)
		out = append(out, needle.Needle{Name: n.Name, Bytes: n.Bytes[:half]}, needle.Needle{Name: n.Name, Bytes: n.Bytes[len(n.Bytes)-half:]})
	}
	return out
}

// TestDeviceControl is the same on a disk that does not let anything be overwritten,
// and with a program that writes what it is sent to a temporary file, and removes
// that. The search must find things of every kind.
func TestDeviceControl(t *testing.T) {
	w := newWorld(t, true)
	w.live(100)
	w.stop()
	journal, elsewhere := w.device.scan(w.needles)
	t.Logf("100 links: of %d needles %v are on the disk, and %v in its journal", len(w.needles), elsewhere.kinds, journal.kinds)
	for _, n := range w.needles {
		if kind := kindOf(n.Name); elsewhere.of(kind) == 0 && kind != "name" {
			t.Errorf("nothing is found of the kind %q", kind)
			elsewhere.kinds[kind] = -1 // once is enough
		}
	}
	if elsewhere.of("name")+journal.of("name") == 0 {
		t.Error("no name of a payload is found")
	}
}

// besides gives the hits of all kinds but these.
func besides(hits []needle.Hit, kinds ...string) (out []needle.Hit) {
	for _, hit := range hits {
		if !slices.Contains(kinds, kindOf(hit.Needle)) {
			out = append(out, hit)
		}
	}
	return out
}
