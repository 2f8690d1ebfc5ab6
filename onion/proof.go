package onion

import "time"

// Proof is our last attempt to come in as a visitor does.
type Proof struct {
	Through  bool          // it got to our own address and back
	Ago      time.Duration // how long ago it ended, on a clock that nobody sets
	Failures int           // how many attempts in a row have failed, this one included
}

// Proof returns the last attempt; false if there was none yet, or nothing is proved here.
func (s *Service) Proof() (Proof, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.probed {
		return Proof{}, false
	}
	last := s.proof
	last.Ago = s.now() - last.Ago
	return last, true
}

// remember keeps what came of an attempt. Called with mu held.
func (s *Service) remember(through bool) {
	failures := 0
	if !through {
		failures = s.proof.Failures + 1
	}
	s.probed, s.proof = true, Proof{Through: through, Ago: s.now(), Failures: failures}
}
