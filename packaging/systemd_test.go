package packaging

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"emberdrop/tests/tornet"
)

// TestUnderSystemd installs the package on a copy of this machine under a systemd
// of its own and goes an operator's way: start, share over a private Tor network,
// commands as root on the stopped service, the host key as a credential, kill -9,
// panic, removal. It needs root, overlayfs and some minutes, so it is not for the
// ordinary run; testdata/boot says how the copy is made, testdata/trial what is done.
func TestUnderSystemd(t *testing.T) {
	if os.Getenv("EMBERDROP_SOAK") == "" {
		t.Skip("a part of `just soak`")
	}
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	needs(t, "git", "dpkg", "unshare", "curl", "/lib/systemd/systemd")
	built, shared := t.TempDir(), t.TempDir()
	mustCall(t, "..", pinned, "packaging/build", built, runtime.GOARCH)
	debs, err := filepath.Glob(filepath.Join(built, "*.deb"))
	if err != nil || len(debs) != 1 {
		t.Fatal(err, debs)
	}
	if err := os.Rename(debs[0], filepath.Join(shared, "emberdrop.deb")); err != nil {
		t.Fatal(err)
	}
	network, err := tornet.Start(t.Context(), tornet.Config{Dir: filepath.Join(t.TempDir(), "net")})
	if err != nil {
		t.Fatal(err)
	}
	defer network.Close()
	for name, text := range map[string]string{"torrc": network.Torrc(), "socks": network.SOCKS(), "up": "reachable"} {
		if err := os.WriteFile(filepath.Join(shared, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
	defer cancel()
	// --kill-child takes the whole copy along, whatever ends first.
	boot := exec.CommandContext(ctx, "unshare", "--mount", "--pid", "--fork", "--uts", "--ipc", "--cgroup", "--kill-child",
		"bash", "testdata/boot", shared)
	var out bytes.Buffer
	boot.Stdout, boot.Stderr = &out, &out
	if err := boot.Start(); err != nil {
		t.Fatal(err)
	}
	var said []byte
	for ctx.Err() == nil && !bytes.HasSuffix(said, []byte("THE END\n")) {
		time.Sleep(200 * time.Millisecond)
		said, _ = os.ReadFile(filepath.Join(shared, "said"))
	}
	cancel() // the init of the copy does not end by itself
	boot.Wait()
	if !bytes.Contains(said, []byte("\nALL DONE\n")) {
		t.Fatalf("%s\n%s", &out, said)
	}
}
