package link

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/jpeg"
	"io"
	"io/fs"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"emberdrop/eventlog"
	"emberdrop/seal"
	"emberdrop/vault"
)

// relic is a store as a clean stop or a kill left it, with a burned link, one
// that can be burned, and one without a limit whose picture fills several chunks.
type relic struct {
	disk       *vfs.MemFS
	host       seal.Key
	burned     Answer
	burn, open Answer
	large      []byte // what open holds
	payload    string // and where
}

func newRelic(t *testing.T, clean bool) *relic {
	t.Helper()
	scope := &scope{tester: t}
	defer scope.end()
	w := newWorld(scope, 1, new(atomic.Int64))
	r := &relic{host: w.host, large: noisy(t)}
	r.burned, r.burn = w.burn(), w.burn()
	w.endLease(w.mustReveal(r.burned))
	w.sweep()
	r.open = w.upload(Policy{}, "caption", "", r.large)
	_, _, st, err := w.lookup(r.open.Secret.String())
	if err != nil {
		t.Fatal(err)
	}
	r.payload = "vault/" + st.Payload
	if clean {
		if err := w.log.Close(); err != nil {
			t.Fatal(err)
		}
	}
	r.disk = cloned(w.mem, 100)
	return r
}

// noisy is a picture of several chunks.
func noisy(t tester) []byte {
	t.Helper()
	img := image.NewGray(image.Rect(0, 0, 640, 640))
	for i := range img.Pix {
		img.Pix[i] = byte(rand.IntN(256))
	}
	var out bytes.Buffer
	if err := jpeg.Encode(&out, img, nil); err != nil {
		t.Fatalf("encode: %v", err)
	}
	if out.Len() < 3*seal.ChunkSize {
		t.Fatalf("the picture has %d bytes only", out.Len())
	}
	return clean(t, out.Bytes())
}

// rewrite replaces a file of a disk.
func rewrite(t tester, disk vfs.FS, name string, content []byte) {
	t.Helper()
	f, err := disk.Create(name, vfs.WriteCategoryUnspecified)
	if err == nil {
		_, err = f.Write(bytes.Clone(content))
		err = errors.Join(err, f.Sync(), f.Close())
	}
	if err != nil {
		t.Fatalf("rewrite: %v", err)
	}
}

// inspect starts the program on a damaged disk and asks it everything. Whatever
// it says must be an error or the truth; found tells whether anything was said
// to be wrong.
func (r *relic) inspect(t tester, disk *vfs.MemFS) (found bool) {
	t.Helper()
	scope := &scope{tester: t}
	defer scope.end()
	cfg := logConfig(disk)
	cfg.Cache, cfg.Memtable = 64<<10, 64<<10
	log, err := eventlog.Open(cfg)
	if err != nil {
		if strings.Contains(err.Error(), "log/") {
			t.Fatalf("the error names a file: %v", err)
		}
		return true
	}
	scope.Cleanup(func() { log.Close() })
	rig := rigOver(scope, disk, log, r.host, &clock{now: start})
	findings, err := rig.Verify()
	found = err != nil || len(findings) > 0
	repaired := rig.Repair()
	if _, err := rig.Preview(r.open.Secret.String()); err != nil {
		found = true
	}
	if lease, err := rig.reveal(r.burned); err == nil {
		t.Fatalf("a burned link opens again: %v", lease.Items())
	}
	for _, a := range []Answer{r.open, r.burn} {
		want := r.large
		if a.Secret == r.burn.Secret {
			want = clean(t, picture(7))
		}
		lease, err := rig.reveal(a)
		if err != nil {
			found = true
			continue
		}
		body, item, err := lease.Open(1)
		if err != nil {
			found = true
			continue
		}
		got, err := io.ReadAll(body)
		if !bytes.HasPrefix(want, got) {
			t.Fatalf("wrong bytes were served")
		}
		if err == nil && (len(got) != len(want) || item.Size != int64(len(want))) {
			t.Fatalf("a part was served as if it were whole")
		}
		found = found || err != nil
		body.Close()
		rig.endLease(lease)
	}
	if _, err := rig.Receipt(r.open.Receipt.String()); err != nil {
		found = true
	}
	_, err = rig.Purge(context.Background())
	return found || repaired != nil || err != nil || errors.Join(rig.EndDue(), rig.ShredEnded()) != nil
}

// bits is how many places of each file the tests below damage.
func bits() int {
	if soak() {
		return 2000
	}
	return 24
}

func files(t *testing.T, disk vfs.FS, dir, suffix string) (out []string) {
	t.Helper()
	names, err := disk.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, suffix) {
			out = append(out, dir+"/"+name)
		}
	}
	if len(out) == 0 {
		t.Fatalf("no file %s", suffix)
	}
	return out
}

// damaged gives a copy of the relic's disk in which one file is what change makes of it.
func (r *relic) damaged(t tester, name string, change func([]byte) []byte) *vfs.MemFS {
	t.Helper()
	disk := cloned(r.disk, 100)
	rewrite(t, disk, name, change(contents(t, disk, name)))
	return disk
}

// flip flips a bit in part n, from 0, of so many equal parts.
func flip(n, parts int) func([]byte) []byte {
	return func(b []byte) []byte {
		b[(n*len(b)+rand.IntN(len(b)))/parts] ^= 1 << rand.IntN(8)
		return b
	}
}

func cut(b []byte) []byte { return b[:rand.IntN(len(b))] }

// TestDamagedLog damages each kind of file of the log: a flipped bit anywhere, a
// cut anywhere, a file that is missing.
func TestDamagedLog(t *testing.T) {
	for _, suffix := range []string{".sst", ".log", ""} {
		t.Run("files"+suffix, func(t *testing.T) {
			r := newRelic(t, suffix != ".log")
			if r.inspect(t, cloned(r.disk, 100)) {
				t.Fatal("an undamaged store is not in order")
			}
			most := 0
			for _, name := range files(t, r.disk, "log", suffix) {
				if len(contents(t, r.disk, name)) == 0 {
					continue
				}
				noticed := 0
				for n := range bits() {
					// Spread evenly: a table has a stretch that nobody reads, which chance may hit often.
					change := flip(n, bits())
					if n%3 == 0 {
						change = cut
					}
					if r.inspect(t, r.damaged(t, name, change)) {
						noticed++
					}
				}
				t.Logf("%s: %d of %d damages were noticed", name, noticed, bits())
				most = max(most, noticed)
				disk := cloned(r.disk, 100)
				if err := disk.Remove(name); err != nil {
					t.Fatal(err)
				}
				r.inspect(t, disk)
			}
			// Some files are obsolete; damage to the one that holds the events is seen.
			if most < bits()*9/10 {
				t.Errorf("at most %d of %d damages to one file were noticed", most, bits())
			}
		})
	}
}

// TestDamagedPayload flips bits all over a payload: verify tells, and nobody is
// served anything but the content's own first bytes, then an error.
func TestDamagedPayload(t *testing.T) {
	r := newRelic(t, true)
	size := len(contents(t, r.disk, r.payload))
	unverified := 0
	for n := range 3 * bits() {
		at := rand.IntN(size)
		switch { // all parts get their share
		case n%4 == 0:
			at = rand.IntN(256) // the header's secrets
		case n%4 == 1:
			at = size - 1 - rand.IntN(512) // manifest, padding, trailer
		}
		disk := r.damaged(t, r.payload, func(b []byte) []byte {
			b[at] ^= 1 << rand.IntN(8)
			return b
		})
		if !r.inspect(t, disk) {
			// What is random in the header page belongs to nobody.
			if unverified++; at >= 4096 {
				t.Fatalf("a flipped bit at byte %d of %d was not noticed", at, size)
			}
		}
	}
	t.Logf("%d of %d flipped bits changed nothing", unverified, 3*bits())
}

// TestCutPayload: a file that is shorter or longer opens for nobody, and its view is not taken.
func TestCutPayload(t *testing.T) {
	r := newRelic(t, true)
	for n := range bits() {
		disk := r.damaged(t, r.payload, func(b []byte) []byte {
			if n%4 == 0 {
				return append(b, make([]byte, 1+rand.IntN(10_000))...)
			}
			return cut(b)
		})
		rig := openRig(t, disk, r.host, &clock{now: start})
		if _, err := rig.reveal(r.open); !errors.Is(err, ErrUnavailable) {
			t.Fatalf("a cut payload gives %v", err)
		}
		if got := rig.state(r.open); got != "unopened" {
			t.Fatalf("a view that failed was counted: %s", got)
		}
		findings, err := rig.Verify()
		if err != nil || len(findings) != 1 || findings[0].What != "payloads of live links are damaged" {
			t.Fatalf("verify says %v, %v", findings, err)
		}
		rig.log.Close()
	}
}

// TestMissingPayload: a live link without its file is no crash, no view and no
// lie, and its end is like any other.
func TestMissingPayload(t *testing.T) {
	r := newRelic(t, true)
	if err := r.disk.Remove(r.payload); err != nil {
		t.Fatal(err)
	}
	rig := openRig(t, r.disk, r.host, &clock{now: start})
	_, err := rig.Preview(r.open.Secret.String())
	if !errors.Is(err, ErrUnavailable) {
		t.Fatalf("preview gives %v", err)
	}
	if _, err := rig.reveal(r.open); !errors.Is(err, ErrUnavailable) || errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("reveal gives %v", err)
	}
	if got := rig.state(r.open); got != "unopened" {
		t.Fatalf("a view that failed was counted: %s", got)
	}
	findings, err := rig.Verify()
	if err != nil || len(findings) != 1 || findings[0].What != "payloads of live links are missing" {
		t.Fatalf("verify says %v, %v", findings, err)
	}
	if err := rig.Repair(); err != nil {
		t.Fatal(err)
	}
	if err := rig.Destroy(r.open.Receipt.String()); err != nil {
		t.Fatal(err)
	}
	rig.sweep()
	rig.wantOrder()
}

// TestDamagedVaultKey: without its key the vault does not open, and with an other
// one no link does, and none is burned by trying.
func TestDamagedVaultKey(t *testing.T) {
	r := newRelic(t, true)
	for name, c := range map[string]struct {
		change func([]byte) []byte
		want   error
	}{
		"cut":     {func(b []byte) []byte { return b[:31] }, vault.ErrDamaged},
		"zeros":   {func(b []byte) []byte { return make([]byte, 32) }, vault.ErrDamaged},
		"flipped": {flip(0, 1), nil},
	} {
		t.Run(name, func(t *testing.T) {
			disk := r.damaged(t, "vault/vault.key", c.change)
			if _, err := vault.Open(vaultConfig(disk, r.host)); !errors.Is(err, c.want) {
				t.Fatalf("it gives %v, want %v", err, c.want)
			}
			if c.want != nil {
				return
			}
			rig := openRig(t, disk, r.host, &clock{now: start.Add(time.Minute)})
			if _, err := rig.reveal(r.burn); !errors.Is(err, ErrUnavailable) {
				t.Fatalf("reveal gives %v", err)
			}
			if got := rig.state(r.burn); got != "unopened" {
				t.Fatalf("a view that failed was counted: %s", got)
			}
		})
	}
}
