package tests

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"emberdrop/eventlog"
	"emberdrop/link"
	"emberdrop/seal"
	"emberdrop/sweeper"
	"emberdrop/tests/needle"
	"emberdrop/vault"
)

// world is a host that lives through some weeks in a few seconds, on a disk of its
// own, and remembers everything that must not stay.
type world struct {
	t      *testing.T
	device *device
	disk   *disk
	host   seal.Key
	vkey   seal.Key

	log   *eventlog.Log
	vault *vault.Vault
	links *link.Links
	sweep *sweeper.Sweeper

	mu      sync.Mutex
	now     time.Time
	needles []needle.Needle // of links that end
	kept    []needle.Needle // of links that live on
	living  []*story
	passes  []string // not yet spent
	minted  []string // all passes
}

func newWorld(t *testing.T, careless bool) *world {
	d := newDevice(t, 320)
	w := &world{t: t, device: d, disk: newDisk(careless), host: seal.NewKey(), now: time.Date(2026, 11, 22, 10, 20, 30, 0, time.UTC)}
	if err := errors.Join(eventlog.Create(w.logConfig()), vault.Init(w.vaultConfig())); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(filepath.Join(d.folder, "vault", "vault.key"))
	if err != nil || len(raw) != len(w.vkey) {
		t.Fatalf("the vault key: %v", err)
	}
	copy(w.vkey[:], raw)
	w.start()
	return w
}

func (w *world) logConfig() eventlog.Config {
	return eventlog.Config{
		FS: w.disk, Dir: filepath.Join(w.device.folder, "log"), Fold: link.Fold{}, Types: link.Types(), Upcasts: link.Upcasts(),
		Memtable: 256 << 10, // flushes and compactions happen on their own too
	}
}

func (w *world) vaultConfig() vault.Config {
	cheap := seal.DefaultParams()
	cheap.Memory, cheap.Time = 64, 1 // KiB; the cost is not what this test is about
	return vault.Config{
		FS: w.disk, Dir: filepath.Join(w.device.folder, "vault"), HostKey: w.host, Argon: cheap,
		StageRAM: 256 << 10, // so that files are staged on the disk too
	}
}

func (w *world) start() {
	w.t.Helper()
	var err error
	if w.log, err = eventlog.Open(w.logConfig()); err != nil {
		w.t.Fatal(err)
	}
	if w.vault, err = vault.Open(w.vaultConfig()); err != nil {
		w.t.Fatal(err)
	}
	w.links = link.New(link.Config{Log: w.log, Vault: w.vault, HostKey: w.host, Now: w.clock})
	w.sweep = sweeper.New(sweeper.Config{Links: w.links, Now: w.clock})
	if err := w.links.Repair(); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) stop() {
	w.t.Helper()
	if err := w.log.Close(); err != nil {
		w.t.Fatal(err)
	}
	w.device.unmount()
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

// live makes links, in waves between which time passes and the log is purged.
func (w *world) live(links int) {
	const waves = 5
	began := time.Now()
	w.mint(links / 20)
	for wave := range waves {
		var workers sync.WaitGroup
		for worker := range 4 {
			workers.Go(func() {
				for n := wave * links / waves; n < (wave+1)*links/waves; n++ {
					if n%4 == worker && !w.t.Failed() {
						w.tell(n)
					}
				}
			})
		}
		workers.Wait()
		w.pass(3 * time.Hour) // deadlines of an hour, idle limits, leases
		w.pass(26 * time.Hour)
		w.purge()
	}
	w.t.Logf("made and ended in %s", time.Since(began).Round(time.Millisecond))
	w.pass(8 * 24 * time.Hour)
	w.pass(26 * time.Hour)
	w.purge()
	if w.disk.careless {
		w.spill([]byte(strings.Join(w.minted, "\n")))
		w.spill([]byte(strings.ReplaceAll(strings.Join(w.minted, "\n"), "-", "")))
	}

	names := map[string]bool{}
	for _, g := range w.living {
		names[g.payload] = true
	}
	others, theirs := w.disk.sampled(names)
	w.needles = append(w.needles, others...)
	for i, n := range theirs {
		w.kept = append(w.kept, needle.Needle{Name: fmt.Sprintf("live sealed %d", i), Bytes: n.Bytes})
	}
}

// pass lets time go by, and has done what is due.
func (w *world) pass(d time.Duration) {
	w.t.Helper()
	w.mu.Lock()
	w.now = w.now.Add(d)
	w.mu.Unlock()
	if err := w.sweep.Sweep(); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) purge() {
	w.t.Helper()
	p, err := w.links.Purge(context.Background())
	if err != nil {
		w.t.Fatal(err)
	}
	if p.Streams == 0 {
		w.t.Fatal("nothing was purged")
	}
}

// wantKept checks that what has not ended opens and is whole.
func (w *world) wantKept() {
	w.t.Helper()
	findings, err := w.links.Verify()
	if err != nil || len(findings) > 0 {
		w.t.Fatalf("not in order: %v %v", err, findings)
	}
	if len(w.living) == 0 {
		w.t.Fatal("nothing lives")
	}
	for _, g := range w.living {
		w.reveal(g, true)
	}
	if names, err := w.vault.Names(); err != nil || len(names) != len(w.living) {
		w.t.Fatalf("%d payloads of %d links: %v", len(names), len(w.living), err)
	}
}

// mint makes passes, all of which are spent in the end.
func (w *world) mint(n int) {
	w.t.Helper()
	codes, err := w.links.Mint(n)
	if err != nil {
		w.t.Fatal(err)
	}
	w.passes, w.minted = codes, codes
	for i, code := range codes {
		w.remember("pass", i, []byte(code))
		w.remember("pass", i, []byte(strings.ReplaceAll(code, "-", "")))
	}
	err = w.log.Read(func(tx *eventlog.Tx) error {
		lo, hi := eventlog.PassBounds()
		return tx.Scan(lo, hi, func(key, _ []byte) (bool, error) {
			w.remember("passhash", 0, key[len(lo)+idTail:])
			return true, nil
		})
	})
	if err != nil {
		w.t.Fatal(err)
	}
}
