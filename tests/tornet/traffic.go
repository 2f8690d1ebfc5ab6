package tornet

import (
	"fmt"
	"strings"
	"time"
)

// tick is how long a channel between two relays is quiet at most.
const tick = time.Second

// traffic keeps a little going over every channel between two relays, as there is on the public network. Of several
// DESTROY cells that are due on a quiet channel at once, tor sends the first, and the rest only with the next cell
// that goes there (circuitmux_append_destroy_cell in tor 0.4.9.11 wakes no scheduler). On a network as quiet as this
// one that may be never: of 13 circuits to a service, 4 to 11 still stood half a minute after it had ended, and the
// client went on using them.
//
// It builds circuits of two hops that nothing else uses. It ends when the client does.
func (n *Network) traffic() {
	c, err := n.dial()
	if err != nil {
		return
	}
	defer c.Close()
	var circuits []string
	for ; ; time.Sleep(tick) {
		for _, id := range circuits {
			if _, err := c.say("CLOSECIRCUIT " + id); err != nil {
				return
			}
		}
		circuits = nil
		for _, path := range n.pairs() {
			answer, err := c.say("EXTENDCIRCUIT 0 " + path + " purpose=controller")
			if err != nil {
				return
			}
			if id, ok := strings.CutPrefix(answer, "250 EXTENDED "); ok {
				circuits = append(circuits, id)
			}
		}
	}
}

// pairs are all ways from one relay to another. One that does not serve yet is left out: a relay that failed to
// connect to another does not try again for a minute (OR_CONNECT_FAILURE_LIFETIME in tor).
func (n *Network) pairs() (paths []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, from := range n.nodes {
		for _, to := range n.nodes {
			if from != to && from.serves() && to.serves() {
				paths = append(paths, fmt.Sprintf("%s,%s", from.name, to.name))
			}
		}
	}
	return paths
}
