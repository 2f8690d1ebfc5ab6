package onion_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"emberdrop/onion"
)

// A page travels through the service to a client of the network; then the service goes away and comes back
// under the same address.
func TestPublishAndFetch(t *testing.T) {
	n := privateNetwork(t)
	// A folder's name that ADD_ONION could not take: tor gets only the socket's own name.
	dir := filepath.Join(t.TempDir(), "my dröp \"1\"")
	var log lockedBuffer
	var mu sync.Mutex
	var reports []onion.Progress
	cfg := onion.Config{
		DataDir: filepath.Join(dir, "tor"), Key: onion.NewKey(), TorrcExtra: extra(t, n.Torrc()),
		Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Progress: func(p onion.Progress) {
			mu.Lock()
			defer mu.Unlock()
			reports = append(reports, p)
		},
	}
	began := time.Now()
	s := start(t, cfg)
	t.Logf("launched after %v", time.Since(began).Round(time.Millisecond))
	serve(t, s.Listener(), "first")
	reached(t, s)
	t.Logf("reachable after %v", time.Since(began).Round(time.Millisecond))
	if got, err := fetch(n, s.Address()); got != "first" || err != nil {
		t.Fatal(got, err)
	}
	t.Logf("fetched after %v", time.Since(began).Round(time.Millisecond))
	noTCP(t, s, n)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if p := s.Progress(); p.State != onion.Stopped {
		t.Errorf("after Close: %+v", p)
	}
	if _, err := os.Lstat(filepath.Join(cfg.DataDir, "web.sock")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket is still there: %v", err)
	}

	mu.Lock()
	checkReports(t, reports)
	mu.Unlock()
	checkSecrets(t, cfg, log.String())

	s = start(t, cfg)
	serve(t, s.Listener(), "second")
	reached(t, s)
	if got, err := fetch(n, cfg.Key.Address()); got != "second" || err != nil {
		t.Fatal(got, err)
	}
}

func checkReports(t *testing.T, reports []onion.Progress) {
	t.Helper()
	var states []string
	percent := 0
	for _, p := range reports {
		if len(states) == 0 || states[len(states)-1] != string(p.State) {
			states = append(states, string(p.State))
		}
		if p.Percent < percent {
			t.Errorf("the bar went back from %d to %d", percent, p.Percent)
		}
		percent = p.Percent
	}
	if got, want := strings.Join(states, " "), "connecting publishing reachable stopped"; got != want {
		t.Errorf("states %q, want %q", got, want)
	}
	if percent != 100 || len(reports) < 6 {
		t.Errorf("%d reports up to %d %%", len(reports), percent)
	}
}

// checkSecrets looks for the key, in any form, in everything that was written. That the search finds what it
// looks for is checked first.
func checkSecrets(t *testing.T, cfg onion.Config, log string) {
	t.Helper()
	raw := cfg.Key.Marshal()[32:]
	forms := [][]byte{raw[:32], raw[32:], []byte(base64.StdEncoding.EncodeToString(raw)[:40]), []byte(hex.EncodeToString(raw[:16]))}
	found := func(b []byte) bool {
		for _, f := range forms {
			if bytes.Contains(b, f) {
				return true
			}
		}
		return false
	}
	if !found(cfg.Key.Marshal()) {
		t.Fatal("the search is blind")
	}
	if log == "" || found([]byte(log)) {
		t.Errorf("no log, or the key in it:\n%s", log)
	}
	if strings.Contains(log, strings.TrimSuffix(cfg.Key.Address(), ".onion")) {
		t.Errorf("the address in the log:\n%s", log)
	}
	files := 0
	err := filepath.WalkDir(cfg.DataDir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		files++
		b, err := os.ReadFile(path)
		if found(b) {
			t.Errorf("the key is in %s", d.Name())
		}
		return err
	})
	if err != nil || files == 0 {
		t.Errorf("%d files looked at, %v", files, err)
	}
}

// A stopped tor answers nothing, and Close ends it all the same.
func TestCloseStoppedTor(t *testing.T) {
	needTor(t)
	s := start(t, onion.Config{DataDir: t.TempDir(), Target: privateDir(t) + "/s", Key: onion.NewKey(), TorrcExtra: extra(t, dead)})
	pid := s.Pid()
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("tor is still there: %v", err)
	}
	if err := s.Reached(t.Context()); !errors.Is(err, onion.ErrClosed) {
		t.Errorf("Reached after Close: %v", err)
	}
}

// The context bounds the launch and not the service's life.
func TestContextEndsAfterStart(t *testing.T) {
	needTor(t)
	ctx, cancel := context.WithCancel(t.Context())
	s, err := onion.Start(ctx, onion.Config{DataDir: t.TempDir(), Target: privateDir(t) + "/s", Key: onion.NewKey(), TorrcExtra: extra(t, dead)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	cancel()
	time.Sleep(300 * time.Millisecond) // nothing tells that nothing happens
	if p := s.Progress(); p.State != onion.Connecting || p.Warning != "" || s.Pid() == 0 {
		t.Fatalf("the service ended with the context of its start: %+v", p)
	}
}

func privateDir(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "p")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// An extra torrc may ask for ports as it likes.
func TestNoPortFromExtraTorrc(t *testing.T) {
	n := privateNetwork(t)
	lines := n.Torrc() + `SocksPort 127.0.0.1:auto
+SocksPort 127.0.0.1:auto
ControlPort 127.0.0.1:auto
DNSPort 127.0.0.1:auto
TransPort 127.0.0.1:auto
HTTPTunnelPort 127.0.0.1:auto
MetricsPort 127.0.0.1:0
Log debug file debug.log
SafeLogging 0
`
	dir := privateDir(t)
	s := start(t, onion.Config{DataDir: dir, Key: onion.NewKey(), TorrcExtra: extra(t, lines)})
	reached(t, s)
	noTCP(t, s, n)
	if _, err := os.Stat(filepath.Join(dir, "debug.log")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("tor writes a log of its own: %v", err)
	}
}
