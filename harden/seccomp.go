package harden

import (
	"runtime"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// denied are system calls that neither this program nor tor makes: they look into other processes, change the
// kernel, the machine or the tree of files, run code that is in no file, or have been doors into the kernel.
// A list of what is denied, not of what is allowed: Go's runtime, the C library and tor make other calls with
// every release, and one that was forgotten would end a service that nobody watches.
var denied = append([]uint32{
	unix.SYS_PTRACE, unix.SYS_PROCESS_VM_READV, unix.SYS_PROCESS_VM_WRITEV, unix.SYS_PROCESS_MADVISE, unix.SYS_KCMP, unix.SYS_PIDFD_GETFD,
	unix.SYS_MOUNT, unix.SYS_UMOUNT2, unix.SYS_PIVOT_ROOT, unix.SYS_CHROOT, unix.SYS_OPEN_TREE, unix.SYS_MOVE_MOUNT, unix.SYS_MOUNT_SETATTR,
	unix.SYS_FSOPEN, unix.SYS_FSCONFIG, unix.SYS_FSMOUNT, unix.SYS_FSPICK, unix.SYS_OPEN_BY_HANDLE_AT, unix.SYS_FANOTIFY_INIT,
	unix.SYS_SETNS, unix.SYS_UNSHARE,
	unix.SYS_MEMFD_SECRET,
	unix.SYS_BPF, unix.SYS_PERF_EVENT_OPEN, unix.SYS_USERFAULTFD, unix.SYS_IO_URING_SETUP, unix.SYS_IO_URING_ENTER, unix.SYS_IO_URING_REGISTER,
	unix.SYS_ADD_KEY, unix.SYS_REQUEST_KEY, unix.SYS_KEYCTL,
	unix.SYS_KEXEC_LOAD, unix.SYS_INIT_MODULE, unix.SYS_FINIT_MODULE, unix.SYS_DELETE_MODULE,
	unix.SYS_REBOOT, unix.SYS_SWAPON, unix.SYS_SWAPOFF, unix.SYS_SETHOSTNAME, unix.SYS_SETDOMAINNAME,
	unix.SYS_SETTIMEOFDAY, unix.SYS_CLOCK_SETTIME, unix.SYS_CLOCK_ADJTIME, unix.SYS_ADJTIMEX,
	unix.SYS_ACCT, unix.SYS_QUOTACTL, unix.SYS_QUOTACTL_FD, unix.SYS_SYSLOG, unix.SYS_VHANGUP, unix.SYS_PERSONALITY,
	unix.SYS_MBIND, unix.SYS_SET_MEMPOLICY, unix.SYS_MIGRATE_PAGES, unix.SYS_MOVE_PAGES,
}, deniedHere...)

// Where struct seccomp_data (seccomp(2)) has what; of an argument the lower half, which is all that the calls
// below use. Both architectures that are built for are little-endian.
const (
	offNumber = 0
	offArch   = 4
)

func offArgument(n uint32) bpf.Instruction { return bpf.LoadAbsolute{Off: 16 + 8*n, Size: 4} }

// namespaces are the flags of clone(2) that make new ones.
const namespaces = unix.CLONE_NEWNS | unix.CLONE_NEWCGROUP | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC |
	unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNET

func refuse(errno unix.Errno) bpf.Instruction {
	return bpf.RetConstant{Val: unix.SECCOMP_RET_ERRNO | uint32(errno)}
}

var (
	pass = bpf.RetConstant{Val: unix.SECCOMP_RET_ALLOW}
	kill = bpf.RetConstant{Val: unix.SECCOMP_RET_KILL_PROCESS}
)

// native begins a filter: calls of another architecture end the process.
func native() []bpf.Instruction {
	return []bpf.Instruction{
		// The numbers mean other calls to a program of another architecture, and 32-bit calls can be made by any.
		bpf.LoadAbsolute{Off: offArch, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: auditArch, SkipTrue: 1},
		kill,
		bpf.LoadAbsolute{Off: offNumber, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpLessThan, Val: foreignCalls, SkipTrue: 1},
		kill,
	}
}

// program is the filter of Apply. Each part of it begins with the call's number loaded and ends so.
func program(cfg Config) []bpf.Instruction {
	p := native()
	for _, call := range denied {
		p = append(p, bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: call, SkipTrue: 1}, refuse(unix.EPERM))
	}
	p = append(p, on(unix.SYS_CLONE3, refuse(unix.ENOSYS))...) // its flags are out of sight; callers fall back to clone
	p = append(p, on(unix.SYS_CLONE,
		offArgument(0),
		bpf.JumpIf{Cond: bpf.JumpBitsNotSet, Val: namespaces, SkipTrue: 1},
		refuse(unix.EPERM),
	)...)
	p = append(p, on(unix.SYS_IOCTL, // no typing into the operator's terminal
		offArgument(1),
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.TIOCSTI, SkipTrue: 1},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: tioclinux, SkipTrue: 1},
		refuse(unix.EPERM),
	)...)
	if sealsMemory() { // Landlock does not see a program that is run out of memory
		p = append(p, on(unix.SYS_MEMFD_CREATE,
			offArgument(1),
			bpf.JumpIf{Cond: bpf.JumpBitsSet, Val: unix.MFD_NOEXEC_SEAL, SkipTrue: 1},
			refuse(unix.EPERM),
		)...)
	}
	p = append(p, on(unix.SYS_SOCKET, sockets(cfg)...)...)
	return append(p, pass)
}

// sealsMemory reports whether this kernel has files in RAM that cannot be run (Linux 6.3).
func sealsMemory() bool {
	fd, err := unix.MemfdCreate("", unix.MFD_CLOEXEC|unix.MFD_NOEXEC_SEAL)
	if err == nil {
		unix.Close(fd)
	}
	return err == nil
}

const tioclinux = 0x541c // ioctl_console(2)

// on makes instructions that are run for one call only, after which the call passes.
func on(call uint32, then ...bpf.Instruction) []bpf.Instruction {
	p := []bpf.Instruction{bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: call, SkipTrue: uint8(len(then) + 1)}}
	return append(append(p, then...), pass)
}

// sockets allows unix sockets, the list of network interfaces (rtnetlink(7)) and TCP. Not Multipath TCP, whose
// ports Landlock does not see, and UDP only if it is asked for.
func sockets(cfg Config) []bpf.Instruction {
	udp := uint32(unix.SOCK_STREAM) // once more: no other kind
	if cfg.UDP {
		udp = unix.SOCK_DGRAM
	}
	const kinds = 0xf // the rest of the argument are flags
	return []bpf.Instruction{
		offArgument(0),
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.AF_INET, SkipTrue: 7},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.AF_INET6, SkipTrue: 6},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.AF_UNIX, SkipTrue: 4},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.AF_NETLINK, SkipTrue: 2},
		offArgument(2),
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.NETLINK_ROUTE, SkipTrue: 1},
		refuse(unix.EAFNOSUPPORT),
		pass,
		// TCP, or UDP.
		offArgument(1),
		bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: kinds},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.SOCK_STREAM, SkipTrue: 2},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: udp, SkipTrue: 1},
		refuse(unix.EACCES),
		offArgument(2),
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: 0, SkipTrue: 3},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.IPPROTO_TCP, SkipTrue: 2},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.IPPROTO_UDP, SkipTrue: 1},
		refuse(unix.EPROTONOSUPPORT),
	}
}

// install puts a filter on all threads. It reports whether this kernel has filters.
func install(program []bpf.Instruction) (bool, error) {
	raw, err := bpf.Assemble(program)
	if err != nil {
		return false, err
	}
	code := make([]unix.SockFilter, len(raw))
	for i, in := range raw {
		code[i] = unix.SockFilter{Code: in.Op, Jt: in.Jt, Jf: in.Jf, K: in.K}
	}
	prog := unix.SockFprog{Len: uint16(len(code)), Filter: &code[0]}

	runtime.LockOSThread() // the two calls are about one thread; the second carries both over to the others
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return false, err
	}
	thread, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&prog)))
	runtime.KeepAlive(code)
	switch {
	case errno == unix.ENOSYS || errno == unix.EINVAL: // a kernel without it
		return false, nil
	case errno != 0:
		return false, errno
	case thread != 0:
		return false, unix.EBUSY // that thread has a filter of its own
	}
	return true, nil
}
