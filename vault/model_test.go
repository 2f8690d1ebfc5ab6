package vault

import (
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"emberdrop/seal"

	"github.com/cockroachdb/pebble/v2/vfs"
	"pgregory.net/rapid"
)

// What the log would know of a payload.
type known struct {
	secret seal.Token
	what   content
	stored Stored
	ended  bool // the header was shredded
}

// model is a vault beside a map of what must be in it. Crashes lose what was not synced, or part of it.
type model struct {
	t    *testing.T
	fs   *vfs.MemFS
	v    *Vault
	live map[string]known
}

func (m *model) pick(t *rapid.T) string {
	names := slices.Sorted(maps.Keys(m.live))
	if len(names) == 0 {
		t.Skip("nothing there")
	}
	return rapid.SampledFrom(names).Draw(t, "payload")
}

func (m *model) create(t *rapid.T) {
	c := content{caption: rapid.StringN(0, 200, -1).Draw(t, "caption"), passphrase: rapid.SampledFrom([]string{"", "", "x"}).Draw(t, "pass")}
	for range rapid.IntRange(0, 3).Draw(t, "items") {
		n := rapid.SampledFrom([]int{0, 1, 1000, seal.ChunkSize, seal.ChunkSize + 1}).Draw(t, "size")
		c.items = append(c.items, noise(uint64(n), n))
	}
	secret := seal.NewToken()
	st, err := c.write(m.v, secret)
	if err != nil {
		t.Fatal(err)
	}
	m.live[st.Name] = known{secret: secret, what: c, stored: st}
}

func (m *model) abort(t *rapid.T) {
	d, err := m.v.Create(seal.NewToken())
	if err != nil {
		t.Fatal(err)
	}
	w, _ := d.Item()
	w.Write(noise(1, rapid.IntRange(0, 100_000).Draw(t, "size")))
	if rapid.Bool().Draw(t, "forgotten") {
		return // the crash that follows some day finds it
	}
	if err := d.Abort(); err != nil {
		t.Fatal(err)
	}
}

func (m *model) end(t *rapid.T) {
	name := m.pick(t)
	if err := m.v.ShredHeader(name); err != nil {
		t.Fatal(err)
	}
	k := m.live[name]
	k.ended = true
	m.live[name] = k
}

func (m *model) shred(t *rapid.T) {
	name := m.pick(t)
	if err := m.v.Shred(name); err != nil {
		t.Fatal(err)
	}
	delete(m.live, name)
}

func (m *model) crash(t *rapid.T) {
	percent := rapid.SampledFrom([]int{0, 50, 100}).Draw(t, "percent of the unsynced that survives")
	seed := rapid.Uint64().Draw(t, "seed")
	m.fs = m.fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: rand.New(rand.NewPCG(seed, 1))})
	cfg := m.v.cfg
	cfg.FS = m.fs
	var err error
	if m.v, err = Open(cfg); err != nil {
		t.Fatal(err)
	}
	left, err := m.v.Leftovers()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range left {
		if err := m.v.Shred(name); err != nil {
			t.Fatal(err)
		}
	}
	wantFiles(m.t, cfg, slices.Collect(maps.Keys(m.live))...)
}

func (m *model) check(t *rapid.T) {
	names, err := m.v.Names()
	if err != nil || len(names) != len(m.live) {
		t.Fatalf("%d payloads, want %d (%v)", len(names), len(m.live), err)
	}
	var used int64
	for name, k := range m.live {
		used += k.stored.Size
		err := k.what.check(m.t, m.v, name, k.secret)
		verified := m.v.Verify(name, k.stored.Size, k.stored.Sum)
		switch {
		case k.ended && !(errors.Is(err, ErrDamaged) && errors.Is(verified, ErrDamaged)):
			t.Fatalf("an ended payload opens: %v, %v", err, verified)
		case !k.ended && (err != nil || verified != nil):
			t.Fatalf("a live payload does not open: %v, %v", err, verified)
		}
	}
	if got, err := m.v.Used(); err != nil || got != used {
		t.Fatalf("used %d, want %d (%v)", got, used, err)
	}
}

// Whatever is done in whatever order, and whenever the machine stops: what was committed opens, what ended does not,
// what was shredded is gone, and nothing else is there.
func TestModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		fs := vfs.NewCrashableMem()
		m := &model{t: t, fs: fs, v: newVault(t, fs), live: map[string]known{}}
		rt.Repeat(map[string]func(*rapid.T){
			"create": m.create, "abort": m.abort, "end": m.end, "shred": m.shred, "crash": m.crash, "": m.check,
		})
	})
}
