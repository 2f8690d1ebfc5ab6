package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/spf13/cobra"

	"emberdrop/onion"
	"emberdrop/seal"
)

// newContent is what a key file is to hold from now on.
type newContent struct {
	path    string
	content []byte
}

// replaceKeys puts new contents in the place of key files, all of them or none,
// and overwrites what was there. The first rename is the commit point: what a crash
// breaks off after it, settle goes on with. A crash just then leaves what was there
// to the file system, as every other program does.
func replaceKeys(files ...newContent) error {
	for i, file := range files {
		if err := writeLike(file.path, draft(i, file.path), file.content); err != nil {
			return hint{errors.Join(err, undo(files[:i])), "key files and their folder must be writable, and no links; keys that systemd passes as credentials are replaced where it has them from"}
		}
	}
	for i, file := range files {
		if err := takePlace(draft(i, file.path), file.path); err != nil {
			return err
		}
	}
	return nil
}

// undo discards drafts, the last one first: one without the first one counts as committed.
func undo(files []newContent) error {
	for i, file := range slices.Backward(files) {
		if err := discard(draft(i, file.path)); err != nil {
			return err
		}
	}
	return nil
}

// draft is the name of a file until it takes its place. Only the first file's is
// never used after a crash: while it is there, nothing is committed.
func draft(i int, path string) string {
	if i == 0 {
		return path + ".tmp"
	}
	return path + ".next"
}

// settle ends what a crash broke off in replaceKeys. Of two drafts the first is
// renamed first, so a second one alone is whole and meant to be there.
func (f folder) settle() error {
	_, uncommitted := os.Lstat(draft(0, f.host))
	_, waiting := os.Lstat(draft(1, f.onion))
	if errors.Is(uncommitted, fs.ErrNotExist) && waiting == nil {
		if err := takePlace(draft(1, f.onion), f.onion); err != nil {
			return err
		}
	}
	// The second draft goes before the first: alone, and overwritten, it would be taken for a key after another crash.
	for _, path := range []string{draft(1, f.onion), draft(1, f.host), draft(0, f.onion), draft(0, f.host)} {
		if err := discard(path); err != nil {
			return err
		}
	}
	return nil
}

// writeLike writes a file that has the owner of another one.
func writeLike(like, path string, content []byte) error {
	info, err := os.Lstat(like)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() { // a link would be replaced by a file, and what it names would stay as it is
		return fmt.Errorf("%s is not a plain file", like)
	}
	if err := writeNew(path, content); err != nil {
		return err
	}
	if has := info.Sys().(*syscall.Stat_t); os.Geteuid() == 0 {
		err = os.Lchown(path, int(has.Uid), int(has.Gid))
	}
	if err == nil {
		err = syncDir(filepath.Dir(path))
	}
	if err != nil {
		return errors.Join(err, discard(path))
	}
	return nil
}

// takePlace renames a draft over a file and overwrites what was in it, unless that
// has another name, which is somebody's copy.
func takePlace(draft, path string) error {
	old, err := os.OpenFile(path, os.O_RDWR|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	defer old.Close()
	if err := os.Rename(draft, path); err != nil {
		return err
	}
	if err := syncDir(filepath.Dir(path)); err != nil {
		return err
	}
	info, err := old.Stat()
	if err != nil || info.Sys().(*syscall.Stat_t).Nlink > 0 {
		return err
	}
	return fillWithNoise(old)
}

// discard overwrites and removes a draft, which may not be there. What is no file
// of ours, as a link, is only removed, and so is one with another name.
func discard(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode().IsRegular() && info.Sys().(*syscall.Stat_t).Nlink == 1 {
		if err := overwrite(path); err != nil {
			return err
		}
	}
	if err := os.Remove(path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

func passphraseCommand() *cobra.Command {
	var remove bool
	newFD := -1
	cmd := folderCommand("passphrase --data DIR", "seal host key and onion key under a passphrase, change it, or --remove it", 0,
		func(cmd *cobra.Command, f folder, _ []string) error {
			unlockKeys, err := f.lockKeys()
			if err != nil {
				return err
			}
			defer unlockKeys()
			if err := f.settle(); err != nil {
				return err
			}
			f.unlock.terminal = true // asking is what this command is for
			host, err := f.hostKey()
			if err != nil {
				return err
			}
			address, err := f.onionKey()
			if err != nil {
				return err
			}
			var with *lock
			said := "the keys are not sealed any more"
			if !remove {
				l, err := f.unlock.choose(newFD)
				if err != nil {
					return err
				}
				with, said = &l, "the keys are sealed: serve and the other commands that need them want --unlock or --unlock-fd from now on"
			}
			if err := f.rewriteKeys(host, address, with); err != nil {
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), said)
			return err
		})
	cmd.Flags().BoolVar(&remove, "remove", false, "store the keys unsealed again")
	cmd.Flags().IntVar(&newFD, "new-fd", -1, "read the new passphrase from the file descriptor `N`, up to a line's end (default: asked on the terminal)")
	return cmd
}

// rewriteKeys writes both key files anew, sealed or not.
func (f folder) rewriteKeys(host seal.Key, address onion.Key, with *lock) error {
	plain := address.Marshal()
	defer clear(plain)
	first, err := keyFile(slices.Clone(host[:]), with)
	if err != nil {
		return err
	}
	second, err := keyFile(plain, with)
	if err != nil {
		return err
	}
	return replaceKeys(newContent{f.host, first}, newContent{f.onion, second})
}

func rotateCommand() *cobra.Command {
	var yes bool
	cmd := folderCommand("rotate --data DIR", "give a stopped server a new address; the old one is dead for good", 0,
		func(cmd *cobra.Command, f folder, _ []string) error {
			// The log's lock is held until the end: no server starts meanwhile.
			store, err := f.openWith(seal.NewKey(), nil, nil)
			if err != nil {
				return err
			}
			return errors.Join(f.rotate(cmd, yes), store.close())
		})
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return cmd
}

func (f folder) rotate(cmd *cobra.Command, yes bool) error {
	unlockKeys, err := f.lockKeys()
	if err != nil {
		return err
	}
	defer unlockKeys()
	if err := f.settle(); err != nil {
		return err
	}
	_, sealed, err := f.readKey(f.onion, "onion key")
	if err != nil {
		return err
	}
	was, err := f.onionKey()
	if err != nil {
		return err
	}
	if err := f.warnOfRotation(cmd.ErrOrStderr(), was); err != nil {
		return err
	}
	if !yes && !confirmed(cmd.InOrStdin(), cmd.ErrOrStderr(), "The key of the old address will be destroyed.") {
		return usageError{errors.New("nothing was done: rotate needs a `yes`, or --yes")}
	}
	var with *lock
	if sealed {
		l, err := f.unlock.lock("onion key")
		if err != nil {
			return err
		}
		with = &l
	}
	key := onion.NewKey()
	plain := key.Marshal()
	defer clear(plain)
	content, err := keyFile(plain, with)
	if err != nil {
		return err
	}
	if err := replaceKeys(newContent{f.onion, content}); err != nil {
		return err
	}
	return f.printAddresses(cmd.OutOrStdout(), key)
}

func (f folder) warnOfRotation(out io.Writer, was onion.Key) error {
	fmt.Fprintln(out, "Nobody will get here any more, neither uploaders nor holders of links:")
	if err := f.printAddresses(out, was); err != nil {
		return err
	}
	fmt.Fprintln(out, "Links go on living: one opens under the new address, with the rest of its URL as it was.\nBackups from before hold the old address.")
	list, err := f.clients()
	if len(list) > 0 {
		fmt.Fprintln(out, "Whom `emberdrop clients` let in keeps the key; in the line for Tor Browser the address has to be exchanged.")
	}
	return err
}
