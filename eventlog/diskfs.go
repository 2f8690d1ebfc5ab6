package eventlog

import (
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// diskFS stands between Pebble and the file system for two reasons.
//
// When a WAL cannot be rotated Pebble panics with a mutex unlocked that its deferred
// calls unlock again, which no recover can stop: a full disk would tear the process down
// in the middle of everything. So an operation on a WAL, or on the folder, that fails
// stops the log and never returns; the goroutines that wait for it are left behind,
// holding no lock that a reader needs, until the process ends.
//
// And Pebble makes a MANIFEST, makes the marker that names it, and removes the marker
// before, with one sync of the folder at the end. A disk that keeps the steps in another
// order could keep a marker without its MANIFEST, or no marker at all: the log would be
// lost. So the folder is synced before each of the two marker steps.
type diskFS struct {
	vfs.FS
	fatal *fatality
}

// Unwrap is how Pebble finds out what it runs on.
func (f *diskFS) Unwrap() vfs.FS { return f.FS }

func (f *diskFS) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f.settle(name)
	return f.watch(name, func() (vfs.File, error) { return f.FS.Create(name, category) })
}

func (f *diskFS) Remove(name string) error {
	f.settle(name)
	return f.FS.Remove(name)
}

// settle syncs the folder of a marker; see above.
func (f *diskFS) settle(name string) {
	if strings.HasPrefix(f.FS.PathBase(name), "marker.") {
		f.check(syncDir(f.FS, f.FS.PathDir(name)))
	}
}

func (f *diskFS) ReuseForWrite(old, name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	return f.watch(name, func() (vfs.File, error) { return f.FS.ReuseForWrite(old, name, category) })
}

// OpenDir watches the folder too: a rotation syncs it, and panics when that fails.
func (f *diskFS) OpenDir(name string) (vfs.File, error) {
	file, err := f.FS.OpenDir(name)
	f.check(err)
	return &diskFile{File: file, fs: f}, nil
}

func (f *diskFS) watch(name string, open func() (vfs.File, error)) (vfs.File, error) {
	file, err := open()
	if !strings.HasSuffix(name, ".log") {
		return file, err
	}
	f.check(err)
	return &diskFile{File: file, fs: f}, nil
}

// check does not return from a failure.
func (f *diskFS) check(err error) {
	if err != nil {
		f.fatal.stop(category(err))
		select {}
	}
}

// diskFile is a WAL that is written to, or the folder.
type diskFile struct {
	vfs.File
	fs *diskFS
}

func (f *diskFile) Write(p []byte) (int, error) {
	n, err := f.File.Write(p)
	f.fs.check(err)
	return n, nil
}

func (f *diskFile) Sync() error {
	f.fs.check(f.File.Sync())
	return nil
}

func (f *diskFile) SyncData() error {
	f.fs.check(f.File.SyncData())
	return nil
}

func (f *diskFile) Close() error {
	f.fs.check(f.File.Close())
	return nil
}

func (f *diskFile) SyncTo(length int64) (bool, error) {
	full, err := f.File.SyncTo(length)
	f.fs.check(err)
	return full, nil
}
