package main

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// handBack gives what root made in a data folder to the folder's owner. A service
// owns its folder, its operator runs `sudo emberdrop verify`: without this the log
// would have files afterwards that the service cannot read. The owner may swap a
// folder in it for a link meanwhile: an os.Root stays inside, whatever the owner does.
func (f folder) handBack() error {
	if os.Geteuid() != 0 {
		return nil
	}
	root, err := os.OpenRoot(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer root.Close()
	info, err := root.Stat(".")
	if err != nil {
		return err
	}
	owner := info.Sys().(*syscall.Stat_t)
	if owner.Uid == 0 {
		return nil
	}
	return fs.WalkDir(root.FS(), ".", func(path string, _ fs.DirEntry, err error) error {
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		info, err := root.Lstat(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil // the running server removed it meanwhile
		}
		if err != nil {
			return err
		}
		has := info.Sys().(*syscall.Stat_t)
		if has.Uid != 0 || has.Nlink > 1 && !info.IsDir() { // a second link may be anybody's file
			return nil
		}
		err = root.Lchown(path, int(owner.Uid), int(owner.Gid))
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
}

// inside opens a folder of the data folder, and makes it if it is missing. Root may be
// who asks, and no link in a service's folder leads out of an os.Root.
func (f folder) inside(name string) (*os.Root, error) {
	root, err := os.OpenRoot(f.path)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	switch err := root.Mkdir(name, 0o700); {
	case errors.Is(err, fs.ErrExist):
	case err != nil:
		return nil, err
	default:
		if err := syncRoot(root); err != nil {
			return nil, err
		}
	}
	return root.OpenRoot(name)
}

// replace exchanges a file whole: after a crash the old one is there or the new one.
func replace(dir *os.Root, name string, content []byte) error {
	draft := name + ".new"
	if err := dir.Remove(draft); err != nil && !errors.Is(err, fs.ErrNotExist) { // of a crash
		return err
	}
	file, err := dir.OpenFile(draft, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if err := fill(file, content, func(string) error { return dir.Remove(draft) }); err != nil {
		return err
	}
	if err := dir.Rename(draft, name); err != nil {
		return errors.Join(err, dir.Remove(draft))
	}
	return syncRoot(dir)
}

func syncRoot(root *os.Root) error {
	dir, err := root.Open(".")
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
