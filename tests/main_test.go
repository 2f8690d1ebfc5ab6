package tests

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"emberdrop/tests/instance"
	"emberdrop/tests/tornet"
)

// The program and the private Tor network cost seconds, so the tests of this
// package share one of each, and a service for visitors, made by the first that asks.
// Those that mostly wait run beside each other (t.Parallel), after those that cut the
// network, make its client a newcomer or measure.
var (
	scratch string // a folder for the whole run

	program = sync.OnceValues(func() (string, error) { return instance.Build(context.Background(), scratch) })

	network = sync.OnceValues(func() (*tornet.Network, error) {
		ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
		defer cancel()
		return tornet.Start(ctx, tornet.Config{Dir: filepath.Join(scratch, "net")})
	})
	networkUsed atomic.Bool

	service = sync.OnceValues(func() (*instance.Instance, error) {
		n, err := network()
		if err != nil {
			return nil, err
		}
		path, err := program()
		if err != nil {
			return nil, err
		}
		ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
		defer cancel()
		data, torrc := filepath.Join(scratch, "shared"), filepath.Join(scratch, "shared-torrc")
		if _, err := instance.Init(ctx, path, data); err != nil {
			return nil, err
		}
		if err := os.WriteFile(torrc, []byte(n.Torrc()), 0o600); err != nil {
			return nil, err
		}
		return instance.Serve(ctx, instance.Config{Program: path, Data: data, Args: []string{"--torrc-extra", torrc}})
	})
	serviceUsed atomic.Bool
)

func TestMain(m *testing.M) {
	var err error
	if scratch, err = os.MkdirTemp("", "emberdrop-tests-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	if serviceUsed.Load() {
		if s, err := service(); err == nil {
			s.Stop()
		}
	}
	if networkUsed.Load() {
		if n, err := network(); err == nil {
			n.Close()
		}
	}
	os.RemoveAll(scratch)
	os.Exit(code)
}

// theProgram is the built program.
func theProgram(t *testing.T) string {
	t.Helper()
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// theNetwork is the private Tor network. Outside CI a machine without tor skips.
func theNetwork(t *testing.T) *tornet.Network {
	t.Helper()
	networkUsed.Store(true)
	n, err := network()
	missing(t, err, tornet.ErrNoTor)
	return n
}

// theService is one server on the private network, for tests that only visit it.
func theService(t *testing.T) *instance.Instance {
	t.Helper()
	theNetwork(t)
	serviceUsed.Store(true)
	s, err := service()
	if err != nil {
		t.Fatal(err)
	}
	reachable(t, s)
	return s
}

// freshData is a new data folder.
func freshData(t *testing.T) string {
	t.Helper()
	data := filepath.Join(t.TempDir(), "data")
	if _, err := instance.Init(t.Context(), theProgram(t), data); err != nil {
		t.Fatal(err)
	}
	return data
}

// serveTor serves a data folder on the private network.
func serveTor(t *testing.T, data string, args ...string) *instance.Instance {
	t.Helper()
	return serveTorBy(t, theProgram(t), data, args...)
}

func serveTorBy(t *testing.T, program, data string, args ...string) *instance.Instance {
	t.Helper()
	torrc := filepath.Join(t.TempDir(), "torrc")
	if err := os.WriteFile(torrc, []byte(theNetwork(t).Torrc()), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	s, err := instance.Serve(ctx, instance.Config{Program: program, Data: data, Args: append(args, "--torrc-extra", torrc)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Stop() })
	reachable(t, s)
	return s
}

// reachable waits until a visitor gets through. The descriptor is uploaded by
// then, but a client's first circuit may fail, and its tor then tries another.
func reachable(t *testing.T, s *instance.Instance) {
	t.Helper()
	client, err := instance.ViaSOCKS(theNetwork(t).SOCKS())
	if err != nil {
		t.Fatal(err)
	}
	if err := persist(t, client, s.Address, theNetwork(t).Forget); err != nil {
		t.Fatalf("the published service is not reachable: %v", err)
	}
}

// persist asks for the page until it comes (tornet.Persist).
func persist(t *testing.T, client *instance.Client, address string, renew func() error) error {
	t.Helper()
	return tornet.Persist(t.Context(), renew, func(ctx context.Context) error {
		_, err := client.Get(ctx, address+"/")
		return err
	})
}

// servePlain serves a data folder on a unix socket, and gives a client for it.
func servePlain(t *testing.T, data string, args ...string) (*instance.Instance, *instance.Client) {
	t.Helper()
	return servePlainBy(t, theProgram(t), data, args...)
}

func servePlainBy(t *testing.T, program, data string, args ...string) (*instance.Instance, *instance.Client) {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "http")
	args = append([]string{"--listen", "unix:" + socket, "--public-url", "http://drop.test"}, args...)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	s, err := instance.Serve(ctx, instance.Config{Program: program, Data: data, Args: args})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Stop() })
	return s, instance.ViaUnix(socket)
}
