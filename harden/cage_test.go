package harden

import (
	"fmt"
	"net"
	"path/filepath"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

func init() {
	attempts["compute"] = func([]string) error { // everything that decoding takes: memory, threads, a collector
		done := make(chan int)
		for range 8 {
			go func() {
				runtime.LockOSThread() // never given back: a new thread for each
				sum := 0
				for range 64 {
					sum += len(make([]byte, 1<<20))
				}
				done <- sum
			}()
		}
		for range 8 {
			<-done
		}
		runtime.GC()
		return nil
	}
}

func TestCage(t *testing.T) {
	dir := t.TempDir()
	open := write(t, filepath.Join(dir, "open"), []byte("open"), 0o666)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, test := range []attempt{
		{"compute", nil, "done", false},
		{"read", []string{open}, "EPERM", false},
		{"read", []string{"/proc/self/status"}, "EPERM", false},
		{"list", []string{dir}, "EPERM", false},
		{"overwrite", []string{open}, "EPERM", false},
		{"create", []string{dir}, "EPERM", false},
		{"run", []string{installed(t, "true")}, "EPERM", false},
		{"socket", []string{dir}, "EPERM", false},
		{"connect", []string{"tcp", l.Addr().String()}, "EPERM", false},
		{"listen", []string{"127.0.0.1:0"}, "EPERM", false},
		{"make", []string{fmt.Sprint(unix.AF_NETLINK), fmt.Sprint(unix.SOCK_RAW), "0"}, "EPERM", false},
		{"memory", []string{fmt.Sprint(unix.MFD_NOEXEC_SEAL)}, "EPERM", false},
		{"signal", nil, "EPERM", false},
		{"call", []string{fmt.Sprint(unix.SYS_PTRACE)}, "EPERM", true},
		{"call", []string{fmt.Sprint(unix.SYS_IO_URING_SETUP)}, "EPERM", true},
	} {
		if !test.only {
			if got := send(t, order{Open: true, Try: test.try, Args: test.args}); got != "done" {
				t.Errorf("control: %s %v: %s", test.try, test.args, got)
			}
		}
		if got := send(t, order{Cage: true, Try: test.try, Args: test.args}); got != test.want {
			t.Errorf("%s %v: %s, want %s", test.try, test.args, got, test.want)
		}
	}
}
