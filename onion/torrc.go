package onion

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// fixedArgs are command-line options: they win over every line of a torrc, so no extra torrc opens a port or
// makes tor log more than notices. socks is the value of SocksPort: "0", or a unix socket.
func fixedArgs(socks string) []string {
	return []string{
		"--defaults-torrc", os.DevNull, // not the distribution's
		"--SocksPort", socks, "--ControlPort", "0", "--DNSPort", "0", "--TransPort", "0", "--NATDPort", "0",
		"--HTTPTunnelPort", "0", "--ORPort", "0", "--DirPort", "0", "--ExtORPort", "0",
		"/MetricsPort", // cleared, because MetricsPort 0 means any port: tor 0.4.9.11 then listens on TCP
		"--ClientOnly", "1",
		"--SafeLogging", "1", "--Log", "notice stdout",
		"--DisableDebuggerAttachment", "1",
		"--RunAsDaemon", "0",
	}
}

// defaults are torrc lines that an extra torrc may replace: bridges need NoExec 0 for their transports, and where tor
// dies in its own filter of system calls, which is made for one C library and one kernel, Sandbox 0 helps.
// Padding and vanguards stay on tor's own settings, which are the safe ones.
var defaults = []struct{ option, value string }{
	{"NoExec", "1"},
	{"Sandbox", "1"},
	{"AvoidDiskWrites", "1"},
	{"DormantCanceledByStartup", "1"}, // a host that slept long must not wake to a dormant tor
}

// torrc is where our torrc is.
func (c Config) torrc() string { return filepath.Join(c.DataDir, "torrc") }

// writeTorrc writes our torrc into the data folder, the operator's lines last. It is a copy, so that tor reads what
// we checked, at every restart too. Both tors read it.
func writeTorrc(cfg Config) error {
	var extra []byte
	if cfg.TorrcExtra != "" {
		var err error
		if extra, err = os.ReadFile(cfg.TorrcExtra); err != nil {
			return fmt.Errorf("extra torrc: %w", err)
		}
	}
	return os.WriteFile(cfg.torrc(), torrc(string(extra)), 0o600)
}

func torrc(extra string) []byte {
	set := make(map[string]bool)
	for line := range strings.Lines(extra) {
		if f := strings.Fields(line); len(f) > 0 {
			set[strings.ToLower(strings.TrimLeft(f[0], "+/"))] = true
		}
	}
	var b strings.Builder
	b.WriteString("# Written by emberdrop at every start: edit the file that --torrc-extra names instead.\n")
	for _, d := range defaults {
		if d.option == "Sandbox" && set[strings.ToLower(transportOption)] {
			continue // in it tor cannot run them
		}
		if !set[strings.ToLower(d.option)] {
			fmt.Fprintf(&b, "%s %s\n", d.option, d.value)
		}
	}
	b.WriteString(extra)
	if !strings.HasSuffix(extra, "\n") {
		b.WriteByte('\n')
	}
	return []byte(b.String())
}

// Transports returns the programs that a torrc has tor run as pluggable transports (ClientTransportPlugin).
func Transports(path string) (programs []string, err error) {
	lines, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("extra torrc: %w", err)
	}
	for line := range strings.Lines(string(lines)) {
		if f := strings.Fields(line); len(f) > 3 && strings.EqualFold(strings.TrimLeft(f[0], "+/"), transportOption) && f[2] == "exec" {
			programs = append(programs, f[3])
		}
	}
	return programs, nil
}

const transportOption = "ClientTransportPlugin"
