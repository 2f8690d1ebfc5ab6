package tests

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// A promise that names a test which is gone is held by nothing.
func TestPapersNameRealTests(t *testing.T) {
	real := map[string]bool{}
	declared := regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	err := filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && path != ".." && strings.HasPrefix(entry.Name(), ".") {
			return fs.SkipDir
		}
		if !strings.HasSuffix(path, "_test.go") {
			return nil
		}
		raw, err := os.ReadFile(path)
		for _, found := range declared.FindAllSubmatch(raw, -1) {
			real[string(found[1])] = true
		}
		return err
	})
	if err != nil || len(real) < 100 {
		t.Fatalf("%d tests found: %v", len(real), err)
	}
	named := regexp.MustCompile("`(Test\\w+)(\\.\\.\\.)?`")
	for paper, least := range map[string]int{"SECURITY.md": 40, "ARCHITECTURE.md": 40} {
		names := named.FindAllStringSubmatch(string(readFile(t, filepath.Join("..", paper))), -1)
		if len(names) < least {
			t.Errorf("%s names %d tests only", paper, len(names))
		}
		for _, name := range names {
			if name[2] != "" { // a family
				continue
			}
			if !real[name[1]] {
				t.Errorf("%s names %s, which is gone", paper, name[1])
			}
		}
	}
	for _, name := range []string{"sealed.txt", "keys.txt"} {
		if _, err := os.Stat(filepath.Join("testdata", "script", name)); err != nil {
			t.Error(err)
		}
	}
}
