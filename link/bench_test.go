package link

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"emberdrop/eventlog"
	"emberdrop/seal"
)

// Appends per second and events per fsync are eventlog's to measure. Here a whole
// command is, each against a baseline that the same run takes on the same disk,
// one beside the other, so that what else the machine does hits both.

// big asks for the long forms: EMBERDROP_BENCH=big.
func big() bool { return os.Getenv("EMBERDROP_BENCH") == "big" }

// benchRig is a rig on a disk in memory, or on the real one.
func benchRig(b *testing.B, real bool) (r *rig, dir string) {
	b.Helper()
	var disk vfs.FS = vfs.NewMem()
	if real {
		dir = b.TempDir()
		disk = below{vfs.Default, dir}
	}
	host := seal.NewKey()
	initStore(b, disk, host)
	return benchOpen(b, disk, host, &clock{now: start}), dir
}

// benchOpen is openRig with the log's own sizes of cache and memtable.
func benchOpen(b *testing.B, disk vfs.FS, host seal.Key, c *clock) *rig {
	b.Helper()
	cfg := logConfig(disk)
	cfg.Cache, cfg.Memtable = 0, 0
	log, err := eventlog.Open(cfg)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { log.Close() })
	return rigOver(b, disk, log, host, c, roomyUploads)
}

func roomyUploads(c *Config) { c.MaxFile, c.MaxUpload, c.AnyFile = 64<<20, 64<<20, true }

// below is a folder of the real disk in which the rig's relative names stand.
type below struct {
	vfs.FS
	dir string
}

func (d below) at(name string) string { return filepath.Join(d.dir, name) }

func (d below) Create(n string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return d.FS.Create(d.at(n), c)
}
func (d below) Link(o, n string) error { return d.FS.Link(d.at(o), d.at(n)) }
func (d below) Open(n string, o ...vfs.OpenOption) (vfs.File, error) {
	return d.FS.Open(d.at(n), o...)
}
func (d below) OpenReadWrite(n string, c vfs.DiskWriteCategory, o ...vfs.OpenOption) (vfs.File, error) {
	return d.FS.OpenReadWrite(d.at(n), c, o...)
}
func (d below) OpenDir(n string) (vfs.File, error) { return d.FS.OpenDir(d.at(n)) }
func (d below) Remove(n string) error              { return d.FS.Remove(d.at(n)) }
func (d below) RemoveAll(n string) error           { return d.FS.RemoveAll(d.at(n)) }
func (d below) Rename(o, n string) error           { return d.FS.Rename(d.at(o), d.at(n)) }
func (d below) ReuseForWrite(o, n string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return d.FS.ReuseForWrite(d.at(o), d.at(n), c)
}
func (d below) MkdirAll(n string, p os.FileMode) error { return d.FS.MkdirAll(d.at(n), p) }
func (d below) Lock(n string) (io.Closer, error)       { return d.FS.Lock(d.at(n)) }
func (d below) List(n string) ([]string, error)        { return d.FS.List(d.at(n)) }
func (d below) Stat(n string) (vfs.FileInfo, error)    { return d.FS.Stat(d.at(n)) }
func (d below) GetDiskUsage(n string) (vfs.DiskUsage, error) {
	return d.FS.GetDiskUsage(d.at(n))
}

// plain writes, syncs and reads back a file: what a disk asks of anyone.
type plain struct {
	path string
	b    *testing.B
}

func (p plain) file() *os.File {
	f, err := os.OpenFile(p.path, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		p.b.Fatal(err)
	}
	return f
}

// commit appends n bytes and syncs them.
func (p plain) commit(f *os.File, n int) {
	if _, err := f.Write(make([]byte, n)); err != nil {
		p.b.Fatal(err)
	}
	if err := f.Sync(); err != nil {
		p.b.Fatal(err)
	}
}

// ratio reports how many times the baseline took what we take.
func ratio(b *testing.B, own, base time.Duration) {
	b.ReportMetric(float64(own)/float64(base), "xbaseline")
	b.ReportMetric(float64(own.Microseconds())/1000/float64(b.N), "ms/own")
}

// BenchmarkReveal burns a link and reads its picture. The baseline reads the same
// bytes from a file and, where there is a disk, makes what a burn must make
// durable durable: a record and a page.
func BenchmarkReveal(b *testing.B) {
	for _, real := range []bool{false, true} {
		for _, size := range []int{1 << 10, 1 << 20} {
			name := fmt.Sprintf("mem/%dKiB", size>>10)
			if real {
				name = fmt.Sprintf("disk/%dKiB", size>>10)
			}
			b.Run(name, func(b *testing.B) { benchReveal(b, real, size) })
		}
	}
}

func benchReveal(b *testing.B, real bool, size int) {
	r, _ := benchRig(b, real)
	data := noise(size)
	p := plain{filepath.Join(b.TempDir(), "plain"), b}
	f := p.file()
	defer f.Close()
	p.commit(f, size)
	var own, base time.Duration
	b.SetBytes(int64(size))
	for b.Loop() {
		a := r.upload(Policy{Views: 1}, "", "", data)
		t0 := time.Now()
		if _, err := io.Copy(onlyWriter{}, io.NewSectionReader(f, 0, int64(size))); err != nil {
			b.Fatal(err)
		}
		if real {
			p.commit(f, 300)
			p.commit(f, 4096)
		}
		t1 := time.Now()
		lease, err := r.Reveal(context.Background(), a.Secret.String(), "", "")
		if err != nil {
			b.Fatal(err)
		}
		body, _, err := lease.Open(1)
		if err != nil {
			b.Fatal(err)
		}
		if n, err := io.Copy(onlyWriter{}, body); n != int64(size) || err != nil {
			b.Fatal(n, err)
		}
		own += time.Since(t1)
		base += t1.Sub(t0)
		body.Close()
		r.endLease(lease)
		r.sweep()
	}
	ratio(b, own, base)
}

// onlyWriter is io.Discard without its short cuts.
type onlyWriter struct{}

func (onlyWriter) Write(p []byte) (int, error) { return len(p), nil }

// noise is a file of a kind that is kept as it is.
func noise(size int) []byte {
	out := make([]byte, size)
	for i := range out {
		out[i] = byte(rand.Uint32())
	}
	return out
}

// BenchmarkShred shreds one ended link, its event included. The baseline writes
// as many bytes to a new file, syncs and removes it.
func BenchmarkShred(b *testing.B) {
	for _, size := range []int{1 << 10, 50 << 20} {
		b.Run(fmt.Sprintf("%dKiB", size>>10), func(b *testing.B) {
			r, dir := benchRig(b, true)
			data := noise(size)
			p := plain{filepath.Join(dir, "plain"), b}
			var own, base time.Duration
			b.SetBytes(int64(size))
			for b.Loop() {
				a := r.upload(Policy{}, "", "", data)
				if err := r.Destroy(a.Receipt.String()); err != nil {
					b.Fatal(err)
				}
				t0 := time.Now()
				f := p.file()
				p.commit(f, size)
				if err := errors.Join(f.Close(), os.Remove(p.path)); err != nil {
					b.Fatal(err)
				}
				t1 := time.Now()
				if err := r.ShredEnded(); err != nil {
					b.Fatal(err)
				}
				own += time.Since(t1)
				base += t1.Sub(t0)
			}
			ratio(b, own, base)
		})
	}
}

// history appends the lives of n links without payloads: all are over but each fourth.
func history(b *testing.B, r *rig, n int) (events int) {
	b.Helper()
	for done := 0; done < n; {
		var drafts []eventlog.Draft
		for range min(500, n-done) {
			var id eventlog.ID
			body := created{Payload: "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", Size: 10_000, Views: 1, Deadline: minuteUp(start.Add(time.Hour))}
			for i := range id {
				id[i] = byte(rand.Uint32())
			}
			copy(body.Receipt[:], noise(32))
			copy(body.Sum[:], noise(32))
			drafts = append(drafts, eventlog.Draft{Link: id, Type: typeCreated, Data: body})
			if done%4 != 0 {
				drafts = append(drafts,
					eventlog.Draft{Link: id, Type: typeViewed, Data: viewed{}},
					eventlog.Draft{Link: id, Type: typeEnded, Data: ended{Reason: Viewed}},
					eventlog.Draft{Link: id, Type: typeShredded, Data: shredded{}})
			}
			done++
		}
		events += len(drafts)
		if err := r.log.Do(r.clock.read(), func(*eventlog.Tx) ([]eventlog.Draft, error) { return drafts, nil }); err != nil {
			b.Fatal(err)
		}
	}
	return events
}

func sizes(usual int) []int {
	if big() {
		return []int{usual, 10 * usual, 100 * usual}
	}
	return []int{usual}
}

// copyDir copies a flat folder, syncs it, and says how many bytes it has.
func copyDir(b *testing.B, from, to string) (size int64) {
	b.Helper()
	if err := os.MkdirAll(to, 0o700); err != nil {
		b.Fatal(err)
	}
	entries, err := os.ReadDir(from)
	if err != nil {
		b.Fatal(err)
	}
	for _, e := range entries {
		src, err := os.Open(filepath.Join(from, e.Name()))
		if errors.Is(err, os.ErrNotExist) {
			continue // unlinked meanwhile
		}
		if err != nil {
			b.Fatal(err)
		}
		dst, err := os.Create(filepath.Join(to, e.Name()))
		if err != nil {
			b.Fatal(err)
		}
		n, err := io.Copy(dst, src)
		if err := errors.Join(err, dst.Sync(), dst.Close(), src.Close()); err != nil {
			b.Fatal(err)
		}
		size += n
	}
	return size
}

// still reports whether a folder held the same files before and after work.
func still(b *testing.B, dir string, work func()) bool {
	b.Helper()
	names := func() string {
		entries, err := os.ReadDir(dir)
		if err != nil {
			b.Fatal(err)
		}
		return fmt.Sprint(entries)
	}
	before := names()
	work()
	return before == names()
}

// BenchmarkOpen starts on a log of many links, up to the end of Repair, after a
// clean stop and after a kill. The baseline copies the log's files.
func BenchmarkOpen(b *testing.B) {
	for _, links := range sizes(10_000) {
		for _, killed := range []bool{false, true} {
			b.Run(fmt.Sprintf("links=%d/killed=%v", links, killed), func(b *testing.B) {
				r, dir := benchRig(b, true)
				history(b, r, links)
				log, image := filepath.Join(dir, "log"), filepath.Join(dir, "image")
				for killed && !still(b, log, func() { copyDir(b, log, image) }) {
					if err := os.RemoveAll(image); err != nil { // files came and went meanwhile
						b.Fatal(err)
					}
				}
				if err := r.log.Close(); err != nil {
					b.Fatal(err)
				}
				if !killed {
					copyDir(b, log, image)
				}
				var own, base time.Duration
				for b.Loop() {
					if err := os.RemoveAll(log); err != nil {
						b.Fatal(err)
					}
					t0 := time.Now()
					size := copyDir(b, image, log)
					t1 := time.Now()
					again := benchOpen(b, r.fs, r.host, r.clock)
					if err := again.Repair(); err != nil {
						b.Fatal(err)
					}
					own += time.Since(t1)
					base += t1.Sub(t0)
					b.ReportMetric(float64(size)/float64(links), "B/link")
					if err := again.log.Close(); err != nil {
						b.Fatal(err)
					}
				}
				ratio(b, own, base)
			})
		}
	}
}

// BenchmarkPurge purges three links of four. The baseline copies the log's files.
func BenchmarkPurge(b *testing.B) {
	for _, events := range sizes(10_000) {
		b.Run(fmt.Sprintf("events=%d", events), func(b *testing.B) {
			var own, base time.Duration
			for n := 0; b.Loop(); n++ {
				b.StopTimer()
				r, dir := benchRig(b, true)
				made := history(b, r, events*4/13) // 3.25 events each
				r.clock.forward(30 * time.Hour)
				t0 := time.Now()
				copyDir(b, filepath.Join(dir, "log"), filepath.Join(dir, "copy"))
				base += time.Since(t0)
				b.StartTimer()
				t1 := time.Now()
				p, err := r.Purge(context.Background())
				if err != nil || p.Events < made/2 {
					b.Fatalf("%d of %d events purged: %v", p.Events, made, err)
				}
				own += time.Since(t1)
				b.ReportMetric(float64(p.Erased.Pause.Microseconds())/1000, "ms-pause")
				if err := r.log.Close(); err != nil {
					b.Fatal(err)
				}
			}
			ratio(b, own, base)
		})
	}
}
