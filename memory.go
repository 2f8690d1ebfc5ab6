package main

import (
	"log/slog"

	"golang.org/x/sys/unix"
)

// guardMemory keeps what is in RAM in RAM as far as a process can: no core
// dumps, no debugger of the same user, and a word to the operator when swap could
// carry pages to a disk. Wiping keys is the rooms' part; swap is the operator's.
func guardMemory(events *slog.Logger) {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		events.Warn("memory can be read by other processes of this user", "room", "main")
	}
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		events.Warn("core dumps cannot be switched off", "room", "main")
	}
	if swapping() {
		events.Warn("swap is on: keys and photos in RAM may reach a disk; switch it off (swapoff -a) or encrypt it", "room", "main")
	}
}

// swapping reports whether the kernel has swap areas. It asks the kernel and not
// /proc, which a hardened service does not see.
func swapping() bool {
	var info unix.Sysinfo_t
	return unix.Sysinfo(&info) == nil && info.Totalswap > 0
}
