// Package tornet is a private Tor network on loopback, for tests and the demo: three authorities, three
// relays and one client with a SOCKS port, all of them real tor processes with keys of their own.
//
// It must not touch the public Tor network (every node knows only the private authorities), must not leave
// a process behind however the program that started it dies, and must not be imported by the product.
package tornet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"
)

const (
	authorities = 3
	relays      = 3
	attempts    = 3 // a node that dies while the network comes up costs one

	nudgeEvery = 2 * time.Second
)

// ErrNoTor says that tor or tor-gencert (both in the Debian package tor) was not found.
var ErrNoTor = errors.New("tor or tor-gencert not found: apt install tor")

// ErrClosed says that the network has been closed.
var ErrClosed = errors.New("the private Tor network is closed")

// ErrNode says that a node died or could not be made ready.
var ErrNode = errors.New("a node of the private Tor network failed")

// Config says where the network lives. Its zero value works.
type Config struct {
	Dir string    // folder for keys and state, made 0700, an earlier network's are replaced; "": a temporary one that Close removes
	Tor string    // the tor binary, with tor-gencert beside it or in PATH; "": from PATH
	Log io.Writer // every node's notices, one line each behind the node's name; nil: dropped
}

// Network is a running private Tor network. Its methods may be called from several goroutines.
type Network struct {
	dir       string
	ownDir    bool // we made dir and remove it
	tor       string
	launcher  *launcher
	ports     *Ports
	authLines []string // one DirAuthority line each
	client    *node
	socks     string

	nodes []*node // relays first, then authorities; not changed after the start

	mu     sync.Mutex // guards closed and which nodes run
	closed bool

	forgetting sync.Mutex // guards forgot
	forgot     time.Time  // when Forget was last done

	closeOnce sync.Once
	closeErr  error
}

// Start makes keys, starts every node and returns when the client has bootstrapped to 100 %, which takes
// about ten seconds. ctx bounds the start only; the network lives until Close, or until this process dies.
func Start(ctx context.Context, cfg Config) (*Network, error) {
	var err error
	for range attempts {
		var n *Network
		if n, err = start(ctx, cfg); err == nil {
			return n, nil
		}
		if ctx.Err() != nil || errors.Is(err, ErrNoTor) {
			break
		}
	}
	return nil, err
}

func start(ctx context.Context, cfg Config) (_ *Network, err error) {
	tor, gencert, err := find(cfg.Tor)
	if err != nil {
		return nil, err
	}
	n := &Network{tor: tor, dir: cfg.Dir}
	defer func() {
		if err != nil {
			n.Close()
		}
	}()
	if n.dir == "" {
		if n.dir, err = os.MkdirTemp("", "tornet-"); err != nil {
			return nil, err
		}
		n.ownDir = true
	}
	if n.dir, err = filepath.Abs(n.dir); err != nil {
		return nil, err
	}
	n.launcher = newLauncher()
	n.ports = new(Ports)
	if err := n.layOut(ctx, gencert, &sharedLog{w: cfg.Log}); err != nil {
		return nil, err
	}
	if err := n.up(ctx); err != nil {
		return nil, err
	}
	go n.traffic()
	return n, nil
}

// find looks tor-gencert up beside tor first: a tor of one's own brings its own.
func find(tor string) (torPath, gencert string, err error) {
	if tor == "" {
		tor = "tor"
	}
	if torPath, err = exec.LookPath(tor); err != nil {
		return "", "", fmt.Errorf("%w: %q", ErrNoTor, tor)
	}
	if torPath, err = filepath.Abs(torPath); err != nil {
		return "", "", err
	}
	if gencert, err = exec.LookPath(filepath.Join(filepath.Dir(torPath), "tor-gencert")); err == nil {
		return torPath, gencert, nil
	}
	if gencert, err = exec.LookPath("tor-gencert"); err != nil {
		return "", "", fmt.Errorf("%w: %q", ErrNoTor, "tor-gencert")
	}
	return torPath, gencert, nil
}

// up starts the nodes in the order that costs least time: the client only when there is something to fetch
// and every relay can serve, because a failed fetch or circuit costs it a back-off of ten seconds or more.
func (n *Network) up(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	start := func(nodes ...*node) error {
		for _, node := range nodes {
			if err := node.start(n.launcher); err != nil {
				return err
			}
			p := node.proc
			go func() { // a dead node ends the wait at once
				select {
				case <-p.exited:
					cancel(fmt.Errorf("%w: %s exited: %s", ErrNode, node.name, p.log.complaint()))
				case <-ctx.Done():
				}
			}()
		}
		return nil
	}
	if err := start(n.nodes...); err != nil {
		return err
	}
	for _, step := range []struct {
		mark  string
		nudge bool
		nodes []*node
	}{
		{consensus, false, n.nodes[relays:]},
		{enough, true, n.nodes},
	} {
		if err := wait(ctx, step.mark, step.nudge, step.nodes); err != nil {
			return err
		}
	}
	if err := start(n.client); err != nil {
		return err
	}
	return wait(ctx, ready, true, []*node{n.client})
}

// wait returns when every node has reached the mark. Nudged nodes get SIGHUP every other second, which makes
// tor forget its back-off and fetch what it lacks at once.
func wait(ctx context.Context, mark string, nudge bool, nodes []*node) error {
	var tick <-chan time.Time
	if nudge {
		t := time.NewTicker(nudgeEvery)
		defer t.Stop()
		tick = t.C
	}
	for _, node := range nodes {
		for !node.proc.log.reached(mark) {
			select {
			case <-node.proc.log.marks[mark]:
			case <-tick:
				for _, late := range nodes {
					if !late.proc.log.reached(mark) {
						_ = late.proc.cmd.Process.Signal(syscall.SIGHUP) // a dead one is noticed elsewhere
					}
				}
			case <-ctx.Done():
				return fmt.Errorf("waiting for the private Tor network: %w", context.Cause(ctx))
			}
		}
	}
	return nil
}

// SOCKS returns the client's SOCKS address, "127.0.0.1:port".
func (n *Network) SOCKS() string { return n.socks }

// Relays returns how many relays StopRelay and StartRelay know: the plain relays from 0, then the
// authorities, which carry circuits too. A network without its authorities lasts for a consensus, 20 s.
func (n *Network) Relays() int { return len(n.nodes) }

// StopRelay kills relay i, and with it every circuit through it. Stopping a stopped relay does nothing.
func (n *Network) StopRelay(i int) error {
	node, err := n.relay(i)
	if err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	node.stop()
	return nil
}

// StartRelay starts relay i again under its old identity and port. It does not wait until the network
// uses it again. Starting a running relay does nothing.
func (n *Network) StartRelay(i int) error {
	node, err := n.relay(i)
	if err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return ErrClosed
	}
	return node.start(n.launcher)
}

// all returns every node; a start that failed early may have made none.
func (n *Network) all() []*node {
	all := slices.Clone(n.nodes)
	if n.client != nil {
		all = append(all, n.client)
	}
	return all
}

func (n *Network) relay(i int) (*node, error) {
	if i < 0 || i >= len(n.nodes) {
		return nil, fmt.Errorf("relay %d of %d", i, len(n.nodes))
	}
	return n.nodes[i], nil
}

// Close kills every node, waits until they are gone, and removes the folder if Start made it.
func (n *Network) Close() error {
	n.closeOnce.Do(func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.closed = true
		for _, node := range n.all() {
			node.stop()
		}
		if n.launcher != nil {
			n.launcher.close()
		}
		if n.ports != nil {
			n.ports.Close()
		}
		if n.ownDir {
			n.closeErr = os.RemoveAll(n.dir)
		}
	})
	return n.closeErr
}
