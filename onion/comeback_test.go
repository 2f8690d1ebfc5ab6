package onion_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"emberdrop/onion"
	"emberdrop/tests/tornet"
)

// quick is a pace for tests: what takes half a minute by default takes seconds.
var quick = onion.Pace{
	Heartbeat: time.Second, HeartbeatTimeout: 3 * time.Second, RestartMin: 100 * time.Millisecond, RestartMax: 2 * time.Second,
	Probe: 20 * time.Second, ProbeRetry: time.Second, ProbeTimeout: 10 * time.Second, Stuck: 20 * time.Second, Remedy: 3 * time.Second, RemedyMax: 20 * time.Second,
}

// Whatever happens to tor or to the network, the service comes back by itself under the same address, and says so.
// Each outage is logged. The listener is one and the same all the time.
func TestComesBack(t *testing.T) {
	n := privateNetwork(t)
	var jump atomic.Int64
	var log lockedBuffer
	dir := filepath.Join(privateDir(t), `my dröp "1"`)
	s := start(t, onion.Config{
		DataDir: filepath.Join(dir, "tor"), Key: onion.NewKey(), TorrcExtra: extra(t, n.Torrc()), Pace: quick,
		Log: slog.New(slog.NewTextHandler(&log, nil)),
		Now: func() time.Time { return time.Now().Add(time.Duration(jump.Load())) },
	})
	serve(t, s.Listener(), "here")
	reached(t, s)
	defer func() {
		if t.Failed() {
			t.Log(log.String())
		}
	}()
	for _, c := range []struct {
		name string
		hurt func(t *testing.T)
		says string
	}{
		{"killed", func(t *testing.T) { signal(t, s.Pid(), syscall.SIGKILL) }, "tor has exited"},
		{"stopped", func(t *testing.T) { signal(t, s.Pid(), syscall.SIGSTOP) }, "tor answers nothing"},
		{"control cut", func(*testing.T) { s.CutControl() }, "it is started again"}, // tor exits at once when its connection ends: which of the two is seen first is chance
		{"clock ahead", func(*testing.T) { jump.Add(int64(time.Hour)) }, "clock jumped"},
		{"withdrawn behind our back", func(t *testing.T) {
			// Remedies alternate: had one been given just before, the next would be another tor.
			await(t, s, func(p onion.Progress) bool { return p.State == onion.Reachable && s.Remedies()%2 == 0 })
			if err := s.Withdraw(); err != nil {
				t.Fatal(err)
			}
			jump.Add(-int64(time.Hour)) // back, and so that we need not wait for the next probe
		}, "published anew"},
		{"both killed", func(t *testing.T) { signal(t, s.ScoutPid(), syscall.SIGKILL); signal(t, s.Pid(), syscall.SIGKILL) }, "tor has exited"},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := s.Progress()
			if before.State != onion.Reachable {
				t.Fatalf("before it was hurt: %+v", before)
			}
			began := time.Now()
			c.hurt(t)
			heard := await(t, s, func(p onion.Progress) bool { return p.State == onion.Degraded && strings.Contains(p.Warning, c.says) })
			t.Logf("noticed after %v: %s", time.Since(began).Round(10*time.Millisecond), heard.Warning)
			await(t, s, func(p onion.Progress) bool { return p.State == onion.Reachable })
			t.Logf("reachable after %v", time.Since(began).Round(10*time.Millisecond))
			visit(t, n, s.Address(), "here")
		})
	}
	noTCP(t, s, n)
}

// A tor that lost its introduction points again and again gives up for five minutes, and tells nobody.
func TestIntroductionPointsLost(t *testing.T) {
	n := privateNetwork(t)
	pace := quick
	pace.Probe = time.Hour // so that no other proof finds it
	s := start(t, onion.Config{
		DataDir: filepath.Join(privateDir(t), "tor"), Key: onion.NewKey(), TorrcExtra: extra(t, n.Torrc()), Pace: pace,
	})
	serve(t, s.Listener(), "here")
	reached(t, s)
	time.Sleep(2 * pace.Heartbeat) // it must have seen them to miss them
	began := time.Now()
	for s.Progress().State == onion.Reachable { // until it is noticed
		if time.Since(began) > 3*time.Minute {
			t.Fatal("nothing is noticed")
		}
		if err := s.CutIntros(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Logf("noticed after %v: %+v", time.Since(began).Round(10*time.Millisecond), s.Progress())
	began = time.Now()
	await(t, s, func(p onion.Progress) bool { return p.State == onion.Reachable })
	t.Logf("reachable after %v", time.Since(began).Round(10*time.Millisecond))
	visit(t, n, s.Address(), "here")
}

// The network goes away, all of it, and comes back.
func TestRelaysRestarted(t *testing.T) {
	n := privateNetwork(t)
	var log lockedBuffer
	s := start(t, onion.Config{
		DataDir: filepath.Join(privateDir(t), "tor"), Key: onion.NewKey(), TorrcExtra: extra(t, n.Torrc()), Pace: quick,
		Log: slog.New(slog.NewTextHandler(&log, nil)),
	})
	serve(t, s.Listener(), "here")
	reached(t, s)
	for i := range n.Relays() {
		if err := n.StopRelay(i); err != nil {
			t.Fatal(err)
		}
	}
	heard := await(t, s, func(p onion.Progress) bool {
		return p.State == onion.Degraded && strings.Contains(p.Warning, "no connection")
	})
	t.Logf("without a network: %s", heard.Warning)
	await(t, s, func(p onion.Progress) bool { return strings.Contains(p.Warning, "started") }) // and that was tried
	for i := range n.Relays() {
		if err := n.StartRelay(i); err != nil {
			t.Fatal(err)
		}
	}
	began := time.Now()
	await(t, s, func(p onion.Progress) bool { return p.State == onion.Reachable })
	t.Logf("reachable %v after the relays were started again", time.Since(began).Round(10*time.Millisecond))
	visit(t, n, s.Address(), "here")
	t.Log(log.String())
}

func signal(t *testing.T, pid int, sig syscall.Signal) {
	t.Helper()
	if pid == 0 {
		t.Fatal("no tor to signal")
	}
	if err := syscall.Kill(pid, sig); err != nil {
		t.Fatal(err)
	}
}

// await polls the service's progress for at most five minutes.
func await(t *testing.T, s *onion.Service, ok func(onion.Progress) bool) onion.Progress {
	t.Helper()
	for end := time.Now().Add(5 * time.Minute); ; time.Sleep(10 * time.Millisecond) {
		p := s.Progress()
		if ok(p) {
			return p
		}
		if time.Now().After(end) {
			t.Fatalf("it stays at %+v", p)
		}
	}
}

// visit fetches the page as somebody who comes for the first time, and does so again when it hangs.
func visit(t *testing.T, n *tornet.Network, host, want string) {
	t.Helper()
	if err := n.Forget(); err != nil {
		t.Fatal(err)
	}
	if got, err := fetchRenewed(n, host, n.Forget); got != want || err != nil {
		t.Fatalf("a visitor gets %q, %v", got, err)
	}
}

// A service whose page is not ours is not called reachable; with nothing to prove it by, a published one says so.
func TestReachableIsProved(t *testing.T) {
	n := privateNetwork(t)
	var ours atomic.Bool
	var checks atomic.Int32
	cfg := onion.Config{
		DataDir: filepath.Join(privateDir(t), "tor"), Key: onion.NewKey(), TorrcExtra: extra(t, n.Torrc()), Pace: quick,
		Check: func(_ context.Context, conn net.Conn) error {
			checks.Add(1)
			if _, err := conn.Write([]byte("GET / HTTP/1.0\r\n\r\n")); err != nil {
				return err
			}
			buf := make([]byte, 12)
			if _, err := conn.Read(buf); err != nil || !bytes.HasPrefix(buf, []byte("HTTP/1.0 200")) {
				return errors.New("no page")
			}
			if !ours.Load() {
				return errors.New("not our page")
			}
			return nil
		},
	}
	s := start(t, cfg)
	serve(t, s.Listener(), "here")
	p := await(t, s, func(p onion.Progress) bool { return checks.Load() > 1 && p.Warning != "" })
	if p.State != onion.Publishing || !strings.Contains(p.Warning, "do not get through") {
		t.Errorf("with a page that is not ours: %+v", p)
	}
	if last, ok := s.Proof(); !ok || last.Through || last.Failures < 1 {
		t.Errorf("the last proof: %+v, %v, want failures", last, ok)
	}
	ours.Store(true)
	reached(t, s)
	if p := s.Progress(); p.State != onion.Reachable || p.Warning != "" {
		t.Errorf("with our page: %+v", p)
	}
	if last, ok := s.Proof(); !ok || !last.Through || last.Failures != 0 || last.Ago < 0 || last.Ago > 5*time.Minute {
		t.Errorf("the last proof: %+v, %v, want that it got through", last, ok)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	cfg.Pace.Probe = -1
	s = start(t, cfg)
	reached(t, s)
	if p := s.Progress(); p.State != onion.Published || s.ScoutPid() != 0 {
		t.Errorf("with nothing to prove it by: %+v, probing tor %d", p, s.ScoutPid())
	}
	if last, ok := s.Proof(); ok {
		t.Errorf("with nothing to prove it by, a proof: %+v", last)
	}
}

// A tor that starts once and never again is tried again and again, and nothing but Close ends the service.
func TestTorGoesMissing(t *testing.T) {
	needTor(t)
	gone := filepath.Join(t.TempDir(), "gone")
	tor := script(t, `[ "$1" = --version ] && exec tor --version; [ -e `+gone+` ] && exit 1; exec tor "$@"`)
	var log lockedBuffer
	s := start(t, onion.Config{
		Tor: tor, DataDir: privateDir(t), Key: onion.NewKey(), TorrcExtra: extra(t, dead), Pace: quick,
		Log: slog.New(slog.NewTextHandler(&log, nil)),
	})
	if err := os.WriteFile(gone, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	signal(t, s.Pid(), syscall.SIGKILL)
	until(t, "it is not tried again", func() bool { return strings.Count(log.String(), "category=failed") > 2 })
	if p := s.Progress(); !strings.Contains(p.Warning, "tor does not start") {
		t.Errorf("it says %+v", p)
	}
	if err := os.Remove(gone); err != nil {
		t.Fatal(err)
	}
	until(t, "no tor although it is there again", func() bool { return s.Pid() != 0 })
}
