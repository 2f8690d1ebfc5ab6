package onion_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/proxy"

	"emberdrop/onion"
	"emberdrop/tests/tornet"
)

// childDir, when set, makes this test binary a program that starts a service with its data there and then
// waits to be killed; childTor names its tor.
const (
	childDir = "ONION_TEST_CHILD_DIR"
	childTor = "ONION_TEST_CHILD_TOR"
)

// network is the one private Tor network of this test binary; the first test that needs it starts it.
var network struct {
	once sync.Once
	net  *tornet.Network
	err  error
}

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		child(dir)
	}
	code := m.Run()
	if network.net != nil {
		if err := network.net.Close(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// needTor skips where there is no tor, except in CI, where that is a failure.
func needTor(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("tor"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
}

func privateNetwork(t *testing.T) *tornet.Network {
	t.Helper()
	needTor(t)
	if testing.Short() {
		t.Skip("needs a private Tor network")
	}
	network.once.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
		defer cancel()
		began := time.Now()
		network.net, network.err = tornet.Start(ctx, tornet.Config{})
		t.Logf("private Tor network after %v", time.Since(began).Round(time.Millisecond))
	})
	if errors.Is(network.err, tornet.ErrNoTor) && os.Getenv("CI") == "" {
		t.Skip(network.err)
	}
	if network.err != nil {
		t.Fatal(network.err)
	}
	return network.net
}

// dead is a torrc for tests that need no network: one authority, which nobody is, so that no tor of these
// tests ever speaks to the public one.
var dead = "TestingTorNetwork 1\nDirAuthority dead orport=1 no-v2 v3ident=" + strings.Repeat("1", 40) +
	" 127.0.0.1:1 " + strings.Repeat("2", 40) + "\n"

func extra(t *testing.T, lines string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "extra")
	if err := os.WriteFile(path, []byte(lines), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func start(t *testing.T, cfg onion.Config) *onion.Service {
	t.Helper()
	s, err := onion.Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func serve(t *testing.T, l net.Listener, page string) {
	t.Helper()
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, page) })}
	go srv.Serve(l)
	t.Cleanup(func() { srv.Close() })
}

// fetch gets a page through the network's client. A client's circuit may fail or hang under load, and a person would
// reload.
func fetch(n *tornet.Network, host string) (page string, err error) {
	return fetchRenewed(n, host, func() error { return nil })
}

// fetchRenewed does so with a call of renew after each try that hung.
func fetchRenewed(n *tornet.Network, host string, renew func() error) (page string, err error) {
	err = tornet.Persist(context.Background(), renew, func(ctx context.Context) (err error) {
		page, err = fetchWithin(ctx, n, host)
		return err
	})
	return page, err
}

// fetchOnce waits for a minute.
func fetchOnce(n *tornet.Network, host string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return fetchWithin(ctx, n, host)
}

func fetchWithin(ctx context.Context, n *tornet.Network, host string) (string, error) {
	dialer, err := proxy.SOCKS5("tcp", n.SOCKS(), nil, nil)
	if err != nil {
		return "", err
	}
	client := &http.Client{
		Transport: &http.Transport{DialContext: dialer.(proxy.ContextDialer).DialContext, DisableKeepAlives: true},
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+host+"/", nil)
	if err != nil {
		return "", err
	}
	resp, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return string(b), err
}

// reached waits with a limit of four minutes.
func reached(t *testing.T, s *onion.Service) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	if err := s.Reached(ctx); err != nil {
		t.Fatalf("%v, at %+v", err, s.Progress())
	}
}
