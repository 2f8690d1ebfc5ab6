package main

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"

	"emberdrop/harden"
	"emberdrop/onion"
)

// rootAllowed is the default of --allow-root, set (to anything) by builds for places where root is all there is: the
// tests and the demo in a container.
var rootAllowed string

// hardenFlags are serve's flags about what the process may do.
type hardenFlags struct {
	allowRoot bool
	require   bool
	allowRead []string
}

func (h *hardenFlags) register(set *pflag.FlagSet) {
	set.BoolVar(&h.allowRoot, "allow-root", rootAllowed != "", "serve as root, which is refused otherwise: for containers that have nobody else")
	set.BoolVar(&h.require, "require-hardening", false, "do not serve where the kernel cannot fence files, ports, signals and system calls (Linux 6.12 and newer can)")
	set.StringArrayVar(&h.allowRead, "allow-read", nil, "a `path` that tor may read besides its own, since a line of --torrc-extra names it (repeatable)")
}

// checkUser refuses root: whoever breaks in would be root too.
func (h hardenFlags) checkUser() error {
	if os.Geteuid() != 0 || h.allowRoot {
		return nil
	}
	return hint{errors.New("serve does not run as root"),
		"make a user for it, who owns the data folder; where root is all there is, as in a container, say --allow-root"}
}

// guardMemory keeps what is in RAM in RAM as far as a process can: no core dumps, no debugger of the same user,
// and a word to the operator when swap could carry pages to a disk. Wiping keys is the rooms' part.
func guardMemory(events *slog.Logger) {
	if harden.NoDebugger() != nil {
		events.Warn("memory can be read by other processes of this user", "room", "main")
	}
	if harden.NoCoreDump() != nil {
		events.Warn("core dumps cannot be switched off", "room", "main")
	}
	if harden.Swapping() {
		events.Warn("swap is on: keys and photos in RAM may reach a disk; switch it off (swapoff -a) or encrypt it", "room", "main")
	}
}

// fence takes from the process, and from tor after it, what neither needs. The keys have been read.
func (s *server) fence() error {
	cfg, err := s.needs()
	if err != nil {
		return err
	}
	// Go reads with the first listener how many connections the kernel lets wait at a socket, and keeps that in
	// mind. Behind the fence it could not read it, and would let so few wait that a crowd is turned away.
	if first, err := net.Listen("unix", ""); err == nil {
		first.Close()
	}
	report, err := harden.Apply(cfg)
	if err != nil {
		return err
	}
	s.unfenced = report.Missing()
	if s.flags.require && len(s.unfenced) > 0 {
		return hint{fmt.Errorf("--require-hardening: this kernel cannot fence %s", strings.Join(s.unfenced, ", ")), kernelAdvice}
	}
	for _, name := range s.unfenced {
		switch name {
		case "files":
			s.events.Warn("files are not fenced by this kernel", "room", "harden")
		case "ports":
			s.events.Warn("ports are not fenced by this kernel", "room", "harden")
		case "signals":
			s.events.Warn("signals are not fenced by this kernel", "room", "harden")
		case "system calls":
			s.events.Warn("system calls are not filtered by this kernel", "room", "harden")
		}
	}
	return nil
}

const kernelAdvice = "Linux 6.12 or newer can, with seccomp, and with landlock among its security modules (cat /sys/kernel/security/lsm)"

// resolver is what a program reads to find hosts and to trust their certificates.
var resolver = []string{
	"/etc/hosts", "/etc/resolv.conf", "/etc/nsswitch.conf", "/etc/host.conf", "/etc/gai.conf", "/etc/services",
	"/etc/ssl/certs", "/etc/pki/tls/certs", "/etc/pki/ca-trust", "/usr/share/ca-certificates",
}

// needs is what serving needs: the data folder and the host key's file, which panic overwrites; and either tor
// with what the operator gave it, or the address of --listen.
func (s *server) needs() (harden.Config, error) {
	cfg := harden.Config{
		Data: []string{s.folder.path}, Write: []string{s.folder.host}, Read: s.flags.allowRead,
	}
	if supervisor := os.Getenv("NOTIFY_SOCKET"); supervisor != "" {
		cfg.Connect = append(cfg.Connect, supervisor)
	}
	if err := s.flags.judges.needs(&cfg); err != nil {
		return cfg, err
	}
	if s.flags.listen != "" {
		return s.needsToListen(cfg)
	}
	// A tor that is not there is complained about, with advice, when it is to be started.
	if tor, err := exec.LookPath(cmp.Or(s.flags.tor, "tor")); err == nil {
		cfg.Run = append(cfg.Run, tor)
	}
	if s.flags.torrcExtra == "" {
		return cfg, nil
	}
	cfg.Read = append(cfg.Read, s.flags.torrcExtra)
	transports, err := onion.Transports(s.flags.torrcExtra)
	if err != nil {
		return cfg, err
	}
	if len(transports) > 0 { // they look up hosts, some speak UDP, and tor reaches them on a loopback port of theirs (pt-spec)
		cfg.TCP = append(cfg.TCP, 0)
		cfg.Run, cfg.Read, cfg.UDP = append(cfg.Run, transports...), append(cfg.Read, resolver...), true
	}
	return cfg, nil
}

func (s *server) needsToListen(cfg harden.Config) (harden.Config, error) {
	if path, unix := strings.CutPrefix(s.flags.listen, "unix:"); unix {
		cfg.Sockets = append(cfg.Sockets, filepath.Dir(path))
		return cfg, nil
	}
	_, name, err := net.SplitHostPort(s.flags.listen)
	if err != nil {
		return cfg, usageError{fmt.Errorf("--listen: %w", err)}
	}
	port, err := net.LookupPort("tcp", name)
	if err != nil {
		return cfg, usageError{fmt.Errorf("--listen: %w", err)}
	}
	cfg.TCP, cfg.Read = append(cfg.TCP, uint16(port)), append(cfg.Read, resolver...)
	return cfg, nil
}
