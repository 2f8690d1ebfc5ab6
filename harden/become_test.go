package harden

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const becomeEnv = "HARDEN_TEST_BECOME"

type becoming struct {
	Argv   []string
	Limits Limits
}

func become(raw string) {
	var b becoming
	if err := json.Unmarshal([]byte(raw), &b); err != nil {
		panic(err)
	}
	fmt.Println("become:", Become(b.Argv[0], b.Argv, b.Limits))
	os.Exit(3)
}

// runAs runs argv in a process that has become it, or as the control in one that has not.
func runAs(t *testing.T, b becoming, open bool) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), b.Argv[0], b.Argv[1:]...)
	if !open {
		raw, err := json.Marshal(b)
		if err != nil {
			t.Fatal(err)
		}
		cmd = exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), becomeEnv+"="+string(raw), "SECRET=1")
	}
	cmd.Stdin = strings.NewReader("input\n")
	cmd.WaitDelay = time.Minute
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// TestBecome: another program keeps its two streams and its libraries, and has nothing else. A shell tries, with
// what is built into it.
func TestBecome(t *testing.T) {
	needs(t, abiFiles)
	bash, echo := installed(t, "bash"), installed(t, "echo")
	dir := t.TempDir()
	secret := write(t, filepath.Join(dir, "secret"), []byte("secret\n"), 0o666)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	for _, test := range []struct{ name, script string }{
		{"reads a file", "read x < " + secret},
		{"reads of the system", "read x < /etc/passwd"},
		{"reads of another process", fmt.Sprintf("read x < /proc/%d/status", os.Getpid())},
		{"overwrites", "echo x >> " + secret},
		{"creates", "echo x > " + filepath.Join(dir, "new")},
		{"connects", fmt.Sprintf("exec 3<>/dev/tcp/127.0.0.1/%d", port)},
		{"runs another program", "exec " + echo + " succeeded"},
		{"starts a process", "( : )"},
	} {
		b := becoming{Argv: []string{bash, "-c", "read x; echo \"got $x\"; " + test.script + " && echo succeeded; true"}}
		if out, err := runAs(t, b, true); err != nil || !strings.HasPrefix(out, "got input\n") || !strings.Contains(out, "succeeded") {
			t.Errorf("control: %s: %q %v", test.name, out, err)
		}
		if out, _ := runAs(t, b, false); !strings.HasPrefix(out, "got input\n") || strings.Contains(out, "succeeded") {
			t.Errorf("%s: %q", test.name, out)
		}
	}
	if out, _ := runAs(t, becoming{Argv: []string{bash, "-c", "echo [$SECRET]"}}, false); out != "[]\n" {
		t.Errorf("the environment: %q", out)
	}
	if out, _ := runAs(t, becoming{Argv: []string{bash, "-c", "ulimit -f; ulimit -c"}}, false); out != "0\n0\n" {
		t.Errorf("what it may write to a file, and into a core: %q", out)
	}
	if out, err := runAs(t, becoming{Argv: []string{bash, "-c", "while :; do :; done"}, Limits: Limits{CPU: 1}}, false); err == nil {
		t.Errorf("no end: %q", out)
	}
	hungry := "x=0123456789abcdef; for i in {1..24}; do x=$x$x; done; echo ${#x}" // 256 MiB
	if out, err := runAs(t, becoming{Argv: []string{bash, "-c", hungry}, Limits: Limits{Memory: 64 << 20}}, false); err == nil {
		t.Errorf("no limit of memory: %q", out)
	}
	if out, _ := runAs(t, becoming{Argv: []string{filepath.Join(dir, "none")}}, false); !strings.HasPrefix(out, "become: execve") {
		t.Errorf("a program that is not there: %q", out)
	}
}
