package link

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/color"
	"image/jpeg"
	"io"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"emberdrop/eventlog"
	"emberdrop/seal"
	"emberdrop/strip"
	"emberdrop/vault"
)

// clock is a clock that tests move.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) read() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) forward(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// rig is the domain over a real log and a real vault on a file system in memory.
type rig struct {
	*Links
	t     tester
	fs    vfs.FS
	log   *eventlog.Log
	vault *vault.Vault
	clock *clock
	host  seal.Key
}

// tester is what testing's TB and rapid's T have in common.
type tester interface {
	Helper()
	Fatalf(format string, args ...any)
	Cleanup(func())
}

var start = time.Date(2026, 11, 22, 10, 20, 30, 0, time.UTC)

func newRig(t tester, change ...func(*Config)) *rig {
	t.Helper()
	fs := vfs.NewMem()
	host := seal.NewKey()
	initStore(t, fs, host)
	return openRig(t, fs, host, &clock{now: start}, change...)
}

func logConfig(fs vfs.FS) eventlog.Config {
	return eventlog.Config{FS: fs, Dir: "log", Fold: Fold{}, Types: Types(), Upcasts: Upcasts(), Cache: 1 << 20, Memtable: 256 << 10}
}

func vaultConfig(fs vfs.FS, host seal.Key) vault.Config {
	cheap := seal.DefaultParams()
	cheap.Memory, cheap.Time = 64, 1 // KiB; the cost is not what these tests are about
	return vault.Config{FS: fs, Dir: "vault", HostKey: host, Argon: cheap}
}

func initStore(t tester, fs vfs.FS, host seal.Key) {
	t.Helper()
	if err := eventlog.Create(logConfig(fs)); err != nil {
		t.Fatalf("create log: %v", err)
	}
	if err := vault.Init(vaultConfig(fs, host)); err != nil {
		t.Fatalf("init vault: %v", err)
	}
}

func openRig(t tester, fs vfs.FS, host seal.Key, c *clock, change ...func(*Config)) *rig {
	t.Helper()
	log, err := eventlog.Open(logConfig(fs))
	if err != nil {
		t.Fatalf("open log: %v", err)
	}
	t.Cleanup(func() { log.Close() })
	return rigOver(t, fs, log, host, c, change...)
}

// rigOver is a rig over a log that is open already.
func rigOver(t tester, fs vfs.FS, log *eventlog.Log, host seal.Key, c *clock, change ...func(*Config)) *rig {
	t.Helper()
	v, err := vault.Open(vaultConfig(fs, host))
	if err != nil {
		t.Fatalf("open vault: %v", err)
	}
	cfg := Config{Log: log, Vault: v, HostKey: host, Now: c.read}
	for _, f := range change {
		f(&cfg)
	}
	return &rig{Links: New(cfg), t: t, fs: fs, log: log, vault: v, clock: c, host: host}
}

// picture is a small JPEG whose shade tells pictures apart.
func picture(shade byte) []byte {
	img := image.NewGray(image.Rect(0, 0, 16, 16))
	for i := range img.Pix {
		img.Pix[i] = shade
	}
	img.SetGray(3, 3, color.Gray{Y: shade ^ 0xff})
	var out bytes.Buffer
	if err := jpeg.Encode(&out, img, nil); err != nil {
		panic(err)
	}
	return out.Bytes()
}

// clean is what a viewer must get for a file.
func clean(t tester, file []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	if _, err := strip.Strip(&out, bytes.NewReader(file), int64(len(file))); err != nil {
		t.Fatalf("strip: %v", err)
	}
	return out.Bytes()
}

func (r *rig) upload(p Policy, caption, passphrase string, files ...[]byte) Answer {
	r.t.Helper()
	answer, err := r.tryUpload(seal.NewToken(), p, caption, passphrase, files...)
	if err != nil {
		r.t.Fatalf("upload: %v", err)
	}
	return answer
}

func (r *rig) tryUpload(id seal.Token, p Policy, caption, passphrase string, files ...[]byte) (Answer, error) {
	u, answer, err := r.Begin(context.Background(), id, 0)
	if err != nil {
		return Answer{}, err
	}
	if answer != nil {
		return *answer, nil
	}
	defer u.Abort()
	for _, file := range files {
		if _, err := u.Add(bytes.NewReader(file)); err != nil {
			return Answer{}, err
		}
	}
	return u.Commit(p, caption, passphrase)
}

func (r *rig) burn() Answer {
	r.t.Helper()
	return r.upload(Policy{Expire: 24 * time.Hour, Views: 1}, "caption", "", picture(7))
}

func (r *rig) reveal(a Answer) (*Lease, error) {
	return r.Reveal(context.Background(), a.Secret.String(), "", "")
}

func (r *rig) mustReveal(a Answer) *Lease {
	r.t.Helper()
	lease, err := r.reveal(a)
	if err != nil {
		r.t.Fatalf("reveal: %v", err)
	}
	return lease
}

func (r *rig) content(lease *Lease, n int) []byte {
	r.t.Helper()
	body, _, err := lease.Open(n)
	if err != nil {
		r.t.Fatalf("open item: %v", err)
	}
	defer body.Close()
	out, err := io.ReadAll(body)
	if err != nil {
		r.t.Fatalf("read item: %v", err)
	}
	return out
}

func (r *rig) wantGone(what string, err error) {
	r.t.Helper()
	if !errors.Is(err, ErrGone) {
		r.t.Fatalf("%s: got %v, want ErrGone", what, err)
	}
}

func (r *rig) state(a Answer) string {
	r.t.Helper()
	receipt, err := r.Receipt(a.Receipt.String())
	if err != nil {
		r.t.Fatalf("receipt: %v", err)
	}
	if receipt.Reason != "" {
		return receipt.State + ": " + receipt.Reason
	}
	return receipt.State
}

func (r *rig) sweep() {
	r.t.Helper()
	if err := r.EndDue(); err != nil {
		r.t.Fatalf("end due: %v", err)
	}
	if err := r.ShredEnded(); err != nil {
		r.t.Fatalf("shred: %v", err)
	}
}

// wantFiles checks how many files the vault's folder holds, of any kind but its key.
func (r *rig) wantFiles(want int) {
	r.t.Helper()
	var found []string
	for _, dir := range []string{"vault", "vault/staging"} {
		names, err := r.fs.List(dir)
		if err != nil {
			r.t.Fatalf("list: %v", err)
		}
		for _, name := range names {
			if name != "vault.key" && name != "staging" {
				found = append(found, name)
			}
		}
	}
	if len(found) != want {
		r.t.Fatalf("the vault holds %d files, want %d", len(found), want)
	}
}

// wantOrder checks that log, projections and vault agree.
func (r *rig) wantOrder() {
	r.t.Helper()
	findings, err := r.Verify()
	if err != nil {
		r.t.Fatalf("verify: %v", err)
	}
	if len(findings) > 0 {
		r.t.Fatalf("not in order: %v", findings)
	}
}
