package browser

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
)

// The DevTools protocol over a pipe: JSON messages that end with a zero byte, to
// the browser's descriptor 3 and from its descriptor 4. A command has an id, and
// its answer the same one; events have none. Source: Chromium's
// content/browser/devtools/devtools_pipe_handler.cc and
// chromedevtools.github.io/devtools-protocol.

// devtools is one connection, for commands of one goroutine.
type devtools struct {
	to, from *os.File
	session  string // of the page, once it is attached
	event    func(method string, params json.RawMessage)

	mu      sync.Mutex
	id      int
	waiting map[int]chan devtoolsAnswer
	err     error // why nothing is read any more
}

type devtoolsAnswer struct {
	Result json.RawMessage `json:"result"`
	Error  *devtoolsError  `json:"error"`
}

// devtoolsError is an error as the browser reports it.
type devtoolsError struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

func (e *devtoolsError) Error() string { return e.Message }

// errSilent means that the browser did not answer in time.
var errSilent = errors.New("the browser does not answer")

// newDevtools speaks over two pipes; event is called for every event, from a
// goroutine of its own.
func newDevtools(to, from *os.File, event func(method string, params json.RawMessage)) *devtools {
	d := &devtools{to: to, from: from, event: event, waiting: map[int]chan devtoolsAnswer{}}
	go d.read()
	return d
}

func (d *devtools) read() {
	lines := bufio.NewReaderSize(d.from, 1<<20)
	for {
		raw, err := lines.ReadBytes(0)
		var message struct {
			ID     int             `json:"id"`
			Method string          `json:"method"`
			Params json.RawMessage `json:"params"`
			devtoolsAnswer
		}
		if err == nil {
			err = json.Unmarshal(raw[:len(raw)-1], &message)
		}
		if err != nil {
			d.mu.Lock()
			defer d.mu.Unlock()
			d.err = fmt.Errorf("read from the browser: %w", err)
			for _, c := range d.waiting {
				close(c)
			}
			d.waiting = nil
			return
		}
		if message.Method != "" {
			d.event(message.Method, message.Params)
			continue
		}
		d.mu.Lock()
		if c := d.waiting[message.ID]; c != nil {
			c <- message.devtoolsAnswer
			delete(d.waiting, message.ID)
		}
		d.mu.Unlock()
	}
}

// call sends one command and stores its result in out, unless out is nil.
func (d *devtools) call(timeout time.Duration, method string, params map[string]any, out any) error {
	if params == nil {
		params = map[string]any{}
	}
	answer := make(chan devtoolsAnswer, 1)
	d.mu.Lock()
	if d.err != nil {
		d.mu.Unlock()
		return fmt.Errorf("%s: %w", method, d.err)
	}
	d.id++
	command := map[string]any{"id": d.id, "method": method, "params": params}
	if d.session != "" {
		command["sessionId"] = d.session
	}
	d.waiting[d.id] = answer
	d.mu.Unlock()
	raw, err := json.Marshal(command)
	if err == nil {
		_, err = d.to.Write(append(raw, 0))
	}
	if err != nil {
		return fmt.Errorf("%s: %w", method, err)
	}
	select {
	case a, ok := <-answer:
		if !ok {
			return fmt.Errorf("%s: %w", method, d.err)
		}
		if a.Error != nil {
			return fmt.Errorf("%s: %w", method, a.Error)
		}
		if out == nil {
			return nil
		}
		return json.Unmarshal(a.Result, out)
	case <-time.After(timeout):
		return fmt.Errorf("%s: %w", method, errSilent)
	}
}

func (d *devtools) close() {
	d.to.Close()
	d.from.Close()
}
