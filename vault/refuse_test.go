package vault

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"emberdrop/seal"

	"github.com/cockroachdb/pebble/v2/vfs"
)

func TestCommitRefuses(t *testing.T) {
	v := newVault(t, vfs.NewMem())
	long := fmt.Sprintf("%70000d", 1)
	for what, m := range map[string]Manifest{
		"no items":         {},
		"too many items":   {Items: make([]Item, 2)},
		"another size":     {Items: []Item{{Size: 4}}},
		"negative size":    {Items: []Item{{Size: -1}}},
		"a long caption":   {Items: make([]Item, 1), Caption: long},
		"a long kind":      {Items: []Item{{Kind: long[:256]}}},
		"caption not text": {Items: make([]Item, 1), Caption: "\xff"},
	} {
		d, err := v.Create(seal.NewToken())
		if err != nil {
			t.Fatal(err)
		}
		w, _ := d.Item()
		w.Write([]byte("abc"))
		w.Close()
		if _, err := d.Commit(m, ""); !errors.Is(err, ErrManifest) {
			t.Errorf("%s: %v", what, err)
		}
		if _, err := d.Commit(Manifest{Items: make([]Item, 1)}, ""); !errors.Is(err, ErrClosed) {
			t.Errorf("%s: committed after all: %v", what, err)
		}
	}
	d, err := v.Create(seal.NewToken())
	if err != nil {
		t.Fatal(err)
	}
	w, _ := d.Item()
	if _, err := d.Item(); err == nil {
		t.Error("two items at once")
	}
	if _, err := d.Commit(Manifest{}, ""); err == nil {
		t.Error("committed with an open item")
	}
	if _, err := w.Write([]byte("x")); !errors.Is(err, ErrClosed) {
		t.Errorf("wrote to a dead draft: %v", err)
	}
	if err := w.Close(); !errors.Is(err, ErrClosed) {
		t.Errorf("closed an item of a dead draft: %v", err)
	}
	if err := d.Abort(); err != nil {
		t.Error(err)
	}
	wantFiles(t, v.cfg)
}

func TestWrongKeys(t *testing.T) {
	fs := vfs.NewMem()
	v := newVault(t, fs)
	secret := seal.NewToken()
	open := content{caption: "open", items: [][]byte{noise(1, 10)}}
	locked := content{caption: "locked", items: open.items, passphrase: "grüße 🔥"}
	so, sl := open.mustWrite(t, v, secret), locked.mustWrite(t, v, secret)

	try := func(what string, v *Vault, name string, secret seal.Token, pass string, want error) {
		t.Helper()
		p, err := v.Open(name, secret, pass)
		if !errors.Is(err, want) || (err == nil) != (want == nil) {
			t.Errorf("%s: %v, want %v", what, err, want)
		}
		if err == nil {
			p.Close()
		}
	}
	other := func(mutate func(cfg *Config)) *Vault {
		cfg := v.cfg
		mutate(&cfg)
		w, err := Open(cfg)
		if err != nil {
			t.Fatal(err)
		}
		return w
	}
	host := other(func(cfg *Config) { cfg.HostKey = seal.NewKey() })
	keyed := other(func(cfg *Config) {})
	keyed.key = seal.NewKey()

	try("right", v, so.Name, secret, "", nil)
	try("a passphrase where none is needed", v, so.Name, secret, "x", nil)
	try("another secret", v, so.Name, seal.NewToken(), "", ErrDamaged)
	try("another host key", host, so.Name, secret, "", ErrDamaged)
	try("another vault key", keyed, so.Name, secret, "", ErrDamaged)
	try("right passphrase", v, sl.Name, secret, locked.passphrase, nil)
	try("no passphrase", v, sl.Name, secret, "", ErrPassphrase)
	try("wrong passphrase", v, sl.Name, secret, locked.passphrase+" ", ErrPassphrase)
	try("another secret, locked", v, sl.Name, seal.NewToken(), locked.passphrase, ErrPassphrase)
	try("another host key, locked", host, sl.Name, secret, locked.passphrase, ErrPassphrase)
	try("another vault key, locked", keyed, sl.Name, secret, locked.passphrase, ErrPassphrase)
	try("missing", v, newName(), secret, "", ErrMissing)
	for _, name := range []string{"", ".", "..", "vault.key", "../vault.key", "staging", so.Name + ".tmp", so.Name + "/",
		"./" + so.Name, "/" + so.Name, so.Name + "\x00", so.Name + "\n", so.Name[1:] + "1"} {
		try("name "+name, v, name, secret, "", ErrMissing)
		if _, err := v.Locked(name); !errors.Is(err, ErrMissing) {
			t.Errorf("locked %q: %v", name, err)
		}
		if err := v.ShredHeader(name); !errors.Is(err, ErrMissing) {
			t.Errorf("shred header of %q: %v", name, err)
		}
		if name != so.Name+".tmp" {
			if err := v.Shred(name); !errors.Is(err, ErrMissing) {
				t.Errorf("shred %q: %v", name, err)
			}
		}
	}
	try("still there", v, so.Name, secret, "", nil)
}

func FuzzManifest(f *testing.F) {
	for _, m := range []Manifest{{}, {Caption: "x"}, {Caption: "grüße", Items: []Item{{"image/png", 1}, {"", 0}}}} {
		b, err := m.encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := decodeManifest(b)
		if err != nil {
			return
		}
		if again, err := m.encode(); (err != nil && len(b) <= maxManifest) || (err == nil && !bytes.Equal(again, b)) {
			t.Errorf("%x was read as %+v, which is written as %x (%v)", b, m, again, err)
		}
	})
}

func FuzzHeader(f *testing.F) {
	seed := func(h header) {
		page := make([]byte, pageLen)
		h.put(page)
		f.Add(page[:publicLen+32+seal.WrappedLen])
	}
	seed(header{})
	seed(header{locked: true, argon: cheap, half: seal.NewKey()})
	f.Fuzz(func(t *testing.T, front []byte) {
		page := make([]byte, pageLen)
		copy(page, front)
		h, err := parseHeader(page)
		if err != nil {
			return
		}
		if h.locked && h.argon.Check() != nil {
			t.Errorf("%+v would be worked on", h.argon)
		}
		again := bytes.Clone(page)
		h.put(again)
		if !bytes.Equal(again, page) {
			t.Error("a header has two spellings")
		}
	})
}
