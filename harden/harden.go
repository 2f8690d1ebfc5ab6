// Package harden takes from this process, and from every child that it starts afterwards, what neither needs:
// files, programs, ports, signals and system calls. What it takes does not come back before the process ends.
//
// It must not know what is served, where the data folder is or which programs are run: it is told. It must not log.
package harden

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// Config is what stays possible. Besides it, whoever starts a dynamically linked program may read the system's
// libraries, its clock's zone and a few harmless facts about the machine (see system in landlock.go).
// A path that does not exist is left out.
type Config struct {
	Data    []string // folders in which everything is possible but running programs and making devices; nil: none
	Write   []string // files that may be read and overwritten; nil: none
	Read    []string // files, and folders with all that is in them, that may be read; nil: none
	Run     []string // programs that may be run, and read; nil: none
	Sockets []string // folders in which unix sockets may be made and removed; nil: none
	Connect []string // unix sockets of other programs that may be connected to ("@name" for an abstract one); nil: none
	TCP     []uint16 // ports that may be bound, 0 standing for one that the kernel chooses; nil: none
	UDP     bool     // true: sockets of UDP may be made; false: none may
}

// Report is what holds now.
type Report struct {
	Landlock int  // the kernel's Landlock ABI; 0: it has none, or it is switched off
	Seccomp  bool // system calls are filtered
}

// The Landlock ABIs that brought what is used here (landlock(7)).
const (
	abiFiles   = 1
	abiPorts   = 4
	abiSignals = 6
)

// Missing names what this kernel cannot fence: "files" (and programs), "ports" of TCP, "signals" to processes
// outside (and their abstract unix sockets), "system calls". nil: everything is fenced.
func (r Report) Missing() (names []string) {
	for _, part := range []struct {
		holds bool
		name  string
	}{
		{r.Landlock >= abiFiles, "files"}, {r.Landlock >= abiPorts, "ports"}, {r.Landlock >= abiSignals, "signals"},
		{r.Seccomp, "system calls"},
	} {
		if !part.holds {
			names = append(names, part.name)
		}
	}
	return names
}

// ErrHarden says that a restriction could not be put in place although the kernel has it.
var ErrHarden = errors.New("the process could not be fenced in")

// Apply puts everything in place that the kernel has, on all threads. What the kernel lacks is told by the
// report, not by an error. It must be called once, before anything of a visitor is handled.
func Apply(cfg Config) (Report, error) {
	var report Report
	abi, err := fence(cfg)
	if err != nil {
		return report, fmt.Errorf("%w: landlock: %w", ErrHarden, err)
	}
	report.Landlock = abi
	if report.Seccomp, err = install(program(cfg)); err != nil {
		return report, fmt.Errorf("%w: seccomp: %w", ErrHarden, err)
	}
	return report, nil
}

// Private makes every file that the process creates from now on its user's alone.
func Private() { unix.Umask(0o077) }

// abstract reports whether a socket has a name and no file.
func abstract(socket string) bool { return strings.HasPrefix(socket, "@") }
