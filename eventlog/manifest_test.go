package eventlog

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/record"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// records writes a MANIFEST as Pebble does, with records of these sizes.
func records(t *testing.T, sizes ...int) []byte {
	t.Helper()
	var b bytes.Buffer
	w := record.NewWriter(&b)
	for i, size := range sizes {
		if _, err := w.WriteRecord(bytes.Repeat([]byte{byte(i + 1)}, size)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// lastRecord is where the last record of a small MANIFEST begins; the first two count as one.
func lastRecord(b []byte) int {
	for end := len(b); end > 0; end-- {
		if n, at := manifestRecords(b[:end-1]); at < len(b) {
			if n < 2 {
				return len(b)
			}
			return at
		}
	}
	return 0
}

// Pebble's own reader counts the same records, whatever their sizes.
func TestManifestRecords(t *testing.T) {
	for _, sizes := range [][]int{
		{}, {1}, {10, 20, 30}, {manifestBlock}, {manifestBlock - manifestHeader}, {5, manifestBlock - 5 - 2*manifestHeader, 9},
		{manifestBlock - manifestHeader - 1, 1, 2}, {manifestBlock - 2*manifestHeader, 1, 2}, {3 * manifestBlock, 100, 3 * manifestBlock, 7},
	} {
		b := records(t, sizes...)
		theirs := 0
		for r := record.NewReader(bytes.NewReader(b), 0); ; theirs++ {
			whole, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.Copy(io.Discard, whole); err != nil {
				t.Fatal(err)
			}
		}
		if n, end := manifestRecords(b); n != theirs || n != len(sizes) || end != len(b) {
			t.Errorf("%v: %d records in %d bytes of %d; Pebble reads %d", sizes, n, end, len(b), theirs)
		}
	}
}

// A MANIFEST that a crash cut opens; one in which a record before the last does not check is refused.
func TestCheckManifest(t *testing.T) {
	b := records(t, 40, 50, 60, 2*manifestBlock)
	big := 40 + 50 + 60 + 3*manifestHeader // where the last record begins
	flipped := func(at int) []byte {
		dirty := bytes.Clone(b)
		dirty[at] ^= 4
		return dirty
	}
	zeroed := func(from, to int) []byte {
		dirty := bytes.Clone(b)
		clear(dirty[from:to])
		return dirty
	}
	for _, c := range []struct {
		name, file string
		content    []byte
		ok         bool
	}{
		{"whole", "MANIFEST-000007", b, true},
		{"the last cut off", "MANIFEST-000007", b[:len(b)-1], true},
		{"the last cut at its beginning", "MANIFEST-000007", b[:big+3], true},
		{"the last not written", "MANIFEST-000007", zeroed(big, len(b)), true},
		{"the last's first block not written", "MANIFEST-000007", zeroed(big, manifestBlock), true},
		{"the last flipped", "MANIFEST-000007", flipped(len(b) - 1), true}, // not told from a cut
		{"two of three", "MANIFEST-000007", b[:150], true},
		{"the first flipped", "MANIFEST-000007", flipped(20), false},
		{"the first's length", "MANIFEST-000007", flipped(5), false},
		{"the third flipped", "MANIFEST-000007", flipped(big - 2), false},
		{"the third zeroed", "MANIFEST-000007", zeroed(big-67, big), false},
		{"the second cut off", "MANIFEST-000007", b[:90], false},
		{"empty", "MANIFEST-000007", nil, false},
		{"a new store's, the second cut off", "MANIFEST-000001", b[:90], true},
		{"a new store's, the first cut off", "MANIFEST-000001", b[:30], false},
	} {
		dir := t.TempDir()
		for name, content := range map[string][]byte{c.file: c.content, "marker.manifest.000001." + c.file: nil} {
			if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		err := checkManifest(vfs.Default, dir)
		if c.ok && err != nil || !c.ok && !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// A log whose list of tables ends before its only table is damaged: it is not empty, and not one that is not there.
func TestLostTableIsRefused(t *testing.T) {
	cfg := toyConfig(vfs.Default)
	cfg.Dir = t.TempDir() + "/log"
	l := newLog(t, cfg)
	busy(t, l, 3)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	cfg, err := cfg.checked()
	if err != nil {
		t.Fatal(err)
	}
	// Opening flushes what the WAL holds. Without compactions that stays the last change of the list.
	opts := options(cfg, &store{fatal: newFatality(nil)})
	opts.DisableAutomaticCompactions, opts.Lock = true, nil
	defer opts.Cache.Unref()
	db, err := pebble.Open(cfg.Dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	desc, err := pebble.Peek(cfg.Dir, cfg.FS)
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(desc.ManifestFilename)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)-1] ^= 4
	if err := os.WriteFile(desc.ManifestFilename, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(cfg); !errors.Is(err, ErrDamaged) {
		t.Fatalf("open: %v", err)
	}
}
