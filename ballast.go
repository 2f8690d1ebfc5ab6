package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// The ballast is room that nobody else can take: a file of zeros that is removed
// when the disk is full, so that a burn can still be recorded and the log can
// still compact. Uploads stop long before, at the floor.
const (
	ballastFile = "ballast"
	ballastSize = 64 << 20
	ballastLook = time.Minute
)

// dropBallast gives the room back. It is called by the log's file system in the
// middle of a write that met a full disk, which it then tries once more.
func (f folder) dropBallast() { os.Remove(f.in(ballastFile)) }

// fillBallast makes the ballast if it is missing and the disk has room for it
// above the floor.
func (f folder) fillBallast(floor int64) error {
	if _, err := os.Stat(f.in(ballastFile)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	free, err := freeBytes(f.path)
	if err != nil || free < floor+ballastSize {
		return err
	}
	file, err := os.OpenFile(f.in(ballastFile), os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	// Allocated, not only as long: a hole would hold no room.
	return errors.Join(unix.Fallocate(int(file.Fd()), 0, 0, ballastSize), file.Close())
}

// keepBallast fills it now and whenever it was spent, until ctx ends.
func (f folder) keepBallast(ctx context.Context, floor int64) {
	look := time.NewTicker(ballastLook)
	defer look.Stop()
	for {
		if f.fillBallast(floor) != nil {
			f.dropBallast() // half of one is none
		}
		select {
		case <-ctx.Done():
			return
		case <-look.C:
		}
	}
}
