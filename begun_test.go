package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"emberdrop/onion"
)

// Settings stand before the folder can be served: a cut between them leaves none
// that would be served without.
func TestSettingsBeforeTheLog(t *testing.T) {
	f := newFolder(t.TempDir(), "", "", nil)
	cut := errors.New("cut")
	if err := f.create(onion.NewKey(), nil, func() error { return cut }); !errors.Is(err, cut) || f.made() {
		t.Errorf("%v; made: %v", err, f.made())
	}
	f = newFolder(t.TempDir(), "", "", nil)
	outside := backup{Settings: map[string][]byte{"../outside": nil}}
	if f.restore(outside, onion.NewKey(), nil) == nil || f.made() {
		t.Errorf("restored without its settings; made: %v", f.made())
	}
}

// An init that was cut off anywhere before the log is finished by the next start,
// with the keys that are there.
func TestInitGoesOn(t *testing.T) {
	for _, gone := range [][]string{{}, {"vault"}, {"vault", "onion.key"}, {"vault", "host.key"}} {
		f := newFolder(t.TempDir(), "", "", nil)
		if err := f.create(onion.NewKey(), nil, f.split); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(f.in("log"), f.in("log.new")); err != nil {
			t.Fatal(err)
		}
		for _, name := range gone {
			if err := os.RemoveAll(f.in(name)); err != nil {
				t.Fatal(err)
			}
		}
		host, _ := os.ReadFile(f.host)
		address, _ := os.ReadFile(f.onion)
		var errs strings.Builder
		if code := run(t.Context(), []string{"init", "--if-missing", "--data", f.path}, io.Discard, &errs); code != 0 {
			t.Errorf("without %v: %s", gone, errs.String())
			continue
		}
		for path, was := range map[string][]byte{f.host: host, f.onion: address} {
			if is, err := os.ReadFile(path); err != nil || was != nil && !bytes.Equal(is, was) {
				t.Errorf("without %v: %s was replaced (%v)", gone, path, err)
			}
		}
		store, err := f.open(nil, nil)
		if err != nil {
			t.Errorf("without %v: %v", gone, err)
			continue
		}
		store.close()
	}
	// A folder whose log was lost is not one that was cut off.
	f := newFolder(t.TempDir(), "", "", nil)
	write(t, f.host, make([]byte, 32))
	if err := os.Mkdir(f.in("vault"), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, f.in("vault/payload"), nil)
	if code := run(t.Context(), []string{"init", "--if-missing", "--data", f.path}, io.Discard, io.Discard); code == 0 {
		t.Error("a log was made in a folder that had been served")
	}
}
