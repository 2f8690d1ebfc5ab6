package eventlog

import (
	"errors"
	"syscall"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// cleaner overwrites a file that Pebble no longer needs before it unlinks it.
//
// The type parameter stands for an argument type that Pebble keeps internal. Embedding
// ArchiveCleaner promotes the unexported method by which a cleaner says that it needs
// the file's contents; Pebble then does not recycle WALs, whose tails would keep
// deleted bytes on disk for as long as the ring turns.
type cleaner[T any] struct {
	pebble.ArchiveCleaner
	missed func() // called for a file that could not be overwritten, and is unlinked all the same
}

// overwriting infers the internal type from any expression that has it.
func overwriting[T any](_ T, missed func()) *cleaner[T] { return &cleaner[T]{missed: missed} }

// Clean overwrites and unlinks one file.
func (c *cleaner[T]) Clean(fs vfs.FS, _ T, path string) error {
	if err := overwrite(fs, path); err != nil {
		c.missed()
	}
	return fs.Remove(path)
}

// String is what Pebble writes into its OPTIONS file.
func (c *cleaner[T]) String() string { return "delete" }

// overwrite zeroes a file in place and syncs it. A file with a second name belongs to a
// checkpoint or a backup too, and is left alone.
func overwrite(fs vfs.FS, path string) (err error) {
	f, err := fs.OpenReadWrite(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok && st.Nlink > 1 {
		return nil
	}
	// One buffer per call: WriteAt may scribble on what it is given.
	zero := make([]byte, min(info.Size(), 256<<10))
	for off := int64(0); off < info.Size(); off += int64(len(zero)) {
		if _, err := f.WriteAt(zero[:min(int64(len(zero)), info.Size()-off)], off); err != nil {
			return err
		}
	}
	return f.SyncData()
}
