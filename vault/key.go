package vault

import (
	"errors"
	"fmt"
	"io"
	"io/fs"

	"emberdrop/seal"
)

const keyFile = "vault.key"

// Init makes the vault's folder (mode 0700) and its key, and makes both durable. ErrExists when there is a key: a new
// one would end every link.
func Init(cfg Config) error {
	cfg, err := cfg.check()
	if err != nil {
		return err
	}
	switch _, err := cfg.FS.Stat(cfg.path(keyFile)); {
	case err == nil:
		return ErrExists
	case !errors.Is(err, fs.ErrNotExist):
		return failed("look for a vault", err)
	}
	if err := cfg.FS.MkdirAll(cfg.path(stagingDir), 0o700); err != nil {
		return failed("make the folder", err)
	}
	// The key is complete before it has its name: a crash leaves a whole key or none.
	key := seal.NewKey()
	defer key.Wipe()
	if err := writeKey(cfg, keyFile+suffixDraft, key); err != nil {
		return err
	}
	if err := cfg.FS.Rename(cfg.path(keyFile+suffixDraft), cfg.path(keyFile)); err != nil {
		return failed("name the vault key", err)
	}
	if err := cfg.syncDir(cfg.Dir); err != nil {
		return err
	}
	return cfg.syncDir(cfg.FS.PathDir(cfg.Dir))
}

// writeKey overwrites a key file in place, or makes it, and syncs it.
func writeKey(cfg Config, name string, key seal.Key) error {
	defer key.Wipe()
	f, err := cfg.create(name)
	if err != nil {
		return err
	}
	if _, err := f.WriteAt(key[:], 0); err != nil {
		f.Close()
		return failed("write the vault key", err)
	}
	if err := f.Sync(); err != nil {
		f.Close()
		return failed("sync the vault key", err)
	}
	return failed("close the vault key", f.Close())
}

func readKey(cfg Config) (key seal.Key, err error) {
	f, err := cfg.FS.Open(cfg.path(keyFile))
	if errors.Is(err, fs.ErrNotExist) {
		return key, fmt.Errorf("vault key: %w", ErrMissing)
	}
	if err != nil {
		return key, failed("open the vault key", err)
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return key, failed("look at the vault key", err)
	}
	if fi.Size() != int64(len(key)) {
		return key, fmt.Errorf("vault key: %w", ErrDamaged)
	}
	if n, err := f.ReadAt(key[:], 0); n < len(key) {
		key.Wipe()
		return key, failed("read the vault key", short(err))
	}
	if key.IsZero() {
		return key, fmt.Errorf("vault key: %w", ErrDamaged) // zeros are what some file systems leave after a crash
	}
	return key, nil
}

// short turns the end of a file that should be longer into damage.
func short(err error) error {
	if err == nil || errors.Is(err, io.EOF) {
		return ErrDamaged
	}
	return err
}

// DestroyKey makes every payload unreadable at once: first in this process, then on the disk, synced. Open and Create
// give ErrClosed from then on, even when the disk fails; payloads that are open stay open (closing those is the
// leases' part). Repeat it until it gives nil.
func (v *Vault) DestroyKey() error {
	v.keyMu.Lock()
	v.key.Wipe()
	v.keyMu.Unlock()
	return DestroyKey(v.cfg)
}

// DestroyKey is the same for a stopped vault. The file gets new random bytes, so the vault opens afterwards, for what
// is in it to be shredded; ErrMissing when there is none. Only Dir and FS of the configuration are needed.
func DestroyKey(cfg Config) error {
	if _, err := cfg.FS.Stat(cfg.path(keyFile)); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("vault key: %w", ErrMissing)
	} else if err != nil {
		return failed("look for the vault key", err)
	}
	// In place, so the new bytes land on the blocks of the old ones wherever the file system allows it.
	return writeKey(cfg, keyFile, seal.NewKey())
}
