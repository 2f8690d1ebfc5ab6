package harden

import "golang.org/x/sys/unix"

const (
	auditArch    = unix.AUDIT_ARCH_AARCH64
	foreignCalls = 1<<32 - 1 // there are none
)

// deniedHere are calls that only this architecture has a number for.
var deniedHere = []uint32{unix.SYS_KEXEC_FILE_LOAD}

// forks are the older calls that make a process: there are none.
var forks []uint32
