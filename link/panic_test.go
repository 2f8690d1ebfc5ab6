package link

import (
	"bytes"
	"errors"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"emberdrop/vault"
)

// TestPanic: a copy of the whole disk taken before, plus live links, opens
// nothing without the vault key; afterwards nothing is left but totals.
func TestPanic(t *testing.T) {
	r := newRig(t)
	a, b := r.burn(), r.upload(Policy{}, "", "", picture(2))
	lease := r.mustReveal(b)
	body, _, err := lease.Open(1)
	if err != nil {
		t.Fatal(err)
	}
	names, _ := r.vault.Names()
	before := map[string][]byte{}
	for _, name := range names {
		before[name] = readAll(t, r.fs, "vault/"+name)
	}

	if err := r.Panic(); err != nil {
		t.Fatal(err)
	}
	_, err = body.Read(make([]byte, 1))
	r.wantGone("a read after panic", err)
	_, err = r.Lease(lease.Token())
	r.wantGone("a lease after panic", err)
	for _, answer := range []Answer{a, b} {
		if _, err := r.reveal(answer); err == nil {
			t.Fatal("a link opens after panic")
		}
	}
	// The thief's copy beside the key file as panic left it.
	again, err := vault.Open(vaultConfig(r.fs, r.host))
	if err != nil {
		t.Fatal(err)
	}
	for name, raw := range before {
		if !bytes.Equal(raw, readAll(t, r.fs, "vault/"+name)) {
			t.Fatal("the payload itself has changed: this test would prove nothing")
		}
		for _, answer := range []Answer{a, b} {
			if _, err := again.Open(name, answer.Secret, ""); !errors.Is(err, vault.ErrDamaged) {
				t.Fatalf("a payload opens without the vault key: %v", err)
			}
		}
	}
	if err := r.Wipe(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.wantFiles(0)
	_, err = r.Receipt(a.Receipt.String())
	r.wantGone("a receipt after the wipe", err)
	if totals, err := r.Totals(); err != nil || totals.Created != 2 || totals.Ended[Operator] != 2 {
		t.Fatalf("totals are %+v (%v)", totals, err)
	}
	r.wantOrder()
}

func readAll(t tester, fs vfs.FS, path string) []byte {
	t.Helper()
	f, err := fs.Open(path)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	defer f.Close()
	var out bytes.Buffer
	if _, err := out.ReadFrom(f); err != nil {
		t.Fatalf("read: %v", err)
	}
	return out.Bytes()
}
