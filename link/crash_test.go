package link

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"pgregory.net/rapid"

	"emberdrop/seal"
)

// world is the domain on a disk that loses what was not synced when it crashes.
// A crash is taken inside an operation of the disk: while one command runs, after
// a random number of further operations, a copy of the disk is put aside as a
// power cut would leave it; afterwards the program starts again on that copy.
type world struct {
	*rig
	mem *vfs.MemFS

	mu      sync.Mutex
	fuse    int        // operations until the copy is taken; -1: none
	cut     *vfs.MemFS // the copy
	lossy   int        // percent of unsynced writes that a crash keeps
	fault   *fault     // what fails; nil: nothing
	dice    *rand.Rand
	crashes *atomic.Int64

	identity seal.Identity // the operator's
	key      func(*Config)
}

func newWorld(t tester, seed uint64, crashes *atomic.Int64) *world {
	t.Helper()
	w := &world{mem: vfs.NewCrashableMem(), fuse: -1, dice: rand.New(rand.NewPCG(seed, 1)), crashes: crashes}
	host := seal.NewKey()
	initStore(t, w.mem, host)
	syncRoot(t, w.mem)
	w.identity, w.key = operator()
	w.rig = openRig(t, w.disk(), host, &clock{now: start}, w.key)
	return w
}

// syncRoot makes the two folders themselves durable, as `init` does.
func syncRoot(t tester, fs vfs.FS) {
	t.Helper()
	dir, err := fs.OpenDir("")
	if err == nil {
		err = errors.Join(dir.Sync(), dir.Close())
	}
	if err != nil {
		t.Fatalf("sync the root: %v", err)
	}
}

// disk is mem, with the fuse and the fault in front of every operation.
func (w *world) disk() vfs.FS {
	mem := w.mem
	return errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.mem != mem {
			return nil // the disk of a process that is dead
		}
		if w.fuse == 0 && w.cut == nil {
			w.cut = mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: w.lossy, RNG: w.dice})
		}
		if w.fuse > 0 {
			w.fuse--
		}
		return w.fault.strike(op)
	}))
}

// during runs a command that a crash may interrupt after `operations` disk
// operations; it reports whether one did.
func (w *world) during(operations, lossy int, command func()) (crashed bool) {
	w.mu.Lock()
	w.fuse, w.cut, w.lossy = operations, nil, lossy
	w.mu.Unlock()
	command()
	w.mu.Lock()
	w.fuse = -1
	cut := w.cut
	w.mu.Unlock()
	if cut == nil {
		return false
	}
	w.restart(cut)
	return true
}

// restart starts the program on a disk as a crash left it.
func (w *world) restart(disk *vfs.MemFS) {
	w.t.Helper()
	w.crashes.Add(1)
	old := w.log
	w.mu.Lock()
	w.mem = disk
	w.mu.Unlock()
	old.Close()
	w.rig = openRig(w.t, w.disk(), w.host, w.clock, w.key)
	if err := w.Repair(); err != nil {
		w.t.Fatalf("repair: %v", err)
	}
}

// crash is a power cut between two commands.
func (w *world) crash(lossy int) {
	w.restart(w.mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: lossy, RNG: w.dice}))
}

// twin is what a link must be, by what was acknowledged.
type twin struct {
	answer     Answer
	policy     Policy
	passphrase string
	content    []byte
	made       time.Time
	ends       time.Time // zero: never

	views     int  // acknowledged
	maybe     int  // views that a crash interrupted: each was taken or not
	destroyed bool // acknowledged
	doubt     bool // a destroy was interrupted
	lapsed    bool // its receipt has lapsed: it may be purged, and stays dead
}

// mayLapse reports whether the link can have been over for as long as a receipt
// answers, by what was acknowledged or is in doubt.
func (m *twin) mayLapse(now time.Time) bool {
	over := m.dead(now) || m.doubt || (m.policy.Views > 0 && m.views+m.maybe >= m.policy.Views)
	return over && now.Sub(m.made) >= 24*time.Hour
}

func (m *twin) dead(now time.Time) bool {
	return m.destroyed || (m.policy.Views > 0 && m.views >= m.policy.Views) ||
		(!m.ends.IsZero() && !now.Before(m.ends))
}

// settle compares a link with its twin and removes the doubt that a crash left.
func (w *world) settle(m *twin) {
	w.t.Helper()
	now := w.clock.read()
	receipt, err := w.Receipt(m.answer.Receipt.String())
	if m.lapsed || (errors.Is(err, ErrGone) && m.mayLapse(now)) {
		w.wantGone("the receipt of a link that is over and done", err)
		_, err = w.Preview(m.answer.Secret.String())
		w.wantGone("a link that is over and done", err)
		m.lapsed = true
		return
	}
	if err != nil {
		w.t.Fatalf("an acknowledged link has lost its receipt: %v", err)
	}
	if receipt.Views < m.views || receipt.Views > m.views+m.maybe {
		w.t.Fatalf("%d views recorded, %d acknowledged and %d in doubt", receipt.Views, m.views, m.maybe)
	}
	if m.policy.Views > 0 && receipt.Views > m.policy.Views {
		w.t.Fatalf("%d views of a link that allows %d", receipt.Views, m.policy.Views)
	}
	m.views, m.maybe = receipt.Views, 0
	if m.doubt && (receipt.Reason == "uploader" || receipt.Reason == "operator") {
		m.destroyed = true
	}
	m.doubt = false
	_, err = w.Preview(m.answer.Secret.String())
	if m.dead(now) || receipt.State == "held" {
		w.wantGone("a dead or held link", err)
		return
	}
	if err != nil {
		w.t.Fatalf("an acknowledged live link does not open: %v", err)
	}
	w.wantContent(m)
}

// wantContent reads a live link's bytes behind the domain's back, so that no view is counted.
func (w *world) wantContent(m *twin) {
	w.t.Helper()
	_, _, st, err := w.lookup(m.answer.Secret.String())
	if err != nil {
		w.t.Fatalf("lookup: %v", err)
	}
	payload, err := w.vault.Open(st.Payload, m.answer.Secret, m.passphrase)
	if err != nil {
		w.t.Fatalf("open payload: %v", err)
	}
	defer payload.Close()
	item, err := payload.Item(0)
	if err != nil {
		w.t.Fatalf("item: %v", err)
	}
	var got bytes.Buffer
	if _, err := got.ReadFrom(item); err != nil || !bytes.Equal(got.Bytes(), m.content) {
		w.t.Fatalf("the bytes of an acknowledged link are not right (%v)", err)
	}
}

// check holds after every step: laws 1, 2 and 9, and no payload without an owner.
func (w *world) check(twins []*twin) {
	w.t.Helper()
	for _, m := range twins {
		w.settle(m)
	}
	findings, err := w.Verify()
	if err != nil {
		w.t.Fatalf("verify: %v", err)
	}
	for _, f := range findings {
		if !f.Pending {
			w.t.Fatalf("not in order: %s", f)
		}
	}
}

// machine is the state machine that rapid drives.
type machine struct {
	w       *world
	twins   []*twin
	reports []acknowledged
	shade   byte
}

func (s *machine) operations(t *rapid.T) int {
	if rapid.Bool().Draw(t, "interrupted") {
		return rapid.IntRange(0, 60).Draw(t, "after")
	}
	return -1
}

func (s *machine) lossy(t *rapid.T) int { return rapid.SampledFrom([]int{0, 50, 100}).Draw(t, "kept") }

func (s *machine) pick(t *rapid.T) *twin {
	if len(s.twins) == 0 {
		t.Skip("no links yet")
	}
	return s.twins[rapid.IntRange(0, len(s.twins)-1).Draw(t, "link")]
}

func (s *machine) create(t *rapid.T) {
	s.shade++
	policy := rapid.SampledFrom([]Policy{{Views: 1}, {Views: 1, Expire: time.Hour}, {Views: 3}, {Expire: time.Hour}, {}}).Draw(t, "policy")
	var a Answer
	var err error
	crashed := s.w.during(s.operations(t), s.lossy(t), func() {
		a, err = s.w.tryUpload(seal.NewToken(), policy, "caption", "", picture(s.shade))
	})
	if crashed {
		return // nobody got an answer: the link may exist or not
	}
	if err != nil {
		t.Fatalf("create: %v", err)
	}
	s.twins = append(s.twins, &twin{answer: a, policy: policy, content: clean(t, picture(s.shade)), made: s.w.clock.read(), ends: a.Ends})
}

func (s *machine) reveal(t *rapid.T) {
	m := s.pick(t)
	var err error
	crashed := s.w.during(s.operations(t), s.lossy(t), func() {
		_, err = s.w.reveal(m.answer)
	})
	dead := m.dead(s.w.clock.read()) || s.w.isHeld(m)
	if crashed {
		if !dead {
			m.maybe++
		}
		return
	}
	if (err == nil) == dead || (err != nil && !errors.Is(err, ErrGone)) {
		t.Fatalf("reveal gave %v, the link is dead: %v", err, dead)
	}
	if err == nil {
		m.views++
	}
}

func (s *machine) destroy(t *rapid.T) {
	m := s.pick(t)
	var err error
	crashed := s.w.during(s.operations(t), s.lossy(t), func() { err = s.w.Destroy(m.answer.Receipt.String()) })
	switch {
	case crashed:
		m.doubt = true
	case errors.Is(err, ErrGone) && m.mayLapse(s.w.clock.read()):
	case err != nil:
		t.Fatalf("destroy: %v", err)
	default:
		m.destroyed = true
	}
}

func (s *machine) sweep(t *rapid.T) {
	if rapid.Bool().Draw(t, "later") {
		s.w.clock.forward(rapid.SampledFrom([]time.Duration{time.Minute, 6 * time.Minute, time.Hour}).Draw(t, "by"))
	}
	s.w.during(s.operations(t), s.lossy(t), func() {
		if err := errors.Join(s.w.EndDue(), s.w.ShredEnded()); err != nil {
			t.Fatalf("sweep: %v", err)
		}
	})
}

func (s *machine) purge(t *rapid.T) {
	if rapid.Bool().Draw(t, "a day later") {
		s.w.clock.forward(26 * time.Hour)
	}
	s.w.during(s.operations(t), s.lossy(t), func() {
		if _, err := s.w.Purge(context.Background()); err != nil {
			t.Fatalf("purge: %v", err)
		}
	})
}

// TestCrashes drives random commands with power cuts inside and between them.
// An ordinary run has at least 2 000; EMBERDROP_CRASHES asks for more.
func TestCrashes(t *testing.T) {
	want := int64(2000)
	if more, err := strconv.ParseInt(os.Getenv("EMBERDROP_CRASHES"), 10, 64); err == nil {
		want = more
	} else if testing.Short() {
		want = 100
	}
	var crashes atomic.Int64
	for crashes.Load() < want && !t.Failed() {
		rapid.Check(t, func(t *rapid.T) {
			s := &machine{w: newWorld(t, rapid.Uint64().Draw(t, "seed"), &crashes)}
			t.Repeat(map[string]func(*rapid.T){
				"create":  s.create,
				"reveal":  s.reveal,
				"destroy": s.destroy,
				"sweep":   s.sweep,
				"purge":   s.purge,
				"report":  s.report,
				"decide":  s.decide,
				"remove":  s.takedown,
				"crash":   func(t *rapid.T) { s.w.crash(s.lossy(t)) },
				"": func(*rapid.T) {
					s.w.check(s.twins)
					s.checkCases()
				},
			})
		})
	}
	t.Logf("%d crashes", crashes.Load())
}

// TestCrashAtEveryStepOfABurn cuts the power at each named step and after: on
// restart the link was never revealed, or it is dead.
func TestCrashAtEveryStepOfABurn(t *testing.T) {
	for _, step := range []string{"opened", "committed", "overwritten", "shredded"} {
		for _, kept := range []int{0, 50, 100} {
			t.Run(step+" "+strconv.Itoa(kept), func(t *testing.T) {
				var crashes atomic.Int64
				w := newWorld(t, 1, &crashes)
				a := w.burn()
				var cut *vfs.MemFS
				w.cfg.Step = func(now string) {
					if now == step {
						cut = w.mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: kept, RNG: w.dice})
					}
				}
				lease := w.mustReveal(a)
				w.endLease(lease)
				w.sweep()
				w.restart(cut)
				_, err := w.reveal(a)
				if alive := step == "opened"; (err == nil) != alive {
					t.Fatalf("after a crash at %q the reveal gives %v", step, err)
				}
				if step != "opened" {
					w.wantFiles(0)
				}
			})
		}
	}
}

// TestNothingServedWhenTheHeaderStays: after the commit point a header that
// cannot be overwritten keeps every byte in, and the sweeper mends it.
func TestNothingServedWhenTheHeaderStays(t *testing.T) {
	var broken atomic.Bool
	mem := vfs.NewMem()
	host := seal.NewKey()
	initStore(t, mem, host)
	disk := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if broken.Load() && op.Kind == errorfs.OpFileWriteAt {
			return errorfs.ErrInjected
		}
		return nil
	}))
	r := openRig(t, disk, host, &clock{now: start})
	a := r.burn()
	broken.Store(true)
	_, err := r.Reveal(context.Background(), a.Secret.String(), "", "")
	if !errors.Is(err, ErrUnavailable) {
		t.Fatalf("reveal gave %v", err)
	}
	if r.ShredEnded() == nil {
		t.Fatal("a shred that cannot write succeeds")
	}
	broken.Store(false)
	r.sweep()
	r.wantFiles(0)
	_, err = r.reveal(a)
	r.wantGone("reveal", err)
	if got := r.state(a); got != "destroyed: viewed" {
		t.Fatalf("receipt says %q", got)
	}
}
