package browser

import (
	"context"
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

// launch starts the browser on the profile folder dir. It is killed when ctx
// ends, and by the kernel when this process dies in whatever way: the
// parent-death signal belongs to the thread that forked, so that thread is held
// until the browser has ended. Content processes end when their pipe to the
// main process closes.
func launch(ctx context.Context, program, dir string, env []string, args ...string) (*process, error) {
	// A file, not a pipe: Wait would wait for every grandchild to close a pipe.
	log, err := os.Create(filepath.Join(dir, "browser.log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = dir, env, log, log
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
