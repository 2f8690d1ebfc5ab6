package onion

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// bare is a service without loops, published through a tor that is only what its control connection answers.
func bare(t *testing.T, pace Pace, host, scout func(line string) string) *Service {
	t.Helper()
	cfg, err := Config{DataDir: filepath.Join(t.TempDir(), "tor"), Key: NewKey(), Pace: pace}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	s := &Service{
		cfg: cfg, notify: newNotifier(nil), began: time.Now(), kick: make(chan struct{}, 1), giveUp: func() {},
		doctor: newDoctor(cfg.Pace), reached: make(chan struct{}), once: true,
		host: newKeeper(cfg.Pace, nil, nil, nil), scout: newKeeper(cfg.Pace, nil, nil, nil),
	}
	t.Cleanup(s.notify.close)
	s.front.tor, s.back.tor = &instance{control: scripted(t, host)}, &instance{control: scripted(t, scout)}
	s.front.machine.state = Published
	s.doors = []*door{{Door: Door{Key: cfg.Key, Target: cfg.Target}}}
	return s
}

func connected(string) string { return "250-orconn-status=$AA~a CONNECTED\r\n250 OK\r\n" }
func alone(string) string     { return "250-orconn-status=\r\n250 OK\r\n" }

// asked says what a keeper was asked, "" if nothing.
func asked(k *keeper) string {
	select {
	case why := <-k.wanted:
		return why
	default:
		return ""
	}
}

// A probing tor that cannot be used says nothing of the service, and is what is replaced in the end.
func TestTroubleOfTheProbingTor(t *testing.T) {
	s := bare(t, Pace{}, connected, connected)
	s.doctor.proved = true
	for range 2 * failuresToAct {
		s.back.tor.probed = false // it need not wait until it forgets again
		s.prove(t.Context())      // nobody listens at its socket
	}
	if s.doctor.failures != 0 || !s.doctor.proved || s.doctor.due <= s.now() {
		t.Errorf("%d failures, proved %v, the next proof at %v", s.doctor.failures, s.doctor.proved, s.doctor.due)
	}
	if last, ok := s.Proof(); ok || strings.Contains(s.Progress().Warning, "visitors") {
		t.Errorf("the last proof: %+v; told: %+v", last, s.Progress())
	}
	if what := s.doctor.decide(s.now(), healthy); what != rescout {
		t.Errorf("the doctor wants %v", what)
	}
}

// A remedy that failed proofs ask for is not given to the tor that serves when the one that made them has no
// connection; one that is given because nothing moves is.
func TestRemedySparesTheHost(t *testing.T) {
	for name, c := range map[string]struct {
		host, scout         func(string) string
		failures            int
		hostAnew, scoutAnew bool
		takenOff            bool
	}{
		"the probing tor is alone": {connected, alone, failuresToAct, false, true, false},
		"both are":                 {alone, alone, failuresToAct, true, true, false},
		"neither is":               {connected, connected, failuresToAct, false, false, true},
		"it stands still":          {connected, alone, 0, false, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			var lines []string
			id := ""
			s := bare(t, Pace{}, func(line string) string {
				lines = append(lines, line)
				if strings.HasPrefix(line, "ADD_ONION") {
					return "250-ServiceID=" + id + "\r\n250 OK\r\n"
				}
				return c.host(line)
			}, c.scout)
			id = s.cfg.Key.serviceID()
			s.ids, s.doctor.failures = []string{"id"}, c.failures
			s.remedy(republish)
			if host, scout := asked(s.host) != "", asked(s.scout) != ""; host != c.hostAnew || scout != c.scoutAnew {
				t.Errorf("replaced: the one that serves %v, the one that probes %v", host, scout)
			}
			if off := slices.Contains(lines, "DEL_ONION id"); off != c.takenOff || s.doctor.failures != 0 {
				t.Errorf("taken off %v, %d failures stand", off, s.doctor.failures)
			}
		})
	}
}

// An introduction point that is gone is a reason for a proof, but not at once, and takes nothing back; others that come
// are none.
func TestIntroductionPointGone(t *testing.T) {
	s := bare(t, Pace{}, connected, connected)
	s.doctor.proved = true
	for _, c := range []struct {
		name   string
		intros []string
		wanted bool
	}{
		{"the first", []string{"1", "2"}, false},
		{"one more", []string{"1", "2", "3"}, false},
		{"one for another", []string{"1", "3", "4"}, true},
		{"the same", []string{"1", "3", "4"}, false},
		{"none", nil, true},
		{"new ones", []string{"5"}, false},
	} {
		s.doctor.suspected = 0
		s.doctor.wary.reset()
		before := s.now()
		s.felt(pulse{online: true, intros: c.intros})
		soon, late := before+s.cfg.Pace.Remedy/2, s.now()+s.cfg.Pace.Remedy*3/2
		if at := s.doctor.suspected; c.wanted && (at < soon || at > late) || !c.wanted && at != 0 {
			t.Errorf("%s: proved at %v", c.name, at)
		}
		if !s.doctor.proved {
			t.Errorf("%s: what was proved is no more", c.name)
		}
	}
	// A tor that comes or a service that is put on anew has others.
	for name, anew := range map[string]func(){
		"another tor": func() { s.lost(&s.front, whyExited) },
		"republished": func() { s.republish(&instance{control: scripted(t, connected)}, "") },
	} {
		s.felt(pulse{online: true, intros: []string{"7"}})
		anew()
		s.doctor.suspected = 0
		if s.felt(pulse{online: true, intros: []string{"8"}}); s.doctor.suspected != 0 {
			t.Errorf("%s: a proof at %v", name, s.doctor.suspected)
		}
	}
}

// Where nothing is proved, no proof would ever take back what is told: so it is not told, or not for longer than it
// is true.
func TestNothingIsToldForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var jump atomic.Int64
		s := bare(t, Pace{Probe: -1}, connected, connected)
		defer s.front.tor.control.raw.Close()
		defer s.back.tor.control.raw.Close()
		s.cfg.Now = func() time.Time { return time.Now().Add(time.Duration(jump.Load())) }
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go s.attend(ctx)
		synctest.Wait()
		jump.Store(int64(time.Hour))
		time.Sleep(3 * look)
		if p := s.Progress(); p.State != Published || p.Warning != "" {
			t.Errorf("after a jump of the clock: %+v", p)
		}
		s.felt(pulse{})
		if p := s.Progress(); !strings.Contains(p.Warning, "no connection") {
			t.Errorf("without a connection: %+v", p)
		}
		s.felt(pulse{online: true})
		if p := s.Progress(); p.State != Published || p.Warning != "" {
			t.Errorf("with a connection again: %+v", p)
		}
	})
}

// What is asked for while a tor is launched is meant for that one: it may have been told what is no longer true.
func TestAskedForDuringALaunch(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	proc := &torProcess{exited: make(chan struct{})}
	halted := func(line string) string {
		if line == "SIGNAL HALT" {
			close(proc.exited)
		}
		return "250 OK\r\n"
	}
	var k *keeper
	why := ""
	k = newKeeper(Pace{}.withDefaults(), func(context.Context) (*instance, error) {
		k.replace("the new one")
		return &instance{proc: proc, control: scripted(t, halted)}, nil
	}, func(w string) { why = w; cancel() }, func(pulse) {})
	k.replace("the one before")
	k.run(ctx, nil)
	if why != "the new one" {
		t.Errorf("replaced because of %q", why)
	}
}

// A probing tor that ends is started again by its keeper, and says nothing of the service meanwhile.
func TestEndOfTheProbingTor(t *testing.T) {
	s := bare(t, Pace{}, connected, connected)
	s.began = s.began.Add(-time.Hour) // it moved long ago
	s.doctor.proved, s.doctor.due = true, 2*time.Hour
	s.lost(&s.back, whyExited)
	if what := s.decide(); what != rest {
		t.Errorf("the doctor wants %v", what)
	}
	if p := s.Progress(); p.State != Reachable {
		t.Errorf("it says %+v", p)
	}
}

// Once Close takes the service off its tor, nobody puts it on again.
func TestNobodyPutsItOnAgain(t *testing.T) {
	var lines []string
	s := bare(t, Pace{}, func(line string) string {
		lines = append(lines, line)
		return "250 OK\r\n"
	}, connected)
	s.ids = []string{s.cfg.Key.serviceID()}
	s.takeLeave()
	s.republish(s.front.tor, "")
	if len(lines) == 0 || slices.ContainsFunc(lines, func(line string) bool { return strings.HasPrefix(line, "ADD_ONION") }) {
		t.Errorf("tor was told %.60q", lines)
	}
}
