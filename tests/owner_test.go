package tests

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// A service owns its data folder, and its operator runs commands on it as root.
// Afterwards everything in it is still the service's.
func TestRootLeavesTheFolderToItsOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("CI runs as root")
		}
		t.Skip("only root can do what this is about")
	}
	const nobody = 65534
	data := freshData(t)
	err := filepath.WalkDir(data, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, nobody, nobody)
	})
	if err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "emberdrop") // as systemd links to a state directory
	if err := os.Symlink(data, link); err != nil {
		t.Fatal(err)
	}
	foreign := filepath.Join(t.TempDir(), "foreign")
	if err := os.WriteFile(foreign, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(foreign, filepath.Join(data, "second-name")); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"verify"}, {"rebuild"}, {"backup", "--key-file", keyFile(t), filepath.Join(t.TempDir(), "backup")}} {
		succeeds(t, append(args, "--data", link)...)
		made := 0
		filepath.WalkDir(data, func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				t.Fatal(err)
			}
			info, err := os.Lstat(path)
			if err != nil {
				t.Fatal(err)
			}
			made++
			if info.Sys().(*syscall.Stat_t).Uid != nobody && d.Name() != "second-name" {
				t.Errorf("after %s, %s is root's", args[0], d.Name())
			}
			return nil
		})
		if made < 8 {
			t.Fatalf("only %d files looked at", made)
		}
	}
	if info, err := os.Stat(foreign); err != nil || info.Sys().(*syscall.Stat_t).Uid != 0 {
		t.Errorf("a file elsewhere was given away: %v", err)
	}
	// And its owner can still use it.
	if err := os.Remove(filepath.Join(data, "second-name")); err != nil {
		t.Fatal(err)
	}
	for _, way := range []string{data, theProgram(t)} {
		for dir := filepath.Dir(way); dir != "/" && dir != filepath.Clean(os.TempDir()); dir = filepath.Dir(dir) {
			if err := os.Chmod(dir, 0o711); err != nil {
				t.Fatal(err)
			}
		}
	}
	cmd := exec.CommandContext(t.Context(), theProgram(t), "verify", "--data", data)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("the owner: %v\n%s", err, out)
	}
}
