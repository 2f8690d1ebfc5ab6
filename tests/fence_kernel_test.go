package tests

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// startWithoutLandlock starts a program as on a kernel that has no Landlock: its
// first call answers ENOSYS. The filter is on one thread, which ends with the
// goroutine, and on what that thread starts.
func startWithoutLandlock(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	raw, err := bpf.Assemble([]bpf.Instruction{
		bpf.LoadAbsolute{Off: 0, Size: 4}, // the call's number: seccomp(2), struct seccomp_data
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.SYS_LANDLOCK_CREATE_RULESET, SkipTrue: 1},
		bpf.RetConstant{Val: unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)},
		bpf.RetConstant{Val: unix.SECCOMP_RET_ALLOW},
	})
	if err != nil {
		t.Fatal(err)
	}
	code := make([]unix.SockFilter, len(raw))
	for i, in := range raw {
		code[i] = unix.SockFilter{Code: in.Op, Jt: in.Jt, Jf: in.Jf, K: in.K}
	}
	filter := unix.SockFprog{Len: uint16(len(code)), Filter: &code[0]}
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked
		err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
		if err == nil {
			err = unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&filter)), 0, 0)
			runtime.KeepAlive(code)
		}
		if err == nil {
			err = cmd.Start()
		}
		started <- err
	}()
	if err := <-started; err != nil {
		t.Fatal(err)
	}
}

// TestOldKernel: where the kernel cannot do all of it, serve says what is missing
// and serves, or, if the operator insists, does not.
func TestOldKernel(t *testing.T) {
	data, socket := freshData(t), filepath.Join(t.TempDir(), "s")
	args := []string{"serve", "--data", data, "--listen", "unix:" + socket, "--public-url", "http://drop.test"}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	run := func(more ...string) (*exec.Cmd, *bytes.Buffer) {
		cmd, said := exec.CommandContext(ctx, theProgram(t), append(args, more...)...), new(bytes.Buffer)
		cmd.Stderr = said
		cmd.WaitDelay = time.Minute
		startWithoutLandlock(t, cmd)
		return cmd, said
	}
	cmd, said := run()
	eventually(t, "it serves", func() bool { _, err := os.Stat(socket); return err == nil })
	out := succeeds(t, "status", "--data", data)
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	for _, part := range []string{"files", "ports", "signals"} {
		if !strings.Contains(said.String(), `msg="`+part+` are not fenced by this kernel" room=harden`) {
			t.Errorf("not a word of %s:\n%s", part, said)
		}
	}
	if strings.Contains(said.String(), "system calls") {
		t.Errorf("system calls are filtered here:\n%s", said)
	}
	if !strings.Contains(out, "does not fence files, ports, signals") {
		t.Errorf("the status does not say it:\n%s", out)
	}

	cmd, said = run("--require-hardening")
	if err := cmd.Wait(); err == nil || !strings.Contains(said.String(), "this kernel cannot fence files, ports, signals\n") || !strings.Contains(said.String(), "hint: ") {
		t.Errorf("--require-hardening: %v\n%s", err, said)
	}
}
