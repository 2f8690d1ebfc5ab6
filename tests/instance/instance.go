// Package instance runs the real emberdrop program for tests and the demo, and
// talks to it as curl would.
package instance

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Build compiles the program as it is shipped, static and without cgo, into dir;
// build tags make a test build of it. Where root builds it, it serves as root
// too, without being told by a flag.
func Build(ctx context.Context, dir string, tags ...string) (program string, err error) {
	program = filepath.Join(dir, strings.Join(append([]string{"emberdrop"}, tags...), "-"))
	cmd := exec.CommandContext(ctx, "go", "build", "-tags", strings.Join(tags, ","), "-o", program)
	if os.Geteuid() == 0 {
		cmd.Args = append(cmd.Args, "-ldflags", "-X main.rootAllowed=yes")
	}
	cmd.Args = append(cmd.Args, "emberdrop")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build: %w\n%s", err, out)
	}
	return program, nil
}

// Init makes a data folder and returns its address, "http://….onion".
func Init(ctx context.Context, program, data string) (address string, err error) {
	out, err := exec.CommandContext(ctx, program, "init", "--data", data).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("init: %w\n%s", err, out)
	}
	return strings.TrimSpace(strings.TrimPrefix(string(out), "address: ")), nil
}

// Config says what to run.
type Config struct {
	Program string
	Data    string
	Args    []string  // more flags of serve
	Log     io.Writer // where its standard error goes; nil: only into Stop's error
	User    uint32    // user and group that it runs as, if we are root; 0: as we
}

// Instance is a running server.
type Instance struct {
	Address string // what it printed

	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
	err  error         // its end; read after done

	mu  sync.Mutex
	log strings.Builder
}

// Serve starts a server and waits until it prints its address, which over Tor
// means that the descriptor is uploaded. The server dies with this process.
func Serve(ctx context.Context, cfg Config) (*Instance, error) {
	s := &Instance{done: make(chan struct{})}
	s.cmd = exec.Command(cfg.Program, append([]string{"serve", "--data", cfg.Data}, cfg.Args...)...)
	stdout, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	s.cmd.Stderr = s
	if cfg.Log != nil {
		s.cmd.Stderr = io.MultiWriter(s, cfg.Log)
	}
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if cfg.User != 0 {
		s.cmd.SysProcAttr.Credential = &syscall.Credential{Uid: cfg.User, Gid: cfg.User}
	}
	started := make(chan error, 1)
	go func() {
		// The kernel ties the death signal to the thread that started the child,
		// so that thread must live as long as the child does.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := s.cmd.Start()
		started <- err
		if err == nil {
			<-s.done
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	address := make(chan string, 1)
	go s.read(stdout, address)
	select {
	case s.Address = <-address:
		return s, nil
	case <-s.done:
		return nil, fmt.Errorf("serve ended: %w\n%s", s.err, s.Log())
	case <-ctx.Done():
		s.Kill()
		return nil, fmt.Errorf("serve printed no address: %w\n%s", ctx.Err(), s.Log())
	}
}

func (s *Instance) read(stdout io.Reader, address chan<- string) {
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		if found, ok := strings.CutPrefix(lines.Text(), "address: "); ok {
			address <- found
		}
	}
	s.err = s.cmd.Wait()
	close(s.done)
}

// Write collects standard error.
func (s *Instance) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.Write(p)
}

// Log is what the server wrote to standard error so far.
func (s *Instance) Log() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.String()
}

// PID is the server's process.
func (s *Instance) PID() int { return s.cmd.Process.Pid }

// Ended reports whether the server has ended.
func (s *Instance) Ended() bool {
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}

// Kill ends the server as a power cut would, and waits.
func (s *Instance) Kill() {
	s.cmd.Process.Kill()
	<-s.done
}

// Stop asks the server to end, and waits.
func (s *Instance) Stop() error {
	s.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-s.done:
	case <-time.After(30 * time.Second):
		s.Kill()
		return errors.New("the server did not end when asked\n" + s.Log())
	}
	if s.err != nil {
		return fmt.Errorf("%w\n%s", s.err, s.Log())
	}
	return nil
}
