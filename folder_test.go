package main

import (
	"os"
	"path/filepath"
	"testing"
)

// A state directory of systemd is a link to the folder. tor refuses to open a
// socket below it, and a walk would not enter it.
func TestFolderBehindALink(t *testing.T) {
	real, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "emberdrop")
	if err := os.Symlink(real, link); err != nil {
		t.Fatal(err)
	}
	if f := newFolder(link, "", "", nil); f.path != real || f.host != filepath.Join(real, "host.key") {
		t.Errorf("the folder is taken for %s, its host key for %s", f.path, f.host)
	}
	if f := newFolder("nowhere", "", "", nil); f.path != "nowhere" {
		t.Errorf("a folder that is not there is taken for %s", f.path)
	}
}
