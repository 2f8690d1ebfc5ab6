package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/spf13/pflag"

	"emberdrop/onion"
	"emberdrop/seal"
)

// keyMagic begins a key file that is sealed under the operator's passphrase. The
// plain ones are a host key of 32 bytes and an onion key in tor's own format.
const keyMagic = "emberdrop sealed 1\n\x00"

// unlocking is how sealed keys are opened: --unlock and --unlock-fd.
type unlocking struct {
	terminal   bool
	descriptor int // -1: none
	prompt     io.Writer
	known      *lock // once it was told
}

func (u *unlocking) register(set *pflag.FlagSet) {
	set.BoolVar(&u.terminal, "unlock", false, "ask on the terminal for the passphrase of sealed keys")
	set.IntVar(&u.descriptor, "unlock-fd", -1, "read the passphrase of sealed keys from the file descriptor `N`, up to a line's end (default none)")
}

// lock asks for the passphrase, once.
func (u *unlocking) lock(what string) (lock, error) {
	if u.known != nil {
		return *u.known, nil
	}
	var l lock
	var err error
	switch {
	case u.descriptor >= 0:
		l, err = passphraseLock(readLine(u.descriptor))
	case u.terminal:
		l, err = askPassphrase(u.prompt, "passphrase of the keys", false)
	default:
		err = hint{fmt.Errorf("the %s is sealed under a passphrase", what),
			"--unlock asks for it on the terminal, --unlock-fd N reads it from a file descriptor"}
	}
	if err == nil {
		u.known = &l
	}
	return l, err
}

// choose takes a new passphrase for the keys: from the descriptor, or twice from the terminal.
func (u *unlocking) choose(descriptor int) (lock, error) {
	if descriptor >= 0 {
		return passphraseLock(readLine(descriptor))
	}
	return askPassphrase(u.prompt, "new passphrase for the keys", true)
}

// forget wipes the passphrase.
func (u *unlocking) forget() {
	if u.known != nil {
		clear(u.known.secret)
		u.known = nil
	}
}

// maxLine bounds a passphrase that comes from a descriptor.
const maxLine = 4096

// readLine reads a line from a descriptor and not a byte more: what follows is for somebody else.
func readLine(descriptor int) ([]byte, error) {
	line := make([]byte, 0, maxLine)
	for len(line) < maxLine {
		n, err := syscall.Read(descriptor, line[len(line):len(line)+1])
		switch {
		case errors.Is(err, syscall.EINTR):
			continue
		case err != nil:
			return nil, hint{fmt.Errorf("reading the passphrase: %w", err), "a shell opens a descriptor with, for example, 3<FILE"}
		case n == 0:
			return line, nil
		}
		line = line[:len(line)+1]
		if line[len(line)-1] == '\n' {
			return line, nil
		}
	}
	return nil, errors.New("the passphrase is too long")
}

// readKey reads a key file and opens it if it is sealed.
func (f folder) readKey(path, what string) (key []byte, sealed bool, err error) {
	raw, err := os.ReadFile(path)
	if err != nil || !isSealed(keyMagic, raw) {
		return raw, false, err
	}
	key, err = unseal(keyMagic, raw, func(byte) (lock, error) { return f.unlock.lock(what) })
	if errors.Is(err, errSealed) {
		err = fmt.Errorf("the %s does not open: wrong passphrase, or the file is damaged", what)
	}
	return key, true, err
}

// hostKey reads the host key.
func (f folder) hostKey() (key seal.Key, err error) {
	raw, _, err := f.readKey(f.host, "host key")
	if errors.Is(err, fs.ErrNotExist) {
		return key, hint{errors.New("no host key at " + f.host), "make a data folder with `emberdrop init --data DIR`, or name the key with --host-key"}
	}
	if err != nil {
		return key, err
	}
	defer clear(raw)
	if len(raw) != len(key) {
		return key, fmt.Errorf("host key %s has %d bytes, not %d", f.host, len(raw), len(key))
	}
	copy(key[:], raw)
	return key, nil
}

// onionKey reads the onion service's key.
func (f folder) onionKey() (key onion.Key, err error) {
	raw, sealed, err := f.readKey(f.onion, "onion key")
	defer clear(raw)
	switch {
	case err == nil && sealed:
		key, err = onion.ParseKey(raw)
	case err == nil:
		key, err = onion.LoadKey(f.onion) // which also looks at who may read it
	}
	if err != nil {
		return key, fmt.Errorf("onion key: %w", err)
	}
	return key, nil
}

// newKeys writes the two keys of a new folder; with a lock they are sealed. A host
// key that systemd passes is taken as it is: its file is not ours to write.
func (f folder) newKeys(address onion.Key, with *lock) (host seal.Key, err error) {
	given := f.host == credential(hostCredential)
	if given {
		host, err = f.hostKey()
	} else {
		host = seal.NewKey()
		err = writeKey(f.host, host[:], with)
	}
	if err != nil {
		return host, err
	}
	if f.onion == credential(onionCredential) {
		if have, err := f.onionKey(); err != nil || have != address {
			return host, errors.Join(err, errors.New("the onion key that systemd passes is another one"))
		}
		return host, nil
	}
	plain := address.Marshal()
	defer clear(plain)
	// If this file is there already, the other must not make a second try trip.
	if err := writeKey(f.onion, plain, with); err != nil {
		if !given {
			err = errors.Join(err, os.Remove(f.host))
		}
		return host, err
	}
	return host, errors.Join(syncDir(filepath.Dir(f.host)), syncDir(filepath.Dir(f.onion)))
}

// newAddress is the key of a new folder: the one that systemd passes, or one that nobody has yet.
func (f folder) newAddress() (onion.Key, error) {
	if f.onion == credential(onionCredential) {
		return f.onionKey()
	}
	return onion.NewKey(), nil
}

// writeKey writes a new key file.
func writeKey(path string, plain []byte, with *lock) error {
	content, err := keyFile(plain, with)
	if err != nil {
		return err
	}
	return writeNew(path, content)
}

// keyFile is what a key's file holds: the key, or with a lock the key sealed.
func keyFile(plain []byte, with *lock) ([]byte, error) {
	if with == nil {
		return plain, nil
	}
	return with.seal(keyMagic, plain)
}
