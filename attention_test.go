package main

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"emberdrop/onion"
)

func TestAttention(t *testing.T) {
	published := onion.Progress{State: onion.Published, Percent: 100}
	well := func() (status, sight) {
		return status{Free: 10 << 30, Floor: 256 << 20}, sight{Tor: &published, Uptime: time.Hour}
	}
	if found := attention(well()); len(found) > 0 {
		t.Fatalf("nothing is wrong, and it says %+v", found)
	}
	seen := map[string]bool{}
	for _, test := range []struct {
		what   string // the only notice wanted; "": none
		urgent bool
		change func(*status, *sight)
	}{
		{"disk_full", true, func(s *status, _ *sight) { s.Free = s.Floor - 1 }},
		{"disk_low", true, func(s *status, _ *sight) { s.Free = s.Floor }},
		{"", false, func(s *status, _ *sight) { s.Free = 2 * s.Floor }},
		{"quota_full", true, func(s *status, _ *sight) { s.Quota, s.Stored = 100<<20, 96<<20 }},
		{"", false, func(s *status, _ *sight) { s.Quota, s.Stored = 100<<20, 90<<20 }},
		{"degraded", true, func(_ *status, o *sight) { o.Tor = &onion.Progress{State: onion.Degraded, Warning: "no network"} }},
		{"not_published", true, func(_ *status, o *sight) { o.Tor = &onion.Progress{State: onion.Connecting, Percent: 5} }},
		{"", false, func(_ *status, o *sight) {
			o.Tor, o.Uptime = &onion.Progress{State: onion.Connecting, Percent: 5}, time.Minute
		}},
		{"tor_warning", true, func(_ *status, o *sight) { o.Tor = &onion.Progress{State: onion.Published, Warning: "old tor"} }},
		{"cases_due", true, func(s *status, _ *sight) { s.CasesDue = 1 }},
		{"shreds_overdue", true, func(s *status, _ *sight) { s.Overdue = 1 }},
		{"clock_behind", true, func(_ *status, o *sight) { o.Behind = time.Hour }},
		{"", false, func(_ *status, o *sight) { o.Behind = time.Minute }},
		{"swap", false, func(_ *status, o *sight) { o.Swap = true }},
		{"root", false, func(_ *status, o *sight) { o.Root = true }},
		{"not_fenced", false, func(_ *status, o *sight) { o.Unfenced = []string{"ports"} }},
		{"host_key_on_data_disk", false, func(_ *status, o *sight) { o.HostKeyHere = true }},
		{"", false, func(_ *status, o *sight) { o.Tor = nil }},
	} {
		s, o := well()
		test.change(&s, &o)
		found := attention(s, o)
		wantKnown(t, found)
		seen[test.what] = true
		switch {
		case test.what == "" && len(found) == 0:
		case len(found) == 1 && found[0].What == test.what && found[0].Urgent == test.urgent:
		default:
			t.Errorf("want only %q (urgent: %v), got %+v", test.what, test.urgent, found)
		}
	}
	for _, what := range notices() {
		if !seen[what] {
			t.Errorf("no case here for %s", what)
		}
	}
}

// What is urgent comes first, and both forms of the status say all of it.
func TestAttentionIsShown(t *testing.T) {
	s := status{State: "published", Percent: 100, Free: 1, Floor: 2}
	s.Attention = attention(s, sight{Swap: true, Behind: time.Hour})
	if len(s.Attention) != 3 || !s.Attention[0].Urgent || !s.Attention[1].Urgent || s.Attention[2].Urgent {
		t.Errorf("want what is urgent, then advice: %+v", s.Attention)
	}
	var out strings.Builder
	if err := s.print(&out); err != nil {
		t.Fatal(err)
	}
	for _, n := range s.Attention {
		if !strings.Contains(out.String(), n.Text) || !strings.Contains(out.String(), n.Do) {
			t.Errorf("%s is not in:\n%s", n.What, out.String())
		}
	}
}

// A credential is a copy in RAM: what it says of the disk is where systemd has it from.
func TestHostKeyHereAsCredential(t *testing.T) {
	handed, store := t.TempDir(), t.TempDir()
	write(t, filepath.Join(handed, hostCredential), make([]byte, 32))
	t.Setenv("CREDENTIALS_DIRECTORY", handed)
	f := newFolder(t.TempDir(), "", "", nil)
	if !f.hostKeyHere(store) {
		t.Error("a store on the data disk is another device")
	}
	if f.hostKeyHere("/proc") || f.hostKeyHere(filepath.Join(store, "none")) {
		t.Error("a store on another device is the data disk")
	}
}
