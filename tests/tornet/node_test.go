package tornet

import "testing"

// A node that goes on from 14 to 95 % without a word knows enough all the same: one that was waited for here kept the
// network from coming up for ever.
func TestMarks(t *testing.T) {
	log := &nodeLog{shared: &sharedLog{}, marks: make(map[string]chan struct{})}
	for _, m := range []string{consensus, enough, ready} {
		log.marks[m] = make(chan struct{})
	}
	for _, c := range []struct {
		line                     string
		consensus, enough, ready bool
	}{
		{"[notice] Bootstrapped 14% (handshake): Handshaking with a relay", false, false, false},
		{"[notice] I have 100% of what is Bootstrapped", false, false, false},
		{"[notice] Bootstrapped 95% (circuit_create): Establishing a Tor circuit", false, true, false},
		{"[notice] Published microdesc consensus", true, true, false},
		{"[notice] Bootstrapped 100% (done): Done", true, true, true},
	} {
		if _, err := log.Write([]byte(c.line + "\n")); err != nil {
			t.Fatal(err)
		}
		if a, b, d := log.reached(consensus), log.reached(enough), log.reached(ready); a != c.consensus || b != c.enough || d != c.ready {
			t.Errorf("after %q: %v %v %v", c.line, a, b, d)
		}
	}
}
