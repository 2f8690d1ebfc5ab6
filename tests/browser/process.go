package browser

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"
)

// process is the browser's main process and, through its process group, the
// content processes below it.
type process struct {
	pid  int
	done chan struct{} // closed when the main process has been waited for
}

// launch starts the browser on the profile folder dir, with more files open from
// descriptor 3 on. It is killed when ctx
// ends, and by the kernel when this process dies in whatever way: the
// parent-death signal belongs to the thread that forked, so that thread is held
// until the browser has ended. Content processes end when their pipe to the
// main process closes.
func launch(ctx context.Context, program, dir string, env []string, files []*os.File, args ...string) (*process, error) {
	// A file, not a pipe: Wait would wait for every grandchild to close a pipe.
	log, err := os.Create(filepath.Join(dir, "browser.log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = dir, env, log, log, files
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }

	started, done := make(chan error), make(chan struct{})
	go func() {
		runtime.LockOSThread()
		defer close(done)
		err := cmd.Start()
		started <- err
		if err == nil {
			cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return &process{pid: cmd.Process.Pid, done: done}, nil
}

// lastWords is the end of what a browser on the profile folder dir printed, for
// an error message.
func lastWords(dir string) string {
	raw, _ := os.ReadFile(filepath.Join(dir, "browser.log"))
	if len(raw) > 800 {
		raw = raw[len(raw)-800:]
	}
	if len(raw) == 0 {
		return ""
	}
	return "\n" + string(raw)
}

// ErrPatience means that what was waited for did not happen within Config.Patience.
var ErrPatience = errors.New("it did not happen in time")

// poll runs check until it is true, fails, or so much time has gone.
func poll(ctx context.Context, patience time.Duration, check func() (bool, error)) error {
	for end := time.Now().Add(patience); ; {
		done, err := check()
		if done || err != nil {
			return err
		}
		if time.Now().After(end) {
			return ErrPatience
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// on runs act on what the selector names, again while its error is one that may go away by itself.
func on(ctx context.Context, patience time.Duration, selector string, notYet func(error) bool, act func() error) error {
	var last error
	err := poll(ctx, patience, func() (bool, error) {
		if last = act(); notYet(last) {
			return false, nil
		}
		return true, last
	})
	if errors.Is(err, ErrPatience) {
		err = fmt.Errorf("%w: %w", err, last)
	}
	if err != nil {
		return fmt.Errorf("%q: %w", selector, err)
	}
	return nil
}

// stop kills the process group and returns when no process of it is left.
func (p *process) stop() {
	// ESRCH: the group is empty. A process that cannot be killed within 10 s is
	// stuck in the kernel, and waiting longer would not help.
	for range 500 {
		if syscall.Kill(-p.pid, syscall.SIGKILL) == syscall.ESRCH {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	<-p.done
}
