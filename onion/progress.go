package onion

import "sync"

// State is where the service is on its way, in words that an operator understands.
type State string

// The states, in order. From Reachable on, whatever is less is Degraded.
const (
	Starting   State = "starting"   // tor is being launched
	Connecting State = "connecting" // tor bootstraps: Percent and Summary say how far
	Publishing State = "publishing" // tor is connected and uploads the descriptor; nobody is known to have got through yet
	Published  State = "published"  // where nothing is proved (Pace.Probe): a directory has the descriptor
	Reachable  State = "reachable"  // proved: we came through Tor to our own address, as a visitor does
	Degraded   State = "degraded"   // it was reachable, or connected, and now it is not known to be: Warning says why, and what is done
	Stopped    State = "stopped"    // Close has ended it
)

// Progress is a report to the operator. All its text is ours or comes from tor's fixed tables; none of it
// depends on a visitor.
type Progress struct {
	State   State
	Percent int    // of the bootstrap, 0 to 100; it begins anew with every tor
	Summary string // what the bootstrap is doing
	Warning string // what is wrong and what to do; "": nothing known
}

// notifier calls one function with every report in order, from a goroutine of its own: a slow function must
// not hold up the events, because bine reads no reply while one waits.
type notifier struct {
	wake chan struct{}
	done chan struct{}

	mu     sync.Mutex // guards what follows
	queue  []Progress
	closed bool
}

func newNotifier(f func(Progress)) *notifier {
	n := &notifier{wake: make(chan struct{}, 1), done: make(chan struct{})}
	go func() {
		defer close(n.done)
		for range n.wake {
			for {
				p, ok := n.next()
				if !ok {
					break
				}
				if f != nil {
					f(p)
				}
			}
		}
	}()
	return n
}

func (n *notifier) next() (Progress, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.queue) == 0 {
		return Progress{}, false
	}
	p := n.queue[0]
	n.queue = n.queue[1:]
	return p, true
}

func (n *notifier) send(p Progress) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return
	}
	n.queue = append(n.queue, p)
	select {
	case n.wake <- struct{}{}:
	default: // it is awake already and will see the queue
	}
}

// close delivers what is queued and ends the goroutine.
func (n *notifier) close() {
	n.mu.Lock()
	if !n.closed {
		n.closed = true
		close(n.wake)
	}
	n.mu.Unlock()
	<-n.done
}
