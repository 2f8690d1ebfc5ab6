package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/cockroachdb/pebble/v2/vfs"

	"emberdrop/eventlog"
	"emberdrop/link"
	"emberdrop/onion"
	"emberdrop/seal"
	"emberdrop/vault"
)

// folder is a data folder: where everything that outlives the program stands.
type folder struct {
	path  string
	host  string // the host key's file
	onion string // the onion key's file

	unlock *unlocking // opens them if they are sealed
}

// newFolder places the two keys: where a flag says, else where systemd has put
// them for this service (systemd.exec(5), Credentials), else inside the folder.
func newFolder(path, hostKey, onionKey string, unlock *unlocking) folder {
	if unlock == nil { // for commands that need no key
		unlock = &unlocking{descriptor: -1}
	}
	// A state directory of systemd is a link, and tor opens no socket in a folder that is one.
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	f := folder{path: path, unlock: unlock}
	f.host = cmp.Or(hostKey, credential(hostCredential), f.in("host.key"))
	f.onion = cmp.Or(onionKey, credential(onionCredential), f.in("onion.key"))
	return f
}

// The names under which systemd may pass the keys.
const (
	hostCredential  = "emberdrop.host-key"
	onionCredential = "emberdrop.onion-key"
)

// credential is the file of a credential that systemd passed to this service; "": none.
func credential(id string) string {
	dir := os.Getenv("CREDENTIALS_DIRECTORY")
	if dir == "" {
		return ""
	}
	path := filepath.Join(dir, id)
	if _, err := os.Stat(path); err != nil {
		return ""
	}
	return path
}

// made reports whether somebody has made the data folder: it has a log.
func (f folder) made() bool {
	_, err := os.Stat(f.in("log"))
	return err == nil
}

func (f folder) in(name string) string { return filepath.Join(f.path, name) }

// create makes the folder with its keys and an empty log and vault. It refuses
// one that exists and is not empty: keys are never overwritten. With a lock the
// keys are sealed. The log is made last, since it is what makes a folder one that
// can be served: what has to be there by then, before writes.
func (f folder) create(address onion.Key, with *lock, before func() error) error {
	if entries, err := os.ReadDir(f.path); err == nil && len(entries) > 0 {
		return hint{fmt.Errorf("%s exists and is not empty", f.path), "init makes a new folder; serve uses one that exists"}
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.MkdirAll(f.path, 0o700); err != nil {
		return err
	}
	if err := os.Chmod(f.path, 0o700); err != nil {
		return err
	}
	host, err := f.newKeys(address, with)
	if err != nil {
		return err
	}
	return f.createStores(host, before)
}

func (f folder) createStores(host seal.Key, before func() error) error {
	if err := vault.Init(f.vault(host)); err != nil && !errors.Is(err, vault.ErrExists) {
		return err
	}
	if err := before(); err != nil {
		return err
	}
	if err := eventlog.Create(f.log(nil, nil)); err != nil {
		return err
	}
	return syncDir(f.path)
}

func (f folder) vault(host seal.Key) vault.Config {
	return vault.Config{FS: vfs.Default, Dir: f.in("vault"), HostKey: host}
}

func (f folder) log(events *slog.Logger, fatal func(error)) eventlog.Config {
	return eventlog.Config{
		FS: vfs.OnDiskFull(vfs.Default, f.dropBallast), Dir: f.in("log"), Fold: link.Fold{}, Types: link.Types(), Upcasts: link.Upcasts(),
		Log: events, Fatal: fatal,
	}
}

// opened is a data folder in use.
type opened struct {
	log   *eventlog.Log
	vault *vault.Vault
	host  seal.Key
}

// open opens log and vault. Only one process can: the log holds a lock.
func (f folder) open(events *slog.Logger, fatal func(error)) (*opened, error) {
	host, err := f.hostKey()
	if err != nil {
		return nil, err
	}
	return f.openWith(host, events, fatal)
}

func (f folder) openWith(host seal.Key, events *slog.Logger, fatal func(error)) (*opened, error) {
	log, err := eventlog.Open(f.log(events, fatal))
	if err != nil {
		return nil, f.advise(err)
	}
	v, err := vault.Open(f.vault(host))
	if err != nil {
		return nil, f.advise(errors.Join(err, log.Close()))
	}
	return &opened{log: log, vault: v, host: host}, nil
}

// advise adds what an operator can do about a store that does not open.
func (f folder) advise(err error) error {
	switch {
	case errors.Is(err, eventlog.ErrLocked):
		return hint{err, "a server is running on this data folder; stop it first"}
	case errors.Is(err, eventlog.ErrMissing), errors.Is(err, vault.ErrMissing):
		return hint{err, "this is not a whole data folder; `emberdrop init --data DIR` makes a new one"}
	case errors.Is(err, eventlog.ErrTables):
		return hint{err, "its links are lost; `emberdrop restore` brings the address back from a backup, into a new folder"}
	case errors.Is(err, eventlog.ErrDamaged):
		return hint{err, "if only projections are damaged, `emberdrop rebuild --data " + f.path + "` mends them"}
	case errors.Is(err, eventlog.ErrUnknownType):
		return hint{err, "this data folder was written by a newer emberdrop"}
	}
	return err
}

// writeNew writes a secret file that must not exist yet, and syncs it.
func writeNew(path string, content []byte) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	return fill(file, content, os.Remove)
}

// fill writes a new file; of what it cannot write whole, nothing stays.
func fill(file *os.File, content []byte, remove func(name string) error) error {
	_, err := file.Write(content)
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return errors.Join(err, remove(file.Name()))
	}
	return nil
}

func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// config is what link stands on.
func (o *opened) config() link.Config {
	return link.Config{Log: o.log, Vault: o.vault, HostKey: o.host}
}

func (o *opened) close() error { return o.log.Close() }
