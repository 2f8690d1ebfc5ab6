package onion

import (
	"slices"
	"strconv"
	"strings"
)

// event is an asynchronous control message, or the answer to the same question: its code and what follows it
// on the line (control-spec section 4.1). bine's own parse is not used: it cuts quoted strings at spaces.
type event struct {
	code, raw string
}

// machine turns tor's events into a state. It is pure: no clock, no connection, nothing to wait for.
type machine struct {
	ids     []string // our services, the addresses without ".onion"
	state   State    // as if nothing were wrong; progress() adds Degraded
	percent int
	summary string

	pending  map[string]int  // id and directory -> uploads under way: an UPLOADED counts only against one of ours
	uploaded map[string]bool // ids of which a directory has the descriptor

	// What is wrong, each until tor takes it back; "" is nothing.
	network, circuits, clock, bootstrap, directories, version string
}

func newMachine(ids ...string) machine {
	return machine{ids: ids, state: Starting, pending: make(map[string]int), uploaded: make(map[string]bool)}
}

func (m *machine) progress() Progress {
	p := Progress{State: m.state, Percent: m.percent, Summary: m.summary}
	if m.state == Stopped {
		return p
	}
	if (m.network != "" || m.circuits != "") && (m.state == Publishing || m.state == Published) {
		p.State = Degraded
	}
	for _, w := range []string{m.clock, m.network, m.circuits, m.bootstrap, m.directories, m.version} {
		if w != "" {
			p.Warning = w
			break
		}
	}
	return p
}

func (m *machine) apply(e event) {
	switch e.code {
	case "STATUS_CLIENT", "STATUS_GENERAL":
		severity, rest, _ := strings.Cut(e.raw, " ")
		action, rest, _ := strings.Cut(rest, " ")
		m.status(severity, action, arguments(rest))
	case "HS_DESC":
		m.descriptor(strings.Fields(e.raw))
	case "NETWORK_LIVENESS":
		m.network = ""
		if e.raw == "DOWN" {
			m.network = "tor hears nothing from the network: check this host's connection"
		}
	}
}

func (m *machine) status(severity, action string, args map[string]string) {
	switch action {
	case "BOOTSTRAP":
		m.bootstrapped(severity, args)
	case "CIRCUIT_ESTABLISHED":
		m.circuits = ""
	case "CIRCUIT_NOT_ESTABLISHED":
		m.circuits = "tor has no working circuit and builds new ones"
		if args["REASON"] == "CLOCK_JUMPED" {
			m.circuits = "the clock jumped, tor builds new circuits"
		}
	case "CLOCK_SKEW":
		m.clock = "this host's clock is wrong: set it (timedatectl set-ntp true)"
	case "DANGEROUS_VERSION":
		if r := args["REASON"]; r == "OBSOLETE" || r == "UNRECOMMENDED" {
			m.version = "the Tor network advises against this version of tor: apt update && apt install tor"
		}
	}
}

func (m *machine) bootstrapped(severity string, args map[string]string) {
	n, err := strconv.Atoi(args["PROGRESS"])
	if err != nil || n < 0 || n > 100 {
		return
	}
	if n >= m.percent {
		m.percent, m.summary = n, args["SUMMARY"]
	}
	switch {
	case severity == "NOTICE":
		m.bootstrap, m.clock = "", ""
	case args["RECOMMENDATION"] == "warn": // tor says so at the tenth failure; one or two are normal
		m.bootstrap = complaint(args["REASON"])
	}
	if n == 100 && (m.state == Starting || m.state == Connecting) {
		m.state = Publishing
	}
}

// complaint is what to tell the operator about a reason code of control-spec section 4.1.10.
func complaint(reason string) string {
	switch reason {
	case "NOROUTE":
		return "tor finds no route to the network: check this host's connection"
	case "CONNECTREFUSED", "TIMEOUT":
		return "relays cannot be reached: check the connection, or whether a firewall blocks Tor"
	case "PT_MISSING":
		return "a bridge needs a pluggable transport that is not configured: check --torrc-extra"
	case "RESOURCELIMIT":
		return "tor ran into a resource limit of this host"
	default:
		return "tor cannot connect yet: check the connection and the clock"
	}
}

// descriptor follows HS_DESC (control-spec 4.1.25): ACTION, ADDRESS, AUTH, DIRECTORY and more.
func (m *machine) descriptor(f []string) {
	if len(f) < 4 || !slices.Contains(m.ids, f[1]) {
		return
	}
	directory := f[1] + " " + f[3]
	switch f[0] {
	case "UPLOAD":
		if len(m.pending) > 1024 { // uploads that timed out are never spoken of again
			clear(m.pending)
		}
		m.pending[directory]++
	case "UPLOADED":
		if m.settle(directory) {
			m.directories = ""
			m.uploaded[f[1]] = true
			// Uploads begin only when tor is connected, whatever order the events came in.
			if m.state != Stopped && len(m.uploaded) == len(m.ids) {
				m.state = Published
			}
		}
	case "FAILED":
		if m.settle(directory) && len(m.pending) == 0 && m.state != Published {
			m.directories = "no directory took the descriptor yet, tor tries again: check the clock"
		}
	}
}

// unpublish goes back to before the first upload.
func (m *machine) unpublish() {
	if m.state == Published {
		m.state = Publishing
	}
	clear(m.pending)
	clear(m.uploaded)
	m.directories = ""
}

// settle takes one upload to the directory off the list.
func (m *machine) settle(directory string) bool {
	n, ok := m.pending[directory]
	if n > 1 {
		m.pending[directory] = n - 1
	} else {
		delete(m.pending, directory)
	}
	return ok
}

// arguments parses KEY=VALUE KEY="quoted \"value\"" (control-spec section 2, QuotedString). What does not
// parse ends the list: a later version of tor may add what it likes.
func arguments(s string) map[string]string {
	args := make(map[string]string)
	for s = strings.TrimLeft(s, " "); s != ""; s = strings.TrimLeft(s, " ") {
		key, rest, ok := strings.Cut(s, "=")
		if !ok || key == "" || strings.ContainsAny(key, " \"") {
			return args
		}
		if !strings.HasPrefix(rest, `"`) {
			args[key], s, _ = strings.Cut(rest, " ")
			continue
		}
		value, rest, ok := quoted(rest[1:])
		if !ok {
			return args
		}
		args[key], s = value, rest
	}
	return args
}

// quoted reads up to the closing quote and returns what follows it.
func quoted(s string) (value, rest string, ok bool) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '"':
			return b.String(), s[i+1:], true
		case '\\':
			if i++; i == len(s) {
				return "", "", false
			}
		}
		b.WriteByte(s[i])
	}
	return "", "", false
}
