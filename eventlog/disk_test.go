package eventlog

import (
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
