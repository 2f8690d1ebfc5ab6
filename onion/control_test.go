package onion

import (
	"bufio"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"strings"
	"testing"
	"testing/synctest"

	bine "github.com/cretz/bine/control"
)

// scripted is a control connection whose other end answers every line with what answer returns.
func scripted(t *testing.T, answer func(line string) string) *control {
	t.Helper()
	ours, theirs := net.Pipe()
	t.Cleanup(func() { ours.Close() })
	go func() {
		defer theirs.Close()
		for lines := bufio.NewScanner(theirs); lines.Scan(); {
			if _, err := io.WriteString(theirs, answer(lines.Text())); err != nil {
				return
			}
		}
	}()
	return newControl(bine.NewConn(textproto.NewConn(ours)), ours)
}

func TestAddOnionLine(t *testing.T) {
	key := fromSeed(make([]byte, 32))
	blob := base64.StdEncoding.EncodeToString(key.Marshal()[32:])
	probe := Client{9}
	for name, c := range map[string]struct {
		cfg  Config
		want string
	}{
		"defaults": {Config{}, "Flags=MaxStreamsCloseCircuit MaxStreams=64 PoWDefensesEnabled=1 PoWQueueRate=250 PoWQueueBurst=2500 Port=80,unix:web.sock"},
		"own limits": {Config{MaxStreams: 8, PoWRate: 10, Target: "/a b/x"},
			"Flags=MaxStreamsCloseCircuit MaxStreams=8 PoWDefensesEnabled=1 PoWQueueRate=10 PoWQueueBurst=100 Port=80,unix:x"},
		"no proof of work": {Config{NoPoW: true}, "Flags=MaxStreamsCloseCircuit MaxStreams=64 Port=80,unix:web.sock"},
		"private": {Config{NoPoW: true, Private: true, Clients: []Client{{1}}},
			"Flags=MaxStreamsCloseCircuit,V3Auth MaxStreams=64 ClientAuthV3=" + probe.String() + " ClientAuthV3=" + Client{1}.String() + " Port=80,unix:web.sock"},
		"private, and nobody has a key": {Config{NoPoW: true, Private: true},
			"Flags=MaxStreamsCloseCircuit,V3Auth MaxStreams=64 ClientAuthV3=" + probe.String() + " Port=80,unix:web.sock"},
	} {
		c.cfg.DataDir, c.cfg.Key = "/d", key
		cfg, err := c.cfg.withDefaults()
		if err != nil {
			t.Fatal(err)
		}
		var got string
		ctl := scripted(t, func(line string) string { got = line; return "250-ServiceID=" + key.serviceID() + "\r\n250 OK\r\n" })
		d := Door{Key: cfg.Key, Target: cfg.Target, Private: cfg.Private, Clients: cfg.Clients}
		if err := ctl.addOnion(cfg, d, probe); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if want := "ADD_ONION ED25519-V3:" + blob + " " + c.want; got != want {
			t.Errorf("%s:\ngot  %s\nwant %s", name, got, want)
		}
		ctl = scripted(t, func(string) string { return "250-ServiceID=abc\r\n250 OK\r\n" })
		if err := ctl.addOnion(cfg, d, probe); !errors.Is(err, ErrControl) {
			t.Errorf("%s: another address is taken: %v", name, err)
		}
	}
}

// An error names the command and the status, and quotes neither what we sent nor what tor said.
func TestRequestErrors(t *testing.T) {
	ctl := scripted(t, func(line string) string { return "512 Bad arguments: " + line + "\r\n" })
	err := ctl.addOnion(Config{}, Door{Key: NewKey(), Target: "/d/web.sock"}, Client{})
	if !errors.Is(err, ErrControl) || !strings.HasSuffix(err.Error(), "ADD_ONION: status 512") {
		t.Errorf("got %v", err)
	}
	ctl.raw.Close()
	if err := ctl.enableNetwork(); !errors.Is(err, ErrControl) || !strings.HasSuffix(err.Error(), "SETCONF: no answer") {
		t.Errorf("got %v", err)
	}
}

// A tor that answers nothing is given up after the request timeout, by a clock that the test owns.
func TestRequestTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		go io.Copy(io.Discard, theirs)
		ctl := newControl(bine.NewConn(textproto.NewConn(ours)), ours)
		if err := ctl.enableNetwork(); !errors.Is(err, ErrControl) {
			t.Errorf("got %v", err)
		}
		theirs.Close()
	})
}

// More events than any buffer holds come before the answers to requests made from several goroutines: none
// is lost, and nobody waits for anybody for ever.
func TestEventsAndRequests(t *testing.T) {
	const each = 2000
	n := 0
	ctl := scripted(t, func(line string) string {
		if strings.HasPrefix(line, "SETEVENTS") {
			return "250 OK\r\n"
		}
		var b strings.Builder
		for range each {
			fmt.Fprintf(&b, "650 STATUS_CLIENT NOTICE BOOTSTRAP PROGRESS=%d SUMMARY=\"a b\"\r\n", n)
			n++
		}
		return b.String() + "250 OK\r\n"
	})
	events, err := ctl.subscribe()
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan int)
	go func() {
		i := 0
		for e := range events {
			if want := fmt.Sprintf("NOTICE BOOTSTRAP PROGRESS=%d SUMMARY=\"a b\"", i); e.raw != want {
				t.Errorf("event %d is %q", i, e.raw)
			}
			if i++; i == 8*each {
				break
			}
		}
		got <- i
	}()
	errs := make(chan error)
	for range 8 {
		go func() { errs <- ctl.enableNetwork() }()
	}
	for range 8 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if i := <-got; i != 8*each {
		t.Errorf("%d events of %d", i, 8*each)
	}
	ctl.raw.Close()
	<-ctl.lost
}
