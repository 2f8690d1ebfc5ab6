package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// A crash at every step of replacing both keys leaves both as they were, or, from
// the first rename on, both new; and nothing beside them.
func TestReplaceKeysCrashes(t *testing.T) {
	oldHost, oldOnion := []byte("old host key"), []byte("old onion key")
	newHost, newOnion := []byte("new host key, sealed"), []byte("new onion key, sealed")
	steps := []struct {
		what string
		do   func(f folder) error
		new  bool // what settle must lead to
	}{
		{"nothing", func(folder) error { return nil }, false},
		{"a torn first draft", func(f folder) error { return os.WriteFile(draft(0, f.host), newHost[:3], 0o600) }, false},
		{"the first draft", func(f folder) error { return os.WriteFile(draft(0, f.host), newHost, 0o600) }, false},
		{"a torn second draft", func(f folder) error { return os.WriteFile(draft(1, f.onion), newOnion[:3], 0o600) }, false},
		{"the second draft", func(f folder) error { return os.WriteFile(draft(1, f.onion), newOnion, 0o600) }, false},
		{"the first rename", func(f folder) error { return takePlace(draft(0, f.host), f.host) }, true},
		{"the second rename", func(f folder) error { return takePlace(draft(1, f.onion), f.onion) }, true},
	}
	for last := range steps {
		f := newFolder(t.TempDir(), "", "", nil)
		write(t, f.host, oldHost)
		write(t, f.onion, oldOnion)
		for _, step := range steps[:last+1] {
			if err := step.do(f); err != nil {
				t.Fatalf("%s: %v", step.what, err)
			}
		}
		host, onion := oldHost, oldOnion
		if steps[last].new {
			host, onion = newHost, newOnion
		}
		for range 2 { // settling twice changes nothing
			if err := f.settle(); err != nil {
				t.Fatalf("after %s: %v", steps[last].what, err)
			}
			wantFiles(t, steps[last].what, f.path, map[string][]byte{"host.key": host, "onion.key": onion})
		}
	}
	// And a broken-off rotation, whose only file is the onion key.
	f := newFolder(t.TempDir(), "", "", nil)
	write(t, f.host, oldHost)
	write(t, f.onion, oldOnion)
	write(t, draft(0, f.onion), newOnion)
	if err := f.settle(); err != nil {
		t.Fatal(err)
	}
	wantFiles(t, "a broken-off rotation", f.path, map[string][]byte{"host.key": oldHost, "onion.key": oldOnion})
}

// What a key file held is overwritten in place, and a copy that the operator
// linked elsewhere is not.
func TestReplacedKeysAreOverwritten(t *testing.T) {
	f := newFolder(t.TempDir(), "", "", nil)
	secret, other := []byte("the secret that must go"), []byte("the secret that has a copy")
	write(t, f.host, secret)
	write(t, f.onion, other)
	copied := filepath.Join(t.TempDir(), "copy")
	if err := os.Link(f.onion, copied); err != nil {
		t.Fatal(err)
	}
	held, err := os.Open(f.host)
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	if err := replaceKeys(newContent{f.host, []byte("a")}, newContent{f.onion, []byte("b")}); err != nil {
		t.Fatal(err)
	}
	left := make([]byte, 2*len(secret))
	n, _ := held.ReadAt(left, 0)
	if n != len(secret) || bytes.Contains(left, secret[:8]) {
		t.Errorf("the old file holds %q", left[:n])
	}
	if raw, err := os.ReadFile(copied); err != nil || !bytes.Equal(raw, other) {
		t.Errorf("the operator's copy holds %q (%v)", raw, err)
	}
	wantFiles(t, "replacing", f.path, map[string][]byte{"host.key": []byte("a"), "onion.key": []byte("b")})
}

func write(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

func wantFiles(t *testing.T, when, dir string, want map[string][]byte) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		raw, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if content, known := want[entry.Name()]; !known || !bytes.Equal(raw, content) {
			t.Errorf("after %s: %s holds %q", when, entry.Name(), raw)
		}
	}
	if len(entries) != len(want) {
		t.Errorf("after %s: %d files, want %d", when, len(entries), len(want))
	}
}

// What one passphrase seals another does not open, nor does a changed file.
func TestSealedKeys(t *testing.T) {
	with := lock{kind: lockedByPassphrase, secret: []byte("correct horse")}
	file, err := with.seal(keyMagic, []byte("key"))
	if err != nil {
		t.Fatal(err)
	}
	told := func(l lock) func(byte) (lock, error) { return func(byte) (lock, error) { return l, nil } }
	if plain, err := unseal(keyMagic, file, told(with)); err != nil || string(plain) != "key" {
		t.Fatalf("%q, %v", plain, err)
	}
	if bytes.Contains(file, []byte("key\x00")) || !isSealed(keyMagic, file) || isSealed(backupMagic, file) {
		t.Error("the file is not what it should be")
	}
	if _, err := unseal(keyMagic, file, told(lock{kind: lockedByPassphrase, secret: []byte("battery")})); err != errSealed {
		t.Errorf("another passphrase: %v", err)
	}
	for _, at := range []int{magicLen, magicLen + 1, sealedHead, len(file) - 1} {
		bad := bytes.Clone(file)
		bad[at] ^= 1
		if _, err := unseal(keyMagic, bad, told(with)); err != errSealed {
			t.Errorf("with byte %d changed: %v", at, err)
		}
	}
	for _, n := range []int{0, magicLen, sealedHead, len(file) - 1} {
		if _, err := unseal(keyMagic, file[:n], told(with)); err != errSealed {
			t.Errorf("cut to %d bytes: %v", n, err)
		}
	}
}

// A crash while settle undoes, after any of its steps, must not make a draft that
// is already overwritten a key.
func TestSettleUndoesInOrder(t *testing.T) {
	for _, stuck := range []string{"host.key.tmp", "onion.key.next"} {
		f := newFolder(t.TempDir(), "", "", nil)
		write(t, f.host, []byte("old host key"))
		write(t, f.onion, []byte("old onion key"))
		for i, path := range []string{f.host, f.onion} {
			name := draft(i, path)
			if filepath.Base(name) != stuck {
				write(t, name, []byte("new"))
				continue
			}
			// A folder with something in it cannot be removed: the undoing breaks off here.
			if err := os.MkdirAll(filepath.Join(name, "stuck"), 0o700); err != nil {
				t.Fatal(err)
			}
		}
		if f.settle() == nil {
			t.Fatal("settle removed a folder")
		}
		if err := os.RemoveAll(f.in(stuck + "/stuck")); err != nil {
			t.Fatal(err)
		}
		if err := f.settle(); err != nil {
			t.Fatal(err)
		}
		wantFiles(t, "a second try over "+stuck, f.path, map[string][]byte{"host.key": []byte("old host key"), "onion.key": []byte("old onion key")})
	}
}

// When the second draft cannot be written, the first is gone again.
func TestReplaceKeysUndoes(t *testing.T) {
	f := newFolder(t.TempDir(), "", "", nil)
	write(t, f.host, []byte("old host key"))
	if replaceKeys(newContent{f.host, []byte("a")}, newContent{f.onion, []byte("b")}) == nil {
		t.Fatal("a key file that is missing was replaced")
	}
	wantFiles(t, "a failed try", f.path, map[string][]byte{"host.key": []byte("old host key")})
}

// Whoever owns the folder cannot have root write through a link that lies in it.
func TestLinksAreNotWrittenThrough(t *testing.T) {
	victim := filepath.Join(t.TempDir(), "victim")
	write(t, victim, []byte("of another"))
	absent := filepath.Join(t.TempDir(), "absent")
	f := newFolder(t.TempDir(), "", "", nil)
	write(t, f.host, []byte("old host key"))
	write(t, f.onion, []byte("old onion key"))
	link := func(to, name string) {
		t.Helper()
		if err := os.Symlink(to, f.in(name)); err != nil {
			t.Fatal(err)
		}
	}
	link(victim, "host.key.tmp")
	if err := f.settle(); err != nil {
		t.Errorf("settle over a link: %v", err)
	}
	wantFiles(t, "settle", f.path, map[string][]byte{"host.key": []byte("old host key"), "onion.key": []byte("old onion key")})
	link(absent, panicMark)
	if mark(f.in(panicMark)) == nil {
		t.Error("a mark was made through a link")
	}
	link(filepath.Dir(victim), settings)
	if f.saveClients(nil) == nil || f.split() == nil {
		t.Error("settings were written through a link")
	}
	link(victim, "linked")
	if os.Geteuid() == 0 && overwrite(f.in("linked")) == nil {
		t.Error("root overwrote through a link, or kept still about it")
	}
	for _, path := range []string{absent, filepath.Join(filepath.Dir(victim), clientsFile), filepath.Join(filepath.Dir(victim), twoMark)} {
		if _, err := os.Lstat(path); err == nil {
			t.Errorf("%s was made", filepath.Base(path))
		}
	}
	wantFiles(t, "it all", filepath.Dir(victim), map[string][]byte{"victim": []byte("of another")})
}
