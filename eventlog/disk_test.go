package eventlog

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// files lists the regular files below dir.
func files(t testing.TB, dir string) (names []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			names = append(names, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// copyWith copies a flat folder, with other content in one of its files.
func copyWith(from, to, name string, content []byte) error {
	if err := os.RemoveAll(to); err != nil {
		return err
	}
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(to, filepath.Base(name)), content, 0o600)
}

func contains(err error, text string) bool { return err != nil && strings.Contains(err.Error(), text) }

// needles finds secrets in files in any of the usual spellings. It goes by the middle
// of each, since tables leave out what a key has in common with the one before it. Eight
// bytes are enough where all else on the disk is random bytes or base64: a needle stands
// there by chance once in 2^48 places or less. In hex digits it is once in 2^32, and a test
// with thousands of needles and names would now and then find what is not there.
type needles map[[8]byte]string

func (n needles) add(name string, secret []byte) {
	lower := strings.ToLower(base32.StdEncoding.EncodeToString(secret))
	for form, s := range map[string]string{
		"raw": string(secret), "hex": hex.EncodeToString(secret),
		"HEX": strings.ToUpper(hex.EncodeToString(secret)), "base32": lower, "BASE32": strings.ToUpper(lower),
		"base64": base64.StdEncoding.EncodeToString(secret), "base64url": base64.URLEncoding.EncodeToString(secret),
	} {
		mid := (len(strings.TrimRight(s, "=")) - 8) / 2
		n[[8]byte([]byte(s[mid:mid+8]))] = name + " " + form
	}
}

// found walks every file below dir, its name included.
func (n needles) found(t testing.TB, dir string) map[string]int {
	hits := map[string]int{}
	for _, name := range files(t, dir) {
		content, err := os.ReadFile(name)
		if errors.Is(err, os.ErrNotExist) {
			continue // unlinked since the walk
		}
		if err != nil {
			t.Fatal(err)
		}
		content = append(content, name...)
		for i := 0; i+8 <= len(content); i++ {
			if what, ok := n[[8]byte(content[i:i+8])]; ok {
				hits[what+" in "+filepath.Base(name)]++
			}
		}
	}
	return hits
}

type secretThing struct {
	id      ID
	receipt [32]byte
	name    string
}

func randomThing() (s secretThing) {
	var name [24]byte
	rand.Read(s.id[:])
	rand.Read(s.receipt[:])
	rand.Read(name[:])
	s.name = base64.StdEncoding.EncodeToString(name[:])
	return s
}

func (s secretThing) drafts() []Draft {
	return []Draft{
		{Link: s.id, Type: made, Data: madeBody{Name: s.name, Receipt: s.receipt, Deadline: 1}},
		{Link: s.id, Type: hit, Data: empty{}}, {Link: s.id, Type: ended, Data: empty{}},
	}
}

// plant appends doomed and kept things and returns the doomed, with needles for them
// and for the kept.
func plant(t testing.TB, l *Log, n int) (doomed []ID, gone, kept needles) {
	things := make([]secretThing, n)
	for first := true; first || len(gone.found(t, l.cfg.Dir)) > 0; first = false { // what is there before is no trace
		doomed, gone, kept = nil, needles{}, needles{}
		for i := range things {
			s := randomThing()
			things[i] = s
			to := gone
			if i%6 == 0 {
				to = kept
			} else {
				doomed = append(doomed, s.id)
			}
			to.add("id", s.id[:])
			to.add("receipt", s.receipt[:])
			to.add("name", []byte(s.name))
		}
	}
	var wg sync.WaitGroup
	for i, s := range things {
		if wg.Go(func() { s.live(t, l, i%6 != 0) }); i%16 == 0 {
			wg.Wait()
		}
	}
	wg.Wait()
	return doomed, gone, kept
}

// live has a thing made, hit and ended; a pass that is used up leaves traces too.
func (s secretThing) live(t testing.TB, l *Log, usePass bool) {
	all, pass := s.drafts(), PassKey(s.receipt)
	err := l.Do(noon(), func(tx *Tx) ([]Draft, error) { return all[:1], tx.Set(pass, []byte(s.name)) })
	if err != nil {
		t.Error(err)
	}
	err = l.Do(noon(), func(tx *Tx) ([]Draft, error) {
		if usePass {
			return all[1:], tx.Delete(pass)
		}
		return all[1:], nil
	})
	if err != nil {
		t.Error(err)
	}
}

func diskConfig(t testing.TB) Config {
	cfg := toyConfig(vfs.Default)
	cfg.Dir = t.TempDir() + "/log"
	cfg.Memtable = 128 << 10 // so that a small test has tables in several levels
	return cfg
}
