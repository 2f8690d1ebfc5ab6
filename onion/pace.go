package onion

import (
	"math/rand/v2"
	"time"
)

// Pace says how often and how long. Its zero value is what suits the public network; tests are in more of a hurry.
type Pace struct {
	Heartbeat        time.Duration // between two questions to a tor whether it lives; 0: 10 s
	HeartbeatTimeout time.Duration // after which a tor that does not answer is killed; 0: 20 s

	Launch time.Duration // how long a tor that is started may take until it answers, before it is killed; 0: 2 min

	RestartMin time.Duration // the pause before a tor that ended is started again, doubled each time; 0: 500 ms
	RestartMax time.Duration // where the doubling ends, and how long a tor must have lived to start anew with the shortest; 0: 1 min

	Probe        time.Duration // between two proofs that visitors get through, half to one and a half of it; 0: 10 min; negative: none
	ProbeRetry   time.Duration // after one that failed, doubled each time up to a minute; 0: 3 s
	ProbeTimeout time.Duration // for one proof; 0: 45 s

	Stuck     time.Duration // how long connecting or publishing may stand still; 0: 1 min
	Remedy    time.Duration // between the first remedy and the second (see doctor), doubled each time; 0: 30 s
	RemedyMax time.Duration // where that doubling ends; 0: 15 min

	Jump time.Duration // how far the wall clock may run apart from the steady one within a second before it is a jump; 0: 10 s
}

func (p Pace) withDefaults() Pace {
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{
		{&p.Heartbeat, 10 * time.Second}, {&p.HeartbeatTimeout, 20 * time.Second}, {&p.Launch, 2 * time.Minute},
		{&p.RestartMin, 500 * time.Millisecond}, {&p.RestartMax, time.Minute},
		{&p.Probe, 10 * time.Minute}, {&p.ProbeRetry, 3 * time.Second}, {&p.ProbeTimeout, 45 * time.Second},
		{&p.Stuck, time.Minute}, {&p.Remedy, 30 * time.Second}, {&p.RemedyMax, 15 * time.Minute},
		{&p.Jump, 10 * time.Second},
	} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	return p
}

// pause is a pause that doubles from its least to its most.
type pause struct {
	least, most, now time.Duration
}

func newPause(least, most time.Duration) pause {
	return pause{least: least, most: max(least, most), now: least}
}

// next returns the pause to make now, jittered so that nobody who watches many hosts sees a pattern in it.
func (p *pause) next() time.Duration {
	d := p.now
	p.now = min(2*p.now, p.most)
	return jitter(d)
}

func (p *pause) reset() { p.now = p.least }

// jitter returns between half and one and a half of d.
func jitter(d time.Duration) time.Duration {
	return d/2 + time.Duration(rand.Int64N(int64(d)+1)) // not a secret: it need not be unguessable
}
