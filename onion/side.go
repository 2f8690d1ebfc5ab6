package onion

import (
	"context"
	"path/filepath"
	"slices"
	"time"
)

// side is one of the two tors and what its events told.
type side struct {
	tor     *instance // nil: none now
	turn    int       // counts the tors, so that an event of the one before is known
	machine machine
	moved   time.Duration // when the machine last got on, on the doctor's clock
	intros  []string      // of the last heartbeat, see pulse
}

// launchHost starts a tor that serves. A tor that refuses our key, or makes another address of it, is stopped.
func (s *Service) launchHost(ctx context.Context) (*instance, error) {
	p := program{
		tor: s.tor, dir: filepath.Dir(s.cfg.Target), data: s.cfg.DataDir, torrc: s.cfg.torrc(),
		args: s.args("0"), log: s.cfg.Log, unfit: s.unbox,
	}
	return s.bring(ctx, &s.front, p, func(c *control) error {
		s.publishing.Lock() // whoever changes a door meanwhile republishes it after this, not in the middle
		defer s.publishing.Unlock()
		return s.put(c)
	})
}

// args are the options of the next tor.
func (s *Service) args(socks string) []string {
	args := fixedArgs(socks)
	if s.unboxed.Load() {
		args = append(args, "--Sandbox", "0")
	}
	return args
}

// unbox has the next tor run without its own sandbox. That is a list of system calls made for one C library and one
// kernel, and a tor that dies in it on this machine would die again.
func (s *Service) unbox() {
	if s.unboxed.CompareAndSwap(false, true) {
		s.cfg.Log.Warn("tor dies in its own sandbox on this machine, and goes on without it", "category", "sandbox")
	}
}

// put asks a tor to serve every door.
func (s *Service) put(c *control) error {
	for _, d := range s.openDoors() {
		if err := c.addOnion(s.cfg, d, s.pass.public); err != nil {
			return err
		}
	}
	return nil
}

// openDoors are the doors as they are now.
func (s *Service) openDoors() (doors []Door) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.leaving {
		return nil
	}
	for _, d := range s.doors {
		doors = append(doors, d.Door)
	}
	return doors
}

// bring launches a tor for one side and tells it what it is for.
func (s *Service) bring(ctx context.Context, side *side, p program, prepare func(*control) error) (*instance, error) {
	var turn int
	s.update(func() {
		side.turn++
		turn = side.turn
		side.machine = newMachine(side.machine.ids...)
		side.moved = s.now()
	})
	// One that hangs before it answers at all is seen by nobody else: there is no heartbeat yet.
	limited, cancel := context.WithTimeout(ctx, s.cfg.Pace.Launch)
	tor, err := launch(limited, p)
	cancel() // kills nothing: a launch that is over looks at it no more
	if err != nil {
		return nil, err
	}
	s.update(func() {
		side.tor = tor
		side.machine.state = Connecting
	})
	if err := tor.connect(func(e event) { s.heard(side, turn, e) }, prepare); err != nil {
		tor.stop()
		return nil, err
	}
	return tor, nil
}

// heard takes an event of one side's tor.
func (s *Service) heard(side *side, turn int, e event) {
	s.update(func() {
		if side.turn != turn {
			return
		}
		before := side.machine.progress()
		side.machine.apply(e)
		after := side.machine.progress()
		if after.State != before.State || after.Percent != before.Percent {
			side.moved = s.now()
		}
		// Whatever changed for the better or the worse is a reason to look again.
		if after.State == before.State && after.Warning == before.Warning {
			return
		}
		if side == &s.front && after.State == Degraded {
			s.doctor.proved = false
		}
		if after.State == Published && s.cfg.Pace.Probe < 0 {
			s.trouble = ""
		}
		s.doctor.hurry(s.now())
		s.wake()
	})
}

// lost takes the end of one side's tor.
func (s *Service) lost(side *side, why string) {
	s.update(func() {
		side.tor = nil
		side.turn++ // its last events come late
		side.moved = s.now()
		side.machine = newMachine(side.machine.ids...)
		side.intros = nil
		if side == &s.front {
			s.offline = false
			s.cfg.Log.Warn("tor is started again", "category", whyCategory(why))
			s.trouble = why + ": it is started again"
			s.doctor.doubt(s.now())
		}
	})
}

// felt takes a heartbeat of the tor that serves. One that is published and has no connection left is not reachable,
// whatever the last proof said, and tor does not always say so itself.
//
// For an introduction point that is gone tor takes another, but after some 28 tries within five minutes it waits for the end
// of these (can_service_launch_intro_circuit in tor), visitors with it, and nobody is told: a guard that dies is enough.
func (s *Service) felt(p pulse) {
	s.update(func() {
		if slices.ContainsFunc(s.front.intros, func(id string) bool { return !slices.Contains(p.intros, id) }) {
			s.doctor.suspect(s.now())
		}
		s.front.intros = p.intros
		was := s.offline
		s.offline = !p.online && s.front.machine.state == Published
		if s.offline == was {
			return
		}
		s.left = s.now()
		s.doctor.doubt(s.now())
		s.trouble = ""
		if s.cfg.Pace.Probe > 0 { // else no proof would ever end it
			s.trouble = "tor had no connection to any relay, and has one again"
		}
		if s.offline {
			s.trouble = "tor has no connection to any relay"
			s.giveUp() // a proof that is under way
		}
		s.wake()
	})
}
