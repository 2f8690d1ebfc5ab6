package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// handBack gives what root made in a data folder to the folder's owner. A service
// owns its folder, its operator runs `sudo emberdrop verify`: without this the log
// would have files afterwards that the service cannot read.
func (f folder) handBack() error {
	if os.Geteuid() != 0 {
		return nil
	}
	owner, err := ownerOf(f.path)
	if errors.Is(err, fs.ErrNotExist) || (err == nil && owner.Uid == 0) {
		return nil
	}
	if err != nil {
		return err
	}
	return filepath.WalkDir(f.path, func(path string, _ fs.DirEntry, err error) error {
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		info, err := os.Lstat(path)
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
		return os.Lchown(path, int(owner.Uid), int(owner.Gid))
	})
}

func ownerOf(path string) (*syscall.Stat_t, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	return info.Sys().(*syscall.Stat_t), nil
}
