package vault

import (
	"bytes"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"emberdrop/seal"
)

// needles are the spellings in which a secret could lie around: raw, hex, base32 and base64 in both cases and at each
// alignment, so that it is found inside of something larger too.
func needles(b []byte) (list [][]byte) {
	list = append(list, b)
	add := func(s string) {
		list = append(list, []byte(s), []byte(strings.ToLower(s)), []byte(strings.ToUpper(s)))
	}
	add(hex.EncodeToString(b))
	for shift := range 5 {
		if len(b) >= shift+10 {
			add(base32.StdEncoding.EncodeToString(b[shift : shift+(len(b)-shift)/5*5]))
		}
		if shift < 3 && len(b) >= shift+6 {
			whole := b[shift : shift+(len(b)-shift)/3*3]
			list = append(list, []byte(base64.StdEncoding.EncodeToString(whole)), []byte(base64.URLEncoding.EncodeToString(whole)))
		}
	}
	return list
}

// scan looks for secrets in every file and every name under dir, and says which it found.
func scan(t *testing.T, dir string, secrets map[string][]byte) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	files := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		hay := []byte(path)
		if d.Type().IsRegular() {
			files++
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			hay = append(hay, b...)
		}
		for what, secret := range secrets {
			for _, n := range needles(secret) {
				if bytes.Contains(hay, n) {
					found[what] = true
				}
			}
		}
		return nil
	})
	if err != nil || files == 0 {
		t.Fatal(err, files)
	}
	return found
}

func TestNothingReadableOnTheDisk(t *testing.T) {
	cfg := diskConfig(t)
	cfg.StageRAM = stageFirst // so that a small stage goes to the disk
	v := newVaultAt(t, cfg)
	secret := seal.NewToken()
	c := content{caption: "a caption that nobody else may read", passphrase: "an excellent passphrase",
		items: [][]byte{noise(1, 100_000), noise(2, 200_000), []byte("a note of some length")}}
	secrets := map[string][]byte{
		"caption": []byte(c.caption), "passphrase": []byte(c.passphrase), "secret": secret[:], "secret's text": []byte(secret.String()),
		"host key": cfg.HostKey[:], "note": c.items[2], "kind": []byte("image/jpeg"),
		"front of item 0": c.items[0][:48], "middle of item 0": c.items[0][50_000:50_048], "end of item 0": c.items[0][99_952:],
		"front of item 1": c.items[1][:48], "chunk of item 1": c.items[1][seal.ChunkSize : seal.ChunkSize+48],
	}
	hash := secret.Hash()
	secrets["secret's hash"] = hash[:]
	id := seal.LinkID(secret, cfg.HostKey)
	secrets["link id"] = id[:]
	check := func(when string) {
		t.Helper()
		for what := range scan(t, cfg.Dir, secrets) {
			t.Errorf("%s: the %s is on the disk", when, what)
		}
	}

	s := staged(t, v, c.items[1], 32<<10)
	if len(stagingFiles(t, v)) != 1 {
		t.Fatal("nothing is staged on the disk")
	}
	check("while staging")
	d, err := v.Create(secret)
	if err != nil {
		t.Fatal(err)
	}
	for _, it := range c.items {
		w, _ := d.Item()
		w.Write(it)
		check("while writing")
		w.Close()
	}
	payload := d.payload
	secrets["payload key"] = payload[:]
	st, err := d.Commit(c.manifest(), c.passphrase)
	if err != nil {
		t.Fatal(err)
	}
	check("committed")
	if err := c.check(t, v, st.Name, secret); err != nil {
		t.Fatal(err)
	}
	check("read")
	s.Close()
	if err := v.Shred(st.Name); err != nil {
		t.Fatal(err)
	}
	check("shredded")

	// The negative control: each secret, in each spelling, would have been seen.
	dir := t.TempDir()
	for what, secret := range secrets {
		for i, n := range needles(secret) {
			path := filepath.Join(dir, "x")
			if err := os.WriteFile(path, append([]byte("before"), append(n, "after"...)...), 0o600); err != nil {
				t.Fatal(err)
			}
			if !scan(t, dir, map[string][]byte{what: secret})[what] {
				t.Errorf("the scan does not see the %s in spelling %d", what, i)
			}
		}
	}
	plain := append([]byte("q"), c.items[0]...)
	os.WriteFile(filepath.Join(dir, "x"), []byte(base64.StdEncoding.EncodeToString(plain)), 0o600)
	if found := scan(t, dir, secrets); !found["front of item 0"] {
		t.Error("the scan does not see base64 at another alignment")
	}
}
