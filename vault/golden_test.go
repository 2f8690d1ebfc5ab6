package vault

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"emberdrop/seal"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// ramp is 32 bytes that count up, as the keys of the golden payloads do.
func ramp(from byte) (k seal.Key) {
	for i := range k {
		k[i] = from + byte(i)
	}
	return k
}

// The payloads in testdata were written by another implementation (Python's cryptography package) from the tables in
// this package's comment, not by this code. If they stop opening, so do the payloads on disks out there.
func TestGoldenPayloads(t *testing.T) {
	long := func(n int) []byte { // SHA-256("item" || counter), as the generator made it
		var b []byte
		for i := byte(0); len(b) < n; i++ {
			sum := sha256.Sum256([]byte{'i', 't', 'e', 'm', 0, 0, 0, i})
			b = append(b, sum[:]...)
			if i == 255 {
				break
			}
		}
		return b
	}
	for name, want := range map[string]struct {
		passphrase, sum string
		big             int64
	}{
		"open":   {"", "a045fee9ced199dd8b70040ddcc6101e6ba39a16f92792b60a85dd89754d8b9b", 70000},
		"locked": {"correct horse battery staple", "a2b263e99f42575b805aee73d2c333a7c3b84a47bb3f0118a5159a2779df9428", 100},
	} {
		t.Run(name, func(t *testing.T) {
			b, err := os.ReadFile(filepath.Join("testdata", name+".payload"))
			if err != nil {
				t.Fatal(err)
			}
			cfg := testConfig(vfs.NewMem())
			cfg.HostKey = ramp(64)
			v := newVaultAt(t, cfg)
			v.key = ramp(96)
			file := strings.Repeat("a", 32)
			replaceFile(t, cfg, file, b)

			if locked, err := v.Locked(file); err != nil || locked != (want.passphrase != "") {
				t.Errorf("locked: %v, %v", locked, err)
			}
			sum, _ := hex.DecodeString(want.sum)
			if err := v.Verify(file, int64(len(b)), [32]byte(sum)); err != nil {
				t.Error(err)
			}
			p, err := v.Open(file, seal.Token(ramp(0)), want.passphrase)
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			m := p.Manifest()
			items := []Item{{"image/png", 16}, {"text/plain", 0}, {"image/jpeg", want.big}}
			if m.Caption != "grüße" || len(m.Items) != 3 || m.Items[0] != items[0] || m.Items[1] != items[1] || m.Items[2] != items[2] {
				t.Errorf("manifest %+v", m)
			}
			for i, text := range []string{"golden item zero", "", string(long(8192))} {
				r, err := p.Item(i)
				if err != nil {
					t.Fatal(err)
				}
				got, err := io.ReadAll(r)
				n := min(len(got), len(text))
				if err != nil || int64(len(got)) != items[i].Size || string(got[:n]) != text[:n] {
					t.Errorf("item %d: %d bytes, %v", i, len(got), err)
				}
			}
			if _, err := v.Open(file, seal.Token(ramp(1)), want.passphrase); !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrPassphrase) {
				t.Error(err)
			}
		})
	}
}
