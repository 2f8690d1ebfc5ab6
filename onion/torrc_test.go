package onion

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestTorrc(t *testing.T) {
	has := func(b []byte, line string) bool { return bytes.Contains(b, []byte("\n"+line+"\n")) }
	plain := torrc("")
	for _, line := range []string{"NoExec 1", "Sandbox 1", "AvoidDiskWrites 1", "DormantCanceledByStartup 1"} {
		if !has(plain, line) {
			t.Errorf("no %q", line)
		}
	}
	bridges := torrc("UseBridges 1\n  noexec 0")
	if has(bridges, "NoExec 1") || !has(bridges, "UseBridges 1") || !has(bridges, "AvoidDiskWrites 1") || !has(bridges, "  noexec 0") {
		t.Errorf("bridges:\n%s", bridges)
	}
}

// Programs that tor is to run are known, so that they can be allowed, and tor runs none in its sandbox.
func TestTransports(t *testing.T) {
	const lines = "UseBridges 1\nNoExec 0\n  clienttransportplugin obfs4,webtunnel exec /usr/bin/lyrebird -x\n" +
		"# ClientTransportPlugin a exec /no\nClientTransportPlugin meek socks4 127.0.0.1:1\n+ClientTransportPlugin snowflake exec /usr/bin/snowflake-client"
	if made := torrc(lines); bytes.Contains(made, []byte("Sandbox")) {
		t.Errorf("a sandbox around transports:\n%s", made)
	}
	if made := torrc("Sandbox 0"); bytes.Contains(made, []byte("Sandbox 1")) {
		t.Errorf("Sandbox 0 is not taken:\n%s", made)
	}
	path := filepath.Join(t.TempDir(), "torrc")
	if err := os.WriteFile(path, []byte(lines), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := Transports(path)
	if want := []string{"/usr/bin/lyrebird", "/usr/bin/snowflake-client"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%q (%v), want %q", got, err, want)
	}
	if _, err := Transports(path + "x"); err == nil {
		t.Error("a file that is not there has transports")
	}
}

// Nothing but severity and category passes, however tor's lines come in.
func TestTorLog(t *testing.T) {
	const lines = "Nov 22 10:43:39.000 [notice] Heartbeat: secret-a\n" +
		"Nov 22 10:43:39.000 [warn] Your clock is secret-b\n" +
		"Nov 22 10:43:39.000 [err] secret-c\n" +
		"Nov 22 10:43:39.000 [info] secret-d\n" +
		"no severity secret-e\n"
	for size := 1; size < len(lines); size++ {
		var out bytes.Buffer
		l := newTorLog(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug})))
		l.started()
		for rest := lines; rest != ""; {
			n := min(size, len(rest))
			l.Write([]byte(rest[:n]))
			rest = rest[n:]
		}
		got := out.String()
		if strings.Contains(got, "secret") || strings.Count(got, "\n") != 3 {
			t.Fatalf("in pieces of %d:\n%s", size, got)
		}
		for _, want := range []string{"DEBUG msg=tor category=heartbeat", "WARN msg=tor category=clock", "ERROR msg=tor category=other"} {
			if !strings.Contains(got, want) {
				t.Fatalf("no %q in\n%s", want, got)
			}
		}
		if l.startError() != "" {
			t.Fatal("a line is kept after the start")
		}
	}
	l := newTorLog(slog.New(slog.DiscardHandler))
	l.Write(bytes.Repeat([]byte("x"), 1<<20))
	if len(l.rest) > maxLine {
		t.Errorf("%d bytes of an endless line are kept", len(l.rest))
	}
}

func TestNotifierKeepsOrder(t *testing.T) {
	var got []int
	n := newNotifier(func(p Progress) { got = append(got, p.Percent) })
	for i := range 1000 {
		n.send(Progress{Percent: i})
	}
	n.close()
	n.send(Progress{Percent: -1})
	n.close()
	if len(got) != 1000 {
		t.Fatalf("%d reports of 1000", len(got))
	}
	for i, p := range got {
		if i != p {
			t.Fatalf("report %d is number %d", p, i)
		}
	}
}
