package onion

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"time"
)

// look is how often the doctor looks when nothing calls him, and how often the two clocks are compared.
const look = time.Second

// attend sees to the service until ctx ends.
func (s *Service) attend(ctx context.Context) {
	tick := time.NewTicker(look)
	defer tick.Stop()
	clock := clock{wall: s.cfg.Now().UnixNano(), steady: s.now()}
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-s.kick:
		}
		if clock.jumped(s.cfg.Now(), s.now(), s.cfg.Pace.Jump) {
			s.cfg.Log.Warn("the clock jumped, or this machine slept", "category", "clock")
			s.update(func() {
				s.front.machine.clock = "" // if it is wrong now, tor says so again
				if s.cfg.Pace.Probe > 0 {  // else no proof would ever end it
					s.trouble = "the clock jumped, or this machine slept"
				}
				s.doctor.doubt(s.now())
			})
		}
		s.treat(ctx, s.decide())
	}
}

// clock compares the wall clock, which is set and goes on while the machine sleeps, with the steady one, which is not
// and does not.
type clock struct {
	wall   int64 // nanoseconds since 1970: a time.Time would bring its own steady reading, and count by that
	steady time.Duration
}

// jumped says whether they ran apart by more than the limit since it was last asked.
func (c *clock) jumped(wall time.Time, steady, limit time.Duration) bool {
	apart := time.Duration(wall.UnixNano()-c.wall) - (steady - c.steady)
	c.wall, c.steady = wall.UnixNano(), steady
	return apart.Abs() > limit
}

// decide asks the doctor, and says on the way what he sees but cannot mend.
func (s *Service) decide() (what deed) {
	s.update(func() {
		now, front, back := s.now(), &s.front, &s.back
		scout := back.machine.progress()
		what = s.doctor.decide(now, sight{
			running: front.tor != nil, state: front.machine.state, moved: front.moved,
			offline:  s.offline,
			left:     s.left,
			scouting: back.tor != nil && scout.Percent == 100, scouted: back.moved,
		})
	})
	return what
}

// treat does what the doctor wants.
func (s *Service) treat(ctx context.Context, what deed) {
	switch what {
	case rest:
	case prove:
		s.prove(ctx)
	case rescout:
		s.cfg.Log.Warn("the probing tor gets nowhere and is started again", "category", "probe")
		s.update(s.blinded)
		if _, scout := s.tors(); scout != nil { // else the keeper is at it, and the next would be replaced for the one before
			s.scout.replace("the probing tor gets nowhere")
		}
	case republish, relaunch:
		s.remedy(what)
	}
}

// remedy republishes or takes another tor. Who is already visiting keeps his circuit when it republishes, and loses
// it with a new tor.
func (s *Service) remedy(what deed) {
	tor, scout := s.tors()
	if tor == nil {
		return
	}
	// Republishing through a tor without any connection changes nothing.
	host, err := tor.control.pulse(requestTimeout)
	if scout != nil { // if it is the one that gets nowhere, the proofs say nothing
		if p, e := scout.control.pulse(requestTimeout); e == nil && !p.online {
			s.scout.replace("the probing tor has no connection")
			if err == nil && host.online && s.acquitted() {
				return
			}
		}
	}
	if err != nil || !host.online {
		what = relaunch
	}
	words := "the service is published anew"
	if what == relaunch {
		words = "another tor is started"
	}
	s.cfg.Log.Warn("visitors do not get through: "+words, "category", "remedy")
	s.update(func() {
		// One that is on its way, slowly, must not be cut short again and again.
		m := &s.front.machine
		s.doctor.treated(s.now(), what, !host.online && (m.state == Published || m.bootstrap != ""))
		s.trouble = "visitors do not get through: " + words
	})
	if what == relaunch {
		s.host.replace("visitors do not get through")
		return
	}
	s.republish(tor, "")
}

// tors are the one that serves and the one that probes, nil where none is now.
func (s *Service) tors() (host, scout *instance) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.front.tor, s.back.tor
}

// blinded says that the probing tor is replaced, and nothing known until the next has proved something. It is called
// within update.
func (s *Service) blinded() {
	s.doctor.treated(s.now(), rescout, true)
	s.doctor.proved = false
	s.trouble = "the probing tor does not connect: whether visitors get through is not known"
}

// acquitted forgets the proofs that failed, if it is for them that a remedy was wanted; without failures it is because
// the service stands still, which is no fault of the probing tor.
func (s *Service) acquitted() (failed bool) {
	s.update(func() {
		if failed = s.doctor.failures >= failuresToAct; failed {
			s.blinded()
			s.doctor.failures = 0
		}
	})
	return failed
}

// republish takes every door off a tor and puts it on again; trouble, if any, is what to tell meanwhile.
func (s *Service) republish(tor *instance, trouble string) {
	s.publishing.Lock() // one at a time, or one would put on what the other takes off
	defer s.publishing.Unlock()
	s.update(func() { // what was uploaded is no longer true
		s.front.machine.unpublish()
		s.front.moved = s.now()
		s.front.intros = nil // gone, and for good reason
		s.doctor.doubt(s.now())
		if trouble != "" {
			s.trouble = trouble
		}
	})
	for _, id := range s.ids {
		_ = tor.control.delOnion(id) // a tor that has lost it needs it all the more
	}
	if err := s.put(tor.control); err != nil {
		s.host.replace("tor does not take the service")
	}
}

// prove goes to our own address and takes the outcome to the doctor.
func (s *Service) prove(ctx context.Context) {
	s.mu.Lock()
	tor, turn := s.back.tor, s.front.turn
	s.mu.Unlock()
	if tor == nil {
		return
	}
	limited, cancel := context.WithTimeout(ctx, s.cfg.Pace.ProbeTimeout)
	defer cancel()
	s.mu.Lock()
	s.giveUp = cancel
	s.mu.Unlock()
	err := s.probe(limited, tor)
	if errors.Is(limited.Err(), context.Canceled) { // of no use any more
		return
	}
	s.update(func() {
		if errors.Is(err, errNoProbe) {
			s.doctor.unproven(s.now())
			return
		}
		s.remember(err == nil)
		if turn != s.front.turn || s.offline { // another tor serves by now, or this one has nothing to serve by
			return
		}
		s.doctor.proven(s.now(), err == nil)
		switch {
		case err == nil:
			s.trouble = ""
		case s.doctor.failures >= failuresToAct || !s.doctor.proved && s.once:
			s.trouble = "visitors do not get through: " + reason(err)
		}
	})
	if err != nil {
		s.cfg.Log.Warn("a probe did not get through: "+reason(err), "category", "probe")
	}
}

// probe is a visit to each of our addresses.
func (s *Service) probe(ctx context.Context, tor *instance) error {
	if err := s.fresh(ctx, tor); err != nil {
		return err
	}
	for _, d := range s.openDoors() {
		if d.Private && s.pass.use(tor.control, d.Key.serviceID()) != nil {
			return errNoProbe
		}
		if err := s.knock(ctx, d.Key.Address()); err != nil {
			return err
		}
	}
	return nil
}

// knock is one visit to one of our addresses.
func (s *Service) knock(ctx context.Context, address string) error {
	conn, err := dialOnion(ctx, s.cfg.scoutSocket(), address)
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })()
	if s.cfg.Check(ctx, conn) != nil {
		return errNoPage
	}
	return nil
}

// forgetEvery is how often a tor forgets when asked (MAX_SIGNEWNYM_RATE in tor); asked sooner, it does so later.
const forgetEvery = 10 * time.Second

// fresh makes the probing tor forget what it knew of us: a visitor who comes for the first time has no descriptor and
// no circuit either.
func (s *Service) fresh(ctx context.Context, tor *instance) error {
	if tor.probed && !sleep(ctx, time.Until(tor.forgot.Add(forgetEvery))) {
		return errNoProbe
	}
	if tor.probed && tor.control.forget() != nil {
		return errNoProbe
	}
	if tor.probed {
		tor.forgot = time.Now()
	}
	tor.probed = true
	return nil
}

// reason is one of the constant sentences of socks.go.
func reason(err error) string {
	for _, known := range []error{errNoDescriptor, errNoIntro, errNoMeeting, errNoPage, errNoProbe} {
		if errors.Is(err, known) {
			return known.Error()
		}
	}
	return errNoWay.Error()
}

// launchScout starts the tor that probes.
func (s *Service) launchScout(ctx context.Context) (*instance, error) {
	p := program{
		tor: s.tor, dir: filepath.Dir(s.cfg.Target), data: s.cfg.scoutDir(), torrc: s.cfg.torrc(),
		args: s.args("unix:" + torQuoted(s.cfg.scoutSocket()) + " ExtendedErrors"), log: s.cfg.Log, unfit: s.unbox,
	}
	return s.bring(ctx, &s.back, p, func(*control) error { return nil })
}

// torQuoted is a C string, the form in which tor takes a path with spaces.
func torQuoted(path string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(path) + `"`
}

// scoutDir is where the probing tor keeps its guards and its copy of the network.
func (c Config) scoutDir() string { return c.DataDir + "-probe" }

// scoutSocket is where it takes our probes: beside the target socket, in a folder that only we may enter.
func (c Config) scoutSocket() string { return filepath.Join(filepath.Dir(c.Target), "probe.sock") }

const (
	leave         = 300 * time.Millisecond // how long a tor gets to say goodbye
	leavePatience = 2 * time.Second        // to one that seems to hang
)

// takeLeave takes the service off a tor that is about to be stopped, so that its introduction points hear of it. When
// a tor just ends, the relay (or bridge) next to it tells that of all its circuits at once, of which a quiet channel
// takes one (tests/tornet/traffic.go has the reason); the introduction points behind it go on taking visitors in for a
// dead service, and who has its descriptor from before is told each time that he is announced, and waits in vain.
func (s *Service) takeLeave() {
	s.mu.Lock()
	tor := s.front.tor
	s.leaving = true
	s.mu.Unlock()
	if tor == nil {
		return
	}
	for _, id := range s.ids {
		if _, err := tor.control.requestWithin(leavePatience, "DEL_ONION", "DEL_ONION "+id); errors.Is(err, errSilent) {
			tor.kill() // it hangs: nothing that it is told now is heard
			return
		}
	}
	time.Sleep(leave) // tor answers before its cells are out
}
