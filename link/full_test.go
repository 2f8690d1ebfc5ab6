package link

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"emberdrop/eventlog"
	"emberdrop/seal"
	"emberdrop/vault"
)

// smallDisk is a file system with so many bytes and not one more. A write that
// makes a file longer takes them, an overwrite takes none, a removed file gives
// its own back.
type smallDisk struct {
	vfs.FS
	mu    sync.Mutex
	left  int64
	least int64 // the least that was ever left
}

func newSmallDisk(size int64) *smallDisk {
	return &smallDisk{FS: vfs.NewMem(), left: size, least: size}
}

// take takes n bytes, or what there is.
func (d *smallDisk) take(n int64) (got int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	got = min(n, d.left)
	d.left -= got
	d.least = min(d.least, d.left)
	return got
}

func (d *smallDisk) give(n int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.left += n
}

func (d *smallDisk) free() (int64, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.left, nil
}

func (d *smallDisk) lowest() int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.least
}

func (d *smallDisk) size(name string) int64 {
	st, err := d.FS.Stat(name)
	if err != nil {
		return 0
	}
	return st.Size()
}

func (d *smallDisk) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	was := d.size(name)
	f, err := d.FS.Create(name, c)
	if err != nil {
		return nil, err
	}
	d.give(was)
	return &smallFile{f, d}, nil
}

func (d *smallDisk) OpenReadWrite(name string, c vfs.DiskWriteCategory, o ...vfs.OpenOption) (vfs.File, error) {
	f, err := d.FS.OpenReadWrite(name, c, o...)
	if err != nil {
		return nil, err
	}
	return &smallFile{f, d}, nil
}

func (d *smallDisk) ReuseForWrite(old, name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := d.FS.ReuseForWrite(old, name, c)
	if err != nil {
		return nil, err
	}
	return &smallFile{f, d}, nil
}

func (d *smallDisk) Remove(name string) error {
	was := d.size(name)
	err := d.FS.Remove(name)
	if err == nil {
		d.give(was)
	}
	return err
}

type smallFile struct {
	vfs.File
	d *smallDisk
}

// Write is only ever used at a file's end.
func (f *smallFile) Write(p []byte) (int, error) {
	got := f.d.take(int64(len(p)))
	n, err := f.File.Write(bytes.Clone(p[:got])) // a vfs.File may change what it is given
	if err == nil && n < len(p) {
		err = syscall.ENOSPC
	}
	return n, err
}

func (f *smallFile) WriteAt(p []byte, at int64) (int, error) {
	st, err := f.Stat()
	if err != nil {
		return 0, err
	}
	if longer := at + int64(len(p)) - st.Size(); longer > 0 && f.d.take(longer) < longer {
		return 0, syscall.ENOSPC
	}
	return f.File.WriteAt(p, at)
}

// fullRig is a rig on a small disk, its log above a ballast as in a data folder.
func fullRig(t tester, d *smallDisk, full func(), change ...func(*Config)) *rig {
	t.Helper()
	host := seal.NewKey()
	initStore(t, d, host)
	cfg := logConfig(d)
	cfg.FS = vfs.OnDiskFull(d, full)
	log, err := eventlog.Open(cfg)
	if err != nil {
		t.Fatalf("open log: %v", err)
	}
	t.Cleanup(func() { log.Close() })
	return rigOver(t, d, log, host, &clock{now: start}, change...)
}

// TestBurnOnAFullDisk: with not one byte left a burn is recorded in the room that
// the ballast gives back, and the payload goes.
func TestBurnOnAFullDisk(t *testing.T) {
	const ballast = 64 << 10
	d := newSmallDisk(4 << 20)
	var dropped atomic.Int32
	r := fullRig(t, d, func() {
		if dropped.Add(1) == 1 {
			d.give(ballast)
		}
	})
	a, other := r.burn(), r.burn()
	full, _ := d.free()
	d.take(full)
	if _, err := r.tryUpload(seal.NewToken(), Policy{}, "", "", picture(2)); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("an upload to a full disk gives %v", err)
	}
	r.wantFiles(2)
	d.take(1 << 30) // what the upload has just given back
	lease := r.mustReveal(a)
	if !bytes.Equal(r.content(lease, 1), clean(t, picture(7))) {
		t.Fatal("the content is not right")
	}
	if dropped.Load() == 0 {
		t.Fatal("the disk was not full: the test is vacuous")
	}
	_, err := r.reveal(a)
	r.wantGone("a second reveal", err)
	r.endLease(lease)
	if err := r.Destroy(other.Receipt.String()); err != nil {
		t.Fatalf("destroy: %v", err)
	}
	r.sweep()
	r.wantFiles(0)
	r.wantOrder()
	if err := r.log.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
}

// TestFullDiskWithoutBallast is the control: nothing is served, the log stops,
// and what was there before is there afterwards.
func TestFullDiskWithoutBallast(t *testing.T) {
	d := newSmallDisk(4 << 20)
	r := fullRig(t, d, func() {})
	a := r.burn()
	d.take(1 << 30)
	if _, err := r.reveal(a); !errors.Is(err, eventlog.ErrStopped) || !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("reveal gives %v", err)
	}
	if _, err := r.reveal(a); !errors.Is(err, eventlog.ErrStopped) {
		t.Fatalf("a second reveal gives %v", err)
	}
	r.log.Close()
}

// TestFloor: uploads are refused before the floor is reached, and what was
// refused leaves nothing.
func TestFloor(t *testing.T) {
	const floor = 1 << 20
	d := newSmallDisk(2 << 20)
	r := fullRig(t, d, func() { t.Error("the disk was full") }, roomy(d, floor))
	stored := 0
	var err error
	for stored < 1000 {
		if _, err = r.tryUpload(seal.NewToken(), Policy{}, "", "", picture(byte(stored))); err != nil {
			break
		}
		stored++
	}
	if !errors.Is(err, ErrFull) || stored == 0 {
		t.Fatalf("after %d uploads: %v", stored, err)
	}
	if d.lowest() < floor {
		t.Fatalf("%d bytes were left, the floor is %d", d.lowest(), floor)
	}
	r.wantFiles(stored)
	r.wantOrder()
}

// TestSmallUploadsReserveWhatTheyTake: a payload of a few bytes is a page and more.
func TestSmallUploadsReserveWhatTheyTake(t *testing.T) {
	d := newSmallDisk(64 << 20)
	r := fullRig(t, d, func() {}, roomy(d, 0))
	for _, size := range []int{0, 1, 40, 2000} {
		note := bytes.Repeat([]byte("a"), size)
		before, _ := d.free()
		u, _, err := r.Begin(context.Background(), seal.NewToken(), int64(size))
		if err != nil {
			t.Fatal(err)
		}
		reserved := r.room.reserved + r.room.staged
		if size > 0 {
			if _, err := u.Add(bytes.NewReader(note)); err != nil {
				t.Fatal(err)
			}
			if _, err := u.Commit(Policy{}, "caption", ""); err != nil {
				t.Fatal(err)
			}
		}
		u.Abort()
		after, _ := d.free()
		if before-after > reserved {
			t.Errorf("an upload of %d bytes took %d and had reserved %d", size, before-after, reserved)
		}
	}
}

// share is what an upload of MaxUpload reserves on a roomy rig.
var share = vault.Bound(8<<10) + 4<<10 + overhead

func roomy(d *smallDisk, floor int64) func(*Config) {
	return func(c *Config) {
		c.Free, c.Floor, c.MaxUpload, c.MaxFile, c.MaxPassFile, c.Uploads = d.free, floor, 8<<10, 4<<10, 4<<10, 100
	}
}

// TestManyUploadsOneRoom: of 100 uploads at once with room for 20 exactly 20 are
// taken, 80 are refused, and of those nothing is left.
func TestManyUploadsOneRoom(t *testing.T) {
	const floor = 1 << 20
	d := newSmallDisk(64 << 20)
	r := fullRig(t, d, func() { t.Error("the disk was full") }, roomy(d, floor))
	left, _ := d.free()
	d.take(left - floor - 20*share - share/2)
	var full, other, stored atomic.Int32
	var asked, done sync.WaitGroup
	asked.Add(100)
	for n := range 100 {
		done.Go(func() {
			u, _, err := r.Begin(context.Background(), seal.NewToken(), 8<<10)
			asked.Done()
			if err != nil {
				if errors.Is(err, ErrFull) {
					full.Add(1)
				} else {
					other.Add(1)
				}
				return
			}
			defer u.Abort()
			asked.Wait() // so that none gives its room back before all have asked
			if _, err := u.Add(bytes.NewReader(picture(byte(n)))); err != nil {
				other.Add(1)
				return
			}
			if _, err := u.Commit(Policy{}, "", ""); err != nil {
				other.Add(1)
				return
			}
			stored.Add(1)
		})
	}
	done.Wait()
	if stored.Load() != 20 || full.Load() != 80 || other.Load() != 0 {
		t.Fatalf("%d stored, %d refused, %d other errors", stored.Load(), full.Load(), other.Load())
	}
	if d.lowest() < floor {
		t.Fatalf("%d bytes were left, the floor is %d", d.lowest(), floor)
	}
	r.wantFiles(20)
	r.wantOrder()
	if r.room.reserved != 0 {
		t.Fatalf("%d bytes stay reserved", r.room.reserved)
	}
}

// TestNoRoomIsSoldTwice: an upload that ends between an other's look at the disk
// and its reservation must not leave the other with a look at room that is gone.
func TestNoRoomIsSoldTwice(t *testing.T) {
	const floor = 1 << 20
	d := newSmallDisk(64 << 20)
	var r *rig
	look := make(chan struct{})
	var looks atomic.Int32
	slow := func(c *Config) {
		c.Free = func() (int64, error) {
			free, err := d.free()
			if looks.Add(1) == 2 {
				close(look) // the first upload ends now, if it can
				time.Sleep(100 * time.Millisecond)
			}
			return free, err
		}
	}
	r = fullRig(t, d, func() {}, roomy(d, floor), slow)
	left, _ := d.free()
	d.take(left - floor - share)
	first, _, err := r.Begin(context.Background(), seal.NewToken(), 0)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		<-look
		_, err := first.Add(bytes.NewReader(picture(1)))
		if err == nil {
			_, err = first.Commit(Policy{}, "", "")
		}
		ended <- err
	}()
	if _, _, err := r.Begin(context.Background(), seal.NewToken(), 0); !errors.Is(err, ErrFull) {
		t.Fatalf("a second upload where there was room for one: %v", err)
	}
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
}
