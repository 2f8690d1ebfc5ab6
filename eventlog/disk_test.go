package eventlog

import (
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
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
// of each, since tables leave out what a key has in common with the one before it.
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
				hits[what]++
			}
		}
	}
	return hits
}
