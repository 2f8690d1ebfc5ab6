package harden

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// Limits are what a program may use that Become runs.
type Limits struct {
	Memory uint64 // bytes of address space; 0: as much as there is
	CPU    uint64 // seconds of processor time; 0: no end
}

// Become turns this process into another program, a decoder for example, that reads its standard input and
// writes its standard output. It may read the system's libraries (see system) and itself. It opens no other
// file, makes no socket, starts no process and writes no file. argv includes the name; the environment is empty.
//
// It returns only when that failed. The error is ErrHarden also where the kernel cannot fence files and system
// calls: such a program must not run without.
func Become(program string, argv []string, limits Limits) error {
	abi, err := fence(Config{Run: []string{program}})
	if err == nil && abi < abiFiles {
		err = errors.New("this kernel cannot fence files")
	}
	if err != nil {
		return fmt.Errorf("%w: landlock: %w", ErrHarden, err)
	}
	held, err := install(tool())
	if err == nil && !held {
		err = errors.New("this kernel has no filter of system calls")
	}
	if err != nil {
		return fmt.Errorf("%w: seccomp: %w", ErrHarden, err)
	}
	set := map[int]uint64{unix.RLIMIT_CORE: 0, unix.RLIMIT_FSIZE: 0, unix.RLIMIT_NOFILE: 64}
	if limits.CPU > 0 {
		set[unix.RLIMIT_CPU] = limits.CPU
	}
	if limits.Memory > 0 {
		set[unix.RLIMIT_AS] = limits.Memory
	}
	for limit, most := range set {
		if err := unix.Setrlimit(limit, &unix.Rlimit{Cur: most, Max: most}); err != nil {
			return fmt.Errorf("%w: limits: %w", ErrHarden, err)
		}
	}
	return os.NewSyscallError("execve", unix.Exec(program, argv, nil))
}

// tool is the filter of Become: that of Apply, and no sockets, no files in RAM and no processes besides.
func tool() []bpf.Instruction {
	p := native()
	for _, call := range append([]uint32{unix.SYS_SOCKET, unix.SYS_SOCKETPAIR, unix.SYS_MEMFD_CREATE}, forks...) {
		p = append(p, on(call, refuse(unix.EPERM))...)
	}
	p = append(p, on(unix.SYS_CLONE, // threads only, as in cage
		offArgument(0),
		bpf.JumpIf{Cond: bpf.JumpBitsSet, Val: unix.CLONE_THREAD, SkipTrue: 1},
		refuse(unix.EPERM),
	)...)
	return append(p, program(Config{})...)
}
