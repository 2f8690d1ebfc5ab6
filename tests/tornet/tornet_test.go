package tornet_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/proxy"

	"emberdrop/tests/tornet"
)

// childDir, when set, makes this test binary a program that starts a network in that folder and then waits
// to be killed.
const childDir = "TORNET_TEST_CHILD_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		if _, err := tornet.Start(context.Background(), tornet.Config{Dir: dir}); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println("ready")
		select {}
	}
	os.Exit(m.Run())
}

// start starts a network, or skips where there is no tor and nobody said that there must be one.
func start(t *testing.T) *tornet.Network {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	began := time.Now()
	n, err := tornet.Start(ctx, tornet.Config{})
	if errors.Is(err, tornet.ErrNoTor) && os.Getenv("CI") == "" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	t.Logf("ready after %v", time.Since(began).Round(time.Millisecond))
	return n
}

// A page served by a plain tor with HiddenServiceDir travels to the client, also after that tor was killed, and after
// relays have gone and come back.
func TestServePage(t *testing.T) {
	n := start(t)
	dir := t.TempDir()
	socket := filepath.Join(dir, "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	const page = "a page through an onion"
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, page) })}
	go srv.Serve(l)
	defer srv.Close()

	hs := filepath.Join(dir, "hs")
	if err := os.Mkdir(hs, 0o700); err != nil {
		t.Fatal(err)
	}
	torrc := filepath.Join(dir, "torrc")
	lines := n.Torrc() + fmt.Sprintf("DataDirectory %s\nSocksPort 0\nHiddenServiceDir %s\nHiddenServicePort 80 unix:%s\n", filepath.Join(dir, "data"), hs, socket)
	if err := os.WriteFile(torrc, []byte(lines), 0o600); err != nil {
		t.Fatal(err)
	}
	kill := serve(t, torrc)
	host := waitFile(t, filepath.Join(hs, "hostname"))
	fetch(t, n, host, page, "the first")

	// Whose tor has not heard that the circuit is gone waits in it for two minutes (SocksTimeout).
	t.Run("the service ends", func(t *testing.T) {
		visitors := make([]string, 12)
		for i := range visitors {
			visitors[i] = fmt.Sprintf("visitor %d", i)
			fetch(t, n, host, page, visitors[i])
		}
		kill()
		time.Sleep(5 * time.Second) // for the news to come
		var visits sync.WaitGroup
		for _, v := range visitors {
			visits.Go(func() {
				if err := fetchOnce(t, n, host, page, v); err == nil || os.IsTimeout(err) {
					t.Errorf("%s is not told: %v", v, err)
				}
			})
		}
		visits.Wait()
	})

	serve(t, torrc)
	for i := range 3 {
		if err := n.StopRelay(i); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 3 {
		if err := n.StartRelay(i); err != nil {
			t.Fatal(err)
		}
	}
	fetch(t, n, host, page, "the first")
	if n.StopRelay(n.Relays()) == nil || n.StartRelay(-1) == nil {
		t.Error("a relay that does not exist was stopped or started")
	}
	if err := n.Close(); err != nil {
		t.Error(err)
	}
	if err := n.StartRelay(0); !errors.Is(err, tornet.ErrClosed) {
		t.Errorf("started on a closed network: %v", err)
	}
}

// serve starts a tor that ends with the test, if not before by kill.
func serve(t *testing.T, torrc string) (kill func()) {
	t.Helper()
	// Owned by this process, in case that it cannot kill it.
	tor := exec.Command("tor", "--defaults-torrc", "/dev/null", "-f", torrc, "--__OwningControllerProcess", strconv.Itoa(os.Getpid()))
	if err := tor.Start(); err != nil {
		t.Fatal(err)
	}
	kill = sync.OnceFunc(func() { tor.Process.Kill(); tor.Wait() })
	t.Cleanup(kill)
	return kill
}

func waitFile(t *testing.T, path string) string {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if b, err := os.ReadFile(path); err == nil && len(b) > 0 {
			return strings.TrimSpace(string(b))
		}
	}
	t.Fatalf("no %s", filepath.Base(path))
	return ""
}

// fetch asks for the page through the client until it is there: publishing takes as long as it takes.
func fetch(t *testing.T, n *tornet.Network, host, want, visitor string) {
	t.Helper()
	began := time.Now()
	for {
		err := fetchOnce(t, n, host, want, visitor)
		if err == nil {
			t.Logf("page after %v", time.Since(began).Round(time.Millisecond))
			return
		}
		if time.Since(began) > 4*time.Minute {
			t.Fatal(err)
		}
		if os.IsTimeout(err) {
			n.Pardon() // the client may still avoid relays that were gone
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// patience is how long a visitor waits for a page; well below tor's own two minutes.
const patience = 60 * time.Second

// fetchOnce asks for the page once, as one of several visitors, each of whom has circuits of his own.
func fetchOnce(t *testing.T, n *tornet.Network, host, want, visitor string) error {
	t.Helper()
	dialer, err := proxy.SOCKS5("tcp", n.SOCKS(), &proxy.Auth{User: "visitor", Password: visitor}, nil)
	if err != nil {
		return err
	}
	client := &http.Client{
		Transport: &http.Transport{DialContext: dialer.(proxy.ContextDialer).DialContext, DisableKeepAlives: true},
		Timeout:   patience,
	}
	resp, err := client.Get("http://" + host + "/")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if got, _ := io.ReadAll(resp.Body); string(got) != want {
		t.Errorf("got %q", got)
	}
	return nil
}

// No tor outlives the program that started it, whatever killed that: here SIGKILL, at which nothing of ours
// runs any more, with one tor stopped, which therefore cannot notice by itself.
func TestNothingLeftBehindAfterKill(t *testing.T) {
	if _, err := exec.LookPath("tor"); err != nil && os.Getenv("CI") == "" {
		t.Skip(err)
	}
	dir := t.TempDir()
	// What an earlier network left in the folder is in nobody's way.
	if err := os.MkdirAll(filepath.Join(dir, "a0", "keys", "authority_certificate"), 0o700); err != nil {
		t.Fatal(err)
	}
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), childDir+"="+dir)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { child.Process.Kill(); child.Wait() }()
	line, _ := bufio.NewReader(out).ReadString('\n')
	if line != "ready\n" {
		t.Fatalf("the child says %q", line)
	}
	pids := mentioning(t, dir)
	if len(pids) != 7 {
		t.Fatalf("%d tors before the kill, want 7: the check below would prove nothing", len(pids))
	}
	if err := syscall.Kill(pids[0], syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	child.Process.Kill()
	child.Wait()
	// Far under the 15 s after which tor itself would look for its owner.
	for end := time.Now().Add(5 * time.Second); len(mentioning(t, dir)) > 0; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			left := mentioning(t, dir)
			for _, pid := range left {
				syscall.Kill(pid, syscall.SIGKILL)
			}
			t.Fatalf("%d tors outlived the program", len(left))
		}
	}
}

// mentioning lists the processes, other than zombies, that have dir in their command line.
func mentioning(t *testing.T, dir string) []int {
	t.Helper()
	pids, err := tornet.Mentioning(dir)
	if err != nil {
		t.Fatal(err)
	}
	return pids
}

func TestNoTor(t *testing.T) {
	_, err := tornet.Start(t.Context(), tornet.Config{Tor: filepath.Join(t.TempDir(), "tor")})
	if !errors.Is(err, tornet.ErrNoTor) {
		t.Fatalf("got %v", err)
	}
}
