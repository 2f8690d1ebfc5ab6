package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"emberdrop/onion"
)

// runs runs a command and returns its code, its output and its complaints.
func runs(t *testing.T, args ...string) (code int, out, complaints string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = run(t.Context(), args, &stdout, &stderr)
	return code, stdout.String(), stderr.String()
}

func must(t *testing.T, args ...string) string {
	t.Helper()
	code, out, complaints := runs(t, args...)
	if code != 0 {
		t.Fatalf("%q: %d %s", args, code, complaints)
	}
	return out
}

// Who has a key is a setting of the folder: the private half is printed once and kept nowhere, the public one survives
// a backup, and the last key of a public address is not taken away by accident.
func TestClients(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	address := strings.TrimPrefix(strings.TrimSpace(must(t, "init", "--data", data)), "address: http://")
	line := strings.TrimSpace(must(t, "clients", "add", "--data", data, "alice"))
	part := strings.Split(line, ":")
	if len(part) != 4 || part[0]+".onion" != address || part[1] != "descriptor" || part[2] != "x25519" || len(part[3]) != 52 {
		t.Fatalf("not a line for tor: %q", line)
	}
	must(t, "clients", "add", "--data", data, "bob", "--for", "open")
	if got := must(t, "clients", "list", "--data", data); got != "alice open\nbob open\n" {
		t.Errorf("list: %q", got)
	}
	err := filepath.WalkDir(data, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		if bytes.Contains(b, []byte(part[3])) {
			t.Errorf("the private key is in %s", d.Name())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	f := newFolder(data, "", "", new(unlocking))
	list, err := f.clients()
	if err != nil || len(list) != 2 || list[0].key == list[1].key {
		t.Fatalf("%v %v", list, err)
	}
	for _, bad := range [][]string{
		{"add", "alice"}, {"add", "a b"}, {"add", ""}, {"add", "../x"}, {"add", "carol", "--for", "leave"}, {"add", "carol", "--for", "x"}, {"remove", "carol"},
	} {
		args := append([]string{"clients", bad[0], "--data", data}, bad[1:]...)
		if code, _, _ := runs(t, args...); code == 0 {
			t.Errorf("%q is done", bad)
		}
	}
	must(t, "clients", "remove", "--data", data, "alice")
	if code, _, complaint := runs(t, "clients", "remove", "--data", data, "bob"); code != 1 || !strings.Contains(complaint, "--make-public") {
		t.Errorf("the last one: %d %s", code, complaint)
	}

	key := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(key, bytes.Repeat([]byte("k"), 32), 0o600); err != nil {
		t.Fatal(err)
	}
	saved, restored := filepath.Join(t.TempDir(), "saved"), filepath.Join(t.TempDir(), "restored")
	must(t, "clients", "split", "--data", data)
	must(t, "clients", "add", "--data", data, "dora")
	must(t, "backup", "--data", data, "--key-file", key, saved)
	if got := must(t, "restore", "--data", restored, "--key-file", key, saved); !strings.Contains(got, "to leave: http://") || !strings.Contains(got, address) {
		t.Errorf("restore says %q", got)
	}
	if got := must(t, "clients", "list", "--data", restored); got != "bob open\ndora leave\n" {
		t.Errorf("restored list: %q", got)
	}
	must(t, "clients", "remove", "--data", data, "bob", "--make-public")
	must(t, "clients", "remove", "--data", data, "dora") // nobody may leave anything then, which is safe
	if err := os.WriteFile(filepath.Join(data, settings, clientsFile), []byte("x leave nonsense\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, complaint := runs(t, "clients", "list", "--data", data); code != 1 || strings.Contains(complaint, "nonsense") {
		t.Errorf("a damaged list: %d %s", code, complaint)
	}
}

// An instance of two addresses has two that are different, and the same each time.
func TestTwoAddresses(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	out := must(t, "init", "--two-addresses", "--data", data)
	first, second, ok := strings.Cut(strings.TrimSpace(out), "\n")
	first, second = strings.TrimPrefix(first, "address: http://"), strings.TrimPrefix(second, "to leave: http://")
	if !ok || len(first) != 62 || len(second) != 62 || first == second {
		t.Fatalf("init says %q", out)
	}
	if again := must(t, "clients", "split", "--data", data); again != out {
		t.Errorf("split says %q, init said %q", again, out)
	}
	line := must(t, "clients", "add", "--data", data, "alice")
	if !strings.HasPrefix(line, strings.TrimSuffix(second, ".onion")+":descriptor:") {
		t.Errorf("without --for the key is not for leaving: %q", line)
	}
	line = must(t, "clients", "add", "--data", data, "bob", "--for", "open")
	if !strings.HasPrefix(line, strings.TrimSuffix(first, ".onion")+":descriptor:") {
		t.Errorf("the key is not for opening: %q", line)
	}
	if one, other := onion.NewKey(), onion.NewKey(); one.Derive("a") == other.Derive("a") {
		t.Error("two keys have one child")
	}
}
