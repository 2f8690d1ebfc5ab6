package onion_test

import (
	"encoding/base32"
	"encoding/base64"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"emberdrop/onion"
)

// A public address becomes private while it is served, and public again.
func TestAdmit(t *testing.T) {
	n := privateNetwork(t)
	s := start(t, onion.Config{DataDir: filepath.Join(privateDir(t), "tor"), Key: onion.NewKey(), TorrcExtra: extra(t, n.Torrc()), Pace: quick})
	serve(t, s.Listener(), "here")
	reached(t, s)
	visit(t, n, s.Address(), "here")

	client, line := onion.NewClient(s.Address())
	if err := s.Admit(s.Address(), true, []onion.Client{client}); err != nil {
		t.Fatal(err)
	}
	await(t, s, func(p onion.Progress) bool { return p.State == onion.Reachable })
	if got, err := fetchOnce(n, s.Address()); err == nil {
		t.Errorf("who was there before still gets %q", got)
	}
	if err := n.Forget(); err != nil {
		t.Fatal(err)
	}
	if got, err := fetchOnce(n, s.Address()); err == nil {
		t.Errorf("a visitor without a key gets %q", got)
	}
	key, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(line[strings.LastIndex(line, ":")+1:])
	if err != nil {
		t.Fatal(err)
	}
	id := strings.TrimSuffix(s.Address(), ".onion")
	if err := n.Command("ONION_CLIENT_AUTH_ADD " + id + " x25519:" + base64.StdEncoding.EncodeToString(key)); err != nil {
		t.Fatal(err)
	}
	if got, err := fetch(n, s.Address()); got != "here" || err != nil {
		t.Errorf("with a key: %q, %v", got, err)
	}

	// A tor that is started again knows who may visit.
	signal(t, s.Pid(), 9)
	await(t, s, func(p onion.Progress) bool { return p.State == onion.Degraded })
	await(t, s, func(p onion.Progress) bool { return p.State == onion.Reachable })
	if err := n.Forget(); err != nil {
		t.Fatal(err)
	}
	if got, err := fetchOnce(n, s.Address()); err == nil {
		t.Errorf("after a restart a visitor without a key gets %q", got)
	}

	if err := s.Admit(s.Address(), false, nil); err != nil {
		t.Fatal(err)
	}
	await(t, s, func(p onion.Progress) bool { return p.State == onion.Reachable })
	visit(t, n, s.Address(), "here")
	if s.Admit("none.onion", false, nil) == nil || s.Admit(s.Address(), true, make([]onion.Client, onion.MaxClients+1)) == nil {
		t.Error("an address that is not there, or a crowd")
	}
}

// A tor that is launched while doors are changed is not given them in the middle of that: it could get them as they
// were, after those who change them have told it how they are.
func TestLaunchWaitsForAdmit(t *testing.T) {
	needTor(t)
	s := start(t, onion.Config{DataDir: privateDir(t), Key: onion.NewKey(), TorrcExtra: extra(t, dead), Pace: quick})
	id := strings.TrimSuffix(s.Address(), ".onion")
	before := s.Pid()
	release := s.HoldPublishing()
	held := true
	defer func() {
		if held {
			release()
		}
	}()
	signal(t, before, 9)
	until(t, "no other tor", func() bool { pid := s.Pid(); return pid != 0 && pid != before })
	for end := time.Now().Add(500 * time.Millisecond); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if strings.Contains(s.Onions(), id) {
			t.Fatal("it was given the doors")
		}
	}
	held = false
	release()
	until(t, "it is never given the doors", func() bool { return strings.Contains(s.Onions(), id) })
}
