package onion

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A tor that hangs is killed also by a thread that the kernel does not let signal it: in a process that has shut itself
// in, that is nearly every thread.
func TestKilledByAnyThread(t *testing.T) {
	program := filepath.Join(t.TempDir(), "tor")
	if err := os.WriteFile(program, []byte("#!/bin/sh\nexec sleep 600\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	l := &launcher{tor: program, dir: filepath.Dir(program), log: newTorLog(slog.New(slog.DiscardHandler))}
	if _, err := l.New(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := l.proc.Start(); err != nil {
		t.Fatal(err)
	}
	pid := l.proc.cmd.Process.Pid
	defer syscall.Kill(pid, syscall.SIGKILL)
	tried := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with what it may no more
		if err := signalNobody(); err != nil {
			tried <- err
			return
		}
		if err := syscall.Kill(pid, 0); !errors.Is(err, unix.EPERM) {
			tried <- fmt.Errorf("the thread may signal: %w", err)
			return
		}
		l.proc.kill()
		tried <- nil
	}()
	err := <-tried
	if errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EINVAL) {
		t.Skip("this kernel does not scope signals: Landlock's ABI 6 is from Linux 6.12")
	}
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-l.proc.exited:
	case <-time.After(10 * time.Second):
		t.Fatal("it lives on")
	}
}

// signalNobody takes from this one thread the right to signal anything outside of what it starts from here on (landlock(7)).
func signalNobody() error {
	rules := unix.LandlockRulesetAttr{Scoped: unix.LANDLOCK_SCOPE_SIGNAL}
	fd, _, errno := unix.RawSyscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&rules)), unsafe.Sizeof(rules), 0)
	if errno != 0 {
		return errno
	}
	defer unix.Close(int(fd))
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	if _, _, errno := unix.RawSyscall(unix.SYS_LANDLOCK_RESTRICT_SELF, fd, 0, 0); errno != 0 {
		return errno
	}
	return nil
}
