package main

import (
	"log/slog"
	"os"
	"strings"

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
	if swapping("/proc/swaps") {
		events.Warn("swap is on: keys and photos in RAM may reach a disk; switch it off (swapoff -a) or encrypt it", "room", "main")
	}
}

// swapping reports whether proc(5)'s list of swap areas has one; its first line
// is a heading.
func swapping(list string) bool {
	raw, err := os.ReadFile(list)
	return err == nil && strings.Count(strings.TrimSpace(string(raw)), "\n") > 0
}
