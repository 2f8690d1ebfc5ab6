package tornet

import (
	"fmt"
	"strings"
	"time"
)

const (
	tick = time.Second // how long a channel between two relays is quiet at most
	last = 5           // how many ticks a circuit lasts: one that is closed before it is built costs its channel (circuit_build_failed in tor)
)

// traffic keeps a little going over every channel between two relays, as there is on the public network. Of several
// DESTROY cells that are due on a quiet channel at once, tor sends the first, and the rest only with the next cell
// that goes there (circuitmux_append_destroy_cell in tor 0.4.9.11 wakes no scheduler). On a network as quiet as this
// one that may be never: of 13 circuits to a service, 4 to 11 still stood half a minute after it had ended, and the
// client went on using them.
//
// It builds circuits of two hops that nothing else uses, until the network is closed.
func (n *Network) traffic() {
	for ; ; time.Sleep(tick) {
		err := n.stir()
		if _, open := n.pairs(); !open {
			return
		}
		n.client.shared.line("traffic", fmt.Appendf(nil, "begins anew: %v", err))
	}
}

// stir builds and closes circuits until the client does not answer, or the network is closed.
func (n *Network) stir() error {
	c, err := n.dial()
	if err != nil {
		return err
	}
	defer c.Close()
	var rounds [last][]string // ids of circuits
	for i := 0; ; i = (i + 1) % last {
		for _, id := range rounds[i] {
			if _, err := c.say("CLOSECIRCUIT " + id); err != nil {
				return err
			}
		}
		rounds[i] = nil
		paths, open := n.pairs()
		if !open {
			return ErrClosed
		}
		for _, path := range paths {
			answer, err := c.say("EXTENDCIRCUIT 0 " + path + " purpose=controller")
			if err != nil {
				return err
			}
			if id, ok := strings.CutPrefix(answer, "250 EXTENDED "); ok {
				rounds[i] = append(rounds[i], id)
			}
		}
		time.Sleep(tick)
	}
}

// pairs are all ways from one relay to another, as long as the network is open. A relay that does not serve yet is
// left out: one that failed to connect to another does not try again for a minute (OR_CONNECT_FAILURE_LIFETIME in tor).
func (n *Network) pairs() (paths []string, open bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, from := range n.nodes {
		for _, to := range n.nodes {
			if from != to && from.serves() && to.serves() {
				paths = append(paths, from.name+","+to.name)
			}
		}
	}
	return paths, !n.closed
}
