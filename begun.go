package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"emberdrop/onion"
	"emberdrop/seal"
)

// A service makes its folder at its first start, and power may fail right then:
// without help every later start would meet a folder that is neither empty nor whole.

// begun reports whether the folder holds a part of what init makes before the log,
// and nothing else: nobody was ever served from it.
func (f folder) begun() bool {
	entries, err := os.ReadDir(f.path)
	if err != nil || len(entries) == 0 {
		return false
	}
	for _, entry := range entries {
		switch entry.Name() {
		case "host.key", "onion.key", "log.new":
		case "vault":
			if !holdsOnly(f.in("vault"), "vault.key", "vault.key.tmp", "staging") || !holdsOnly(filepath.Join(f.in("vault"), "staging")) {
				return false
			}
		case settings:
			if !holdsOnly(f.in(settings), twoMark) {
				return false
			}
		default:
			return false
		}
	}
	return true
}

// holdsOnly reports whether a folder, which may be missing, holds nothing but names.
func holdsOnly(path string, names ...string) bool {
	entries, err := os.ReadDir(path)
	if errors.Is(err, fs.ErrNotExist) {
		return true
	}
	return err == nil && !slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return !slices.Contains(names, e.Name()) })
}

// finish makes what is missing in a begun folder. Keys that are there stay, and
// the address is theirs.
func (f folder) finish(address onion.Key, with *lock, before func() error) (onion.Key, error) {
	var host seal.Key
	_, err := os.Lstat(f.host)
	switch {
	case err == nil:
		host, err = f.hostKey()
	case errors.Is(err, fs.ErrNotExist):
		host = seal.NewKey()
		err = writeKey(f.host, host[:], with)
	}
	if err != nil {
		return address, begunHint(err)
	}
	_, err = os.Lstat(f.onion)
	switch {
	case err == nil:
		address, err = f.onionKey()
	case errors.Is(err, fs.ErrNotExist):
		plain := address.Marshal()
		defer clear(plain)
		err = writeKey(f.onion, plain, with)
	}
	if err != nil {
		return address, begunHint(err)
	}
	return address, errors.Join(syncDir(filepath.Dir(f.host)), syncDir(filepath.Dir(f.onion)), f.createStores(host, before))
}

func begunHint(err error) error {
	return hint{err, "an earlier init was cut off in this folder, and a key with it; nothing was served from it yet: empty the folder and start again"}
}
