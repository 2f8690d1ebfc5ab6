package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
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
// File: a sealed file (sealed.go) of zstd of deterministic CBOR (backup).
const (
	backupMagic = "emberdrop backup 1\n\x00"
	// maxBackup bounds what restore takes: lists of a million hashes fit well.
	maxBackup = 512 << 20
)

type backup struct {
	Onion    []byte            `cbor:"1,keyasint"` // the onion key in tor's own format
	Totals   link.Totals       `cbor:"2,keyasint"`
	Settings map[string][]byte `cbor:"3,keyasint"` // the files of DIR/settings: operator public keys
	// Lists is the files of DIR/lists: lists and the bank. Older backups have none.
	Lists map[string][]byte `cbor:"4,keyasint,omitempty"`
}

// settings is the folder of what the operator has set up and wants to keep.
const settings = "settings"

// collect gathers a backup from a running or a stopped server.
func (f folder) collect(ctx context.Context) (out backup, err error) {
	key, err := f.onionKey()
	if err != nil {
		return out, err
	}
	out = backup{Onion: key.Marshal()}
	err = f.ask(ctx, "GET", "/totals", &out.Totals)
	if errors.Is(err, errNotRunning) {
		out.Totals, err = f.stoppedTotals()
	}
	if err != nil {
		return out, err
	}
	if out.Settings, err = readFiles(f.in(settings)); err != nil {
		return out, err
	}
	if out.Lists, err = readFiles(f.in(listsFolder)); err != nil {
		return out, err
	}
	// The operator's public key may stand in the folder itself; restore puts it with the settings.
	if key, err := os.ReadFile(f.in(operatorFile)); err == nil {
		out.Settings[operatorFile] = key
	} else if !errors.Is(err, fs.ErrNotExist) {
		return out, err
	}
	return out, nil
}

// readFiles reads the files of a folder that may be missing.
func readFiles(path string) (map[string][]byte, error) {
	out := map[string][]byte{}
	files, err := os.ReadDir(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return out, err
	}
	for _, file := range files {
		if !file.Type().IsRegular() {
			continue
		}
		if out[file.Name()], err = os.ReadFile(filepath.Join(path, file.Name())); err != nil {
			return out, err
		}
	}
	return out, nil
}

// writeFiles makes a folder of files.
func writeFiles(path string, files map[string][]byte) error {
	if err := os.Mkdir(path, 0o700); err != nil {
		return err
	}
	for name, content := range files {
		if name != filepath.Base(name) || name == "." || name == ".." {
			return errors.New("the backup names a file outside of its folder")
		}
		if err := writeNew(filepath.Join(path, name), content); err != nil {
			return err
		}
	}
	return syncDir(path)
}

func (f folder) stoppedTotals() (link.Totals, error) {
	store, err := f.openWith(seal.NewKey(), nil, nil) // totals need no key
	if err != nil {
		return link.Totals{}, err
	}
	totals, err := link.New(store.config()).Totals()
	return totals, errors.Join(err, store.close())
}

// withoutLive counts the links that lived when the backup was made as ended by the
// operator, and shredded: none of them is in the new folder.
func withoutLive(t link.Totals) link.Totals {
	t.Ended = maps.Clone(t.Ended)
	if t.Ended == nil {
		t.Ended = map[link.Reason]int64{}
	}
	left := t.Created
	for _, n := range t.Ended {
		left -= n
	}
	if left > 0 {
		t.Ended[link.Operator] += left
	}
	t.Shredded = t.Created
	return t
}

// restore makes a new data folder out of a backup.
func (f folder) restore(b backup, key onion.Key, with *lock) error {
	// A folder that a crash left without them would be served as a public one.
	err := f.create(key, with, func() error {
		if err := writeFiles(f.in(settings), b.Settings); err != nil {
			return err
		}
		return writeFiles(f.in(listsFolder), b.Lists)
	})
	if err != nil {
		return err
	}
	store, err := f.openWith(seal.NewKey(), nil, nil)
	if err != nil {
		return err
	}
	return errors.Join(link.New(store.config()).Inherit(withoutLive(b.Totals)), store.close(), syncDir(f.path))
}

// encode seals a backup.
func (b backup) encode(l lock) ([]byte, error) {
	raw, err := eventlog.Marshal(b)
	if err != nil {
		return nil, err
	}
	if len(raw) > maxBackup {
		return nil, fmt.Errorf("settings and lists are %d MiB, and a backup holds %d", len(raw)>>20, maxBackup>>20)
	}
	packer, err := zstd.NewWriter(nil)
	if err != nil {
		return nil, err
	}
	return l.seal(backupMagic, packer.EncodeAll(raw, nil))
}

// decode opens what encode sealed.
func decode(file []byte, unlock func(kind byte) (lock, error)) (b backup, err error) {
	if !isSealed(backupMagic, file) {
		return b, errors.New("this is not an emberdrop backup")
	}
	packed, err := unseal(backupMagic, file, unlock)
	if errors.Is(err, errSealed) {
		return b, fmt.Errorf("this backup does not open: %w", err)
	}
	if err != nil {
		return b, err
	}
	unpacker, err := zstd.NewReader(nil, zstd.WithDecoderMaxMemory(maxBackup))
	if err != nil {
		return b, err
	}
	defer unpacker.Close()
	raw, err := unpacker.DecodeAll(packed, nil)
	if err != nil {
		return b, fmt.Errorf("this backup does not open: %w", errSealed)
	}
	if err := eventlog.Unmarshal(raw, &b); err != nil {
		return b, fmt.Errorf("this backup does not open: %w", errSealed)
	}
	return b, nil
}

func backupCommand() *cobra.Command {
	var unlock func(prompt io.Writer, kind byte) (lock, error)
	cmd := folderCommand("backup --data DIR FILE", "write the onion key, settings, lists and totals into a sealed file; never a link", 1,
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
	var seals func(folder) (*lock, error)
	cmd := folderCommand("restore --data DIR FILE", "make a new data folder with the address, settings, lists and totals of a backup", 1,
		func(cmd *cobra.Command, f folder, args []string) error {
			file, err := os.ReadFile(args[0])
			if err != nil {
				return err
			}
			b, err := decode(file, func(kind byte) (lock, error) { return unlock(cmd.ErrOrStderr(), kind) })
			if err != nil {
				return err
			}
			key, err := onion.ParseKey(b.Onion)
			if err != nil {
				return err
			}
			with, err := seals(f)
			if err != nil {
				return err
			}
			if err := during(cmd.ErrOrStderr(), "restoring", func() error { return f.restore(b, key, with) }); err != nil {
				return err
			}
			return f.printAddresses(cmd.OutOrStdout(), key)
		})
	unlock, seals = lockFlags(cmd), sealFlag(cmd)
	return cmd
}
