package main

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// errKeysBusy says that another process reads or replaces the keys right now.
var errKeysBusy = errors.New("another emberdrop is working on the keys of this data folder")

// lockKeys keeps others from the keys until release is called: from replacing them
// while a starting server reads them, or replacing them too. The lock is on the data
// folder itself (flock(2)), so there is no file to make, and a crash ends it.
func (f folder) lockKeys() (release func() error, err error) {
	dir, err := os.Open(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return func() error { return nil }, nil // what reads the keys has better words for it
	}
	if err != nil {
		return nil, err
	}
	err = syscall.Flock(int(dir.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		err = hint{errKeysBusy, "a server is starting, or `passphrase` or `rotate` is waiting for an answer: try again when it is done"}
	}
	if err != nil {
		return nil, errors.Join(err, dir.Close())
	}
	return dir.Close, nil
}
