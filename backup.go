package main

import (
	"bytes"
	"context"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/klauspost/compress/zstd"
	"github.com/spf13/cobra"

	"emberdrop/eventlog"
	"emberdrop/link"
	"emberdrop/onion"
	"emberdrop/seal"
)

// A backup holds what a host is, never what was shared through it: no link, no
// case, no pass, no vault or host key. So nothing that ended can come back.
//
// File: 20 bytes magic | 1 byte, 1 for a passphrase and 2 for a key file |
// 16 bytes salt | sealed stream of zstd of deterministic CBOR (backup).
// The key is Argon2id(passphrase, salt) with seal.DefaultParams, or
// HKDF-SHA256(key file, salt, backupLabel). The bytes before the stream are its
// additional data. Salt and so key are new for every backup, as a stream needs.
const (
	backupMagic = "emberdrop backup 1\n\x00"
	backupLabel = "emberdrop/v1/backup"
	backupHead  = len(backupMagic) + 1 + seal.SaltLen
	// maxBackup bounds what restore takes: lists of a million hashes fit well.
	maxBackup = 512 << 20

	lockedByPassphrase = 1
	lockedByFile       = 2
)

type backup struct {
	Onion    []byte            `cbor:"1,keyasint"` // the onion key in tor's own format
	Totals   link.Totals       `cbor:"2,keyasint"`
	Settings map[string][]byte `cbor:"3,keyasint"` // the files of DIR/settings: operator public keys, block lists
}

// settings is the folder of what the operator has set up and wants to keep.
const settings = "settings"

// collect gathers a backup from a running or a stopped server.
func (f folder) collect(ctx context.Context) (out backup, err error) {
	key, err := f.onionKey()
	if err != nil {
		return out, err
	}
	out = backup{Onion: key.Marshal(), Settings: map[string][]byte{}}
	err = f.ask(ctx, "GET", "/totals", &out.Totals)
	if errors.Is(err, errNotRunning) {
		out.Totals, err = f.stoppedTotals()
	}
	if err != nil {
		return out, err
	}
	files, err := os.ReadDir(f.in(settings))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return out, err
	}
	for _, file := range files {
		if !file.Type().IsRegular() {
			continue
		}
		if out.Settings[file.Name()], err = os.ReadFile(filepath.Join(f.in(settings), file.Name())); err != nil {
			return out, err
		}
	}
	// The operator's public key may stand in the folder itself; restore puts it with the settings.
	if key, err := os.ReadFile(f.in(operatorFile)); err == nil {
		out.Settings[operatorFile] = key
	} else if !errors.Is(err, fs.ErrNotExist) {
		return out, err
	}
	return out, nil
}

func (f folder) stoppedTotals() (link.Totals, error) {
	store, err := f.open(nil, nil)
	if err != nil {
		return link.Totals{}, err
	}
	totals, err := link.New(store.config()).Totals()
	return totals, errors.Join(err, store.close())
}

// restore makes a new data folder out of a backup.
func (f folder) restore(b backup) error {
	key, err := onion.ParseKey(b.Onion)
	if err != nil {
		return err
	}
	if err := f.create(key); err != nil {
		return err
	}
	if err := os.Mkdir(f.in(settings), 0o700); err != nil {
		return err
	}
	for name, content := range b.Settings {
		if name != filepath.Base(name) || name == "." || name == ".." {
			return errors.New("the backup names a file outside of its folder")
		}
		if err := writeNew(filepath.Join(f.in(settings), name), content); err != nil {
			return err
		}
	}
	store, err := f.open(nil, nil)
	if err != nil {
		return err
	}
	return errors.Join(link.New(store.config()).Inherit(b.Totals), store.close(), syncDir(f.in(settings)))
}

// lock is how a backup is sealed: by a passphrase or by a file.
type lock struct {
	kind   byte
	secret []byte
}

func (l lock) key(salt [seal.SaltLen]byte) (key seal.Key, err error) {
	if l.kind == lockedByPassphrase {
		return seal.PassphraseKey(string(l.secret), salt, seal.DefaultParams())
	}
	raw, err := hkdf.Key(sha256.New, l.secret, salt[:], backupLabel, len(key))
	copy(key[:], raw)
	return key, err
}

// encode seals a backup.
func (b backup) encode(l lock) ([]byte, error) {
	var salt [seal.SaltLen]byte
	rand.Read(salt[:])
	key, err := l.key(salt)
	if err != nil {
		return nil, err
	}
	defer key.Wipe()
	raw, err := eventlog.Marshal(b)
	if err != nil {
		return nil, err
	}
	head := append(append([]byte(backupMagic), l.kind), salt[:]...)
	out := bytes.NewBuffer(bytes.Clone(head))
	sealed := seal.NewWriter(out, key, head)
	packed, err := zstd.NewWriter(sealed)
	if err != nil {
		return nil, err
	}
	_, err = packed.Write(raw)
	err = errors.Join(err, packed.Close(), sealed.Close())
	return out.Bytes(), err
}

var errBackup = errors.New("this backup does not open: wrong passphrase or key file, or the file is damaged")

// decode opens what encode sealed.
func decode(file []byte, unlock func(kind byte) (lock, error)) (b backup, err error) {
	if len(file) < backupHead || string(file[:len(backupMagic)]) != backupMagic {
		return b, errors.New("this is not an emberdrop backup")
	}
	l, err := unlock(file[len(backupMagic)])
	if err != nil {
		return b, err
	}
	key, err := l.key([seal.SaltLen]byte(file[len(backupMagic)+1 : backupHead]))
	if err != nil {
		return b, err
	}
	defer key.Wipe()
	body := file[backupHead:]
	opened, err := seal.NewReader(bytes.NewReader(body), int64(len(body)), key, file[:backupHead])
	if err != nil {
		return b, errBackup
	}
	packed, err := zstd.NewReader(opened.Stream(), zstd.WithDecoderMaxMemory(maxBackup))
	if err != nil {
		return b, err
	}
	defer packed.Close()
	raw, err := io.ReadAll(io.LimitReader(packed, maxBackup))
	if err != nil {
		return b, errBackup
	}
	if err := eventlog.Unmarshal(raw, &b); err != nil {
		return b, errBackup
	}
	return b, nil
}

func backupCommand() *cobra.Command {
	var unlock func(prompt io.Writer, kind byte) (lock, error)
	cmd := folderCommand("backup --data DIR FILE", "write the onion key, settings and totals into a sealed file; never a link", 1,
		func(cmd *cobra.Command, f folder, args []string) error {
			l, err := unlock(cmd.ErrOrStderr(), 0)
			if err != nil {
				return err
			}
			err = during(cmd.ErrOrStderr(), "backing up", func() error {
				b, err := f.collect(cmd.Context())
				if err != nil {
					return err
				}
				sealed, err := b.encode(l)
				if err != nil {
					return err
				}
				return writeNew(args[0], sealed)
			})
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), "backup written; links are not in it, on purpose")
			return err
		})
	unlock = lockFlags(cmd)
	return cmd
}

func restoreCommand() *cobra.Command {
	var unlock func(prompt io.Writer, kind byte) (lock, error)
	cmd := folderCommand("restore --data DIR FILE", "make a new data folder with the address, settings and totals of a backup", 1,
		func(cmd *cobra.Command, f folder, args []string) error {
			file, err := os.ReadFile(args[0])
			if err != nil {
				return err
			}
			b, err := decode(file, func(kind byte) (lock, error) { return unlock(cmd.ErrOrStderr(), kind) })
			if err != nil {
				return err
			}
			if err := during(cmd.ErrOrStderr(), "restoring", func() error { return f.restore(b) }); err != nil {
				return err
			}
			return f.printAddress(cmd.OutOrStdout())
		})
	unlock = lockFlags(cmd)
	return cmd
}
