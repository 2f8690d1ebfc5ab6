package tests

import (
	"errors"
	"io/fs"
	"path/filepath"
	"strings"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"

	"emberdrop/tests/needle"
)

// disk is the file system of a test. It remembers samples of what is written to
// drafts and staging files, so that nothing that ever reached the disk escapes the
// search, even of uploads that came to nothing. A careless one is the negative
// control: what should overwrite a file is told that it did, and only the removal
// happens, as with Pebble's DeleteCleaner and a plain os.Remove.
type disk struct {
	vfs.FS
	careless bool

	mu      sync.Mutex
	samples map[string][]needle.Needle // by the file's name without its suffix
}

func newDisk(careless bool) *disk {
	return &disk{FS: vfs.Default, careless: careless, samples: map[string][]needle.Needle{}}
}

// OpenReadWrite makes a file, or opens one to overwrite it: nothing else is ever
// opened for writing twice.
func (d *disk) OpenReadWrite(name string, category vfs.DiskWriteCategory, opts ...vfs.OpenOption) (vfs.File, error) {
	_, err := d.FS.Stat(name)
	file, openErr := d.FS.OpenReadWrite(name, category, opts...)
	switch base, draft := strings.CutSuffix(filepath.Base(name), ".tmp"); {
	case openErr != nil:
		return nil, openErr
	case err == nil && d.careless:
		return deaf{file}, nil
	case errors.Is(err, fs.ErrNotExist) && draft:
		staged := filepath.Base(filepath.Dir(name)) == "staging"
		return &watched{File: file, disk: d, name: base, staged: staged}, nil
	}
	return file, nil
}

// deaf is a file that is not overwritten.
type deaf struct{ vfs.File }

func (f deaf) WriteAt(p []byte, _ int64) (int, error) { return len(p), nil }

// watched is a file whose writes are sampled.
type watched struct {
	vfs.File
	disk   *disk
	name   string
	staged bool
}

const (
	sampleSize  = 24 // bytes
	sampleCount = 24 // of one file
)

func (f *watched) Write(p []byte) (int, error) {
	kind := "sealed "
	if f.staged {
		kind = "staged "
	}
	f.disk.mu.Lock()
	if had := f.disk.samples[f.name]; len(p) >= 2*sampleSize && len(had) < sampleCount {
		at := len(p) / 2
		piece := append([]byte(nil), p[at:at+sampleSize]...) // first: a vfs.File may change what it is given
		f.disk.samples[f.name] = append(had, needle.Needle{Name: kind + f.name, Bytes: piece})
	}
	f.disk.mu.Unlock()
	n, err := f.File.Write(p)
	if f.staged && err == nil {
		err = f.File.Sync() // nobody asks for that, but a kernel short of memory writes it out too
	}
	return n, err
}

// sampled gives the samples of all files but those of the named payloads, which
// are given apart.
func (d *disk) sampled(payloads map[string]bool) (others, theirs []needle.Needle) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for name, samples := range d.samples {
		if payloads[name] {
			theirs = append(theirs, samples[1:]...) // the first is of the page that the header was written over
		} else {
			others = append(others, samples...)
		}
	}
	return others, theirs
}
