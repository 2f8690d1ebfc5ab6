package tests

import (
	"errors"
	"os"
	"os/exec"
	"testing"
)

// missing ends a test on err. A tool that is not installed (err is absent) only
// skips it, except in CI, which installs everything.
func missing(t *testing.T, err, absent error) {
	t.Helper()
	if errors.Is(err, absent) && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// tool is the path of an installed program.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	missing(t, err, exec.ErrNotFound)
	return path
}

// artefacts is the folder that CI keeps; git ignores it.
func artefacts(t *testing.T) string {
	t.Helper()
	const dir = "../artefacts"
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}
