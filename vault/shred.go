package vault

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"strings"
	"syscall"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// ShredHeader overwrites a payload's whole header page with random bytes and syncs it. From then on nothing opens the
// file any more, whoever holds the link and the keys; a Payload that is open already goes on reading. It may be
// repeated, and a file that is gone is fine. Until it gives nil, take the payload to be readable.
//
// A file that has a second name (a hard link that a backup holds) is never written: it loses its name here instead.
func (v *Vault) ShredHeader(name string) error {
	if !payloadName.MatchString(name) {
		return ErrMissing
	}
	defer v.names.lock(name)()
	f, shared, err := v.forOverwrite(name)
	if f == nil {
		return err
	}
	if shared {
		f.Close()
		return v.unlink(name)
	}
	if err := overwriteHeader(f); err != nil {
		f.Close()
		return err
	}
	return failed("close a payload", f.Close())
}

// Shred destroys a file of the vault: finished payload, draft, staging file or leftover. The header page goes first
// and is synced, so whatever happens next the rest opens with nothing; then all of it is overwritten and synced,
// renamed (so the folder forgets its name), unlinked, and the folder synced. A file that is gone is fine.
// Interrupted anywhere it is finished by calling it again: with the same name, or if the file has lost that already
// with the one that Leftovers tells. A file that has a second name is unlinked and never written.
func (v *Vault) Shred(name string) error {
	if !shredable(name) {
		return ErrMissing
	}
	defer v.names.lock(name)()
	f, shared, err := v.forOverwrite(name)
	if f == nil {
		return err
	}
	if !shared {
		if err := overwrite(f); err != nil {
			f.Close()
			return err
		}
	}
	if err := f.Close(); err != nil {
		return failed("close a file", err)
	}
	return v.unlink(name)
}

// forOverwrite opens a file for writing. It gives no file, and no error, when there is none; the caller holds its
// name, so it cannot come into being between the look and the open, which would make an empty one.
func (v *Vault) forOverwrite(name string) (f vfs.File, shared bool, err error) {
	path := v.cfg.path(name)
	if _, err := v.cfg.FS.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil, false, nil
	} else if err != nil {
		return nil, false, failed("look at a file", err)
	}
	if f, err = v.cfg.FS.OpenReadWrite(path, vfs.WriteCategoryUnspecified); err != nil {
		return nil, false, failed("open a file to overwrite it", err)
	}
	fi, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, false, failed("look at a file", err)
	}
	return f, links(fi) > 1, nil
}

// links is how many names a file has. A file system that does not say (the one in memory) has one name per file.
func links(fi vfs.FileInfo) uint64 {
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		return uint64(st.Nlink)
	}
	return 1
}

// overwriteHeader destroys the first page, or all of a file that is shorter.
func overwriteHeader(f vfs.File) error {
	fi, err := f.Stat()
	if err != nil {
		return failed("look at a file", err)
	}
	page := make([]byte, min(pageLen, fi.Size()))
	rand.Read(page)
	if _, err := f.WriteAt(page, 0); err != nil {
		return failed("overwrite a header", err)
	}
	return failed("sync a header", f.Sync())
}

// overwrite destroys the header, then the rest. Random bytes, since some disks and file systems keep no blocks of
// zeros; the same ones for every stretch, since what they replace is ciphertext whose key is gone by then.
func overwrite(f vfs.File) error {
	if err := overwriteHeader(f); err != nil {
		return err
	}
	fi, err := f.Stat()
	if err != nil {
		return failed("look at a file", err)
	}
	const stretch = 1 << 20
	buf := make([]byte, min(stretch, max(0, fi.Size()-pageLen)))
	rand.Read(buf)
	for at := int64(pageLen); at < fi.Size(); {
		p := buf[:min(int64(len(buf)), fi.Size()-at)]
		if _, err := f.WriteAt(p, at); err != nil {
			return failed("overwrite a file", err)
		}
		at += int64(len(p))
	}
	return failed("sync an overwritten file", f.Sync())
}

// unlink renames a file to a fresh name that says it is on its way out, and removes it. Both steps are made durable:
// without the first sync a crash could bring the old name back after payload.shredded was recorded.
func (v *Vault) unlink(name string) error {
	cfg, sub := v.cfg, ""
	if strings.HasPrefix(name, stagingDir+"/") {
		sub = stagingDir + "/"
	}
	dir := cfg.path(strings.TrimSuffix(sub, "/"))
	if !strings.HasSuffix(name, suffixGone) {
		gone := sub + newName() + suffixGone
		if err := cfg.FS.Rename(cfg.path(name), cfg.path(gone)); err != nil {
			return failed("rename a file", err)
		}
		if err := cfg.syncDir(dir); err != nil {
			return err
		}
		name = gone
	}
	if err := cfg.FS.Remove(cfg.path(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return failed("unlink a file", err)
	}
	return cfg.syncDir(dir)
}
