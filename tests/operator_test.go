package tests

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"emberdrop/tests/instance"
	"emberdrop/tests/needle"
	"emberdrop/tests/sample"
)

// command runs the program and gives its output and exit code.
func command(t *testing.T, args ...string) (out string, code int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), theProgram(t), args...)
	raw, err := cmd.CombinedOutput()
	if _, exit := err.(*exec.ExitError); err != nil && !exit {
		t.Fatal(err)
	}
	return string(raw), cmd.ProcessState.ExitCode()
}

func succeeds(t *testing.T, args ...string) string {
	t.Helper()
	out, code := command(t, args...)
	if code != 0 {
		t.Fatalf("emberdrop %s: exit %d\n%s", args[0], code, out)
	}
	return out
}

func fails(t *testing.T, args ...string) string {
	t.Helper()
	out, code := command(t, args...)
	if code != 1 {
		t.Fatalf("emberdrop %s: exit %d, want 1\n%s", args[0], code, out)
	}
	return out
}

// sharePhoto makes a link and returns its URL and its receipt's.
func sharePhoto(t *testing.T, client *instance.Client, seed uint64, parts ...instance.Field) (link, receipt string) {
	t.Helper()
	parts = append(parts, instance.File("a.jpg", sample.Photo(64, 48, seed)), instance.Text("caption", caption))
	up, err := client.Upload(t.Context(), "http://drop.test/", parts...)
	if err != nil || up.Status != 201 {
		t.Fatalf("upload: %v %d %s", err, up.Status, up.Body)
	}
	return up.Line("link"), up.Line("receipt")
}

func status(t *testing.T, client *instance.Client, link string) int {
	t.Helper()
	page, err := client.Get(t.Context(), link)
	if err != nil {
		t.Fatal(err)
	}
	return page.Status
}

func keyFile(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(path, []byte(strings.Repeat("k", 40)), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestBackup: a backup of a running server brings back address, settings, lists
// and totals in an empty folder, and no link.
func TestBackup(t *testing.T) {
	data := freshData(t)
	mine := map[string]string{
		"settings/welcome": "a setting", "lists/others.list": "# emberdrop list 1\n# action: hold\nmd5 000102030405060708090a0b0c0d0e0f\n",
		"lists/bank": "md5 101112131415161718191a1b1c1d1e1f CASE 2026-11-22\n",
	}
	for name, text := range mine {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(data, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(data, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	_, client := servePlain(t, data)
	link, receipt := sharePhoto(t, client, 1)
	file, key := filepath.Join(t.TempDir(), "backup"), keyFile(t)
	succeeds(t, "backup", "--data", data, "--key-file", key, file)
	if out := fails(t, "backup", "--data", data, "--key-file", key, file); !strings.Contains(out, "exists") {
		t.Fatalf("a backup overwrites another: %s", out)
	}
	hits, err := needle.ScanFile(file, []needle.Needle{
		{Name: "secret", Bytes: base32Bytes(t, path(link))}, {Name: "receipt", Bytes: base32Bytes(t, path(receipt))},
		{Name: "onion key", Bytes: readFile(t, filepath.Join(data, "onion.key"))[32:]}, {Name: "setting", Bytes: []byte("a setting")}, {Name: "list", Bytes: []byte("000102030405060708090a0b0c0d0e0f")},
	})
	if err != nil || len(hits) > 0 {
		t.Fatalf("the backup can be read: %v %v", hits, err)
	}

	restored := filepath.Join(t.TempDir(), "restored")
	address := succeeds(t, "restore", "--data", restored, "--key-file", key, file)
	if !bytes.Equal(readFile(t, filepath.Join(restored, "onion.key")), readFile(t, filepath.Join(data, "onion.key"))) {
		t.Fatalf("another address: %s", address)
	}
	for name, text := range mine {
		if got := readFile(t, filepath.Join(restored, name)); string(got) != text {
			t.Fatalf("%s is %q", name, got)
		}
	}
	for _, name := range []string{"host.key", "vault/vault.key"} {
		if bytes.Equal(readFile(t, filepath.Join(restored, name)), readFile(t, filepath.Join(data, name))) {
			t.Fatalf("%s came along", name)
		}
	}
	_, second := servePlain(t, restored)
	if got := status(t, second, link); got != 404 {
		t.Fatalf("a link came along: %d", got)
	}
	if out := succeeds(t, "status", "--data", restored); !strings.Contains(out, "links:    0 live, 1 made, 0 views, 1 ended, 0 waiting") {
		t.Fatalf("the totals did not come along: %s", out)
	}
	if got := status(t, client, link); got != 200 {
		t.Fatalf("the backup hurt the original: %d", got)
	}
}

func TestBackupThatDoesNotOpen(t *testing.T) {
	data := freshData(t)
	dir := t.TempDir()
	pass, wrong, file := filepath.Join(dir, "pass"), filepath.Join(dir, "wrong"), filepath.Join(dir, "backup")
	for name, text := range map[string]string{pass: "correct horse\n", wrong: "correct horsf\n"} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	succeeds(t, "backup", "--data", data, "--passphrase-file", pass, file) // of a stopped server
	whole := readFile(t, file)
	for name, c := range map[string]struct {
		content []byte
		pass    string
	}{
		"wrong passphrase": {whole, wrong},
		"a flipped bit":    {append(append([]byte{}, whole[:len(whole)-20]...), append([]byte{whole[len(whole)-20] ^ 1}, whole[len(whole)-19:]...)...), pass},
		"cut":              {whole[:len(whole)-1], pass},
		"empty":            {nil, pass},
		"something else":   {[]byte(strings.Repeat("x", 500)), pass},
	} {
		t.Run(name, func(t *testing.T) {
			bad, target := filepath.Join(t.TempDir(), "bad"), filepath.Join(t.TempDir(), "target")
			if err := os.WriteFile(bad, c.content, 0o600); err != nil {
				t.Fatal(err)
			}
			fails(t, "restore", "--data", target, "--passphrase-file", c.pass, bad)
			if _, err := os.Stat(target); err == nil {
				t.Fatal("a backup that does not open made a folder")
			}
		})
	}
	succeeds(t, "restore", "--data", filepath.Join(dir, "good"), "--passphrase-file", pass, file)
}

// TestMove: a stopped folder copied elsewhere serves its links there, and panic
// on the old one leaves nothing that opens them.
func TestMove(t *testing.T) {
	data := freshData(t)
	server, client := servePlain(t, data)
	link, _ := sharePhoto(t, client, 1)
	if err := server.Stop(); err != nil {
		t.Fatal(err)
	}
	moved := filepath.Join(t.TempDir(), "moved")
	if err := os.CopyFS(moved, os.DirFS(data)); err != nil {
		t.Fatal(err)
	}
	succeeds(t, "panic", "--yes", "--data", data)
	if left := payloads(t, data); len(left) > 0 {
		t.Fatalf("the old folder still has %v", left)
	}
	fails(t, "serve", "--data", data, "--listen", "unix:"+filepath.Join(t.TempDir(), "s"))
	if err := os.Chmod(moved, 0o700); err != nil {
		t.Fatal(err)
	}
	_, second := servePlain(t, moved)
	if got := status(t, second, link); got != 200 {
		t.Fatalf("the moved link: %d", got)
	}
}

// TestPanicOnARunningServer, by command and by signal: the link opens no more,
// the server ends, the disk holds no payload, and a copy taken before together
// with every key but the vault's opens nothing.
func TestPanicOnARunningServer(t *testing.T) {
	for name, call := range map[string]func(t *testing.T, data string, server *instance.Instance){
		"command": func(t *testing.T, data string, _ *instance.Instance) { succeeds(t, "panic", "--yes", "--data", data) },
		"signal":  func(_ *testing.T, _ string, server *instance.Instance) { syscall.Kill(server.PID(), syscall.SIGUSR2) },
	} {
		t.Run(name, func(t *testing.T) {
			data := freshData(t)
			server, client := servePlain(t, data)
			link, _ := sharePhoto(t, client, 1)
			thief := filepath.Join(t.TempDir(), "thief")
			if err := os.CopyFS(thief, onlyFiles{os.DirFS(data)}); err != nil {
				t.Fatal(err)
			}
			call(t, data, server)
			eventually(t, "the server ends", func() bool { return server.Ended() })
			if left := payloads(t, data); len(left) > 0 {
				t.Fatalf("panic left %v", left)
			}
			fails(t, "serve", "--data", data, "--listen", "unix:"+filepath.Join(t.TempDir(), "s"))

			// The thief has all but the vault key, which is what panic left of it.
			if err := os.WriteFile(filepath.Join(thief, "vault", "vault.key"), readFile(t, filepath.Join(data, "vault", "vault.key")), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(thief, 0o700); err != nil {
				t.Fatal(err)
			}
			_, evil := servePlain(t, thief)
			if len(payloads(t, thief)) == 0 {
				t.Fatal("the thief has no payload: this test would prove nothing")
			}
			if out, err := evil.Post(t.Context(), link, nil); err != nil || out.Status == 200 {
				t.Fatalf("the link opens without the vault key: %v %d", err, out.Status)
			}
		})
	}
}

// onlyFiles hides sockets, which cannot be copied.
type onlyFiles struct{ fs.FS }

func (o onlyFiles) ReadDir(name string) ([]fs.DirEntry, error) {
	entries, err := fs.ReadDir(o.FS, name)
	kept := entries[:0]
	for _, e := range entries {
		if e.IsDir() || e.Type().IsRegular() {
			kept = append(kept, e)
		}
	}
	return kept, err
}

func TestFullDiskRefusesUploads(t *testing.T) {
	data := freshData(t)
	server, client := servePlain(t, data)
	link, _ := sharePhoto(t, client, 1, instance.Text("burn", "on"))
	if err := server.Stop(); err != nil {
		t.Fatal(err)
	}
	_, client = servePlain(t, data, "--free-floor", "1000TiB")
	up, err := client.Upload(t.Context(), "http://drop.test/", instance.File("a.jpg", sample.Photo(64, 48, 2)))
	if err != nil || up.Status != 507 {
		t.Fatalf("an upload below the floor: %v %d %s", err, up.Status, up.Body)
	}
	if out, err := client.Post(t.Context(), link, nil); err != nil || out.Status != 200 {
		t.Fatalf("a burn below the floor: %v %d", err, out.Status)
	}
}

// TestVerifyFindsDamage: a flipped bit in a payload is found without any link.
func TestVerifyFindsDamage(t *testing.T) {
	data := freshData(t)
	server, client := servePlain(t, data)
	link, receipt := sharePhoto(t, client, 1)
	if out := fails(t, "verify", "--data", data); !strings.Contains(out, "open elsewhere") {
		t.Fatalf("verify beside a running server: %s", out)
	}
	if err := server.Stop(); err != nil {
		t.Fatal(err)
	}
	if out := succeeds(t, "verify", "--data", data); !strings.Contains(out, "in order") {
		t.Fatal(out)
	}
	file := filepath.Join(data, "vault", payloads(t, data)[0])
	raw := readFile(t, file)
	raw[len(raw)-1] ^= 1 // not in the header page, half of which is noise
	if err := os.WriteFile(file, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	if out := fails(t, "verify", "--data", data); !strings.Contains(out, "damaged") {
		t.Fatalf("verify: %s", out)
	}
	succeeds(t, "rebuild", "--data", data)
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if out := fails(t, "verify", "--data", data); !strings.Contains(out, "missing") {
		t.Fatalf("verify: %s", out)
	}
	_, client = servePlain(t, data)
	if got := status(t, client, link); got == 200 {
		t.Fatal("a link without its payload opens")
	}
	if got := status(t, client, receipt); got != 200 {
		t.Fatalf("its receipt: %d", got)
	}
}

// TestMemoryIsGuarded: no core dump, and other processes of the user cannot look in.
func TestMemoryIsGuarded(t *testing.T) {
	server, _ := servePlain(t, freshData(t))
	limits := string(readFile(t, fmt.Sprintf("/proc/%d/limits", server.PID())))
	for line := range strings.Lines(limits) {
		if strings.HasPrefix(line, "Max core file size") && strings.Fields(line)[4] != "0" {
			t.Fatalf("core dumps are on: %s", line)
		}
	}
	if !strings.Contains(limits, "Max core file size") {
		t.Fatal("the limits say nothing of core dumps")
	}
	var stat syscall.Stat_t
	if err := syscall.Stat(fmt.Sprintf("/proc/%d/environ", server.PID()), &stat); err != nil || stat.Uid != 0 {
		t.Fatalf("the process is dumpable (%v)", err)
	}
}

func TestStatus(t *testing.T) {
	data := freshData(t)
	server, client := servePlain(t, data)
	link, _ := sharePhoto(t, client, 1, instance.Text("burn", "on"))
	sharePhoto(t, client, 2)
	if out, err := client.Post(t.Context(), link, nil); err != nil || out.Status != 200 {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal([]byte(succeeds(t, "status", "--json", "--data", data)), &got); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]float64{"links_live": 1, "links_created": 2, "views": 1, "links_ended": 1, "leases": 1, "links_to_shred": 1} {
		if got[name] != want {
			t.Errorf("%s is %v, want %v", name, got[name], want)
		}
	}
	info, err := os.Stat(filepath.Join(data, "admin.sock"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("the admin socket is %v (%v)", info.Mode(), err)
	}
	if err := server.Stop(); err != nil {
		t.Fatal(err)
	}
	if out := fails(t, "status", "--data", data); !strings.Contains(out, "no server is running") {
		t.Fatal(out)
	}
}

// TestPassOverHTTP: an upload with a pass may have a larger file, once.
func TestPassOverHTTP(t *testing.T) {
	data := freshData(t)
	_, client := servePlain(t, data, "--max-file", "20KiB")
	large := sample.Photo(640, 480, 1)
	code := strings.TrimSpace(succeeds(t, "passes", "mint", "--data", data, "1"))
	send := func(parts ...instance.Field) int {
		up, err := client.Upload(t.Context(), "http://drop.test/", append(parts, instance.File("a.jpg", large))...)
		if err != nil {
			t.Fatal(err)
		}
		return up.Status
	}
	if got := send(); got != 413 {
		t.Fatalf("without a pass: %d", got)
	}
	if got := send(instance.Text("pass", code)); got != 201 {
		t.Fatalf("with a pass: %d", got)
	}
	if got := send(instance.Text("pass", code)); got != 422 {
		t.Fatalf("with a spent pass: %d", got)
	}
	if out := succeeds(t, "passes", "count", "--data", data); strings.TrimSpace(out) != "0" {
		t.Fatalf("%s passes are left", out)
	}
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}
