package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"emberdrop/client"
)

// name is where something is to be saved: the first of photo-1.jpg,
// photo-1-2.jpg, photo-1-3.jpg, ... that is free. Nothing is ever overwritten.
type name struct{ dir, stem, ext string }

func newName(dir string, kind client.Kind, n int) name {
	stem, ext := kind.Name(n)
	return name{dir, stem, ext}
}

// create makes a file that was not there; suffix goes behind its name.
func (n name) create(suffix string) (*os.File, error) {
	for i := 1; ; i++ {
		stem := n.stem
		if i > 1 {
			stem += "-" + strconv.Itoa(i)
		}
		file, err := os.OpenFile(filepath.Join(n.dir, stem+n.ext+suffix), os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
		if !errors.Is(err, fs.ErrExist) {
			return file, err
		}
	}
}

// keepFile has a file filled and, if it is wanted and whole, gives it its name
// and prints that. A file under its final name is never a part of one.
func (g *getting) keepFile(n name, wanted bool, fill func(*os.File) error) error {
	part, err := n.create(".part")
	if err != nil {
		return err
	}
	err = fill(part)
	if err == nil && wanted {
		err = part.Sync()
	}
	err = errors.Join(err, part.Close())
	if err != nil || !wanted {
		return errors.Join(err, os.Remove(part.Name()))
	}
	taken, err := n.create("") // an empty file of ours holds the place
	if err != nil {
		return errors.Join(err, os.Remove(part.Name()))
	}
	if err := errors.Join(taken.Close(), os.Rename(part.Name(), taken.Name())); err != nil {
		return err
	}
	_, err = fmt.Fprintf(g.stdout, "saved: %s\n", taken.Name())
	return err
}

// writable makes the folder if it is missing, and finds out whether files can be
// made in it.
func writable(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	probe, err := os.CreateTemp(dir, ".emberdrop-*")
	if err != nil {
		return err
	}
	return errors.Join(probe.Close(), os.Remove(probe.Name()))
}
