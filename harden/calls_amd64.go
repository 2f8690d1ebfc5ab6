package harden

import "golang.org/x/sys/unix"

const (
	auditArch    = unix.AUDIT_ARCH_X86_64
	foreignCalls = 0x40000000 // from here on: calls of the x32 ABI (seccomp(2))
)

// deniedHere are calls that only this architecture has.
var deniedHere = []uint32{
	unix.SYS_KEXEC_FILE_LOAD, unix.SYS_IOPERM, unix.SYS_IOPL, unix.SYS_MODIFY_LDT, unix.SYS_USTAT, unix.SYS_USELIB,
}

// forks are the older calls that make a process.
var forks = []uint32{unix.SYS_FORK, unix.SYS_VFORK}
