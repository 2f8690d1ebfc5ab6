package packaging

import (
	"bytes"
	"compress/gzip"
	"context"
	"debug/elf"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// call runs a command in dir and returns all that it says.
func call(t *testing.T, dir string, env []string, name string, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func mustCall(t *testing.T, dir string, env []string, name string, args ...string) string {
	t.Helper()
	out, err := call(t, dir, env, name, args...)
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return out
}

// needs skips where a developer's machine lacks a program; CI has them all.
func needs(t *testing.T, programs ...string) {
	t.Helper()
	for _, program := range programs {
		if _, err := exec.LookPath(program); err == nil {
			continue
		}
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s is missing", program)
		}
		t.Skipf("%s is missing", program)
	}
}

// pinned stands for a commit: both builds of the test are told the same.
var pinned = []string{"SOURCE_DATE_EPOCH=1795000000", "EMBERDROP_VERSION=1.2.3~test"}

// TestPackage builds the package in two folders, compares them byte for byte, and
// installs and removes one of them.
func TestPackage(t *testing.T) {
	needs(t, "git", "dpkg", "dpkg-deb", "systemd-analyze", "systemctl")
	first, second := t.TempDir(), t.TempDir()
	mustCall(t, "..", pinned, "packaging/build", first, runtime.GOARCH)
	// A copy of the tree elsewhere, with other modes and times and no git.
	copied := filepath.Join(t.TempDir(), "somewhere", "else")
	copyTree(t, "..", copied)
	mustCall(t, copied, pinned, "packaging/build", second, runtime.GOARCH)
	files := compare(t, first, second)

	var deb, binary, bill string
	for _, name := range files {
		switch {
		case strings.HasSuffix(name, ".deb"):
			deb = filepath.Join(first, name)
		case strings.HasSuffix(name, ".cdx.json"):
			bill = filepath.Join(first, name)
		case strings.HasPrefix(name, "emberdrop-"):
			binary = filepath.Join(first, name)
		}
	}
	if len(files) != 4 || deb == "" || bill == "" || binary == "" {
		t.Fatalf("built %q", files)
	}
	mustCall(t, first, nil, "sha256sum", "--check", "--strict", "SHA256SUMS")
	t.Run("binary", func(t *testing.T) { wantStatic(t, binary) })
	t.Run("bill", func(t *testing.T) { wantBill(t, bill) })
	t.Run("install", func(t *testing.T) { install(t, deb) })
}

// copyTree copies what git would commit.
func copyTree(t *testing.T, from, to string) {
	t.Helper()
	list := mustCall(t, from, nil, "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	for _, name := range strings.Split(strings.Trim(list, "\x00"), "\x00") {
		info, err := os.Lstat(filepath.Join(from, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed, and not committed yet
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := os.ReadFile(filepath.Join(from, name))
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(to, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, content, info.Mode().Perm()&0o700); err != nil {
			t.Fatal(err)
		}
	}
}

// compare wants two folders with the same files, and returns their names.
func compare(t *testing.T, a, b string) (names []string) {
	t.Helper()
	for i, dir := range []string{a, b} {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		var found []string
		for _, entry := range entries {
			found = append(found, entry.Name())
		}
		if i == 1 && !slices.Equal(found, names) {
			t.Fatalf("one build made %q, the other %q", names, found)
		}
		names = found
	}
	for _, name := range names {
		one, err := os.ReadFile(filepath.Join(a, name))
		if err != nil {
			t.Fatal(err)
		}
		other, err := os.ReadFile(filepath.Join(b, name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(one, other) {
			t.Errorf("two builds of one tree differ in %s", name)
		}
	}
	return names
}

// wantStatic: no loader and no library, and nothing of the machine that built it.
func wantStatic(t *testing.T, path string) {
	file, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, part := range file.Progs {
		if part.Type == elf.PT_INTERP || part.Type == elf.PT_DYNAMIC {
			t.Errorf("the binary is not static: %v", part.Type)
		}
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	here, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(content, []byte(here+"/")) {
		t.Errorf("the binary speaks of %s", here)
	}
	if out := mustCall(t, t.TempDir(), nil, path, "version"); out != "emberdrop 1.2.3~test\n" {
		t.Errorf("version says %q", out)
	}
}

// wantBill: the bill of materials names Go and the modules that the program links, and no tool.
func wantBill(t *testing.T, path string) {
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var bill struct {
		Format     string `json:"bomFormat"`
		Spec       string `json:"specVersion"`
		Components []struct{ Name, Version, PURL string }
	}
	if err := json.Unmarshal(content, &bill); err != nil {
		t.Fatal(err)
	}
	if bill.Format != "CycloneDX" || bill.Spec != "1.5" {
		t.Errorf("it is %s %s", bill.Format, bill.Spec)
	}
	has := map[string]bool{}
	for _, c := range bill.Components {
		has[c.Name] = true
		if c.Version == "" || c.PURL != "pkg:golang/"+c.Name+"@"+c.Version {
			t.Errorf("odd component %+v", c)
		}
	}
	for _, name := range []string{"std", "github.com/cockroachdb/pebble/v2", "github.com/cretz/bine", "golang.org/x/crypto"} {
		if !has[name] {
			t.Errorf("%s is not in it", name)
		}
	}
	for _, name := range []string{"github.com/goreleaser/nfpm/v2", "github.com/cpuguy83/go-md2man/v2", "pgregory.net/rapid"} {
		if has[name] {
			t.Errorf("%s is in it: the program should not hold a tool", name)
		}
	}
}

// install installs the package into a folder, looks at it, and removes it.
func install(t *testing.T, deb string) {
	root := t.TempDir()
	for _, dir := range []string{"var/lib/dpkg/updates", "var/lib/dpkg/info", "var/lib/dpkg/triggers", "etc/systemd/system"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"status", "available"} {
		if err := os.WriteFile(filepath.Join(root, "var/lib/dpkg", name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	before := tree(t, root)
	dpkg := func(args ...string) string {
		t.Helper()
		return mustCall(t, root, nil, "dpkg", append([]string{
			"--root=" + root, "--log=/dev/null", "--force-not-root", "--force-script-chrootless", "--force-depends"}, args...)...)
	}
	if got := mustCall(t, root, nil, "dpkg-deb", "--field", deb, "Depends"); got != "tor (>= 0.4.9.9)\n" {
		t.Errorf("depends on %q", got)
	}
	dpkg("--install", deb)
	t.Run("unit", func(t *testing.T) { wantUnit(t, root) })
	t.Run("pages", func(t *testing.T) { wantPages(t, root) })

	// A person enabled it, and it has run.
	mustCall(t, root, nil, "systemctl", "--root="+root, "enable", "emberdrop.service")
	data := filepath.Join(root, "var/lib/private/emberdrop")
	if err := os.MkdirAll(filepath.Join(data, "vault"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(data, "vault", "vault.key"), []byte("key"), 0o600); err != nil {
		t.Fatal(err)
	}
	const kept = "var/lib/private/emberdrop/vault/vault.key"
	for _, how := range []string{"--remove", "--purge"} {
		said := dpkg(how, "emberdrop")
		if !strings.Contains(said, "shred -u /var/lib/private/emberdrop/vault/vault.key") {
			t.Errorf("%s does not say what is left and how to destroy it: %s", how, said)
		}
		left := slices.DeleteFunc(tree(t, root), func(path string) bool { return slices.Contains(before, path) || path == kept })
		if len(left) > 0 {
			t.Errorf("%s left %q", how, left)
		}
		if _, err := os.Stat(filepath.Join(root, kept)); err != nil {
			t.Errorf("%s took the operator's data: %v", how, err)
		}
	}
}

// tree lists the files below root, without dpkg's own records.
func tree(t *testing.T, root string) (files []string) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err == nil && !entry.IsDir() && !strings.HasPrefix(name, "var/lib/dpkg/") {
			files = append(files, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// wantUnit: systemd understands the unit, and thinks well of it.
func wantUnit(t *testing.T, root string) {
	const unit = "usr/lib/systemd/system/emberdrop.service"
	raw, err := os.ReadFile(filepath.Join(root, unit))
	if err != nil {
		t.Fatal(err)
	}
	// Verify looks for the program and for its manual; ours lie in a folder.
	local := filepath.Join(t.TempDir(), "emberdrop.service")
	text := strings.ReplaceAll(string(raw), "/usr/bin/emberdrop", filepath.Join(root, "usr/bin/emberdrop"))
	if err := os.WriteFile(local, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	manual := []string{"MANPATH=" + filepath.Join(root, "usr/share/man")}
	args := []string{"verify", "--man=no", local}
	if _, err := exec.LookPath("man"); err == nil {
		args = []string{"verify", local}
	}
	if out, err := call(t, root, manual, "systemd-analyze", args...); err != nil || strings.Contains(out, "emberdrop.service") {
		t.Errorf("verify: %v\n%s", err, out)
	}
	// The threshold is in tenths: 20 is an exposure of 2.0.
	out, err := call(t, root, nil, "systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=20", local)
	if err != nil {
		t.Errorf("security: %v\n%s", err, out)
	}
	if _, exposure, ok := strings.Cut(out, "Overall exposure level"); ok {
		t.Logf("exposure%s", strings.TrimRight(exposure, "\n"))
	}
}

// wantPages: a manual page for the program and for what people look up most, and completion.
func wantPages(t *testing.T, root string) {
	for name, want := range map[string]string{
		"usr/share/man/man1/emberdrop.1.gz":        "destroyed",
		"usr/share/man/man1/emberdrop-serve.1.gz":  "free-floor",
		"usr/share/man/man1/emberdrop-status.1.gz": "attention",
		"usr/share/doc/emberdrop/README.md.gz":     "emberdrop init",
	} {
		file, err := os.Open(filepath.Join(root, name))
		if err != nil {
			t.Error(err)
			continue
		}
		defer file.Close()
		packed, err := gzip.NewReader(file)
		if err != nil {
			t.Error(err)
			continue
		}
		var page bytes.Buffer
		if _, err := page.ReadFrom(packed); err != nil || !strings.Contains(page.String(), want) {
			t.Errorf("%s: %v, %d bytes, and no word of %q", name, err, page.Len(), want)
		}
	}
	for _, name := range []string{
		"usr/share/bash-completion/completions/emberdrop", "usr/share/zsh/vendor-completions/_emberdrop",
		"usr/share/fish/vendor_completions.d/emberdrop.fish",
	} {
		if raw, err := os.ReadFile(filepath.Join(root, name)); err != nil || !bytes.Contains(raw, []byte("emberdrop")) {
			t.Errorf("%s: %v, %d bytes", name, err, len(raw))
		}
	}
}
