package tests

import (
	"encoding/base32"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

func base32Bytes(t *testing.T, token string) []byte {
	t.Helper()
	raw, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.ToUpper(token))
	if err != nil || len(raw) != 32 {
		t.Fatalf("%q is not a token", token)
	}
	return raw
}

// payloads lists the payload files of a data folder, drafts included.
func payloads(t *testing.T, data string) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(data, "vault"))
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		if !e.IsDir() && e.Name() != "vault.key" {
			out = append(out, e.Name())
		}
	}
	return out
}

// eventually waits for what happens in the background.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if holds() {
			return
		}
	}
	t.Fatalf("not within 20 seconds: %s", what)
}

// noSecrets checks law 6 on what a server logged.
func noSecrets(t *testing.T, log string, secrets ...string) {
	t.Helper()
	for _, word := range append(secrets, caption, "IMG_20261122", "/s/", "/v/", "/r/") {
		if strings.Contains(log, word) {
			t.Errorf("the log holds %q:\n%s", word, log)
		}
	}
}

// noTCP checks law 10: neither the server nor any process that it started
// listens on TCP, as the kernel's own tables say.
func noTCP(t *testing.T, pid int) {
	t.Helper()
	if os.Geteuid() != 0 && os.Getenv("CI") != "true" {
		t.Log("not checked, for only root sees the files of a process that keeps its memory to itself")
		return
	}
	family := descendants(t, pid)
	if len(family) < 2 {
		t.Fatalf("the server has no tor: %v", family)
	}
	listening := map[string]bool{}
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		raw, err := os.ReadFile(table)
		if err != nil {
			continue // no IPv6 here
		}
		for line := range strings.Lines(string(raw)) {
			// proc(5): field 3 is the state, 0A means LISTEN, field 9 the socket's inode.
			if f := strings.Fields(line); len(f) > 9 && f[3] == "0A" {
				listening["socket:["+f[9]+"]"] = true
			}
		}
	}
	if len(listening) == 0 {
		t.Fatal("nothing at all listens on TCP here, though the test network must: the check is blind")
	}
	for _, p := range family {
		fds, err := filepath.Glob("/proc/" + strconv.Itoa(p) + "/fd/*")
		if err != nil || len(fds) == 0 {
			t.Fatalf("the files of process %d cannot be seen", p)
		}
		for _, fd := range fds {
			if target, err := os.Readlink(fd); err == nil && listening[target] {
				t.Errorf("process %d listens on TCP", p)
			}
		}
	}
}

// descendants is a process and everything below it.
func descendants(t *testing.T, pid int) []int {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	children := map[int][]int{}
	for _, stat := range stats {
		raw, err := os.ReadFile(stat)
		if err != nil {
			continue // it has ended
		}
		// proc(5): pid (command) state parent; the command may hold spaces and brackets.
		head, tail, _ := strings.Cut(string(raw), " (")
		rest := strings.Fields(tail[strings.LastIndex(tail, ")")+1:])
		child, _ := strconv.Atoi(head)
		parent, _ := strconv.Atoi(rest[1])
		children[parent] = append(children[parent], child)
	}
	family := []int{pid}
	for i := 0; i < len(family); i++ {
		family = append(family, children[family[i]]...)
	}
	return family
}
