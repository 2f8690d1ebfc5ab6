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
