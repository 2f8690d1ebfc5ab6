package harden

import "golang.org/x/sys/unix"

// NoDebugger keeps other processes of the same user from reading this one's memory.
func NoDebugger() error { return unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0) }

// NoCoreDump keeps the memory of this process and its children from being written to a disk when one crashes.
func NoCoreDump() error { return unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}) }

// Swapping reports whether the kernel has swap areas, to which keys and photos in RAM could be carried. It asks
// the kernel and not /proc, which a fenced process does not see.
func Swapping() bool {
	var info unix.Sysinfo_t
	return unix.Sysinfo(&info) == nil && info.Totalswap > 0
}
