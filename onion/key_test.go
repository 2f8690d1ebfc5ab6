package onion_test

import (
	"bytes"
	"crypto/sha3"
	"encoding/base32"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"emberdrop/onion"
)

// The pair in testdata was made by tor 0.4.9.11 (HiddenServiceDir, no network) for this test alone.
func TestKeyVector(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	b, err := os.ReadFile("testdata/hs_ed25519_secret_key")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("testdata/hostname")
	if err != nil {
		t.Fatal(err)
	}
	k, err := onion.LoadKey(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := k.Address(); got != strings.TrimSpace(string(want)) {
		t.Errorf("got %s, want %s", got, want)
	}
	if !bytes.Equal(k.Marshal(), b) {
		t.Error("the file changes on its way through")
	}
}

// tor itself reads a key file of ours and comes to the same address.
func TestKeyInPlainTor(t *testing.T) {
	needTor(t)
	k := onion.NewKey()
	dir := privateDir(t)
	hs := filepath.Join(dir, "hs")
	if err := os.Mkdir(hs, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(hs, "hs_ed25519_secret_key"), k.Marshal(), 0o600); err != nil {
		t.Fatal(err)
	}
	torrc := filepath.Join(dir, "torrc")
	if err := os.WriteFile(torrc, []byte(dead), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("tor", "--defaults-torrc", os.DevNull, "-f", torrc, "--DataDirectory", filepath.Join(dir, "d"), "--DisableNetwork", "1",
		"--SocksPort", "0", "--HiddenServiceDir", hs, "--HiddenServicePort", "80 unix:"+filepath.Join(dir, "s"))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { cmd.Process.Kill(); cmd.Wait() }()
	for end := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		b, err := os.ReadFile(filepath.Join(hs, "hostname"))
		if got := strings.TrimSpace(string(b)); err == nil && got != "" {
			if got != k.Address() {
				t.Errorf("tor says %s, we say %s", got, k.Address())
			}
			return
		}
		if time.Now().After(end) {
			t.Fatal("tor did not take the key")
		}
	}
}

// The three addresses are examples of rend-spec-v3 section 6; their checksums must come out as ours do.
func TestAddressForm(t *testing.T) {
	addresses := []string{
		"pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd.onion",
		"sp3k262uwy4r2k3ycr5awluarykdpag6a7y33jxop4cs2lu5uz5sseqd.onion",
		"xa4r2iadxm55fbnqgwwi5mymqdcofiu3w6rpbtqn7b2dyn7mgwj64jyd.onion",
		onion.NewKey().Address(),
	}
	for _, a := range addresses {
		id, ok := strings.CutSuffix(a, ".onion")
		b, err := base32.StdEncoding.DecodeString(strings.ToUpper(id))
		if !ok || err != nil || len(b) != 35 || a != strings.ToLower(a) {
			t.Fatalf("%s: %v", a, err)
		}
		sum := sha3.Sum256(append([]byte(".onion checksum"), append(bytes.Clone(b[:32]), 3)...))
		if b[34] != 3 || !bytes.Equal(b[32:34], sum[:2]) {
			t.Errorf("%s: version %d, checksum %x, want %x", a, b[34], b[32:34], sum[:2])
		}
	}
}

func TestParseKey(t *testing.T) {
	seen := make(map[string]bool)
	for range 20 {
		k := onion.NewKey()
		// The public key by two roads: from the seed by crypto/ed25519, from the expanded key by bine.
		got, err := onion.ParseKey(k.Marshal())
		if err != nil || got != k {
			t.Fatalf("lost on the way: %v", err)
		}
		if seen[k.Address()] {
			t.Fatal("the same key twice")
		}
		seen[k.Address()] = true
	}
	good := onion.NewKey().Marshal()
	change := func(i int, b byte) []byte { c := bytes.Clone(good); c[i] ^= b; return c }
	for name, b := range map[string][]byte{
		"empty": nil, "short": good[:95], "long": append(bytes.Clone(good), 0), "header": change(3, 1), "zeros": change(31, 1),
		"low bits": change(32, 1), "high bit": change(63, 128), "second bit": change(63, 64), "public key": append([]byte("== ed25519v1-public: type0 ==\x00\x00\x00"), good[32:]...),
	} {
		if k, err := onion.ParseKey(b); !errors.Is(err, onion.ErrKey) || k != (onion.Key{}) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestKeyFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	k := onion.NewKey()
	if err := os.WriteFile(path, k.Marshal(), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := onion.LoadKey(path); err != nil || got != k {
		t.Error("another key came back", err)
	}
	if err := os.Chmod(path, 0o604); err != nil {
		t.Fatal(err)
	}
	if _, err := onion.LoadKey(path); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("a key for everyone: %v", err)
	}
	if _, err := onion.LoadKey(path + "x"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing key: %v", err)
	}
}

// No usual way of printing shows a key.
func TestKeyIsNotPrinted(t *testing.T) {
	k := onion.NewKey()
	var out bytes.Buffer
	cfg := onion.Config{Key: k}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d", "%q"} {
		fmt.Fprintf(&out, verb+"\n", k)
		fmt.Fprintf(&out, verb+"\n", cfg)
		fmt.Fprintf(&out, verb+"\n", &k)
	}
	b, err := json.Marshal(map[string]any{"k": k})
	if err != nil {
		t.Fatal(err)
	}
	out.Write(b)
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "k", k, "cfg", cfg)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "k", k)
	secret := k.Marshal()[32:]
	const window = 4 // bytes: three are met by chance, as text about once in 200 keys
	for i := 0; i+window <= len(secret); i++ {
		for _, form := range []string{"%x", "%X", "%d", "% x", "%s"} {
			s := fmt.Sprintf(form, secret[i:i+window])
			if form == "%d" {
				s = strings.Trim(s, "[]")
			}
			if strings.Contains(out.String(), s) {
				t.Fatalf("bytes %d.. of the key are printed:\n%s", i, out.String())
			}
		}
	}
}
