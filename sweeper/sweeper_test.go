package sweeper

import (
	"bytes"
	"context"
	"image"
	"image/jpeg"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"emberdrop/eventlog"
	"emberdrop/link"
	"emberdrop/seal"
	"emberdrop/vault"
)

// patience is how long a test waits for what must happen in a moment. It is far
// shorter than the longest sleep, so a sweeper that only polls fails.
const patience = longest / 3

// clock runs as fast as real time does, from a time that tests move.
type clock struct {
	ahead atomic.Int64 // nanoseconds before real time
}

func newClock(at time.Time) *clock {
	c := &clock{}
	c.ahead.Store(int64(time.Until(at)))
	return c
}

func (c *clock) read() time.Time         { return time.Now().Add(time.Duration(c.ahead.Load())).UTC() }
func (c *clock) forward(d time.Duration) { c.ahead.Add(int64(d)) }

// rig is a sweeper over a real domain on a disk in memory.
type rig struct {
	*link.Links
	t      *testing.T
	log    *eventlog.Log
	clock  *clock
	events *lines
	sweep  *Sweeper
	hook   atomic.Pointer[func(errorfs.Op) error] // called for every operation of the disk
}

// lines counts log lines by their message.
type lines struct {
	mu   sync.Mutex
	seen map[string]int
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, what := range []string{"sweep failed", "purge failed"} {
		l.seen[what] += strings.Count(string(p), what)
	}
	return len(p), nil
}

func (l *lines) count(what string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.seen[what]
}

func newRig(t *testing.T, change ...func(*Config)) *rig {
	t.Helper()
	r := &rig{t: t, clock: newClock(time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)), events: &lines{seen: map[string]int{}}}
	disk := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if hook := r.hook.Load(); hook != nil {
			return (*hook)(op)
		}
		return nil
	}))
	host := seal.NewKey()
	logs := eventlog.Config{FS: disk, Dir: "log", Fold: link.Fold{}, Types: link.Types(), Upcasts: link.Upcasts(), Cache: 1 << 20, Memtable: 256 << 10}
	vaults := vault.Config{FS: disk, Dir: "vault", HostKey: host}
	if err := eventlog.Create(logs); err != nil {
		t.Fatal(err)
	}
	if err := vault.Init(vaults); err != nil {
		t.Fatal(err)
	}
	var err error
	if r.log, err = eventlog.Open(logs); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.log.Close() })
	v, err := vault.Open(vaults)
	if err != nil {
		t.Fatal(err)
	}
	r.Links = link.New(link.Config{Log: r.log, Vault: v, HostKey: host, Now: r.clock.read})
	cfg := Config{Links: r.Links, Now: r.clock.read, Events: slog.New(slog.NewTextHandler(r.events, nil))}
	for _, f := range change {
		f(&cfg)
	}
	r.sweep = New(cfg)
	return r
}

// run starts the sweeper; it stops with the test, which fails if it does not.
func (r *rig) run() (stop func()) {
	r.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.sweep.Run(ctx)
	}()
	stop = func() {
		cancel()
		select {
		case <-done:
		case <-time.After(patience):
			r.t.Error("it does not stop")
		}
	}
	r.t.Cleanup(stop)
	return stop
}

func (r *rig) upload(p link.Policy) link.Answer {
	r.t.Helper()
	var file bytes.Buffer
	if err := jpeg.Encode(&file, image.NewGray(image.Rect(0, 0, 8, 8)), nil); err != nil {
		r.t.Fatal(err)
	}
	u, _, err := r.Begin(context.Background(), seal.NewToken(), 0)
	if err != nil {
		r.t.Fatal(err)
	}
	defer u.Abort()
	if _, err := u.Add(&file); err != nil {
		r.t.Fatal(err)
	}
	a, err := u.Commit(p, "", "")
	if err != nil {
		r.t.Fatal(err)
	}
	return a
}

func (r *rig) totals() link.Totals {
	r.t.Helper()
	totals, err := r.Totals()
	if err != nil {
		r.t.Fatal(err)
	}
	return totals
}

// soon waits for what must become true.
func (r *rig) soon(what string, is func() bool) {
	r.t.Helper()
	for end := time.Now().Add(patience); !is(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			r.t.Fatalf("%s does not happen", what)
		}
	}
}

func (r *rig) soonShredded(want int64) {
	r.t.Helper()
	r.soon("shredding", func() bool { return r.totals().Shredded == want })
}

// settled waits until the sweeper has done what the start and the wakes gave it to do.
func (r *rig) settled() {
	r.t.Helper()
	r.soon("a first pass", func() bool { return len(r.Wake()) == 0 })
}

// TestWakesAtTheDeadline: a link is swept when its time comes, not before and not
// at the next poll.
func TestWakesAtTheDeadline(t *testing.T) {
	r := newRig(t)
	a := r.upload(link.Policy{Expire: time.Hour})
	const ahead = 400 * time.Millisecond
	r.clock.forward(a.Ends.Sub(r.clock.read()) - ahead)
	r.run()
	r.soon("the end", func() bool {
		now := r.clock.read() // before the look
		ended := r.totals().Ended[link.Expired] == 1
		if ended && r.clock.read().Before(a.Ends) {
			t.Fatalf("it was ended %s early", a.Ends.Sub(now))
		}
		return ended
	})
	r.soonShredded(1)
}

// TestWakesForTheNextDeadline: of two deadlines each is met, whichever was made first.
func TestWakesForTheNextDeadline(t *testing.T) {
	r := newRig(t)
	late := r.upload(link.Policy{Expire: 2 * time.Hour})
	soon := r.upload(link.Policy{Expire: time.Hour})
	r.run()
	r.settled()
	for n, a := range []link.Answer{soon, late} {
		// The clock jumps, which no timer follows; a new link wakes the sweeper.
		r.clock.forward(a.Ends.Sub(r.clock.read()) - 300*time.Millisecond)
		r.upload(link.Policy{})
		r.soonShredded(int64(n + 1))
	}
}

// TestWakesOnWake: with nothing due for a minute and more, what ends early is
// shredded at once.
func TestWakesOnWake(t *testing.T) {
	r := newRig(t)
	destroyed, viewed := r.upload(link.Policy{}), r.upload(link.Policy{Views: 1})
	r.run()
	r.settled()
	if err := r.Destroy(destroyed.Receipt.String()); err != nil {
		t.Fatal(err)
	}
	r.soonShredded(1)
	lease, err := r.Reveal(context.Background(), viewed.Secret.String(), "", "")
	if err != nil {
		t.Fatal(err)
	}
	if err := r.EndLease(lease.Token()); err != nil {
		t.Fatal(err)
	}
	r.soonShredded(2)
}

// failing makes the vault's disk fail until the returned function is called.
func (r *rig) failing() (heal func()) {
	fail := func(op errorfs.Op) error {
		if strings.HasPrefix(op.Path, "vault") && op.Kind == errorfs.OpFileWriteAt {
			return syscall.EIO
		}
		return nil
	}
	r.hook.Store(&fail)
	return func() { r.hook.Store(nil) }
}

// TestRetries: what failed is tried again, and one failure does not keep the
// rest from being done.
func TestRetries(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Retry = 20 * time.Millisecond })
	stuck := r.upload(link.Policy{})
	r.upload(link.Policy{Expire: time.Hour})
	heal := r.failing()
	r.run()
	if err := r.Destroy(stuck.Receipt.String()); err != nil {
		t.Fatal(err)
	}
	r.soon("a retry", func() bool { return r.events.count("sweep failed") >= 3 })
	r.clock.forward(2 * time.Hour)
	r.soon("another link's end", func() bool { return r.totals().Ended[link.Expired] == 1 })
	if r.totals().Shredded != 0 {
		t.Fatal("a shred that cannot write was recorded")
	}
	heal()
	r.soonShredded(2)
}

// TestRetriesInTime: a failure is not tried again before its time, or a broken
// disk would be hammered; only what becomes due makes another attempt.
func TestRetriesInTime(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Retry = time.Hour })
	stuck := r.upload(link.Policy{})
	heal := r.failing()
	r.run()
	if err := r.Destroy(stuck.Receipt.String()); err != nil {
		t.Fatal(err)
	}
	r.soon("a failure", func() bool { return r.events.count("sweep failed") >= 1 })
	time.Sleep(200 * time.Millisecond) // the longer, the surer; never a false alarm
	if n := r.events.count("sweep failed"); n > 3 {
		t.Fatalf("%d attempts at once", n)
	}
	heal()
	r.upload(link.Policy{}) // wakes it
	r.soonShredded(1)
}

// lapsed makes a link that can be purged.
func (r *rig) lapsed() {
	r.t.Helper()
	a := r.upload(link.Policy{})
	if err := r.Destroy(a.Receipt.String()); err != nil {
		r.t.Fatal(err)
	}
	if err := r.sweep.Sweep(); err != nil {
		r.t.Fatal(err)
	}
	receipt, err := r.Receipt(a.Receipt.String())
	if err != nil {
		r.t.Fatal(err)
	}
	r.clock.forward(receipt.Lapses.Sub(r.clock.read()))
}

func (r *rig) wantDue(want bool) {
	r.t.Helper()
	if due, err := r.sweep.PurgeDue(); err != nil || due != want {
		r.t.Fatalf("a purge is due: %v (%v), want %v", due, err, want)
	}
}

func TestPurgeDueByAge(t *testing.T) {
	r := newRig(t, func(c *Config) { c.PurgeAge = 3 * time.Hour })
	r.wantDue(false)
	r.lapsed()
	r.wantDue(false)
	r.clock.forward(2*time.Hour + 50*time.Minute)
	r.wantDue(false)
	r.clock.forward(11 * time.Minute)
	r.wantDue(true)
	if _, err := r.Purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.wantDue(false)
}

func TestPurgeDueByDeadBytes(t *testing.T) {
	r := newRig(t, func(c *Config) { c.PurgeDead = 100 })
	spend := func(n int) {
		for range n {
			key := eventlog.PassKey(seal.NewToken())
			for _, step := range []func(tx *eventlog.Tx) error{
				func(tx *eventlog.Tx) error { return tx.Set(key, nil) },
				func(tx *eventlog.Tx) error { return tx.Delete(key) },
			} {
				err := r.log.Do(r.clock.read(), func(tx *eventlog.Tx) ([]eventlog.Draft, error) { return nil, step(tx) })
				if err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	spend(1)
	r.wantDue(true) // the last run may have been interrupted while it erased
	r.sweep.purge(t.Context())
	r.wantDue(false)
	spend(1)
	r.wantDue(false)
	spend(4) // 34 bytes of key each
	r.wantDue(true)
	if _, err := r.Purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.wantDue(false)
}

// TestRunPurges: a running sweeper purges what is due, and again later.
func TestRunPurges(t *testing.T) {
	r := newRig(t, func(c *Config) { c.PurgeAge = time.Second })
	purgeable := func() int {
		n, _, err := r.Purgeable()
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	r.lapsed()
	r.clock.forward(time.Minute)
	r.run()
	r.soon("a purge", func() bool { return purgeable() == 0 })
	if got := r.totals(); got.Created != 1 || got.Shredded != 1 {
		t.Fatalf("totals after the purge: %+v", got)
	}
	r.lapsed() // a day and more later
	r.clock.forward(time.Minute)
	r.upload(link.Policy{})
	r.soon("another purge", func() bool { return purgeable() == 0 })
}

// TestSweepsAfterALongPurge: what became due while a purge ran is not left for
// the time that was reckoned before it.
func TestSweepsAfterALongPurge(t *testing.T) {
	r := newRig(t, func(c *Config) { c.PurgeAge = time.Second })
	r.lapsed()
	r.clock.forward(time.Minute)
	a := r.upload(link.Policy{Expire: time.Hour})
	busy, resume := make(chan struct{}), make(chan struct{})
	var once sync.Once
	block := func(op errorfs.Op) error {
		if op.Kind == errorfs.OpCreate && strings.HasSuffix(op.Path, ".sst") {
			once.Do(func() {
				close(busy)
				<-resume
			})
		}
		return nil
	}
	r.hook.Store(&block)
	select {
	case <-r.Wake(): // from the upload; it must not be what wakes it afterwards
	default:
	}
	r.run()
	select {
	case <-busy:
	case <-time.After(patience):
		t.Fatal("no purge runs")
	}
	r.clock.forward(a.Ends.Sub(r.clock.read()))
	close(resume)
	r.soonShredded(2)
}

// TestStops: with ctx, at once, asleep or not.
func TestStops(t *testing.T) {
	r := newRig(t)
	stop := r.run()
	r.settled()
	stop()
	a := r.upload(link.Policy{})
	if err := r.Destroy(a.Receipt.String()); err != nil {
		t.Fatal(err)
	}
	time.Sleep(50 * time.Millisecond) // the longer, the surer; never a false alarm
	if r.totals().Shredded != 0 {
		t.Fatal("it sweeps after its end")
	}
}
