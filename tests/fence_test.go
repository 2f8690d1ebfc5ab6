package tests

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"emberdrop/tests/instance"
	"emberdrop/tests/sample"
	"emberdrop/tests/tornet"
)

// nobody is a user who owns nothing, or, where we are not root, we.
func nobody() uint32 {
	if os.Geteuid() == 0 {
		return 65534
	}
	return 0
}

// givenTo makes a folder and what is in it a user's, and lets that user reach it.
func givenTo(t *testing.T, user uint32, dir string) {
	t.Helper()
	if user == 0 {
		return
	}
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, int(user), int(user))
	})
	if err != nil {
		t.Fatal(err)
	}
	reached(t, dir)
}

// reached lets others pass through the folders of this test that lie above a path.
func reached(t *testing.T, path string) {
	t.Helper()
	for dir := filepath.Dir(path); dir != "/" && dir != filepath.Clean(os.TempDir()); dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o711); err != nil {
			t.Fatal(err)
		}
	}
}

// processStatus is /proc/PID/status (proc(5)).
func processStatus(t *testing.T, pid int) map[string]string {
	t.Helper()
	lines := map[string]string{}
	for line := range strings.Lines(string(readFile(t, fmt.Sprintf("/proc/%d/status", pid)))) {
		if name, value, ok := strings.Cut(line, ":"); ok {
			lines[name] = strings.TrimSpace(value)
		}
	}
	return lines
}

// TestFencedOverTor: the service works over Tor, as a user who owns nothing, with
// every restriction that this kernel has, and the kernel says that they hold: for
// the server, and for its tor, which has a filter of its own besides.
func TestFencedOverTor(t *testing.T) {
	data, torrc := freshData(t), filepath.Join(t.TempDir(), "torrc")
	if err := os.WriteFile(torrc, []byte(theNetwork(t).Torrc()), 0o644); err != nil {
		t.Fatal(err)
	}
	givenTo(t, nobody(), data)
	reached(t, torrc)
	reached(t, theProgram(t))
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	server, err := instance.Serve(ctx, instance.Config{
		Program: theProgram(t), Data: data, User: nobody(), Args: []string{"--allow-root=false", "--torrc-extra", torrc},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Stop() })
	reachable(t, server)

	family := descendants(t, server.PID())
	if len(family) < 2 {
		t.Fatalf("the server has no tor: %v", family)
	}
	for _, pid := range family {
		filters := "1"
		if pid != server.PID() {
			filters = "2" // Sandbox of tor
		}
		has := processStatus(t, pid)
		for name, want := range map[string]string{"NoNewPrivs": "1", "Seccomp": "2", "Seccomp_filters": filters, "Umask": "0077", "CoreDumping": "0"} {
			if has[name] != want {
				t.Errorf("%s: %s is %q, want %q", has["Name"], name, has[name], want)
			}
		}
		if user := nobody(); user != 0 && has["CapPrm"] != strings.Repeat("0", 16) {
			t.Errorf("%s has capabilities: %s", has["Name"], has["CapPrm"])
		}
	}
	noTCP(t, server.PID())

	client, err := instance.ViaSOCKS(theNetwork(t).SOCKS())
	if err != nil {
		t.Fatal(err)
	}
	up, err := client.Upload(t.Context(), server.Address+"/", instance.File("a.jpg", sample.Photo(640, 480, 3)), instance.Text("burn", "on"))
	if err != nil || up.Status != 201 {
		t.Fatalf("upload: %v, %d %s", err, up.Status, up.Body)
	}
	out, err := client.Post(t.Context(), up.Line("link"), nil)
	if err != nil || out.Status != 200 {
		t.Fatalf("reveal: %v, %d", err, out.Status)
	}
	if strings.Contains(server.Log(), "fenced") {
		t.Logf("this kernel cannot do everything:\n%s", server.Log())
	}
	if err := server.Stop(); err != nil {
		t.Fatal(err)
	}
}

// TestRefusesRoot: the program as it is shipped does not serve as root, and says
// what to do. It has touched nothing by then.
func TestRefusesRoot(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can be refused")
	}
	data := freshData(t)
	before := appended(t, data)
	listen := "unix:" + filepath.Join(t.TempDir(), "s")
	out := fails(t, "serve", "--allow-root=false", "--data", data, "--listen", listen)
	if !strings.Contains(out, "serve does not run as root") || !strings.Contains(out, "hint: ") {
		t.Errorf("it says:\n%s", out)
	}
	if after := appended(t, data); after != before {
		t.Errorf("the log was touched: %s, then %s", before, after)
	}
	// Without the flag of the test build that is the default.
	shipped := filepath.Join(t.TempDir(), "emberdrop")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", shipped, "emberdrop")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if out, err := exec.CommandContext(ctx, shipped, "serve", "--data", data, "--listen", listen).CombinedOutput(); err == nil || !strings.Contains(string(out), "as root") {
		t.Errorf("the shipped program: %v\n%s", err, out)
	}
}

// TestListenOpensItsPortOnly: --listen is the one way to a TCP port, and it opens
// that port and no other.
func TestListenOpensItsPortOnly(t *testing.T) {
	var held tornet.Ports
	t.Cleanup(held.Close)
	port, err := held.Reserve()
	if err != nil {
		t.Fatal(err)
	}
	address := fmt.Sprintf("127.0.0.1:%d", port)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	server, err := instance.Serve(ctx, instance.Config{Program: theProgram(t), Data: freshData(t), Args: []string{"--listen", address}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Stop() })
	if server.Address != "http://"+address {
		t.Errorf("it serves on %s, not %s", server.Address, address)
	}
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}

// TestPanicReachesAKeyElsewhere: a fenced server still overwrites the host key off
// the data folder, when a signal is all that the operator has time for.
func TestPanicReachesAKeyElsewhere(t *testing.T) {
	data, stick := filepath.Join(t.TempDir(), "data"), filepath.Join(t.TempDir(), "host.key")
	succeeds(t, "init", "--data", data, "--host-key", stick)
	before := readFile(t, stick)
	server, _ := servePlain(t, data, "--host-key", stick)
	if err := syscall.Kill(server.PID(), syscall.SIGUSR2); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the server has ended", server.Ended)
	if after := readFile(t, stick); bytes.Equal(before, after) || len(after) != len(before) {
		t.Errorf("the host key elsewhere was not overwritten: %d bytes", len(after))
	}
}
