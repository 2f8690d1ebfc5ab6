package onion

import (
	"testing"
	"time"
)

// treatedFor runs a doctor by a clock of the test's own until end, with probes that succeed when well says so, and
// returns when he did what.
func treatedFor(d *doctor, from, end time.Duration, see func(now time.Duration) sight, well func(now time.Duration) bool) map[deed][]time.Duration {
	done := make(map[deed][]time.Duration)
	for now := from; now < end; now += time.Second {
		what := d.decide(now, see(now))
		if what != rest {
			done[what] = append(done[what], now)
		}
		switch what {
		case prove:
			d.proven(now, well(now))
		case republish, relaunch, rescout:
			d.treated(now, what, false)
		}
	}
	return done
}

func always(s sight) func(time.Duration) sight { return func(time.Duration) sight { return s } }

var healthy = sight{running: true, state: Published, scouting: true}

// What happens while a proof is under way is proved by the next, soon. What happens all the time is not proved more
// often than a service is in which nothing happens.
func TestDoctorSuspects(t *testing.T) {
	pace := Pace{}.withDefaults()
	d := newDoctor(pace)
	if what := d.decide(0, healthy); what != prove {
		t.Fatal(what)
	}
	d.suspect(time.Second)
	d.proven(2*time.Second, true)
	first := time.Duration(0)
	for now := 2 * time.Second; first == 0 && now < time.Hour; now += time.Second {
		if d.decide(now, healthy) == prove {
			first = now
		}
	}
	if first < time.Second+pace.Remedy/2 || first > 2*time.Second+pace.Remedy*3/2 {
		t.Errorf("proved at %v", first)
	}

	d.proven(first, true)
	proofs := func(from, to time.Duration, each func(time.Duration)) (n int) {
		for now := from; now < to; now += time.Second {
			each(now)
			if d.decide(now, healthy) == prove {
				d.proven(now, true)
				n++
			}
		}
		return n
	}
	quiet := proofs(time.Hour, 101*time.Hour, func(time.Duration) {})
	all := proofs(101*time.Hour, 201*time.Hour, d.suspect)
	if all > quiet*3/2 {
		t.Errorf("%d proofs in a hundred hours, %d of a quiet one", all, quiet)
	}
	proofs(202*time.Hour, 203*time.Hour, func(time.Duration) {})
	d.suspect(203 * time.Hour) // it was quiet for long
	if wait := d.suspected - 203*time.Hour; wait > pace.Remedy*3/2 {
		t.Errorf("proved after %v", wait)
	}
}

// A healthy service is looked at now and then, not in a rhythm, and left alone.
func TestDoctorLeavesAHealthyOneAlone(t *testing.T) {
	pace := Pace{}.withDefaults()
	d := newDoctor(pace)
	done := treatedFor(d, 0, 100*time.Hour, always(healthy), func(time.Duration) bool { return true })
	if len(done) != 1 || done[prove][0] != 0 {
		t.Fatalf("did %v", done)
	}
	gaps := map[time.Duration]int{}
	for i, at := range done[prove][1:] {
		gap := at - done[prove][i]
		if gap < pace.Probe/2 || gap > 3*pace.Probe/2+time.Second {
			t.Errorf("%v between two proofs", gap)
		}
		gaps[gap]++
	}
	if len(gaps) < 100 || !d.proved {
		t.Errorf("%d different gaps in %d proofs", len(gaps), len(done[prove]))
	}
}

// One proof that fails is no reason to act. From the second on there are remedies, the gentle one first and then in
// turn, further and further apart, and never more than the limit says.
func TestDoctorIsSlowToTreat(t *testing.T) {
	pace := Pace{}.withDefaults()
	d := newDoctor(pace)
	n := 0
	done := treatedFor(d, 0, time.Hour, always(healthy), func(time.Duration) bool { n++; return n != 3 })
	if len(done[republish])+len(done[relaunch]) > 0 || !d.proved {
		t.Fatalf("one failure, and he did %v", done)
	}

	done = treatedFor(d, time.Hour, 25*time.Hour, always(healthy), func(time.Duration) bool { return false })
	if d.proved {
		t.Error("he thinks that all is well")
	}
	first := done[republish][0]
	if seen := done[prove][2]; first < done[prove][1] || first > seen {
		t.Errorf("the first remedy came at %v, proofs were at %v", first, done[prove][:3])
	}
	var all []time.Duration
	for i := range done[republish] {
		all = append(all, done[republish][i])
		if i < len(done[relaunch]) {
			all = append(all, done[relaunch][i])
		}
	}
	// 30 s, 1, 2, 4, 8 minutes, then every quarter of an hour, each jittered by half.
	if len(all) < 24*4*2/3 || len(all) > 24*4*2+5 {
		t.Errorf("%d remedies in a day", len(all))
	}
	for i := 1; i < len(all); i++ {
		want := min(pace.Remedy<<min(i-1, 10), pace.RemedyMax)
		if gap := all[i] - all[i-1]; gap < want/2 || gap > 3*want/2+retryMax*3/2+time.Second {
			t.Errorf("remedy %d came %v after the one before, the pause is %v", i, gap, want)
		}
	}

	// Once it has been well for long, the next illness is treated as the first was.
	done = treatedFor(d, 25*time.Hour, 28*time.Hour, always(healthy), func(now time.Duration) bool { return now < 27*time.Hour })
	if len(done[republish]) < 2 || done[republish][0]-27*time.Hour > 20*time.Minute || d.remedies < 2 || d.remedies > 14 {
		t.Errorf("did %v", done)
	}
}

// What connects or publishes is given time, as long as it gets on.
func TestDoctorWaitsForProgress(t *testing.T) {
	pace := Pace{}.withDefaults()
	for _, c := range []struct {
		state State
		want  deed
	}{{Connecting, relaunch}, {Publishing, republish}} {
		d := newDoctor(pace)
		moving := func(now time.Duration) sight { return sight{running: true, state: c.state, moved: now - pace.Stuck} }
		if done := treatedFor(d, 0, time.Hour, moving, nil); len(done) > 0 {
			t.Errorf("%s: did %v to one that gets on", c.state, done)
		}
		done := treatedFor(d, 0, 10*time.Minute, always(sight{running: true, state: c.state}), nil)
		if len(done[c.want]) == 0 || done[c.want][0] <= pace.Stuck || done[c.want][0] > pace.Stuck+2*time.Second || len(done[prove]) > 0 {
			t.Errorf("%s: did %v to one that stands still", c.state, done)
		}
	}
	d := newDoctor(pace)
	if done := treatedFor(d, 0, time.Hour, always(sight{state: Published}), nil); len(done) > 0 {
		t.Errorf("did %v to none", done)
	}
}

// A probing tor that does not connect says nothing about the service: it alone is replaced.
func TestDoctorWithoutAScout(t *testing.T) {
	d := newDoctor(Pace{}.withDefaults())
	done := treatedFor(d, 0, time.Hour, always(sight{running: true, state: Published}), nil)
	if len(done) != 1 || len(done[rescout]) < 3 {
		t.Errorf("did %v", done)
	}
	d = newDoctor(Pace{Probe: -1}.withDefaults())
	if done := treatedFor(d, 0, time.Hour, always(sight{running: true, state: Published}), nil); len(done) > 0 {
		t.Errorf("did %v though nothing is to be proved", done)
	}
}

// A tor without any connection is replaced again and again without the pause growing: nobody learns anything by it.
func TestDoctorOffline(t *testing.T) {
	pace := Pace{}.withDefaults()
	d := newDoctor(pace)
	for range 20 {
		d.treated(time.Hour, relaunch, true)
	}
	if wait := d.allowed - time.Hour; wait > 3*pace.Remedy/2 {
		t.Errorf("no remedy for %v", wait)
	}
}

// While there is no connection at all nothing is proved, and tor gets a moment to mend it before it is replaced.
func TestDoctorWaitsOutAnOutage(t *testing.T) {
	pace := Pace{}.withDefaults()
	d := newDoctor(pace)
	done := treatedFor(d, 0, 10*time.Minute, always(sight{running: true, state: Published, scouting: true, offline: true}), nil)
	if len(done) != 1 || len(done[relaunch]) < 3 || done[relaunch][0] <= pace.Remedy || done[relaunch][0] > pace.Remedy+2*time.Second {
		t.Errorf("did %v", done)
	}
}

func TestClockJumped(t *testing.T) {
	start := time.Unix(1e9, 0)
	for name, c := range map[string]struct {
		wall, steady time.Duration
		want         bool
	}{
		"nothing":       {time.Second, time.Second, false},
		"set ahead":     {time.Hour, time.Second, true},
		"set back":      {-time.Hour, time.Second, true},
		"slept":         {time.Minute, time.Second, true},
		"slewed":        {1100 * time.Millisecond, time.Second, false},
		"a busy minute": {time.Minute, time.Minute, false},
	} {
		k := clock{wall: start.UnixNano(), steady: time.Minute}
		if got := k.jumped(start.Add(c.wall), time.Minute+c.steady, 10*time.Second); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
		if k.jumped(start.Add(c.wall+time.Second), time.Minute+c.steady+time.Second, 10*time.Second) {
			t.Errorf("%s: told twice", name)
		}
	}
}

func TestPause(t *testing.T) {
	p := newPause(time.Second, 10*time.Second)
	for _, want := range []time.Duration{1, 2, 4, 8, 10, 10, 10} {
		if got := p.next(); got < want*time.Second/2 || got > want*time.Second*3/2 {
			t.Errorf("%v, want about %v s", got, int64(want))
		}
	}
	p.reset()
	if got := p.next(); got > 3*time.Second/2 {
		t.Errorf("%v after a reset", got)
	}
}
