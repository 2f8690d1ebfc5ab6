package tornet

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// common goes into every node, a tested service's included. TestingTorNetwork allows private addresses, one
// address for all, and no start delays; the rest lets a path be built from so few relays.
const common = `TestingTorNetwork 1
PathsNeededToBuildCircuits 0.67
ShutdownWaitLength 0
`

// network goes into every node of the network, and not into a service.
const network = `TestingDirAuthVoteExit *
TestingDirAuthVoteGuard *
TestingDirAuthVoteHSDir *
TestingMinExitFlagThreshold 0
V3AuthNIntervalsValid 2
SafeLogging 0
Log notice stdout
`

// relay goes into relays and authorities.
const relay = `Address 127.0.0.1
SocksPort 0
ControlPort 0
AssumeReachable 1
ExitRelay 0
ContactInfo none
`

// authority asks for a consensus every 10 s, the first after 5 s: the shortest intervals that tor accepts (vote and distribution
// delay must stay under half the interval). An onion service's time period is 24 of them, 4 minutes.
const authority = `AuthoritativeDirectory 1
V3AuthoritativeDirectory 1
TestingV3AuthInitialVotingInterval 5
TestingV3AuthInitialVoteDelay 2
TestingV3AuthInitialDistDelay 2
V3AuthVotingInterval 10
V3AuthVoteDelay 2
V3AuthDistDelay 2
`

// Torrc returns the lines that make a tor elsewhere part of this network, as a service's extra torrc file.
func (n *Network) Torrc() string {
	return common + strings.Join(n.authLines, "\n") + "\n"
}

// layOut reserves ports, makes the authorities' keys side by side and writes every node's torrc.
func (n *Network) layOut(ctx context.Context, gencert string, log *sharedLog) error {
	type spec struct {
		name, lines string
		auth        *identity
	}
	var specs []spec
	for i := range relays {
		or, err := n.ports.Reserve()
		if err != nil {
			return err
		}
		name := fmt.Sprintf("r%d", i)
		specs = append(specs, spec{name: name, lines: fmt.Sprintf("%sNickname %s\nORPort 127.0.0.1:%d\n", relay, name, or)})
	}
	for i := range authorities {
		or, err := n.ports.Reserve()
		if err != nil {
			return err
		}
		dir, err := n.ports.Reserve()
		if err != nil {
			return err
		}
		name := fmt.Sprintf("a%d", i)
		specs = append(specs, spec{
			name:  name,
			lines: fmt.Sprintf("%s%sNickname %s\nORPort 127.0.0.1:%d\nDirPort 127.0.0.1:%d\n", relay, authority, name, or, dir),
			auth:  &identity{tor: n.tor, gencert: gencert, dir: filepath.Join(n.dir, name), name: name, orPort: or, dirPort: dir},
		})
	}
	port, err := n.ports.Reserve()
	if err != nil {
		return err
	}
	n.socks = fmt.Sprintf("127.0.0.1:%d", port)
	client := spec{name: "client", lines: fmt.Sprintf("SocksPort %s\nControlPort unix:\"%s\"\n", n.socks, n.control())}

	for _, s := range append(specs, client) {
		// Identities belong to ports, and the ports are new.
		if err := os.RemoveAll(filepath.Join(n.dir, s.name)); err != nil {
			return err
		}
	}
	var wg sync.WaitGroup
	lines, errs := make([]string, len(specs)), make([]error, len(specs))
	for i, s := range specs {
		if s.auth != nil {
			wg.Go(func() { lines[i], errs[i] = s.auth.make(ctx, n.launcher) })
		}
	}
	wg.Wait()
	for i, s := range specs {
		if errs[i] != nil {
			return fmt.Errorf("keys of %s: %w", s.name, errs[i])
		}
		if s.auth != nil {
			n.authLines = append(n.authLines, lines[i])
		}
	}
	for _, s := range append(specs, client) {
		node, err := n.write(s.name, s.lines, log)
		if err != nil {
			return err
		}
		if s.name == client.name {
			n.client = node
		} else {
			n.nodes = append(n.nodes, node)
		}
	}
	return nil
}

func (n *Network) write(name, lines string, log *sharedLog) (*node, error) {
	dir := filepath.Join(n.dir, name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	// __OwningControllerProcess is the second line of defence (tor looks every 15 s); the first is the
	// launcher's parent-death signal.
	body := n.Torrc() + network + lines + fmt.Sprintf("DataDirectory %s\n__OwningControllerProcess %d\n", dir, os.Getpid())
	file := filepath.Join(dir, "torrc")
	if err := os.WriteFile(file, []byte(body), 0o600); err != nil {
		return nil, err
	}
	return &node{name: name, tor: n.tor, torrc: file, dir: dir, shared: log}, nil
}
