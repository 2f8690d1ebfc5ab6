package onion

import (
	"slices"
	"strings"
)

// Pid returns the process id of the tor that serves, 0 when there is none.
func (s *Service) Pid() int { return s.pid(&s.front) }

// ScoutPid returns that of the tor that probes.
func (s *Service) ScoutPid() int { return s.pid(&s.back) }

func (s *Service) pid(side *side) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if side.tor == nil {
		return 0
	}
	return side.tor.proc.cmd.Process.Pid
}

// Remedies is how many were given in a row.
func (s *Service) Remedies() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.doctor.remedies
}

// CutControl closes our end of the control connection under the service's feet.
func (s *Service) CutControl() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.front.tor.control.raw.Close()
}

// HoldPublishing has nobody put a door on or take one off, until release.
func (s *Service) HoldPublishing() (release func()) {
	s.publishing.Lock()
	return s.publishing.Unlock
}

// Onions is what the tor that serves says it serves, "" when it cannot be asked.
func (s *Service) Onions() string {
	tor, _ := s.tors()
	if tor == nil {
		return ""
	}
	resp, err := tor.control.request("GETINFO", "GETINFO onions/current")
	if err != nil {
		return ""
	}
	return strings.Join(resp.Data, " ")
}

// CutIntros closes every circuit to an introduction point, also those on their way.
func (s *Service) CutIntros() error {
	tor, _ := s.tors()
	resp, err := tor.control.request("GETINFO", "GETINFO circuit-status")
	if err != nil {
		return err
	}
	for _, f := range values(resp.Data, "circuit-status") {
		if slices.Contains(f, isIntro) {
			_, _ = tor.control.request("CLOSECIRCUIT", "CLOSECIRCUIT "+f[0]) // it may be closed by now
		}
	}
	return nil
}

// Withdraw takes the service off its tor, which nobody asked for, and tells nobody.
func (s *Service) Withdraw() error {
	tor, _ := s.tors()
	return tor.control.delOnion(s.cfg.Key.serviceID())
}

// FromSeed makes the key of a test vector.
func FromSeed(seed []byte) Key { return fromSeed(seed) }

// MinVersion is the oldest tor that Start takes.
const MinVersion = minVersion
