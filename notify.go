package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"strconv"
	"time"

	"emberdrop/onion"
)

// supervisor is systemd, or whoever listens on $NOTIFY_SOCKET: sd_notify(3) is one datagram of lines, so it is sent
// by ourselves. The zero value talks to nobody. What it is told is constant words and percentages.
type supervisor struct {
	conn net.Conn // nil: nobody listens
}

// longStart is how much more time each word from a start or an end that is not stuck asks for.
const longStart = 2 * time.Minute

// newSupervisor connects to the socket in the environment. One that is named and not there is no reason not to serve.
func newSupervisor() supervisor {
	name := os.Getenv("NOTIFY_SOCKET")
	if name == "" {
		return supervisor{}
	}
	// Go takes "@name" for a socket without a file, as systemd means it.
	conn, err := net.Dial("unixgram", name)
	if err != nil {
		return supervisor{}
	}
	return supervisor{conn}
}

func (s supervisor) tell(lines string) {
	if s.conn != nil {
		s.conn.Write([]byte(lines)) // a supervisor that does not listen is not ours to mend
	}
}

func (s supervisor) close() {
	if s.conn != nil {
		s.conn.Close()
	}
}

// busy asks for time as long as work goes on that may take long (a repair, a wipe), and returns what ends that.
func (s supervisor) busy(doing string) (done func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			s.tell(fmt.Sprintf("EXTEND_TIMEOUT_USEC=%d\nSTATUS=%s", longStart.Microseconds(), doing))
			select {
			case <-ctx.Done():
				return
			case <-time.After(longStart / 4):
			}
		}
	}()
	return func() { cancel(); <-ended }
}

// show is the onion service's state in one line, as `systemctl status` shows it.
func (s supervisor) show(p onion.Progress) {
	text := string(p.State)
	if p.State == onion.Connecting {
		text = fmt.Sprintf("%s (%d %%)", text, p.Percent)
	}
	if p.Warning != "" {
		text += ": " + p.Warning
	}
	s.tell("STATUS=" + text)
}

// guard tells the watchdog that we live, twice in each of its periods ($WATCHDOG_USEC) and only if alive says so, until
// ctx ends.
func (s supervisor) guard(ctx context.Context, alive func() bool) {
	period, err := strconv.ParseInt(os.Getenv("WATCHDOG_USEC"), 10, 64)
	pid, ours := os.LookupEnv("WATCHDOG_PID")
	if s.conn == nil || err != nil || period <= 0 || ours && pid != strconv.Itoa(os.Getpid()) {
		return
	}
	beat := time.NewTicker(time.Duration(period) * time.Microsecond / 2)
	defer beat.Stop()
	for {
		if alive() {
			s.tell("WATCHDOG=1")
		}
		select {
		case <-ctx.Done():
			return
		case <-beat.C:
		}
	}
}
