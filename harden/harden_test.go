package harden

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	ll "github.com/landlock-lsm/go-landlock/landlock/syscall"
	"golang.org/x/sys/unix"
)

// What Apply takes it does not give back, so every attempt is made in a process of its own: this test binary
// again, which applies, tries one thing and says what came of it.
const childEnv = "HARDEN_TEST"

type order struct {
	Open   bool // do not apply: the control, in which the attempt must succeed
	Cage   bool // Cage instead of Apply
	Config Config
	Try    string
	Args   []string
}

func TestMain(m *testing.M) {
	if raw := os.Getenv(childEnv); raw != "" {
		child(raw)
	}
	if raw := os.Getenv(becomeEnv); raw != "" {
		become(raw)
	}
	os.Exit(m.Run())
}

func child(raw string) {
	var o order
	if err := json.Unmarshal([]byte(raw), &o); err != nil {
		panic(err)
	}
	// A thread from before Apply, to see that it is reached too.
	early, answered := make(chan func() error), make(chan error)
	ready := make(chan struct{})
	go func() {
		runtime.LockOSThread()
		close(ready)
		answered <- (<-early)()
	}()
	<-ready
	if !o.Open {
		apply := func() error { _, err := Apply(o.Config); return err }
		if o.Cage {
			apply = Cage
		}
		if err := apply(); err != nil {
			fmt.Println("apply:", err)
			os.Exit(3)
		}
	}
	try := func() error { return attempts[o.Try](o.Args) }
	for where, err := range map[string]func() error{
		"here":            try,
		"an early thread": func() error { early <- try; return <-answered },
	} {
		if err := err(); err != nil {
			var errno syscall.Errno
			errors.As(err, &errno)
			fmt.Printf("%s: %s (%v)\n", where, unix.ErrnoName(errno), err)
		} else {
			fmt.Printf("%s: done\n", where)
		}
	}
	os.Exit(0)
}

// send runs one attempt and returns both answers, which must be the same.
func send(t *testing.T, o order) string {
	t.Helper()
	raw, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+string(raw), "GORACE=atexit_sleep_ms=0") // else each child of a race build waits a second
	cmd.WaitDelay = time.Minute
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // no terminal of ours in its reach
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", o.Try, o.Args, err, out)
	}
	var here, early string
	for line := range strings.Lines(string(out)) {
		if rest, ok := strings.CutPrefix(line, "here: "); ok {
			here, _, _ = strings.Cut(strings.TrimSpace(rest), " ")
		}
		if rest, ok := strings.CutPrefix(line, "an early thread: "); ok {
			early, _, _ = strings.Cut(strings.TrimSpace(rest), " ")
		}
	}
	if here == "" || here != early {
		t.Fatalf("%s %v: the threads do not agree:\n%s", o.Try, o.Args, out)
	}
	return here
}

// needs skips a test on a kernel that cannot do what it is about.
func needs(t *testing.T, abi int) {
	t.Helper()
	if have, _ := ll.LandlockGetABIVersion(); have < abi {
		t.Skipf("this kernel has Landlock ABI %d, not %d", have, abi)
	}
}

func installed(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatal(err)
	}
	if path, err = filepath.EvalSymlinks(path); err != nil {
		t.Fatal(err)
	}
	return path
}

func write(t *testing.T, path string, content []byte, mode os.FileMode) string {
	t.Helper()
	if err := os.WriteFile(path, content, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

// held holds attempts against the configuration and, as the control, against none.
func held(t *testing.T, cfg Config, tests []attempt) {
	t.Helper()
	for _, test := range tests {
		if !test.only {
			if got := send(t, order{Open: true, Try: test.try, Args: test.args}); got != "done" {
				t.Errorf("control: %s %v: %s", test.try, test.args, got)
			}
		}
		if got := send(t, order{Config: cfg, Try: test.try, Args: test.args}); got != test.want {
			t.Errorf("%s %v: %s, want %s", test.try, test.args, got, test.want)
		}
	}
}

type attempt struct {
	try  string
	args []string
	want string
	only bool // no control: it would not succeed here, or do harm
}

func TestFiles(t *testing.T) {
	needs(t, abiFiles)
	data, outside, sockets := t.TempDir(), t.TempDir(), t.TempDir()
	secret := write(t, filepath.Join(outside, "secret"), []byte("secret"), 0o600)
	read := write(t, filepath.Join(outside, "read"), []byte("read"), 0o600)
	key := write(t, filepath.Join(outside, "key"), []byte("key"), 0o600)
	cat, sleep := installed(t, "cat"), installed(t, "sleep")
	raw, err := os.ReadFile(cat)
	if err != nil {
		t.Fatal(err)
	}
	dropped := write(t, filepath.Join(data, "cat"), raw, 0o700)
	held(t, Config{Data: []string{data}, Write: []string{key}, Read: []string{read}, Run: []string{cat, sleep}, Sockets: []string{sockets}}, []attempt{
		{"use", []string{data}, "done", false},
		{"read", []string{secret}, "EACCES", false},
		{"overwrite", []string{secret}, "EACCES", false},
		{"list", []string{outside}, "EACCES", false},
		{"create", []string{outside}, "EACCES", false},
		{"read", []string{"/etc/passwd"}, "EACCES", false},
		{"list", []string{"/"}, "EACCES", false},
		{"read", []string{read}, "done", false},
		{"overwrite", []string{read}, "EACCES", false},
		{"overwrite", []string{key}, "done", false},
		{"read", []string{"/proc/self/status"}, "EACCES", false},
		{"overwrite", []string{os.DevNull}, "EINVAL", true}, // it opens and takes bytes, but has no length
		{"socket", []string{sockets}, "done", false},
		{"create", []string{sockets}, "EACCES", false},
		{"run", []string{cat, meminfo}, "done", false},
		{"run", []string{cat, secret}, "EACCES", false}, // the child is no freer
		{"run", []string{installed(t, "true")}, "EACCES", false},
		{"run", []string{dropped, read}, "EACCES", false}, // what can be written cannot be run
		{"hang", []string{sleep, "600"}, "done", false},
	})
	if os.Geteuid() == 0 {
		held(t, Config{Data: []string{data}}, []attempt{{"device", []string{data}, "EACCES", false}})
	}
}

func TestPorts(t *testing.T) {
	needs(t, abiPorts)
	spare, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := spare.Addr().String()
	port := uint16(spare.Addr().(*net.TCPAddr).Port)
	spare.Close()
	held(t, Config{}, []attempt{
		{"listen", []string{address}, "EACCES", false},
		{"listen", []string{"[::]:0"}, "EACCES", false},
		{"listen", []string{"127.0.0.1:0"}, "EACCES", false},
	})
	held(t, Config{TCP: []uint16{port}}, []attempt{
		{"listen", []string{address}, "done", false},
		{"listen", []string{"127.0.0.1:0"}, "EACCES", false},
	})
	held(t, Config{TCP: []uint16{0}}, []attempt{{"listen", []string{"127.0.0.1:0"}, "done", false}})
}

func TestSignalsAndAbstractSockets(t *testing.T) {
	needs(t, abiSignals)
	name := fmt.Sprintf("@harden-test-%d", os.Getpid())
	l, err := net.Listen("unix", name)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	held(t, Config{}, []attempt{
		{"signal", nil, "EPERM", false},
		{"connect", []string{"unix", name}, "EPERM", false},
	})
	held(t, Config{Connect: []string{name}}, []attempt{{"connect", []string{"unix", name}, "done", false}})
}

// A file's socket, which a supervisor listens on, stays in reach; from ABI 9 on others do not.
func TestNotifySocket(t *testing.T) {
	needs(t, abiFiles)
	name := filepath.Join(t.TempDir(), "notify")
	l, err := net.Listen("unix", name)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	held(t, Config{Connect: []string{name}}, []attempt{{"connect", []string{"unix", name}, "done", false}})
}

func TestSockets(t *testing.T) {
	of := func(family, kind, protocol int) []string {
		return []string{fmt.Sprint(family), fmt.Sprint(kind), fmt.Sprint(protocol)}
	}
	const mptcp = 262
	tests := []attempt{
		{"make", of(unix.AF_UNIX, unix.SOCK_DGRAM, 0), "done", false},
		{"make", of(unix.AF_INET, unix.SOCK_STREAM, 0), "done", false},
		{"make", of(unix.AF_INET6, unix.SOCK_STREAM, unix.IPPROTO_TCP), "done", false},
		{"make", of(unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_ROUTE), "done", false},
		{"make", of(unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_GENERIC), "EAFNOSUPPORT", true},
		{"make", of(unix.AF_INET, unix.SOCK_STREAM, mptcp), "EPROTONOSUPPORT", true},
		{"make", of(unix.AF_INET6, unix.SOCK_STREAM, mptcp), "EPROTONOSUPPORT", true},
		{"make", of(unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_ICMP), "EACCES", true},
		{"make", of(unix.AF_PACKET, unix.SOCK_RAW, 0), "EAFNOSUPPORT", true},
		{"make", of(unix.AF_VSOCK, unix.SOCK_STREAM, 0), "EAFNOSUPPORT", true},
		{"make", of(unix.AF_ALG, unix.SOCK_SEQPACKET, 0), "EAFNOSUPPORT", true},
	}
	udp := of(unix.AF_INET, unix.SOCK_DGRAM, 0)
	held(t, Config{}, append(tests, attempt{"make", udp, "EACCES", false}))
	held(t, Config{UDP: true}, append(tests, attempt{"make", udp, "done", false}))
}

func TestCalls(t *testing.T) {
	for _, call := range []uint32{ // a list of its own: what is dropped from the other must be missed
		unix.SYS_PTRACE, unix.SYS_PROCESS_VM_READV, unix.SYS_PROCESS_VM_WRITEV, unix.SYS_PIDFD_GETFD, unix.SYS_KCMP,
		unix.SYS_MOUNT, unix.SYS_UMOUNT2, unix.SYS_MOVE_MOUNT, unix.SYS_OPEN_TREE, unix.SYS_FSOPEN, unix.SYS_PIVOT_ROOT, unix.SYS_CHROOT,
		unix.SYS_SETNS, unix.SYS_UNSHARE, unix.SYS_OPEN_BY_HANDLE_AT, unix.SYS_BPF, unix.SYS_PERF_EVENT_OPEN, unix.SYS_USERFAULTFD,
		unix.SYS_IO_URING_SETUP, unix.SYS_ADD_KEY, unix.SYS_REQUEST_KEY, unix.SYS_KEYCTL, unix.SYS_KEXEC_LOAD, unix.SYS_FINIT_MODULE,
		unix.SYS_REBOOT, unix.SYS_SWAPON, unix.SYS_CLOCK_SETTIME, unix.SYS_SYSLOG, unix.SYS_MEMFD_SECRET,
	} {
		held(t, Config{}, []attempt{{"call", []string{fmt.Sprint(call)}, "EPERM", true}})
	}
	held(t, Config{}, []attempt{
		{"memory", []string{fmt.Sprint(unix.MFD_CLOEXEC)}, "EPERM", false},
		{"memory", []string{fmt.Sprint(unix.MFD_NOEXEC_SEAL)}, "done", false},
		{"call", []string{fmt.Sprint(unix.SYS_CLONE3)}, "ENOSYS", true},
		{"terminal", nil, "EPERM", true},
	})
	if os.Geteuid() == 0 {
		name := installed(t, "true")
		held(t, Config{Run: []string{name}}, []attempt{{"namespace", []string{name}, "EPERM", false}})
	}
}

// The filter knows the numbers of one architecture. A program of another, here one of 32 bits whose two
// instructions end it well, must not slip through it.
func TestForeignCalls(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("no other architecture's calls here")
	}
	header := []byte("\x7fELF\x01\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00" + // 32 bits, little-endian
		"\x02\x00\x03\x00\x01\x00\x00\x00\x54\x80\x04\x08\x34\x00\x00\x00" + // a program for i386, where it begins
		"\x00\x00\x00\x00\x00\x00\x00\x00\x34\x00\x20\x00\x01\x00\x28\x00\x00\x00\x00\x00" +
		"\x01\x00\x00\x00\x00\x00\x00\x00\x00\x80\x04\x08\x00\x80\x04\x08" + // one part, to be loaded
		"\x5d\x00\x00\x00\x5d\x00\x00\x00\x05\x00\x00\x00\x00\x10\x00\x00")
	code := []byte("\xb8\x01\x00\x00\x00\x31\xdb\xcd\x80") // exit(0)
	name := write(t, filepath.Join(t.TempDir(), "exit32"), append(header, code...), 0o700)
	if err := exec.Command(name).Run(); err != nil {
		t.Skipf("this kernel runs no programs of 32 bits: %v", err)
	}
	held(t, Config{Run: []string{name}}, []attempt{{"run", []string{name}, "ENOSYS", false}})
}
