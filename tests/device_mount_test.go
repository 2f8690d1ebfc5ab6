package tests

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"emberdrop/tests/needle"
)

// blockSize is that of ext4 on every disk above half a gigabyte.
const blockSize = 4096

var (
	errNoRoot = errors.New("mounting an image of a disk needs root")
	errNoLoop = errors.New("no image of a disk can be mounted here")
)

// device is an image of a disk with ext4 on it, as made by default: with a journal
// of metadata, mounted without discard. What was written and not overwritten is
// still there when the image is looked at.
type device struct {
	t       *testing.T
	image   string
	folder  string // where it is mounted
	mounted bool
	journal map[int64]bool // the blocks of the journal
}

// newDevice makes and mounts one. Outside CI it skips the test when it may not.
func newDevice(t *testing.T, mebibytes int) *device {
	t.Helper()
	if os.Geteuid() != 0 {
		missing(t, errNoRoot, errNoRoot)
	}
	mkfs := tool(t, "mkfs.ext4")
	// In RAM if there is such a place: the program syncs some thousand times, and the
	// image is all that has to be kept.
	dir, err := os.MkdirTemp("/dev/shm", "emberdrop-")
	if err != nil {
		dir, err = os.MkdirTemp("", "emberdrop-")
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	d := &device{t: t, image: filepath.Join(dir, "image"), folder: filepath.Join(dir, "m")}
	file, err := os.Create(d.image)
	if err == nil {
		err = errors.Join(file.Truncate(int64(mebibytes)<<20), file.Close(), os.Mkdir(d.folder, 0o700))
	}
	if err != nil {
		t.Fatal(err)
	}
	run(t, mkfs, "-q", "-F", "-b", strconv.Itoa(blockSize), d.image)
	d.journal = d.journalBlocks()
	if out, err := exec.Command("mount", "-o", "loop", d.image, d.folder).CombinedOutput(); err != nil {
		t.Logf("mount: %v: %s", err, out)
		missing(t, errNoLoop, errNoLoop)
	}
	d.mounted = true
	t.Cleanup(func() {
		if d.mounted {
			exec.Command("umount", "-l", d.folder).Run()
		}
	})
	return d
}

func run(t *testing.T, program string, args ...string) string {
	t.Helper()
	out, err := exec.Command(program, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", filepath.Base(program), err, out)
	}
	return string(out)
}

func (d *device) mount() {
	d.t.Helper()
	run(d.t, "mount", "-o", "loop", d.image, d.folder)
	d.mounted = true
}

// unmount brings everything to the image. A process that was killed may hold the
// disk for a moment longer.
func (d *device) unmount() {
	d.t.Helper()
	var out []byte
	var err error
	for range 50 {
		if out, err = exec.Command("umount", d.folder).CombinedOutput(); err == nil {
			d.mounted = false
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	d.t.Fatalf("umount: %v: %s", err, out)
}

// sync brings to the image what the kernel still keeps back.
func (d *device) sync() {
	d.t.Helper()
	folder, err := os.Open(d.folder)
	if err == nil {
		err = errors.Join(unix.Syncfs(int(folder.Fd())), folder.Close())
	}
	if err != nil {
		d.t.Fatal(err)
	}
}

// finds is what a scan of an image has found: how many needles of each kind, the
// kind being the first word of a needle's name.
type finds struct {
	hits    []needle.Hit
	kinds   map[string]int
	needles map[string]bool
}

func (f finds) of(kinds ...string) (sum int) {
	for _, kind := range kinds {
		sum += f.kinds[kind]
	}
	return sum
}

func kindOf(name string) string {
	kind, _, _ := strings.Cut(name, " ")
	return kind
}

func collect(hits []needle.Hit) finds {
	f := finds{hits: hits, kinds: map[string]int{}, needles: map[string]bool{}}
	for _, hit := range hits {
		if !f.needles[hit.Needle] {
			f.needles[hit.Needle] = true
			f.kinds[kindOf(hit.Needle)]++
		}
	}
	return f
}

// scan looks through the raw image of the disk as it would be after a power cut now,
// and tells what lies in the journal of the file system from what lies elsewhere.
func (d *device) scan(needles []needle.Needle) (journal, elsewhere finds) {
	d.t.Helper()
	if d.mounted {
		d.sync()
	}
	hits, err := needle.ScanFile(d.image, needles)
	if err != nil {
		d.t.Fatal(err)
	}
	blocks := d.journal
	var in, out []needle.Hit
	for _, hit := range hits {
		if blocks[hit.Offset/blockSize] {
			in = append(in, hit)
		} else {
			out = append(out, hit)
		}
	}
	return collect(in), collect(out)
}

// journalBlocks lists the blocks of the file system's journal, inode 8 of ext4.
// They never move. It looks before the first mount, for the superblock of a
// mounted file system changes under the eyes of debugfs, which then lists nothing.
func (d *device) journalBlocks() map[int64]bool {
	d.t.Helper()
	out, err := exec.Command(tool(d.t, "debugfs"), "-R", "blocks <8>", d.image).Output()
	if err != nil {
		d.t.Fatalf("debugfs: %v", err)
	}
	blocks := map[int64]bool{}
	for _, word := range strings.Fields(string(out)) {
		n, err := strconv.ParseInt(word, 10, 64)
		if err != nil {
			d.t.Fatalf("debugfs lists a block %q", word)
		}
		blocks[n] = true
	}
	if len(blocks) < 100 {
		d.t.Fatalf("a journal of %d blocks", len(blocks))
	}
	return blocks
}
