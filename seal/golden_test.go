package seal

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"testing"
)

// golden are vectors that were computed by another implementation (Python's cryptography package) from the formulas
// in the documentation, not by this code. They fix the format: if one fails, payloads on disks out there are lost.
type golden struct {
	Secret         string `json:"secret"`
	ServerHalf     string `json:"server_half"`
	HostKey        string `json:"host_key"`
	VaultKey       string `json:"vault_key"`
	PayloadKey     string `json:"payload_key"`
	TokenText      string `json:"token_text"`
	TokenHash      string `json:"token_hash"`
	LinkID         string `json:"link_id"`
	Passphrase     string `json:"passphrase"`
	Salt           string `json:"salt"`
	ArgonTime      uint32 `json:"argon_time"`
	ArgonMemory    uint32 `json:"argon_memory_kib"`
	ArgonThreads   uint8  `json:"argon_threads"`
	PassphraseKey  string `json:"passphrase_key"`
	Wrapping       string `json:"wrapping_key"`
	WrappingLocked string `json:"wrapping_key_passphrase"`
	AAD            string `json:"aad"`
	Wrapped        string `json:"wrapped"`
	ManifestKey    string `json:"manifest_key"`
	TrailerKey     string `json:"trailer_key"`
	Item0          string `json:"item_0_key"`
	Item49         string `json:"item_49_key"`
	Streams        []struct {
		Plain  int    `json:"plain"`
		Sealed int64  `json:"sealed"`
		SHA256 string `json:"sha256"`
	} `json:"streams"`
}

func readGolden(t *testing.T) (g golden) {
	t.Helper()
	b, err := os.ReadFile("testdata/golden.json")
	if err != nil {
		t.Fatal(err)
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&g); err != nil {
		t.Fatal(err)
	}
	return g
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil || len(b) == 0 {
		t.Fatalf("bad vector %q", s)
	}
	return b
}

func TestGoldenKeys(t *testing.T) {
	g := readGolden(t)
	secret := Token(unhex(t, g.Secret))
	half, host := Key(unhex(t, g.ServerHalf)), Key(unhex(t, g.HostKey))
	vault, payload := Key(unhex(t, g.VaultKey)), Key(unhex(t, g.PayloadKey))
	pass, err := PassphraseKey(g.Passphrase, [SaltLen]byte(unhex(t, g.Salt)), Params{g.ArgonTime, g.ArgonMemory, g.ArgonThreads})
	if err != nil {
		t.Fatal(err)
	}
	id, hash := LinkID(secret, host), secret.Hash()
	wrapping, locked := WrapKey(secret, half, Key{}, host, vault), WrapKey(secret, half, pass, host, vault)
	wrapped := Wrap(wrapping, payload, unhex(t, g.AAD))
	manifest, trailer, first, last := ManifestKey(payload), TrailerKey(payload), ItemKey(payload, 0), ItemKey(payload, 49)
	for _, c := range []struct {
		what string
		got  []byte
		want string
	}{
		{"token hash", hash[:], g.TokenHash},
		{"link id", id[:], g.LinkID},
		{"passphrase key", pass[:], g.PassphraseKey},
		{"wrapping key", wrapping[:], g.Wrapping},
		{"wrapping key with a passphrase", locked[:], g.WrappingLocked},
		{"wrapped key", wrapped[:], g.Wrapped},
		{"manifest key", manifest[:], g.ManifestKey},
		{"trailer key", trailer[:], g.TrailerKey},
		{"key of item 0", first[:], g.Item0},
		{"key of item 49", last[:], g.Item49},
	} {
		if !bytes.Equal(c.got, unhex(t, c.want)) {
			t.Errorf("%s is %x, want %s", c.what, c.got, c.want)
		}
	}
	if secret.String() != g.TokenText {
		t.Errorf("token is %s, want %s", secret, g.TokenText)
	}
	if got, err := Unwrap(wrapping, wrapped, unhex(t, g.AAD)); err != nil || got != payload {
		t.Errorf("unwrap: %v", err)
	}
}

func TestGoldenStreams(t *testing.T) {
	g := readGolden(t)
	if len(g.Streams) == 0 {
		t.Fatal("no vectors")
	}
	for _, c := range g.Streams {
		plain := make([]byte, c.Plain)
		for i := range plain {
			plain[i] = byte(i*7 + i/256)
		}
		var out bytes.Buffer
		w := NewWriter(&out, Key(unhex(t, g.PayloadKey)), unhex(t, g.AAD))
		w.Write(plain)
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(out.Bytes())
		if int64(out.Len()) != c.Sealed || hex.EncodeToString(sum[:]) != c.SHA256 {
			t.Errorf("%d bytes: sealed to %d bytes, %x", c.Plain, out.Len(), sum)
		}
	}
}
