package browser

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"time"
)

// A Marionette message is its length in decimal, a colon, and that many bytes
// of JSON: [0, id, command, parameters] to the browser, [1, id, error, result]
// back. The first message is the browser's greeting, an object. Source: Firefox
// source docs, "Marionette protocol", level 3.

// maxMessage bounds one message; a full page screenshot is the largest kind.
const maxMessage = 256 << 20

// marionetteError is a WebDriver error as the browser reports it, such as
// "no such element".
type marionetteError struct {
	Code    string `json:"error"`
	Message string `json:"message"`
}

func (e *marionetteError) Error() string { return e.Code + ": " + e.Message }

// code returns the WebDriver error code in err, or the empty string.
func code(err error) string {
	if e, ok := errors.AsType[*marionetteError](err); ok {
		return e.Code
	}
	return ""
}

// conn is one Marionette connection. Commands run one at a time.
type conn struct {
	net net.Conn
	r   *bufio.Reader

	mu sync.Mutex
	id int
}

// dial connects to a Marionette server and reads its greeting.
func dial(addr string, timeout time.Duration) (*conn, error) {
	c, err := net.DialTimeout("tcp", addr, timeout)
	if err != nil {
		return nil, err
	}
	m := &conn{net: c, r: bufio.NewReader(c)}
	var hello struct {
		Protocol int `json:"marionetteProtocol"`
	}
	c.SetReadDeadline(time.Now().Add(timeout))
	raw, err := m.read()
	if err == nil {
		err = json.Unmarshal(raw, &hello)
	}
	if err == nil && hello.Protocol != 3 {
		err = fmt.Errorf("marionette speaks protocol %d, not 3", hello.Protocol)
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return m, nil
}

func (m *conn) read() ([]byte, error) {
	digits, err := m.r.ReadString(':')
	if err != nil {
		return nil, err
	}
	n, err := strconv.Atoi(digits[:len(digits)-1])
	if err != nil || n < 0 || n > maxMessage {
		return nil, fmt.Errorf("marionette message of length %q", digits)
	}
	raw := make([]byte, n)
	_, err = io.ReadFull(m.r, raw)
	return raw, err
}

// call sends one command and stores its result in out, unless out is nil. After
// an error that is not a *marionetteError the connection is of no further use.
func (m *conn) call(timeout time.Duration, command string, params map[string]any, out any) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.id++
	if params == nil {
		params = map[string]any{}
	}
	raw, err := json.Marshal([]any{0, m.id, command, params})
	if err != nil {
		return fmt.Errorf("%s: %w", command, err)
	}
	m.net.SetDeadline(time.Now().Add(timeout))
	if _, err := fmt.Fprintf(m.net, "%d:%s", len(raw), raw); err != nil {
		return fmt.Errorf("%s: %w", command, err)
	}
	reply, err := m.read()
	if err != nil {
		return fmt.Errorf("%s: %w", command, err)
	}
	var fields [4]json.RawMessage
	var id int
	if err := json.Unmarshal(reply, &fields); err != nil {
		return fmt.Errorf("%s: %w", command, err)
	}
	if err := json.Unmarshal(fields[1], &id); err != nil || id != m.id {
		return fmt.Errorf("%s: reply to another command", command)
	}
	if string(fields[2]) != "null" {
		e := new(marionetteError)
		if err := json.Unmarshal(fields[2], e); err != nil {
			return fmt.Errorf("%s: %w", command, err)
		}
		return fmt.Errorf("%s: %w", command, e)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(fields[3], out)
}

func (m *conn) close() { m.net.Close() }
