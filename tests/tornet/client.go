package tornet

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"time"
)

// control is where the client takes commands: a socket in its folder, which is ours alone.
func (n *Network) control() string { return filepath.Join(n.dir, "client", "control") }

// Forget makes the client a visitor who comes for the first time: it drops every circuit, descriptor and key for a
// private service, and what it thinks of the relays. Tor does so at most every ten seconds, and would put it off if
// asked sooner; so this waits.
func (n *Network) Forget() error {
	const every = 10*time.Second + 100*time.Millisecond
	n.forgetting.Lock()
	defer n.forgetting.Unlock()
	time.Sleep(time.Until(n.forgot.Add(every)))
	defer func() { n.forgot = time.Now() }()
	if err := n.Pardon(); err != nil {
		return err
	}
	return n.Command("SIGNAL NEWNYM")
}

// Persist calls try until it succeeds, as a person does who wants to get in: again when nothing has come for half a
// minute, after a call of renew, for four minutes at most. Tor by itself would wait in a circuit for two (SocksTimeout),
// and in a proof of work that it takes to be unsolved for ever (hs_currently_solving_pow in tor 0.4.9.11); Forget is the
// renew that helps there.
func Persist(ctx context.Context, renew func() error, try func(context.Context) error) error {
	for end := time.Now().Add(4 * time.Minute); ; time.Sleep(time.Second) {
		soon, cancel := context.WithTimeout(ctx, 30*time.Second)
		err := try(soon)
		hung := soon.Err() != nil
		cancel()
		if err == nil || ctx.Err() != nil || time.Now().After(end) {
			return err
		}
		if hung {
			if err := renew(); err != nil {
				return err
			}
		}
	}
}

// Pardon makes the client try relays again that failed it. By itself it leaves a guard alone for ten minutes
// (guard-spec, "Retrying guards"), and here there are few others.
func (n *Network) Pardon() error { return n.Command("DROPGUARDS") }

// Command sends one line to the client's control port (control-spec) and fails unless the answer is 25x.
func (n *Network) Command(line string) error {
	c, err := n.dial()
	if err != nil {
		return err
	}
	defer c.Close()
	return c.do(line)
}

// session is a connection to the client's control port.
type session struct {
	net.Conn
	answers *bufio.Scanner
}

// dial opens a session. The socket is in our own folder, and asks for no secret.
func (n *Network) dial() (*session, error) {
	conn, err := net.DialTimeout("unix", n.control(), 10*time.Second)
	if err != nil {
		return nil, err
	}
	c := &session{conn, bufio.NewScanner(conn)}
	if err := c.do("AUTHENTICATE"); err != nil {
		conn.Close()
		return nil, err
	}
	return c, nil
}

// do sends a line and fails unless the answer is 25x.
func (c *session) do(line string) error {
	answer, err := c.say(line)
	if err == nil && !strings.HasPrefix(answer, "25") {
		err = fmt.Errorf("%w: the client says %q", ErrNode, answer)
	}
	return err
}

// say sends a line and returns the answer, which is one line too.
func (c *session) say(line string) (answer string, err error) {
	if err := c.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return "", err
	}
	if _, err := fmt.Fprintf(c, "%s\r\n", line); err != nil {
		return "", err
	}
	if !c.answers.Scan() {
		return "", fmt.Errorf("%w: the client does not answer", ErrNode)
	}
	return c.answers.Text(), nil
}
