package tests

import (
	"context"
	"encoding/binary"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"emberdrop/tests/instance"
	"emberdrop/tests/sample"
)

// TestPanicOrder watches a data folder while `panic`, or the signal, destroys it:
// the vault key is the first thing that changes, whatever comes next, and the mark
// says no sooner that the keys are gone than the host key is. How long it takes is only told: a test is no place to measure a disk.
func TestPanicOrder(t *testing.T) {
	for _, way := range []struct {
		name    string
		stopped bool
		call    func(t *testing.T, server *instance.Instance, data string)
	}{
		{"signal", false, func(t *testing.T, server *instance.Instance, _ string) {
			if err := syscall.Kill(server.PID(), syscall.SIGUSR2); err != nil {
				t.Error(err)
			}
		}},
		{"beside", false, panicBy},
		{"stopped", true, panicBy},
	} {
		t.Run(way.name, func(t *testing.T) {
			data := freshData(t)
			server, client := servePlain(t, data)
			for i := range 4 {
				link, ok := upload(t.Context(), client, sample.Photo(48, 48, uint64(i)), i%2 == 0)
				if !ok {
					t.Fatal("an upload failed")
				}
				link.reveal(t, t.Context(), client) // leases stay open
			}
			if way.stopped {
				if err := server.Stop(); err != nil {
					t.Fatal(err)
				}
			}
			changes := watch(t, data, filepath.Join(data, "vault"), filepath.Join(data, "log"))
			began := time.Now()
			var calling sync.WaitGroup
			calling.Go(func() { way.call(t, server, data) })
			defer calling.Wait() // the folder is needed until then
			var order []string
			var key, marked time.Duration
			for left := 4; left > 0; {
				var c change
				select {
				case c = <-changes:
				case <-time.After(20 * time.Second):
					t.Fatalf("the payloads stay; so far: %v", order)
				}
				if len(order) == 0 || order[len(order)-1] != c.name {
					order = append(order, c.name)
				}
				switch {
				case c.name == "vault.key" && key == 0:
					key = c.at.Sub(began)
				case c.name == "panicked" && marked == 0:
					marked = c.at.Sub(began)
				case strings.HasSuffix(c.name, ".gone") && c.removed:
					left--
				}
			}
			t.Logf("vault key overwritten after %s, both keys overwritten and synced after at most %s",
				key.Round(10*time.Microsecond), marked.Round(10*time.Microsecond))
			first := firsts(order)
			host, mark := slices.Index(first, "host.key"), slices.Index(first, "panicked")
			if first[0] != "vault.key" || host < 0 || mark < host {
				t.Errorf("changed in the order %v", first)
			}
		})
	}
}

func panicBy(t *testing.T, _ *instance.Instance, data string) {
	if out, err := exec.Command(theProgram(t), "panic", "--yes", "--data", data).CombinedOutput(); err != nil {
		t.Errorf("panic: %v\n%s", err, out)
	}
}

// firsts are the names in the order in which they come up first.
func firsts(order []string) (out []string) {
	for _, name := range order {
		if !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}

// change is something that happened in a watched folder.
type change struct {
	name    string
	removed bool
	at      time.Time
}

// watch tells what changes in folders from now on, in the kernel's order. It waits
// first until nothing does.
func watch(t *testing.T, folders ...string) <-chan change {
	t.Helper()
	fd, err := syscall.InotifyInit1(syscall.IN_CLOEXEC | syscall.IN_NONBLOCK)
	if err != nil {
		t.Fatal(err)
	}
	const what = syscall.IN_MODIFY | syscall.IN_CREATE | syscall.IN_DELETE | syscall.IN_MOVED_FROM | syscall.IN_MOVED_TO
	for _, folder := range folders {
		if _, err := syscall.InotifyAddWatch(fd, folder, what); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	t.Cleanup(func() {
		cancel()
		<-ended
		syscall.Close(fd)
	})
	for quiet := time.Now(); time.Since(quiet) < 300*time.Millisecond; time.Sleep(10 * time.Millisecond) {
		if events, err := changed(fd); err != nil {
			t.Fatal(err)
		} else if len(events) > 0 {
			quiet = time.Now()
		}
	}
	out := make(chan change, 10_000)
	go func() {
		defer close(ended)
		for ; ctx.Err() == nil; time.Sleep(200 * time.Microsecond) {
			events, err := changed(fd)
			if err != nil {
				t.Error(err)
				return
			}
			for _, c := range events {
				out <- c
			}
		}
	}()
	return out
}

// changed reads what has happened (inotify(7): wd, mask, cookie, length, name).
func changed(fd int) (out []change, err error) {
	buf := make([]byte, 64<<10)
	n, err := syscall.Read(fd, buf)
	if err == syscall.EAGAIN || err == syscall.EINTR {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("inotify: %w", err)
	}
	now := time.Now()
	for buf = buf[:n]; len(buf) >= syscall.SizeofInotifyEvent; {
		mask, size := binary.NativeEndian.Uint32(buf[4:]), binary.NativeEndian.Uint32(buf[12:])
		name := strings.TrimRight(string(buf[syscall.SizeofInotifyEvent:][:size]), "\x00")
		out = append(out, change{name, mask&syscall.IN_DELETE != 0, now})
		buf = buf[syscall.SizeofInotifyEvent+size:]
	}
	return out, nil
}
