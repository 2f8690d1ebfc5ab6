package vault

import (
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"emberdrop/seal"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// plainFile is the baseline: the same bytes through io.Copy to a file that is synced, without any of what a vault does.
func plainFile(b *testing.B, path string, data []byte) {
	f, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	defer os.Remove(path)
	defer f.Close()
	if _, err := f.Write(data); err != nil {
		b.Fatal(err)
	}
	if err := f.Sync(); err != nil {
		b.Fatal(err)
	}
}

func benchCommit(b *testing.B, size int) {
	v := newVaultAt(b, diskConfig(b))
	c := content{items: [][]byte{noise(1, size)}}
	path := filepath.Join(b.TempDir(), "plain")
	b.SetBytes(int64(size))
	var base, own time.Duration
	for b.Loop() {
		t0 := time.Now()
		plainFile(b, path, c.items[0])
		t1 := time.Now()
		st := c.mustWrite(b, v, seal.NewToken())
		base += t1.Sub(t0)
		own += time.Since(t1)
		if err := v.Shred(st.Name); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(base)/float64(own), "xplain-file")
}

func BenchmarkCommit1MB(b *testing.B)  { benchCommit(b, 1<<20) }
func BenchmarkCommit50MB(b *testing.B) { benchCommit(b, 50<<20) }

func benchShred(b *testing.B, size int, shred func(*Vault, string) error) {
	v := newVaultAt(b, diskConfig(b))
	c := content{items: [][]byte{noise(1, size)}}
	path := filepath.Join(b.TempDir(), "plain")
	var base, own time.Duration
	for b.Loop() {
		st := c.mustWrite(b, v, seal.NewToken())
		t0 := time.Now()
		plainFile(b, path, c.items[0])
		t1 := time.Now()
		if err := shred(v, st.Name); err != nil {
			b.Fatal(err)
		}
		base += t1.Sub(t0)
		own += time.Since(t1)
		v.Shred(st.Name)
	}
	b.ReportMetric(float64(base)/float64(own), "xplain-file")
	b.ReportMetric(float64(own.Microseconds())/1000/float64(b.N), "ms/shred")
}

func BenchmarkShred1KB(b *testing.B)        { benchShred(b, 1<<10, (*Vault).Shred) }
func BenchmarkShred50MB(b *testing.B)       { benchShred(b, 50<<20, (*Vault).Shred) }
func BenchmarkShredHeader50MB(b *testing.B) { benchShred(b, 50<<20, (*Vault).ShredHeader) }

// BenchmarkOpen is what a preview and a reveal cost, with 50 items.
func BenchmarkOpen(b *testing.B) {
	v := newVaultAt(b, diskConfig(b))
	c := content{}
	for range 50 {
		c.items = append(c.items, noise(1, 100_000))
	}
	secret := seal.NewToken()
	st := c.mustWrite(b, v, secret)
	for b.Loop() {
		p, err := v.Open(st.Name, secret, "")
		if err != nil {
			b.Fatal(err)
		}
		p.Close()
	}
}

func BenchmarkReadItem(b *testing.B) {
	const size = 50 << 20
	v := newVaultAt(b, diskConfig(b))
	data := noise(1, size)
	secret := seal.NewToken()
	st := content{items: [][]byte{data}}.mustWrite(b, v, secret)
	p, err := v.Open(st.Name, secret, "")
	if err != nil {
		b.Fatal(err)
	}
	defer p.Close()
	plain := filepath.Join(b.TempDir(), "plain")
	if err := os.WriteFile(plain, data, 0o600); err != nil {
		b.Fatal(err)
	}
	buf := make([]byte, 32<<10)
	copyOut := func(r io.Reader) {
		if n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{r}, buf); n != size || err != nil {
			b.Fatal(n, err)
		}
	}
	b.SetBytes(size)
	var base, own time.Duration
	for b.Loop() {
		t0 := time.Now()
		f, err := os.Open(plain)
		if err != nil {
			b.Fatal(err)
		}
		copyOut(f)
		f.Close()
		t1 := time.Now()
		r, err := p.Item(0)
		if err != nil {
			b.Fatal(err)
		}
		copyOut(r)
		r.Close()
		base += t1.Sub(t0)
		own += time.Since(t1)
	}
	b.ReportMetric(float64(base)/float64(own), "xio.Copy")
}

// BenchmarkStageJumps reads 16 bytes here and there, as a parser does, from a stage on the disk.
func BenchmarkStageJumps(b *testing.B) {
	cfg := testConfig(vfs.Default)
	cfg.Dir = filepath.Join(b.TempDir(), "vault")
	v := newVaultAt(b, cfg)
	s := staged(b, v, noise(1, 20<<20), 1<<20)
	defer s.Close()
	r, err := seal.NewReader(s.file, seal.SealedSize(s.size), s.key, []byte(stageLabel))
	if err != nil {
		b.Fatal(err)
	}
	places := []int64{0, 5 << 20, 10 << 20, 19 << 20}
	var base, own time.Duration
	p := make([]byte, 16)
	for b.Loop() {
		t0 := time.Now()
		for i := range int64(100) {
			r.ReadAt(p, places[i%4]+16*i)
		}
		t1 := time.Now()
		for i := range int64(100) {
			s.ReadAt(p, places[i%4]+16*i)
		}
		base += t1.Sub(t0)
		own += time.Since(t1)
	}
	b.ReportMetric(float64(base)/float64(own), "xuncached")
}
