package onion

import (
	"encoding/base32"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestClient(t *testing.T) {
	k := NewKey()
	public, line := NewClient(k.Address())
	id, secret, ok := strings.Cut(line, ":descriptor:x25519:")
	if !ok || id+".onion" != k.Address() {
		t.Fatalf("not the form of tor's: %d characters", len(line))
	}
	if raw, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(secret); err != nil || len(raw) != 32 {
		t.Errorf("a private key of %d bytes: %v", len(raw), err)
	}
	if other, _ := NewClient(k.Address()); other == public {
		t.Error("two keys are one")
	}
	back, err := ParseClient(public.String())
	if err != nil || back != public {
		t.Errorf("%v %v", back, err)
	}
	text := public.String()
	for _, bad := range []string{"", text[:51], text + "A", strings.ToLower(text), text[:51] + "1", text[:51] + "=", text[:51] + "B", text + "\n"} {
		if got, err := ParseClient(bad); err == nil && got.String() != bad || err != nil && !errors.Is(err, ErrClient) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// The derivation must never change: an instance's second address hangs on it.
func TestDerive(t *testing.T) {
	k := FromSeed(make([]byte, 32))
	if got, want := k.Derive("a label").Address(), "gvk4sjubyf7bxeknl2uodqbwqyjn4uqrxm635i2jz67i7f5vex7bguyd.onion"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if k.Derive("a") == k.Derive("b") || k.Derive("a") == k {
		t.Error("labels make no difference")
	}
}

// Every circuit to a visitor of the address is closed, and no other.
func TestCloseVisits(t *testing.T) {
	var closed []string
	ctl := scripted(t, func(line string) string {
		if id, ok := strings.CutPrefix(line, "CLOSECIRCUIT "); ok {
			closed = append(closed, id)
			if id == "4" {
				return "552 Unknown circuit\r\n" // it went by itself meanwhile
			}
			return "250 OK\r\n"
		}
		return "250+circuit-status=\r\n" +
			"2 BUILT $A~a PURPOSE=HS_SERVICE_INTRO HS_STATE=HSSI_ESTABLISHED REND_QUERY=ours TIME_CREATED=x\r\n" +
			"4 BUILT $A~a PURPOSE=HS_SERVICE_REND HS_STATE=HSSR_JOINED REND_QUERY=ours TIME_CREATED=x\r\n" +
			"5 BUILT $A~a PURPOSE=HS_SERVICE_REND HS_STATE=HSSR_JOINED REND_QUERY=other\r\n" +
			"6 BUILT $A~a PURPOSE=HS_SERVICE_REND HS_STATE=HSSR_CONNECTING REND_QUERY=ours\r\n" +
			"7 BUILT $A~a PURPOSE=GENERAL\r\n.\r\n250 OK\r\n"
	})
	if err := ctl.closeVisits("ours"); err != nil || !slices.Equal(closed, []string{"4", "6"}) {
		t.Errorf("%v, closed %q", err, closed)
	}
}

func TestOnline(t *testing.T) {
	for status, want := range map[string]bool{
		"250-orconn-status=\r\n":                                              false,
		"250-orconn-status=$A~a CONNECTED\r\n":                                true,
		"250-orconn-status=$A~a LAUNCHED\r\n":                                 false,
		"250+orconn-status=\r\n$A~a LAUNCHED\r\n$B~b CONNECTED\r\n.\r\n":      true,
		"250+orconn-status=\r\n$A~CONNECTED LAUNCHED\r\n$B~b FAILED\r\n.\r\n": false,
	} {
		ctl := scripted(t, func(string) string { return status + "250 OK\r\n" })
		if got, err := ctl.pulse(requestTimeout); got.online != want || err != nil {
			t.Errorf("%q: %v %v", status, got, err)
		}
	}
}

// Established circuits to introduction points are told from all others, of us and of visitors.
func TestPulse(t *testing.T) {
	ctl := scripted(t, func(line string) string {
		if line != "GETINFO orconn-status circuit-status" {
			return "552 Unrecognized\r\n"
		}
		return "250+orconn-status=\r\n$A~a CONNECTED\r\n.\r\n250+circuit-status=\r\n" +
			"2 BUILT $A~a PURPOSE=HS_SERVICE_INTRO HS_STATE=HSSI_ESTABLISHED REND_QUERY=ours TIME_CREATED=x\r\n" +
			"3 BUILT $A~a PURPOSE=HS_SERVICE_INTRO HS_STATE=HSSI_CONNECTING REND_QUERY=ours TIME_CREATED=x\r\n" +
			"4 BUILT $A~a PURPOSE=HS_SERVICE_REND HS_STATE=HSSR_JOINED REND_QUERY=ours TIME_CREATED=x\r\n" +
			"5 BUILT $A~a PURPOSE=HS_SERVICE_INTRO HS_STATE=HSSI_ESTABLISHED REND_QUERY=other TIME_CREATED=x\r\n" +
			"6 LAUNCHED\r\n.\r\n250 OK\r\n"
	})
	if p, err := ctl.pulse(requestTimeout); err != nil || !p.online || !slices.Equal(p.intros, []string{"2", "5"}) {
		t.Errorf("%+v, %v", p, err)
	}
}

// A service of two addresses is published when both are.
func TestMachineOfTwo(t *testing.T) {
	m := newMachine("one", "two")
	m.state = Publishing
	for _, e := range []struct {
		raw  string
		want State
	}{
		{"UPLOAD one UNKNOWN $A~a B", Publishing}, {"UPLOADED one UNKNOWN $A~a", Publishing},
		{"UPLOADED two UNKNOWN $A~a", Publishing}, // never begun
		{"UPLOAD two UNKNOWN $A~a B", Publishing}, {"UPLOADED two UNKNOWN $A~a", Published},
	} {
		if m.apply(event{"HS_DESC", e.raw}); m.state != e.want {
			t.Fatalf("%s: %s", e.raw, m.state)
		}
	}
	if m.unpublish(); m.state != Publishing || fmt.Sprint(m.uploaded, m.pending) != "map[] map[]" {
		t.Errorf("taken off, and %+v", m)
	}
}
