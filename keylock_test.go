package main

import (
	"errors"
	"testing"
)

// Of two who want the keys one gets them, and the other one word; afterwards they are free.
func TestLockKeys(t *testing.T) {
	f := newFolder(t.TempDir(), "", "", nil)
	release, err := f.lockKeys()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.lockKeys(); !errors.Is(err, errKeysBusy) {
		t.Errorf("a second lock: %v", err)
	}
	for _, command := range [][]string{{"passphrase", "--remove"}, {"serve", "--allow-root", "--listen", "127.0.0.1:0"}} {
		cmd := commands()
		cmd.SetArgs(append(command, "--data", f.path))
		if err := cmd.ExecuteContext(t.Context()); !errors.Is(err, errKeysBusy) {
			t.Errorf("%s beside another: %v", command[0], err)
		}
	}
	if err := release(); err != nil {
		t.Fatal(err)
	}
	if release, err = f.lockKeys(); err != nil {
		t.Fatal(err)
	}
	release()
}
