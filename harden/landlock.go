package harden

import (
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/landlock-lsm/go-landlock/landlock"
	ll "github.com/landlock-lsm/go-landlock/landlock/syscall"
	"golang.org/x/sys/unix"
)

// What a path may be used for (landlock(7)). Execute stands apart: what can be written cannot be run.
const (
	readFile   landlock.AccessFSSet = ll.AccessFSReadFile
	readDir    landlock.AccessFSSet = ll.AccessFSReadFile | ll.AccessFSReadDir
	writeFile  landlock.AccessFSSet = ll.AccessFSReadFile | ll.AccessFSWriteFile | ll.AccessFSTruncate
	runFile    landlock.AccessFSSet = ll.AccessFSReadFile | ll.AccessFSExecute
	socketDir  landlock.AccessFSSet = ll.AccessFSMakeSock | ll.AccessFSRemoveFile | ll.AccessFSResolveUnix
	connect    landlock.AccessFSSet = ll.AccessFSResolveUnix
	dataFolder landlock.AccessFSSet = readDir | writeFile | socketDir | ll.AccessFSMakeReg | ll.AccessFSMakeDir | ll.AccessFSRemoveDir

	everyAccess landlock.AccessFSSet = ll.AccessFSResolveUnix<<1 - 1
)

// system is what a dynamically linked program reads before its main, and what tor reads of the machine: how
// much memory and how many processors there are, where in the world it stands, and OpenSSL's settings.
// None of it is anybody's secret. Paths that a machine does not have are left out.
var system = []string{
	"/lib", "/lib32", "/lib64", "/libx32", "/usr/lib", "/usr/lib32", "/usr/lib64", "/usr/local/lib", "/nix/store", "/gnu/store",
	"/etc/ld.so.cache", "/etc/ssl/openssl.cnf", "/etc/pki/tls/openssl.cnf",
	"/etc/localtime", "/usr/share/zoneinfo", "/usr/share/tor",
	"/dev/urandom", meminfo, "/sys/devices/system/cpu",
}

// threadsAreOne is the bit of Landlock's erratum 2, "scoped signal handling" (the kernel's userspace-api/landlock, "Errata").
const threadsAreOne = 1 << 1

const meminfo = "/proc/meminfo"

// fence restricts files, TCP ports and signals as far as the kernel can, and returns its Landlock ABI.
func fence(cfg Config) (abi int, err error) {
	abi, err = ll.LandlockGetABIVersion()
	if errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EOPNOTSUPP) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	// Without this erratum mended the kernel also keeps threads of one process apart, and go-landlock leaves signals be.
	if errata, err := ll.LandlockGetErrata(); abi >= abiSignals && (err != nil || errata&threadsAreOne == 0) {
		abi = abiSignals - 1
	}
	rules, err := cfg.rules()
	if err != nil {
		return 0, err
	}
	// Binding is restricted, connecting is not: relays listen on any port.
	ports := landlock.AccessNetSet(ll.AccessNetBindTCP)
	if !cfg.UDP {
		ports |= ll.AccessNetBindUDP
	}
	scopes := landlock.ScopedSet(ll.ScopeSignal)
	if !slices.ContainsFunc(cfg.Connect, abstract) { // the kernel knows all of them or none
		scopes |= ll.ScopeAbstractUnixSocket
	}
	config, err := landlock.NewConfig(everyAccess, ports, scopes)
	if err != nil {
		return 0, err
	}
	if err := pin(meminfo); err != nil {
		return 0, err
	}
	return abi, config.BestEffort().Restrict(rules...)
}

// pin keeps a file of /proc in the kernel's cache of names as long as this process lives. Landlock's rule is
// tied to the file that is found now, and /proc makes a new one when it has forgotten the old.
func pin(path string) error {
	_, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	return err
}

func (c Config) rules() (rules []landlock.Rule, err error) {
	allow := func(access landlock.AccessFSSet, paths ...string) {
		rules = append(rules, landlock.PathAccess(access, paths...).IgnoreIfMissing())
	}
	for _, path := range append(append([]string{}, system...), c.Read...) {
		info, err := os.Stat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return nil, err
		case info.IsDir():
			allow(readDir, path)
		default:
			allow(readFile, path)
		}
	}
	for _, program := range c.Run {
		paths, err := runs(program)
		if err != nil {
			return nil, err
		}
		allow(runFile, paths...)
	}
	allow(dataFolder, c.Data...)
	allow(writeFile, append([]string{os.DevNull}, c.Write...)...)
	allow(socketDir, c.Sockets...)
	for _, socket := range c.Connect {
		if !abstract(socket) {
			allow(connect, socket)
		}
	}
	for _, port := range c.TCP {
		rules = append(rules, landlock.BindTCP(port))
	}
	return rules, nil
}

// runs returns what the kernel itself opens to run a program: its file, and the dynamic loader that it names
// (elf(5), PT_INTERP). A program that is a script does not run in here.
func runs(program string) ([]string, error) {
	file, err := elf.Open(program)
	var format *elf.FormatError
	if errors.As(err, &format) {
		return []string{program}, nil
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	for _, part := range file.Progs {
		if part.Type != elf.PT_INTERP {
			continue
		}
		name, err := io.ReadAll(io.LimitReader(part.Open(), unix.PathMax))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", program, err)
		}
		return []string{program, strings.TrimRight(string(name), "\x00")}, nil
	}
	return []string{program}, nil
}
