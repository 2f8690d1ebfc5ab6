package onion_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"emberdrop/onion"
	"emberdrop/tests/tornet"
)

// child is the program that TestParentKilled kills.
func child(dir string) {
	torrc := filepath.Join(dir, "extra")
	err := os.WriteFile(torrc, []byte(dead), 0o600)
	if err == nil {
		_, err = onion.Start(context.Background(), onion.Config{
			Tor: os.Getenv(childTor), DataDir: filepath.Join(dir, "tor"), Key: onion.NewKey(), TorrcExtra: torrc,
		})
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	select {}
}

// No tor outlives a program that was killed. One that runs sees the closed control connection; one that
// hangs, here a script that never looks at it, needs the kernel's signal.
func TestParentKilled(t *testing.T) {
	needTor(t)
	hung := script(t, "[ \"$1\" = --version ] && echo 'Tor version 0.4.9.11.' && exit\nwhile :; do sleep 1; done")
	for _, c := range []struct {
		name, tor string
		tors      int // one that serves and one that probes
		stop      bool
	}{
		{"running", "", 2, false}, {"stopped", "", 2, true}, {"hung", hung, 1, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := privateDir(t)
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), childDir+"="+dir, childTor+"="+c.tor)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			defer func() { cmd.Process.Kill(); cmd.Wait() }()
			var tor []int
			until(t, "no tor started", func() bool { tor = mentioning(t, dir); return len(tor) == c.tors })
			if c.stop {
				for _, pid := range tor {
					signal(t, pid, syscall.SIGSTOP)
				}
			}
			cmd.Process.Kill()
			cmd.Wait()
			defer func() { // after a failure
				for _, pid := range mentioning(t, dir) {
					syscall.Kill(pid, syscall.SIGKILL)
				}
			}()
			// By itself a tor looks every 15 seconds whether its owner lives.
			within(t, 14*time.Second, "tor outlived the program", func() bool { return len(mentioning(t, dir)) == 0 })
		})
	}
}

// until polls for at most a minute.
func until(t *testing.T, complaint string, ok func() bool) {
	t.Helper()
	within(t, time.Minute, complaint, ok)
}

func within(t *testing.T, limit time.Duration, complaint string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(limit); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal(complaint)
		}
	}
}

// mentioning lists the processes, other than zombies, that have dir in their command line.
func mentioning(t *testing.T, dir string) []int {
	t.Helper()
	pids, err := tornet.Mentioning(dir)
	if err != nil {
		t.Fatal(err)
	}
	return pids
}

// noTCP checks that neither this process nor the service's tor listens on TCP or has a UDP socket. The
// network's client, which listens on its SOCKS port, shows that the check can see.
func noTCP(t *testing.T, s *onion.Service, n *tornet.Network) {
	t.Helper()
	ports := listening(t)
	_, port, _ := strings.Cut(n.SOCKS(), ":")
	seen := false
	for inode, p := range ports {
		seen = seen || strconv.Itoa(p) == port
		for _, pid := range []int{os.Getpid(), s.Pid()} {
			if holds(t, pid, inode) {
				t.Errorf("process %d (this one is %d) listens on port %d", pid, os.Getpid(), p)
			}
		}
	}
	if !seen {
		t.Error("the client's SOCKS port was not seen: the check is blind")
	}
}

// listening maps the inode of every listening TCP and every bound UDP socket of this network namespace to
// its port (proc_net_tcp.txt: field 2 local address, 4 state, 10 inode).
func listening(t *testing.T) map[string]int {
	t.Helper()
	ports := make(map[string]int)
	for _, file := range []string{"tcp", "tcp6", "udp", "udp6"} {
		b, err := os.ReadFile("/proc/self/net/" + file)
		if errors.Is(err, os.ErrNotExist) && strings.HasSuffix(file, "6") {
			continue // no IPv6 here
		}
		if err != nil {
			t.Fatal(err)
		}
		for i, line := range strings.Split(strings.TrimSpace(string(b)), "\n") {
			f := strings.Fields(line)
			const listen, unconnected = "0A", "07"
			if i == 0 || len(f) < 10 || f[3] != listen && f[3] != unconnected {
				continue
			}
			_, port, _ := strings.Cut(f[1], ":")
			n, err := strconv.ParseInt(port, 16, 32)
			if err != nil {
				t.Fatal(err)
			}
			ports[f[9]] = int(n)
		}
	}
	return ports
}

func holds(t *testing.T, pid int, inode string) bool {
	t.Helper()
	fds, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	if err != nil || len(fds) == 0 {
		t.Fatalf("no descriptors of process %d", pid)
	}
	for _, fd := range fds {
		if target, _ := os.Readlink(fd); target == "socket:["+inode+"]" {
			return true
		}
	}
	return false
}
