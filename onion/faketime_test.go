package onion_test

import (
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"emberdrop/onion"
)

// The clock of the whole host jumps by an hour, tor's as well, and back: the service is reachable again without help.
// Tor's is bent by libfaketime (apt install faketime), so this is one for the long run.
func TestHostClockJumps(t *testing.T) {
	if os.Getenv("EMBERDROP_SOAK") == "" {
		t.Skip("EMBERDROP_SOAK is not set")
	}
	n := privateNetwork(t)
	libs, _ := filepath.Glob("/usr/lib/*/faketime/libfaketime.so.1")
	if len(libs) == 0 {
		t.Fatal("no libfaketime: apt install faketime")
	}
	real, err := exec.LookPath("tor")
	if err != nil {
		t.Fatal(err)
	}
	offset := filepath.Join(t.TempDir(), "offset")
	var jump atomic.Int64
	set := func(d time.Duration, text string) {
		if err := os.WriteFile(offset+".new", []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(offset+".new", offset); err != nil {
			t.Fatal(err)
		}
		jump.Store(int64(d))
	}
	set(0, "+0")
	tor := script(t, `LD_PRELOAD=`+libs[0]+` FAKETIME_TIMESTAMP_FILE=`+offset+` FAKETIME_NO_CACHE=1 exec `+real+` "$@"`)
	var log lockedBuffer
	s := start(t, onion.Config{
		Tor: tor, DataDir: filepath.Join(privateDir(t), "tor"), Key: onion.NewKey(),
		TorrcExtra: extra(t, n.Torrc()+"Sandbox 0\n"), // in it the library cannot read the time
		Log:        slog.New(slog.NewTextHandler(&log, nil)),
		Now:        func() time.Time { return time.Now().Add(time.Duration(jump.Load())) },
	})
	defer func() { t.Log(log.String()) }()
	serve(t, s.Listener(), "here")
	reached(t, s)
	for _, c := range []struct {
		by   time.Duration
		text string
	}{{time.Hour, "+3600"}, {0, "+0"}} {
		set(c.by, c.text)
		began := time.Now()
		await(t, s, func(p onion.Progress) bool { return p.State == onion.Degraded })
		await(t, s, func(p onion.Progress) bool { return p.State == onion.Reachable })
		t.Logf("the clock at %s: reachable after %v", c.text, time.Since(began).Round(10*time.Millisecond))
		visit(t, n, s.Address(), "here")
	}
}
