package onion

import (
	"context"
	"time"
)

// Why a tor had to be replaced: constant words, for the log and for `status`.
const (
	whyExited = "tor has exited"
	whyHung   = "tor answers nothing"
	whyCut    = "the connection to tor broke"
	whyFailed = "tor does not start"
)

// whyCategory is the word that stands in the log for a reason.
func whyCategory(why string) string {
	switch why {
	case whyExited:
		return "exited"
	case whyHung:
		return "hung"
	case whyCut:
		return "control"
	case whyFailed:
		return "failed"
	}
	return "asked"
}

// keeper keeps one tor running: it starts one, asks it every so often whether it still answers, and when it does
// not starts another, after a pause that grows.
type keeper struct {
	start  func(context.Context) (*instance, error) // launches a tor and tells it what it is for
	lost   func(why string)                         // told that there is no tor now, before the pause
	beat   func(pulse)                              // told after every heartbeat
	pace   Pace
	pause  pause
	wanted chan string // asks for another tor, and says why
}

func newKeeper(pace Pace, start func(context.Context) (*instance, error), lost func(string), beat func(pulse)) *keeper {
	return &keeper{start: start, lost: lost, beat: beat, pace: pace, pause: newPause(pace.RestartMin, pace.RestartMax), wanted: make(chan string, 1)}
}

// replace asks for another tor. One request at a time is remembered.
func (k *keeper) replace(why string) {
	select {
	case k.wanted <- why:
	default:
	}
}

// run keeps a tor running until ctx ends, and returns when the last one is gone. tor is one that runs already, or nil.
func (k *keeper) run(ctx context.Context, tor *instance) {
	for {
		why := whyFailed
		if tor == nil {
			select {
			case <-k.wanted: // meant for the one before; one that comes from here on may be meant for the next
			default:
			}
			tor, _ = k.start(ctx) // its complaint is in the log, as a category
		}
		if tor != nil {
			began := time.Now()
			why = k.watch(ctx, tor)
			if why == whyHung {
				tor.kill()
			}
			tor.stop()
			tor = nil
			if time.Since(began) > k.pace.RestartMax {
				k.pause.reset()
			}
		}
		if ctx.Err() != nil {
			return
		}
		k.lost(why)
		if !sleep(ctx, k.pause.next()) {
			return
		}
	}
}

// watch returns when tor has to be replaced, and why; when ctx has ended, the reason is "".
func (k *keeper) watch(ctx context.Context, tor *instance) string {
	beat := time.NewTicker(k.pace.Heartbeat)
	defer beat.Stop()
	for {
		select {
		case <-ctx.Done():
			return ""
		case <-tor.proc.exited:
			return whyExited
		case <-tor.control.lost:
			return tor.lostWhy()
		case why := <-k.wanted:
			return why
		case <-beat.C:
			p, err := tor.control.pulse(k.pace.HeartbeatTimeout)
			if err != nil {
				return tor.silentWhy()
			}
			k.beat(p)
		}
	}
}

// lostWhy tells a tor that exited from one whose connection broke: both end the connection, the process a moment
// later.
func (i *instance) lostWhy() string {
	select {
	case <-i.proc.exited:
		return whyExited
	case <-time.After(100 * time.Millisecond):
		return whyCut
	}
}

// silentWhy tells why a ping was not answered. A tor that hangs is there, and stays there.
func (i *instance) silentWhy() string {
	select {
	case <-i.proc.exited:
		return whyExited
	case <-time.After(100 * time.Millisecond):
		return whyHung
	}
}

// sleep waits, and says whether ctx lets us go on.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
