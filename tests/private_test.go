package tests

import (
	"context"
	"encoding/base32"
	"encoding/base64"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"emberdrop/tests/instance"
	"emberdrop/tests/sample"
)

// An instance of two addresses, over Tor: nobody leaves anything without a key, everybody opens, and neither address
// does what is the other's. Keys are given out and taken back while it runs.
func TestTwoAddressesOverTor(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	out := runs(t, "init", "--two-addresses", "--data", data)
	_, leave, ok := strings.Cut(strings.TrimSpace(out), "\nto leave: ")
	if !ok {
		t.Fatalf("init says %q", out)
	}
	server := serveTor(t, data)
	visitor, err := instance.ViaSOCKS(theNetwork(t).SOCKS())
	if err != nil {
		t.Fatal(err)
	}
	refused := func(when string) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
		defer cancel()
		if answer, err := visitor.Get(ctx, leave+"/"); err == nil {
			t.Fatalf("%s: %d %s", when, answer.Status, answer.Body)
		}
	}
	refused("nobody has a key yet")

	alice := runs(t, "clients", "add", "--data", data, "alice")
	bob := runs(t, "clients", "add", "--data", data, "bob")
	awaitState(t, data, "reachable") // both addresses, with the keys that there are now
	newcomer(t)
	refused("keys are out, and this visitor has none")
	give(t, alice)
	getsIn(t, visitor, leave)

	photo := sample.Photo(200, 100, 1)
	up, err := visitor.Upload(t.Context(), leave+"/", instance.File("a.jpg", photo))
	if err != nil || up.Status != 201 {
		t.Fatalf("upload: %v, %d %s", err, up.Status, up.Body)
	}
	for _, name := range []string{"link", "receipt"} {
		if !strings.HasPrefix(up.Line(name), server.Address+"/") {
			t.Errorf("the %s is not at the address to open: %s", name, up.Line(name))
		}
	}
	if got, err := visitor.Post(t.Context(), up.Line("link"), nil); err != nil || got.Status != 200 || len(got.Body) == 0 {
		t.Errorf("the link: %v, %d", err, got.Status)
	}
	unknown, err := visitor.Get(t.Context(), server.Address+"/no-such-thing")
	if err != nil {
		t.Fatal(err)
	}
	for name, ask := range map[string]func() (instance.Answer, error){
		"the upload page at the address to open": func() (instance.Answer, error) { return visitor.Get(t.Context(), server.Address+"/") },
		"an upload at the address to open": func() (instance.Answer, error) {
			return visitor.Upload(t.Context(), server.Address+"/", instance.File("a.jpg", photo))
		},
		"a link at the address to leave": func() (instance.Answer, error) {
			return visitor.Get(t.Context(), leave+strings.TrimPrefix(up.Line("link"), server.Address))
		},
	} {
		if got, err := ask(); err != nil || got.Status != 404 || string(got.Body) != string(unknown.Body) {
			t.Errorf("%s: %v, %d", name, err, got.Status)
		}
	}

	runs(t, "clients", "remove", "--data", data, "alice")
	refused("the key was taken back") // and the circuit that was there is cut
	awaitState(t, data, "reachable")
	newcomer(t)
	give(t, alice)
	refused("the key was taken back, and the visitor comes anew")
	newcomer(t)
	give(t, bob)
	getsIn(t, visitor, leave)
}

// runs runs the program and returns its output.
func runs(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), theProgram(t), args...).Output()
	if err != nil {
		t.Fatalf("%q: %v", args, err)
	}
	return string(out)
}

// give gives the network's client the key in a line of `clients add`, as Tor Browser is given it.
func give(t *testing.T, line string) {
	t.Helper()
	part := strings.Split(strings.TrimSpace(line), ":")
	if len(part) != 4 {
		t.Fatal("not a key")
	}
	key, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(part[3])
	if err != nil {
		t.Fatal(err)
	}
	if err := theNetwork(t).Command("ONION_CLIENT_AUTH_ADD " + part[0] + " x25519:" + base64.StdEncoding.EncodeToString(key)); err != nil {
		t.Fatal(err)
	}
}

// getsIn asks until an answer comes: a client's first circuit may fail. A new identity would lose the key.
func getsIn(t *testing.T, visitor *instance.Client, address string) {
	t.Helper()
	if err := persist(t, visitor, address, func() error { return nil }); err != nil {
		t.Fatalf("with a key nobody gets in: %v", err)
	}
}
