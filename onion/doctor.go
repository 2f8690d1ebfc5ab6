package onion

import "time"

// deed is what the doctor wants done.
type deed int

const (
	rest      deed = iota
	prove          // go through Tor to our own address and see what is there
	republish      // take the service off this tor and put it on again: other introduction points, a new descriptor
	relaunch       // another tor
	rescout        // another probing tor
)

// sight is what the doctor sees of the patient.
type sight struct {
	running  bool          // there is a tor
	state    State         // Connecting, Publishing or Published, as tor's events have it
	moved    time.Duration // when that, or the percentage, last changed
	offline  bool          // it has no connection to any relay
	left     time.Duration // when the last one went, if it is offline
	scouting bool          // the probing tor is connected
	scouted  time.Duration // when the probing tor last got further
}

// doctor decides when to prove that visitors get through and what to do when they do not. It is pure: times are
// arguments, counted from the start of the service on the clock that nobody sets.
//
// A remedy is not free. Republishing picks new introduction points and a new tor picks new middle guards; whoever
// can provoke either at will learns more about the paths of this host than he should. So the pause between two
// remedies doubles, from half a minute, within which most outages heal by themselves, to a quarter of an hour. One case
// is exempt from the doubling, because nothing is revealed to anybody by it: a tor without any connection.
type doctor struct {
	pace Pace

	proved   bool          // the last proof succeeded, and nothing has happened since
	failures int           // proofs that failed in a row
	blind    int           // proofs in a row for which the probing tor could not be used
	due      time.Duration // the next proof
	retry    pause

	suspected time.Duration // when to prove what happened last, whatever is proved until then; 0: nothing happened
	happened  time.Duration // when something last did
	wary      pause

	gap      pause
	allowed  time.Duration // no remedy before
	scoutGap pause
	scoutOK  time.Duration // no new probing tor before
	remedies int           // in a row, to alternate
}

const (
	failuresToAct = 2           // one failed proof may be the prober's own circuit
	retryMax      = time.Minute // between two proofs while they fail
)

func newDoctor(pace Pace) *doctor {
	return &doctor{
		pace: pace, retry: newPause(pace.ProbeRetry, retryMax), wary: newPause(pace.Remedy, pace.RemedyMax),
		gap: newPause(pace.Remedy, pace.RemedyMax), scoutGap: newPause(pace.Remedy, pace.RemedyMax),
	}
}

// decide says what to do now.
func (d *doctor) decide(now time.Duration, s sight) deed {
	switch {
	case !s.running: // the keeper is at it
		return rest
	case s.state != Published: // it stands still: tor waits out a back-off of its own, or no directory answers
		if now-s.moved > d.pace.Stuck && now >= d.allowed {
			return d.remedyFor(s)
		}
		return rest
	case s.offline: // a proof would only wait for its end; tor may reconnect by itself, and may sit out a back-off of its own
		if now-s.left > d.pace.Remedy && now >= d.allowed {
			return relaunch
		}
		return rest
	case d.pace.Probe < 0:
		return rest
	case !s.scouting:
		if now-s.scouted > d.pace.Stuck && now >= d.scoutOK {
			return rescout
		}
		return rest
	case d.blind >= failuresToAct && now >= d.scoutOK:
		return rescout
	case d.failures >= failuresToAct && now >= d.allowed:
		return d.remedyFor(s)
	case now >= d.due, d.suspected > 0 && now >= d.suspected:
		d.due, d.suspected = min(d.due, now), 0 // what happens while it is proved is not proved by it
		return prove
	}
	return rest
}

// remedyFor alternates, the gentle one first. Only a new tor helps one that has not connected yet.
func (d *doctor) remedyFor(s sight) deed {
	if s.state == Starting || s.state == Connecting || d.remedies%2 == 1 {
		return relaunch
	}
	return republish
}

// unproven takes a proof that the probing tor could not make. It says nothing of the service: one whose prober is in
// trouble must not lose its introduction points for it.
func (d *doctor) unproven(now time.Duration) {
	d.blind++
	d.due = now + d.retry.next()
}

// proven takes the outcome of a proof.
func (d *doctor) proven(now time.Duration, ok bool) {
	d.blind = 0
	if !ok {
		d.failures++
		if d.failures >= failuresToAct {
			d.proved = false
		}
		d.due = now + d.retry.next()
		return
	}
	d.proved, d.failures = true, 0
	d.retry.reset()
	d.due = now + jitter(d.pace.Probe)
	if now > d.allowed+d.pace.RemedyMax { // it has been well for long
		d.gap.reset()
		d.scoutGap.reset()
		d.remedies = 0
	}
}

// treated notes that a remedy was given. offline: that tor had no connection to any relay, and none in sight.
func (d *doctor) treated(now time.Duration, what deed, offline bool) {
	if what == rescout {
		d.blind = 0
		d.scoutOK = now + d.scoutGap.next()
		return
	}
	d.proved, d.failures = false, 0
	d.due = now
	d.retry.reset()
	if offline {
		d.allowed = now + jitter(d.pace.Remedy)
		return
	}
	d.remedies++
	d.allowed = now + d.gap.next()
}

// doubt asks for a proof now: something happened after which the last one says nothing.
func (d *doctor) doubt(now time.Duration) {
	d.proved = false
	d.hurry(now)
}

// suspect asks for a proof when tor has had the time to mend what happened by itself. What happens again and again, as
// under load or by somebody's will, is proved at growing intervals.
func (d *doctor) suspect(now time.Duration) {
	if now > d.happened+d.pace.RemedyMax {
		d.wary.reset()
	}
	d.happened = now
	if d.suspected == 0 {
		d.suspected = now + d.wary.next()
	}
}

// hurry asks for a proof now, and takes back nothing.
func (d *doctor) hurry(now time.Duration) {
	d.due = min(d.due, now)
	d.retry.reset()
}
