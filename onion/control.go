package onion

import (
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"slices"
	"strings"
	"sync"
	"time"

	bine "github.com/cretz/bine/control"
)

const (
	// A local tor answers in milliseconds; a busy one may take seconds. The heartbeat has a limit of its own.
	requestTimeout = 30 * time.Second
	eventBuffer    = 256
)

// errSilent says that tor did not answer at all.
var errSilent = errors.New("no answer")

// control is the control connection of one tor.
type control struct {
	conn *bine.Conn
	raw  net.Conn      // closing it is the only way to break off a request
	lost chan struct{} // closed when nothing can be read any more

	mu     sync.Mutex // one request at a time: in bine the later of two can take the lock that the earlier needs
	events chan bine.Event
}

func newControl(conn *bine.Conn, raw net.Conn) *control {
	return &control{conn: conn, raw: raw, lost: make(chan struct{}), events: make(chan bine.Event, eventBuffer)}
}

// request sends one line and returns the answer. Errors name the command and tor's status code and never
// the line, which may hold the key, nor tor's text, which may quote it.
func (c *control) request(name, line string) (*bine.Response, error) {
	return c.requestWithin(requestTimeout, name, line)
}

// requestWithin breaks the connection when tor has not answered in time, and whoever else waits with it: a tor
// that answers one question too late answers none.
func (c *control) requestWithin(limit time.Duration, name, line string) (*bine.Response, error) {
	timer := time.AfterFunc(limit, func() { c.raw.Close() })
	defer timer.Stop()
	c.mu.Lock()
	defer c.mu.Unlock()
	// "%s", because bine takes a format string.
	resp, err := c.conn.SendRequest("%s", line)
	if err == nil {
		return resp, nil
	}
	var answer *textproto.Error
	if errors.As(err, &answer) {
		return nil, fmt.Errorf("%w: %s: status %d", ErrControl, name, answer.Code)
	}
	return nil, fmt.Errorf("%w: %s: %w", ErrControl, name, errSilent)
}

// subscribe asks for the events that the machine understands and starts reading them. The caller must drain
// the channel, which is closed when the connection is lost.
func (c *control) subscribe() (<-chan event, error) {
	out := make(chan event, eventBuffer)
	go func() {
		defer close(out)
		for {
			select {
			case e := <-c.events:
				if e, ok := rawEvent(e); ok {
					out <- e
				}
			case <-c.lost:
				return
			}
		}
	}()
	go func() {
		defer close(c.lost)
		for c.conn.HandleNextEvent() == nil {
		}
	}()
	timer := time.AfterFunc(requestTimeout, func() { c.raw.Close() })
	defer timer.Stop()
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.conn.AddEventListener(c.events, bine.EventCodeStatusClient, bine.EventCodeStatusGeneral,
		bine.EventCodeHSDesc, bine.EventCodeNetworkLiveness); err != nil {
		return nil, fmt.Errorf("%w: SETEVENTS", ErrControl)
	}
	return out, nil
}

func rawEvent(e bine.Event) (event, bool) {
	switch e := e.(type) {
	case *bine.StatusEvent:
		return event{string(e.Code()), e.Raw}, true
	case *bine.HSDescEvent:
		return event{string(e.Code()), e.Raw}, true
	case *bine.NetworkLivenessEvent:
		return event{string(e.Code()), e.Raw}, true
	}
	return event{}, false
}

// addOnion asks for a door and checks the id that tor made of its key. The service ends with this connection: no
// Detach.
func (c *control) addOnion(cfg Config, d Door, probe Client) error {
	resp, err := c.request("ADD_ONION", d.addOnion(cfg, probe))
	if err != nil {
		return err
	}
	if !slices.Contains(resp.Data, "ServiceID="+d.Key.serviceID()) {
		return fmt.Errorf("%w: ADD_ONION: another address of our key, or none", ErrControl)
	}
	return nil
}

func (c *control) enableNetwork() error {
	_, err := c.request("SETCONF", "SETCONF DisableNetwork=0")
	return err
}

// delOnion takes the service off this tor: it closes the introduction circuits and leaves the circuits of those
// who are already visiting.
func (c *control) delOnion(id string) error {
	_, err := c.request("DEL_ONION", "DEL_ONION "+id)
	return err
}

// forget makes a client tor drop every circuit and descriptor that it has. Tor does so at most every ten
// seconds; asked sooner, it waits until then.
func (c *control) forget() error {
	_, err := c.request("SIGNAL", "SIGNAL NEWNYM")
	return err
}

// bootstrapPhase asks for what an event may have told before we listened, in the event's own form.
func (c *control) bootstrapPhase() (event, error) {
	const key = "status/bootstrap-phase"
	resp, err := c.request("GETINFO", "GETINFO "+key)
	if err != nil {
		return event{}, err
	}
	for _, l := range resp.Data {
		if value, ok := strings.CutPrefix(l, key+"="); ok {
			return event{"STATUS_CLIENT", value}, nil
		}
	}
	return event{}, fmt.Errorf("%w: GETINFO: no bootstrap phase", ErrControl)
}

// halt asks tor to exit at once, which still saves its state.
func (c *control) halt() {
	_, _ = c.request("SIGNAL", "SIGNAL HALT") // a tor that does not answer loses the connection, then is killed
	c.raw.Close()
}
