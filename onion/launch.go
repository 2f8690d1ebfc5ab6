package onion

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"

	"github.com/cretz/bine/process"
	bine "github.com/cretz/bine/tor"
)

// stopPatience is how long a tor that was told to exit may take before it is killed.
const stopPatience = 5 * time.Second

// instance is one running tor and its control connection.
type instance struct {
	proc     *torProcess
	control  *control
	stopOnce sync.Once

	// Of a tor that probes, and for the one loop that does.
	probed bool      // it knows something of us
	forgot time.Time // when it was last told to forget
}

// program is a tor to launch.
type program struct {
	tor   string       // absolute path of the binary
	dir   string       // where it runs
	data  string       // its own state
	torrc string       // its configuration file
	args  []string     // options that no torrc can change
	log   *slog.Logger // categories of what it says
	unfit func()       // called when it dies in its own sandbox
}

// launch starts tor without a network and with one end of a socket pair as its control connection: no port,
// no cookie, and a tor that exits when our end closes.
func launch(ctx context.Context, p program) (*instance, error) {
	l := &launcher{tor: p.tor, dir: p.dir, log: newTorLog(p.log)}
	l.log.unfit = p.unfit
	defer context.AfterFunc(ctx, l.kill)()
	// Not ctx: bine would kill tor when ctx ends, also long after the launch.
	t, err := bine.Start(context.Background(), &bine.StartConf{
		ProcessCreator: l, UseEmbeddedControlConn: true, DisableCookieAuth: true, NoAutoSocksPort: true,
		DataDir: p.data, TorrcFile: p.torrc, ExtraArgs: p.args,
		DebugWriter: nil, // it would print the key
	})
	if err != nil {
		l.kill()
		if l.proc != nil {
			<-l.proc.exited // and all that it said has been read
		}
		if ctx.Err() != nil {
			return nil, fmt.Errorf("%w: %w", ErrTor, ctx.Err())
		}
		if said := l.log.startError(); said != "" {
			return nil, fmt.Errorf("%w: it says: %s", ErrTor, said)
		}
		return nil, fmt.Errorf("%w: %w", ErrTor, err)
	}
	l.log.started()
	return &instance{proc: l.proc, control: newControl(t.Control, l.proc.ours)}, nil
}

// connect subscribes to tor's events, has prepare say what this tor is for, and lets it on the network. Events are
// subscribed to before that, and the phase is asked for after it, so that no step is missed.
func (i *instance) connect(heard func(event), prepare func(*control) error) error {
	events, err := i.control.subscribe()
	if err != nil {
		return err
	}
	go func() { // drains as fast as it can and asks tor nothing: bine reads no reply while an event waits
		for e := range events {
			heard(e)
		}
	}()
	if err := prepare(i.control); err != nil {
		return err
	}
	if err := i.control.enableNetwork(); err != nil {
		return err
	}
	phase, err := i.control.bootstrapPhase()
	if err != nil {
		return err
	}
	heard(phase)
	return nil
}

// stop ends tor and waits until it is gone.
func (i *instance) stop() {
	i.stopOnce.Do(func() {
		kill := time.AfterFunc(stopPatience, i.proc.kill)
		defer kill.Stop()
		i.control.halt()
		_ = i.proc.Wait()
	})
	<-i.proc.exited
}

// kill ends a tor that answers nothing.
func (i *instance) kill() {
	i.proc.kill()
	<-i.proc.exited
}

// launcher makes the one process of a launch for bine.
type launcher struct {
	tor, dir string
	log      *torLog

	mu     sync.Mutex // guards what follows
	proc   *torProcess
	killed bool // also before there is a process
}

// New implements process.Creator.
func (l *launcher) New(_ context.Context, args ...string) (process.Process, error) {
	ours, theirs, err := socketPair()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(l.tor, append(args, "--__OwningControllerFD", "3")...)
	cmd.Dir = l.dir // see addOnion
	cmd.Env = environment()
	cmd.Stdout, cmd.Stderr = l.log, l.log
	cmd.ExtraFiles = []*os.File{theirs} // the first becomes descriptor 3
	cmd.WaitDelay = stopPatience        // a pluggable transport may hold the log's pipe open
	// The kernel kills tor when the forking thread ends (see Start), for a tor that is stopped or hung and
	// would not notice the closed connection. A process group of its own keeps Ctrl-C on a terminal away from
	// it: we end it, in our order.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.proc = &torProcess{cmd: cmd, ours: ours, theirs: theirs, exited: make(chan struct{}), kills: make(chan struct{}, 1)}
	if l.killed {
		l.proc.kill()
	}
	return l.proc, nil
}

func (l *launcher) kill() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.killed = true
	if l.proc != nil {
		l.proc.kill()
	}
}

// torProcess implements bine's process.Process.
type torProcess struct {
	cmd    *exec.Cmd
	ours   net.Conn // our end of the control connection
	theirs *os.File // tor's end, ours to close
	exited chan struct{}
	kills  chan struct{} // asks the thread that forked tor

	mu      sync.Mutex // guards what follows
	started bool
	killed  bool
	waitErr error // set before exited is closed
}

// Start forks tor from an OS thread that lives exactly as long as tor does: the parent-death signal is sent
// when the forking thread ends, and Go ends idle threads as it likes. The same thread kills it: Landlock puts each
// thread that there is when a process shuts itself in into a domain of its own, and a thread may signal no other
// thread's children (landlock(7), "IPC scoping").
func (p *torProcess) Start() error {
	result := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with this goroutine
		err := p.fork()
		result <- err
		if err != nil {
			return
		}
		ended := make(chan error, 1)
		go func() { ended <- p.cmd.Wait() }()
		for {
			select {
			case <-p.kills:
				_ = p.cmd.Process.Kill() // fails only if it has exited already
			case err := <-ended:
				p.mu.Lock()
				p.waitErr = err
				p.mu.Unlock()
				close(p.exited)
				return
			}
		}
	}()
	return <-result
}

func (p *torProcess) fork() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	err := errors.New("killed before it started")
	if !p.killed {
		err = p.cmd.Start()
	}
	// As long as we hold tor's end too, reading ours never ends.
	p.theirs.Close()
	if err != nil {
		p.ours.Close()
		close(p.exited)
		return err
	}
	p.started = true
	return nil
}

// Wait may be called often and by many.
func (p *torProcess) Wait() error {
	<-p.exited
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.waitErr
}

// EmbeddedControlConn returns our end of the control connection.
func (p *torProcess) EmbeddedControlConn() (net.Conn, error) { return p.ours, nil }

func (p *torProcess) kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.killed = true
	p.ours.Close()
	if p.started {
		select {
		case p.kills <- struct{}{}:
		default: // it is being killed
		}
	}
}

// socketPair returns two connected stream sockets that no other child inherits.
func socketPair() (net.Conn, *os.File, error) {
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("socketpair: %w", err)
	}
	mine, theirs := os.NewFile(uintptr(fds[0]), "control"), os.NewFile(uintptr(fds[1]), "control")
	defer mine.Close() // FileConn duplicates it
	conn, err := net.FileConn(mine)
	if err != nil {
		theirs.Close()
		return nil, nil, err
	}
	return conn, theirs, nil
}

// environment is what tor needs of ours and no more: credentials may be named in the rest.
func environment() []string {
	var env []string
	for _, name := range []string{"PATH", "LD_LIBRARY_PATH", "TZ"} {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	return env
}
