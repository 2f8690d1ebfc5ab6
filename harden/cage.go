package harden

import (
	"errors"
	"fmt"

	"github.com/landlock-lsm/go-landlock/landlock"
	ll "github.com/landlock-lsm/go-landlock/landlock/syscall"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// caged are the calls that a process makes which only computes: reads and writes what it has open, and what Go's
// runtime does for memory, threads, clocks and signals of its own. A list of what is allowed, other than for a
// service: a call that is missing here fails one decoding, which its operator sees at once.
var caged = []uint32{
	unix.SYS_READ, unix.SYS_WRITE, unix.SYS_PREAD64, unix.SYS_PWRITE64, unix.SYS_LSEEK, unix.SYS_CLOSE, unix.SYS_FSTAT, unix.SYS_FCNTL,
	unix.SYS_MMAP, unix.SYS_MUNMAP, unix.SYS_MADVISE, unix.SYS_MPROTECT, unix.SYS_BRK, unix.SYS_MINCORE,
	unix.SYS_FUTEX, unix.SYS_NANOSLEEP, unix.SYS_CLOCK_NANOSLEEP, unix.SYS_CLOCK_GETTIME, unix.SYS_GETTIMEOFDAY, unix.SYS_SCHED_YIELD,
	unix.SYS_RT_SIGACTION, unix.SYS_RT_SIGPROCMASK, unix.SYS_RT_SIGRETURN, unix.SYS_SIGALTSTACK, unix.SYS_RESTART_SYSCALL,
	unix.SYS_GETPID, unix.SYS_GETTID, unix.SYS_TGKILL, unix.SYS_SCHED_GETAFFINITY, unix.SYS_SET_ROBUST_LIST, unix.SYS_RSEQ, unix.SYS_MEMBARRIER,
	unix.SYS_EPOLL_CREATE1, unix.SYS_EPOLL_CTL, unix.SYS_EPOLL_PWAIT, unix.SYS_EVENTFD2, unix.SYS_GETRANDOM,
	unix.SYS_TIMER_CREATE, unix.SYS_TIMER_SETTIME, unix.SYS_TIMER_DELETE,
	unix.SYS_EXIT, unix.SYS_EXIT_GROUP,
}

// Cage leaves this process its memory, its threads and what it has open, and nothing else: no file, no program,
// no socket, no other process. It is for a child that decodes what may be hostile. The error is ErrHarden also
// where the kernel lacks the filter of system calls: such a child must not run without.
func Cage() error {
	config, err := landlock.NewConfig(everyAccess, landlock.AccessNetSet(ll.AccessNetBindTCP|ll.AccessNetConnectTCP),
		landlock.ScopedSet(ll.ScopeSignal|ll.ScopeAbstractUnixSocket))
	if err == nil {
		err = config.BestEffort().Restrict() // without a rule; the filter is what must hold
	}
	if err != nil {
		return fmt.Errorf("%w: landlock: %w", ErrHarden, err)
	}
	held, err := install(cage())
	if err == nil && !held {
		err = errors.New("this kernel has no filter of system calls")
	}
	if err != nil {
		return fmt.Errorf("%w: seccomp: %w", ErrHarden, err)
	}
	return nil
}

// cage is the filter. What is not allowed fails with EPERM, so that the child can still say that it failed.
func cage() []bpf.Instruction {
	p := native()
	for _, call := range caged {
		p = append(p, bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: call, SkipTrue: 1}, pass)
	}
	p = append(p, on(unix.SYS_CLONE3, refuse(unix.ENOSYS))...) // as in program
	p = append(p, on(unix.SYS_CLONE,                           // threads of its own, no process
		offArgument(0),
		bpf.JumpIf{Cond: bpf.JumpBitsSet, Val: unix.CLONE_THREAD, SkipTrue: 1},
		refuse(unix.EPERM),
	)...)
	p = append(p, on(unix.SYS_PRCTL, // the runtime names its memory
		offArgument(0),
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.PR_SET_VMA, SkipTrue: 1},
		refuse(unix.EPERM),
	)...)
	return append(p, refuse(unix.EPERM))
}
