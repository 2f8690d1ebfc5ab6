package link

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"emberdrop/eventlog"
	"emberdrop/seal"
)

// soak reports whether the long forms were asked for.
func soak() bool { return os.Getenv("EMBERDROP_SOAK") != "" }

// fault lets one operation of a disk fail, or that one and every later one.
type fault struct {
	cause syscall.Errno
	stays bool // it does not go away
	at    int  // from 0, among the operations that it can hit
	n     int
	hit   string // the kind of operation that failed first
}

// strike is called for each operation, under the world's lock.
func (f *fault) strike(op errorfs.Op) error {
	if f == nil || (f.cause == syscall.ENOSPC && !allocates(op.Kind)) {
		return nil
	}
	f.n++
	if f.n <= f.at || (f.n > f.at+1 && !f.stays) {
		return nil
	}
	if f.hit == "" {
		f.hit = fmt.Sprintf("operation %d on %q", op.Kind, op.Path)
	}
	return &fs.PathError{Op: "inject", Path: op.Path, Err: f.cause}
}

// allocates is what a full disk may refuse: all that makes something new or
// longer, and overwrites too, since some file systems copy.
func allocates(kind errorfs.OpKind) bool {
	switch kind {
	case errorfs.OpCreate, errorfs.OpLink, errorfs.OpMkdirAll, errorfs.OpRename, errorfs.OpReuseForWrite,
		errorfs.OpFilePreallocate, errorfs.OpFileWrite, errorfs.OpFileWriteAt:
		return true
	}
	return false
}

// scope is a tester whose cleanups run at its end and not at the test's, so that
// thousands of worlds do not pile up.
type scope struct {
	tester
	undo []func()
}

func (s *scope) Cleanup(f func()) { s.undo = append(s.undo, f) }

func (s *scope) end() {
	for _, f := range slices.Backward(s.undo) {
		f()
	}
}

// scene is a disk with some links on it, from which each trial begins.
type scene struct {
	disk   *vfs.MemFS
	host   seal.Key
	now    time.Time
	burn   twin // one view, under a passphrase
	hour   twin // ends after an hour
	three  twin // three views
	past   eventlog.ID
	totals Totals
}

const opener = "open sesame"

func newScene(t *testing.T) *scene {
	t.Helper()
	scope := &scope{tester: t}
	defer scope.end()
	w := newWorld(scope, 1, new(atomic.Int64))
	s := &scene{host: w.host}
	past := w.burn()
	_, s.past, _, _ = w.lookup(past.Secret.String())
	w.endLease(w.mustReveal(past))
	w.sweep()
	w.clock.forward(26 * time.Hour)
	make := func(shade byte, p Policy, passphrase string) twin {
		a := w.upload(p, "caption", passphrase, picture(shade))
		return twin{answer: a, policy: p, passphrase: passphrase, content: clean(t, picture(shade)), ends: a.Ends}
	}
	s.burn = make(1, Policy{Views: 1}, opener)
	s.hour = make(2, Policy{Expire: time.Hour}, "")
	s.three = make(3, Policy{Views: 3}, "")
	var err error
	if s.totals, err = w.Totals(); err != nil {
		t.Fatal(err)
	}
	s.now = w.clock.read()
	if err := w.log.Close(); err != nil {
		t.Fatal(err)
	}
	s.disk = w.mem
	return s
}

// world is the scene on a disk of its own.
func (s *scene) world(t tester, disk *vfs.MemFS) *world {
	t.Helper()
	w := &world{mem: disk, fuse: -1, dice: rand.New(rand.NewPCG(7, 7)), crashes: new(atomic.Int64)}
	w.rig = openRig(t, w.disk(), s.host, &clock{now: s.now})
	return w
}

func cloned(disk *vfs.MemFS, kept int) *vfs.MemFS {
	return disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: kept, RNG: rand.New(rand.NewPCG(uint64(kept), 7))})
}

// trial is one command on a scene while one operation fails.
type trial struct {
	*scene
	w     *world
	err   error // what the command said
	made  *twin // what a create acknowledged
	final bool  // a reveal gave out a lease
}

// stopped means that nobody knows whether it happened until the next start.
func (tr *trial) stopped() bool { return errors.Is(tr.err, eventlog.ErrStopped) }

// command is what is tried at every fault: the work, and what must hold after a
// restart, before and after Repair. after must leave what it was given as it is.
type command struct {
	step   int // an ordinary run tries every so many-th operation, from a random one on
	ready  func(w *world, tr *trial)
	work   func(tr *trial) error
	before func(tr *trial, w *world)
	after  func(tr *trial, w *world)
}

// TestFaults lets each operation of each command fail, once and for good, with a
// full disk and a broken one. Nothing hangs or panics; the answer is an error or
// the truth: what was acknowledged is there after a power cut, whatever the disk
// kept of what was not synced, and what was refused leaves nothing.
func TestFaults(t *testing.T) {
	commands := map[string]command{
		"create":  {step: 2, work: creating(picture(9)), after: afterCreate},
		"staged":  {step: 12, work: creating(append(picture(9), make([]byte, 1100<<10)...)), after: afterCreate},
		"reveal":  {step: 1, work: workReveal, after: afterReveal},
		"destroy": {step: 1, work: workDestroy, after: afterDestroy},
		"sweep":   {step: 3, ready: readySweep, work: workSweep, before: beforeSweep, after: afterSweep},
		"purge":   {step: 12, work: workPurge, before: beforePurge, after: afterPurge},
	}
	modes := []fault{
		{cause: syscall.ENOSPC}, {cause: syscall.ENOSPC, stays: true},
		{cause: syscall.EIO}, {cause: syscall.EIO, stays: true},
	}
	s := newScene(t)
	for _, name := range slices.Sorted(maps.Keys(commands)) {
		c := commands[name]
		t.Run(name, func(t *testing.T) {
			step := c.step
			if soak() {
				step = 1
			}
			reported := 0
			for _, mode := range modes {
				trials, failed := 0, 0
				at := rand.IntN(step)
				for ; ; at += step {
					f := mode
					f.at = at
					hit, err := s.try(t, c, &f)
					if !hit {
						break // the command has no more operations than that
					}
					trials++
					if err != nil {
						failed++
					}
				}
				t.Logf("%v stays=%v: %d operations, %d trials, %d errors", mode.cause, mode.stays, at, trials, failed)
				reported += failed
			}
			if reported == 0 {
				t.Error("no fault was reported")
			}
		})
	}
}

// try runs one trial.
func (s *scene) try(t *testing.T, c command, f *fault) (hit bool, err error) {
	t.Helper()
	what := fmt.Sprintf("%v stays=%v at %d", f.cause, f.stays, f.at)
	scope := &scope{tester: named{t, &what}}
	defer scope.end()
	tr := &trial{scene: s, w: s.world(scope, cloned(s.disk, 100))}
	if c.ready != nil {
		c.ready(tr.w, tr)
	}
	tr.w.arm(f)
	tr.err = inTime(scope, func() error { return c.work(tr) })
	tr.w.arm(nil)
	tr.w.mu.Lock()
	what += fmt.Sprintf(" (%s, %v)", f.hit, tr.err)
	tr.w.mu.Unlock()
	if f.hit == "" && tr.err != nil {
		scope.Fatalf("fails by itself")
	}
	if tr.err != nil && (strings.Contains(tr.err.Error(), "vault/") || strings.Contains(tr.err.Error(), "log/")) {
		scope.Fatalf("the error names a file")
	}
	cuts := []*vfs.MemFS{cloned(tr.w.mem, 0), cloned(tr.w.mem, 100)}
	for i, cut := range cuts {
		w := s.world(scope, cut)
		w.clock.now = tr.w.clock.read()
		if c.before != nil {
			c.before(tr, w)
		}
		if err := w.Repair(); err != nil {
			scope.Fatalf("clone %d: repair: %v", i, err)
		}
		c.after(tr, w)
		w.log.Close()
	}
	return f.hit != "", tr.err
}

// named says in every failure which fault it was.
type named struct {
	tester
	what *string
}

func (n named) Fatalf(format string, args ...any) {
	n.Helper()
	n.tester.Fatalf("%s: %s", *n.what, fmt.Sprintf(format, args...))
}

func (w *world) arm(f *fault) {
	w.mu.Lock()
	w.fault = f
	w.mu.Unlock()
}

// inTime runs a command that must not hang. A panic in it fails the test as any does.
func inTime(t tester, work func() error) error {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- work() }()
	select {
	case err := <-done:
		return err
	case <-time.After(time.Minute):
		t.Fatalf("it hangs")
		return nil
	}
}

// wantTotals checks how much the totals moved since the scene.
func (tr *trial) wantTotals(w *world, what string, of func(Totals) int64, least, most int64) {
	w.t.Helper()
	now, err := w.Totals()
	if err != nil {
		w.t.Fatalf("totals: %v", err)
	}
	if moved := of(now) - of(tr.totals); moved < least || moved > most {
		w.t.Fatalf("%s moved by %d, want %d to %d", what, moved, least, most)
	}
}

// rest checks the links that the command was not about, and that all agree.
func (tr *trial) rest(w *world, links ...twin) {
	w.t.Helper()
	var twins []*twin
	for _, m := range links {
		twins = append(twins, &m)
	}
	w.check(twins)
	w.wantOrder()
}

// may is 0 or 1: what could have happened when the answer was an error.
func (tr *trial) may() (least, most int64) {
	switch {
	case tr.err == nil:
		return 1, 1
	case tr.stopped():
		return 0, 1
	}
	return 0, 0
}

var errWrongBytes = errors.New("wrong bytes were served")
