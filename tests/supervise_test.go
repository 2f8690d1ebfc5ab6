package tests

import (
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"emberdrop/tests/tornet"
)

// The service stays up by itself: whatever is done to its tor, it says so, and is reachable again under the same
// address, with no tor left over. What systemd is told is held against it. The long form (EMBERDROP_SOAK) adds a tor
// that is stopped and relays that are all gone for a minute.
func TestStaysUp(t *testing.T) {
	told := supervise(t)
	data := freshData(t)
	s := serveTor(t, data)
	told.want(t, "READY=1", "STATUS=publishing", "STATUS=reachable", "EXTEND_TIMEOUT_USEC=", "WATCHDOG=1")
	if state, _ := stateOf(t, data); state != "reachable" {
		t.Errorf("the address is printed and it is %q", state)
	}
	address, tors := s.Address, torsOf(t, data)
	if len(tors) != 2 {
		t.Fatalf("%d tors, want one that serves and one that probes", len(tors))
	}

	for _, c := range faults(t) {
		began := time.Now()
		back := c.hurt(data)
		t.Logf("%s: %s", c.name, awaitState(t, data, "degraded"))
		back()
		healed := time.Now()
		awaitState(t, data, "reachable")
		outage := time.Since(began)
		t.Logf("%s: out for %v, %v of them with nothing in its way", c.name, outage.Round(100*time.Millisecond), time.Since(healed).Round(100*time.Millisecond))
		if s.Ended() {
			t.Fatalf("%s: serve has ended\n%s", c.name, s.Log())
		}
		newcomer(t)
		reachable(t, s)
		told.want(t, "STATUS=degraded: ", "STATUS=reachable")
	}

	// Ourselves, and with us everything. The tors die with us, one of them stopped, which cannot notice anything.
	signalTor(t, data, "tor", syscall.SIGSTOP)
	before := torsOf(t, data)
	s.Kill()
	for end := time.Now().Add(10 * time.Second); len(torsOf(t, data)) > 0; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d of %d tors outlive the server", len(torsOf(t, data)), len(before))
		}
	}
	newcomer(t)
	began := time.Now()
	s = serveTor(t, data)
	t.Logf("everything restarted: reachable after %v", time.Since(began).Round(100*time.Millisecond))
	if s.Address != address {
		t.Errorf("another address after a restart: %s", s.Address)
	}
	if err := s.Stop(); err != nil {
		t.Error(err)
	}
	told.want(t, "STOPPING=1", "STATUS=stopped")

	// Nobody was ever a visitor of a link.
	if out := told.all(); strings.Contains(out, strings.TrimPrefix(address, "http://")) {
		t.Errorf("the supervisor was told the address:\n%s", out)
	}
}

type fault struct {
	name string
	hurt func(data string) (back func())
}

func faults(t *testing.T) []fault {
	list := []fault{
		{"tor killed", func(data string) func() { signalTor(t, data, "tor", syscall.SIGKILL); return func() {} }},
	}
	if os.Getenv("EMBERDROP_SOAK") == "" {
		return list
	}
	return append(list,
		fault{"both tors killed", func(data string) func() {
			signalTor(t, data, "tor-probe", syscall.SIGKILL)
			signalTor(t, data, "tor", syscall.SIGKILL)
			return func() {}
		}},
		fault{"tor stopped, for good", func(data string) func() { signalTor(t, data, "tor", syscall.SIGSTOP); return func() {} }},
		fault{"all relays gone for a minute", func(string) func() {
			n := theNetwork(t)
			for i := range n.Relays() {
				if err := n.StopRelay(i); err != nil {
					t.Fatal(err)
				}
			}
			began := time.Now()
			return func() {
				time.Sleep(time.Until(began.Add(time.Minute)))
				for i := range n.Relays() {
					if err := n.StartRelay(i); err != nil {
						t.Fatal(err)
					}
				}
			}
		}},
	)
}

// newcomer makes the network's client somebody who comes for the first time.
func newcomer(t *testing.T) {
	t.Helper()
	if err := theNetwork(t).Forget(); err != nil {
		t.Fatal(err)
	}
}

// stateOf asks a running server how it is.
func stateOf(t *testing.T, data string) (state string, out []byte) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), theProgram(t), "status", "--json", "--data", data).Output()
	if err != nil {
		t.Fatalf("status: %v", err)
	}
	var s struct{ State string }
	if err := json.Unmarshal(out, &s); err != nil {
		t.Fatal(err)
	}
	return s.State, out
}

// awaitState waits for a state, for at most four minutes, and returns the whole status.
func awaitState(t *testing.T, data, want string) []byte {
	t.Helper()
	for end := time.Now().Add(4 * time.Minute); ; time.Sleep(50 * time.Millisecond) {
		state, out := stateOf(t, data)
		if state == want {
			return out
		}
		if time.Now().After(end) {
			t.Fatalf("it stays %s: %s", state, out)
		}
	}
}

// torsOf are the tors of a data folder: process ids by the name of their own folder in it.
func torsOf(t *testing.T, data string) map[string]int {
	t.Helper()
	tors := map[string]int{}
	all, err := tornet.Processes()
	if err != nil {
		t.Fatal(err)
	}
	for pid, args := range all {
		for i, arg := range args {
			if strings.EqualFold(arg, "--DataDirectory") && i+1 < len(args) && filepath.Dir(args[i+1]) == data {
				tors[filepath.Base(args[i+1])] = pid
			}
		}
	}
	return tors
}

func signalTor(t *testing.T, data, name string, sig syscall.Signal) {
	t.Helper()
	pid := torsOf(t, data)[name]
	if pid == 0 {
		t.Fatalf("there is no %s", name)
	}
	if err := syscall.Kill(pid, sig); err != nil {
		t.Fatal(err)
	}
}

// supervisor stands for systemd.
type supervisor struct {
	mu   sync.Mutex
	told []string
	seen int // what want has found so far
}

// supervise listens on $NOTIFY_SOCKET for the programs that this test starts.
func supervise(t *testing.T) *supervisor {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	t.Setenv("NOTIFY_SOCKET", path)
	t.Setenv("WATCHDOG_USEC", "2000000")
	s := &supervisor{}
	go func() {
		buf := make([]byte, 4096)
		for {
			n, err := conn.Read(buf)
			if err != nil {
				return
			}
			s.mu.Lock()
			s.told = append(s.told, strings.Split(string(buf[:n]), "\n")...)
			s.mu.Unlock()
		}
	}()
	return s
}

// want waits until lines that begin so have come, in any order, since it was last called.
func (s *supervisor) want(t *testing.T, lines ...string) {
	t.Helper()
	s.mu.Lock()
	from := s.seen
	s.mu.Unlock()
	for _, line := range lines {
		found := false
		for end := time.Now().Add(10 * time.Second); !found && time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
			s.mu.Lock()
			for _, told := range s.told[from:] {
				found = found || strings.HasPrefix(told, line)
			}
			s.seen = len(s.told)
			s.mu.Unlock()
		}
		if !found {
			t.Errorf("the supervisor was not told %q:\n%s", line, s.all())
		}
	}
}

func (s *supervisor) all() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.told, "\n")
}
