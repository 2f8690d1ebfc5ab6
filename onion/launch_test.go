package onion_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"emberdrop/onion"
)

// script makes an executable that stands for tor.
func script(t *testing.T, body string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tor")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+body), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

func says(version string) string { return "echo 'Tor version " + version + "'\nexit 0\n" }

func TestTorVersion(t *testing.T) {
	t.Setenv("PATH", "/usr/bin:/bin") // the scripts need a shell's commands
	for name, c := range map[string]struct {
		tor  string
		want error
	}{
		"missing":            {filepath.Join(t.TempDir(), "tor"), onion.ErrNoTor},
		"missing from PATH":  {"no-such-tor", onion.ErrNoTor},
		"a folder":           {t.TempDir(), onion.ErrNoTor},
		"fails":              {script(t, "exit 1\n"), onion.ErrNoTor},
		"is no tor":          {script(t, "echo something else\n"), onion.ErrNoTor},
		"nonsense":           {script(t, says("0.4.x.11.")), onion.ErrNoTor},
		"Debian 12":          {script(t, says("0.4.7.16.")), onion.ErrOldTor},
		"0.4.8":              {script(t, says("0.4.8.21.")), onion.ErrOldTor},
		"PoW can crash it":   {script(t, says("0.4.9.8 (git-0123456789abcdef).")), onion.ErrOldTor},
		"alpha":              {script(t, says("0.4.9.3-alpha.")), onion.ErrOldTor},
		"new, does not run":  {script(t, `[ "$1" = --version ] && echo 'Tor version 0.4.9.9.' || exit 1`), onion.ErrTor},
		"newer, is no tor":   {script(t, `[ "$1" = --version ] && echo 'Tor version 0.5.0.1-alpha (git-0).' || echo`), onion.ErrTor},
		"10 is more than 9":  {script(t, `[ "$1" = --version ] && echo 'Tor version 0.4.10.0.' || exit 1`), onion.ErrTor},
		"11 is more than 9":  {script(t, `[ "$1" = --version ] && echo 'Tor version 0.4.9.11.' || exit 1`), onion.ErrTor},
		"talks, then leaves": {script(t, `[ "$1" = --version ] && echo 'Tor version 0.4.9.11.' || echo 'Nov 22 10:43:39.068 [err] words' >&2`), onion.ErrTor},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := onion.Start(t.Context(), onion.Config{Tor: c.tor, DataDir: privateDir(t), Key: onion.NewKey()})
			if s != nil || !errors.Is(err, c.want) {
				t.Fatalf("got %v, want %v", err, c.want)
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("more than one line: %q", err)
			}
			if c.want != onion.ErrTor && (!strings.Contains(err.Error(), "apt") || !strings.Contains(err.Error(), onion.MinVersion)) {
				t.Errorf("no way out: %q", err)
			}
			if name == "talks, then leaves" && !strings.Contains(err.Error(), "words") {
				t.Errorf("its complaint is lost: %q", err)
			}
		})
	}
}

// A tor that hangs while it starts is killed when the context ends.
func TestHangingTor(t *testing.T) {
	dir := privateDir(t)
	tor := script(t, `[ "$1" = --version ] && echo 'Tor version 0.4.9.11.' || exec sleep 1000`)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second) // --version must have answered by then
	defer cancel()
	began := time.Now()
	_, err := onion.Start(ctx, onion.Config{Tor: tor, DataDir: dir, Key: onion.NewKey()})
	if !errors.Is(err, onion.ErrTor) || !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("got %v", err)
	}
	if time.Since(began) > 30*time.Second {
		t.Errorf("after %v", time.Since(began))
	}
	if _, err := os.Lstat(filepath.Join(dir, "web.sock")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is still there: %v", err)
	}
}

// Nobody has to end the context: one that never answers is given up.
func TestHangingTorIsGivenUp(t *testing.T) {
	tor := script(t, `[ "$1" = --version ] && echo 'Tor version 0.4.9.11.' || exec sleep 1000`)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	_, err := onion.Start(ctx, onion.Config{
		Tor: tor, DataDir: privateDir(t), Key: onion.NewKey(), Pace: onion.Pace{Launch: 300 * time.Millisecond},
	})
	if !errors.Is(err, onion.ErrTor) || !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("got %v", err)
	}
	if ctx.Err() != nil {
		t.Error("only when its caller gave up")
	}
}

// An extra torrc that tor does not understand is named, once and in tor's words; the log stays free of them.
func TestBadExtraTorrc(t *testing.T) {
	needTor(t)
	var log lockedBuffer
	_, err := onion.Start(t.Context(), onion.Config{
		DataDir: privateDir(t), Key: onion.NewKey(), TorrcExtra: extra(t, dead+"NoSuchOption 1\n"),
		Log: slog.New(slog.NewTextHandler(&log, nil)),
	})
	if !errors.Is(err, onion.ErrTor) || !strings.Contains(err.Error(), "NoSuchOption") {
		t.Errorf("got %v", err)
	}
	if !strings.Contains(log.String(), "category=configuration") || strings.Contains(log.String(), "NoSuchOption") {
		t.Errorf("the log:\n%s", log.String())
	}
	if _, err := onion.Start(t.Context(), onion.Config{DataDir: privateDir(t), Key: onion.NewKey(), TorrcExtra: "/no/such/file"}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
}

func TestBadConfig(t *testing.T) {
	k := onion.NewKey()
	for name, cfg := range map[string]onion.Config{
		"no key":           {DataDir: t.TempDir()},
		"no folder":        {Key: k},
		"negative streams": {DataDir: t.TempDir(), Key: k, MaxStreams: -1},
		"too many streams": {DataDir: t.TempDir(), Key: k, MaxStreams: 65536},
		"negative rate":    {DataDir: t.TempDir(), Key: k, PoWRate: -1, PoWBurst: 1},
		"burst below rate": {DataDir: t.TempDir(), Key: k, PoWRate: 100, PoWBurst: 99},
	} {
		if s, err := onion.Start(t.Context(), cfg); err == nil {
			s.Close()
			t.Errorf("%s: it started", name)
		}
	}
}

func TestSocket(t *testing.T) {
	needTor(t)
	try := func(target string) error {
		s, err := onion.Start(t.Context(), onion.Config{DataDir: privateDir(t), Target: target, Key: onion.NewKey(), TorrcExtra: extra(t, dead)})
		if err != nil {
			return err
		}
		defer s.Close()
		socket, err := os.Stat(target)
		if err != nil {
			t.Fatal(err)
		}
		dir, err := os.Stat(filepath.Dir(target))
		if err != nil {
			t.Fatal(err)
		}
		if socket.Mode() != os.ModeSocket|0o600 || dir.Mode().Perm() != 0o700 {
			t.Errorf("modes %v in %v", socket.Mode(), dir.Mode())
		}
		return nil
	}
	short, err := os.MkdirTemp("", "s")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(short)

	long := short + "/" + strings.Repeat("x", 107-len(short)-1)
	if err := try(long); err != nil {
		t.Errorf("107 bytes: %v", err)
	}
	if err := try(long + "x"); !errors.Is(err, onion.ErrSocketPath) || !strings.Contains(err.Error(), "shorter") {
		t.Errorf("108 bytes: %v", err)
	}
	if err := try(short + "/a b"); !errors.Is(err, onion.ErrSocketPath) {
		t.Errorf("a space: %v", err)
	}
	if err := try(short + "/new/folder/s"); err != nil {
		t.Errorf("a new folder: %v", err)
	}

	open := filepath.Join(short, "open")
	if err := os.Mkdir(open, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := try(open + "/s"); err == nil || !strings.Contains(err.Error(), "chmod 700") {
		t.Errorf("an open folder: %v", err)
	}

	// What a killed program leaves: a socket that nobody listens on.
	stale := short + "/stale"
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: stale, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	if err := try(stale); !errors.Is(err, onion.ErrSocketBusy) {
		t.Errorf("a socket in use: %v", err)
	}
	l.Close()
	if err := try(stale); err != nil {
		t.Errorf("a stale socket: %v", err)
	}

	file := short + "/file"
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := try(file); err == nil {
		t.Error("a file was taken for a socket")
	}
	if b, _ := os.ReadFile(file); !bytes.Equal(b, []byte("precious")) {
		t.Error("a file was replaced")
	}
}

// A tor that dies in its own sandbox, as one does on a machine whose C library or kernel it was not made for, is
// started without, and the log says so. This one dies when it starts; a later death comes the same way.
func TestSandboxThatDoesNotFit(t *testing.T) {
	needTor(t)
	real, err := exec.LookPath("tor")
	if err != nil {
		t.Fatal(err)
	}
	calls := filepath.Join(t.TempDir(), "calls")
	tor := script(t, `[ "$1" = --version ] && exec `+real+` "$@"
echo x >>`+calls+`
case "$*" in *"--Sandbox 0"*) exec `+real+` "$@";; esac
printf '\n============================================================ T= 1763818419\n'
echo '(Sandbox) Caught a bad syscall attempt (syscall openat)'
exit 1
`)
	var log lockedBuffer
	s := start(t, onion.Config{
		Tor: tor, DataDir: privateDir(t), Key: onion.NewKey(), TorrcExtra: extra(t, dead), Log: slog.New(slog.NewTextHandler(&log, nil)),
	})
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.Pid()))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(raw), "\nName:\ttor\n") && !strings.HasPrefix(string(raw), "Name:\ttor\n") {
		t.Errorf("what runs is no tor:\n%s", raw)
	}
	if n := strings.Count(log.String(), "category=sandbox"); n != 1 {
		t.Errorf("the log speaks of it %d times:\n%s", n, log.String())
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// On this machine it fits: tor's own filter is in force, in both tors.
func TestSandbox(t *testing.T) {
	needTor(t)
	s := start(t, onion.Config{DataDir: t.TempDir(), Target: privateDir(t) + "/s", Key: onion.NewKey(), TorrcExtra: extra(t, dead)})
	for end := time.Now().Add(time.Minute); s.ScoutPid() == 0 && time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
	}
	for _, pid := range []int{s.Pid(), s.ScoutPid()} {
		raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(raw), "\nSeccomp:\t2\n") {
			t.Errorf("process %d has no filter:\n%s", pid, raw)
		}
	}
}
