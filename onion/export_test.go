package onion

// Pid returns the process id of the service's tor.
func (s *Service) Pid() int { return s.tor.proc.cmd.Process.Pid }

// CutControl closes our end of the control connection under the service's feet.
func (s *Service) CutControl() { s.tor.control.raw.Close() }

// FromSeed makes the key of a test vector.
func FromSeed(seed []byte) Key { return fromSeed(seed) }

// MinVersion is the oldest tor that Start takes.
const MinVersion = minVersion
