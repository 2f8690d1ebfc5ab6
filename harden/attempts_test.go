package harden

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// attempts are what a fenced process tries. They must leave nothing behind that a second try trips over: each is
// made on two threads.
var attempts = map[string]func(args []string) error{
	"read": func(args []string) error {
		_, err := os.ReadFile(args[0])
		return err
	},
	"list": func(args []string) error {
		_, err := os.ReadDir(args[0])
		return err
	},
	"overwrite": func(args []string) error {
		file, err := os.OpenFile(args[0], os.O_RDWR, 0)
		if err != nil {
			return err
		}
		_, err = file.WriteAt([]byte("x"), 0)
		return errors.Join(err, file.Truncate(1), file.Close())
	},
	"create": func(args []string) error {
		return os.WriteFile(filepath.Join(args[0], fmt.Sprint("new", unix.Gettid())), nil, 0o600)
	},
	"use": func(args []string) error { // everything that the log, the vault and tor do in a folder
		dir := filepath.Join(args[0], fmt.Sprint("dir", unix.Gettid()))
		if err := os.Mkdir(dir, 0o700); err != nil {
			return err
		}
		name := func(name string) string { return filepath.Join(dir, name) }
		l, err := net.Listen("unix", name("sock"))
		if err != nil {
			return err
		}
		c, err := net.Dial("unix", name("sock"))
		if err != nil {
			return err
		}
		return errors.Join(c.Close(), l.Close(), os.WriteFile(name("a"), []byte("a"), 0o600), os.Rename(name("a"), name("b")),
			os.Truncate(name("b"), 0), os.Remove(name("b")), os.Remove(dir))
	},
	"socket": func(args []string) error {
		l, err := net.Listen("unix", filepath.Join(args[0], fmt.Sprint(unix.Gettid())))
		if err != nil {
			return err
		}
		return l.Close()
	},
	"device": func(args []string) error {
		return unix.Mknod(filepath.Join(args[0], fmt.Sprint("dev", unix.Gettid())), unix.S_IFCHR|0o600, 1<<8|3)
	},
	"run": func(args []string) error {
		out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
		var ended *exec.ExitError
		if errors.As(err, &ended) && ended.Sys().(syscall.WaitStatus).Signal() == syscall.SIGSYS {
			return fmt.Errorf("%w: killed by the filter", syscall.ENOSYS)
		}
		if errors.As(err, &ended) && strings.Contains(string(out), "Permission denied") {
			return fmt.Errorf("%w: in the child: %s", syscall.EACCES, out)
		}
		return err
	},
	"hang": func(args []string) error { // children can still be ended, by the thread that forked them
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		cmd := exec.Command(args[0], args[1:]...)
		if err := cmd.Start(); err != nil {
			return err
		}
		if err := cmd.Process.Kill(); err != nil {
			return err // and not wait for it
		}
		cmd.Wait()
		return nil
	},
	"listen": func(args []string) error {
		l, err := net.Listen("tcp", args[0])
		if err != nil {
			return err
		}
		return l.Close()
	},
	"make": func(args []string) error { // a socket: family, type, protocol
		var n [3]int
		for i := range n {
			fmt.Sscan(args[i], &n[i])
		}
		fd, err := unix.Socket(n[0], n[1]|unix.SOCK_CLOEXEC, n[2])
		if err == nil {
			unix.Close(fd)
		}
		return err
	},
	"connect": func(args []string) error {
		c, err := net.Dial(args[0], args[1])
		if err != nil {
			return err
		}
		return c.Close()
	},
	"signal": func([]string) error { return unix.Kill(os.Getppid(), 0) },
	"namespace": func(args []string) error {
		cmd := exec.Command(args[0])
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWUTS}
		return cmd.Run()
	},
	"call": func(args []string) error { // one that must not be made: no argument makes sense
		var n uintptr
		fmt.Sscan(args[0], &n)
		const no = ^uintptr(0)
		if _, _, errno := unix.Syscall6(n, no, no, no, no, no, no); errno != 0 {
			return errno
		}
		return nil
	},
	"terminal": func([]string) error { return unix.IoctlSetPointerInt(0, unix.TIOCSTI, 'x') },
	"memory": func(args []string) error { // a file in RAM
		var flags int
		fmt.Sscan(args[0], &flags)
		fd, err := unix.MemfdCreate("x", flags)
		if err == nil {
			unix.Close(fd)
		}
		return err
	},
}
