package seal

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestParseToken(t *testing.T) {
	zero := strings.Repeat("a", TokenLen)
	good := Token{1, 2, 3, 31: 255}.String()
	for _, s := range []string{zero, good, NewToken().String()} {
		tok, err := ParseToken(s)
		if err != nil || tok.String() != s {
			t.Errorf("%q: %v", s, err)
		}
	}
	for what, s := range map[string]string{
		"empty":             "",
		"short":             zero[1:],
		"long":              zero + "a",
		"padded":            zero + "====",
		"upper case":        strings.ToUpper(good),
		"one upper case":    "A" + zero[1:],
		"digit one":         "1" + zero[1:],
		"spare bits":        zero[:TokenLen-1] + "b",
		"all spare bits":    zero[:TokenLen-1] + "p",
		"line break inside": zero[:10] + "\n" + zero[11:],
		"break at the end":  zero[:TokenLen-1] + "\n",
		"carriage return":   "\r" + zero[1:],
		"break and more":    zero + "\n",
		"space":             " " + zero[1:],
		"slash":             zero[:5] + "/" + zero[6:],
		"not ascii":         "é" + zero[2:],
		"hex":               strings.Repeat("0", 64),
	} {
		if tok, err := ParseToken(s); !errors.Is(err, ErrToken) || tok != (Token{}) {
			t.Errorf("%s: got %v, %v", what, tok == Token{}, err)
		}
	}
}

// The last character holds one bit and four spare ones: of 32 spellings just two are canonical.
func TestTokenHasOneSpelling(t *testing.T) {
	n := 0
	for _, c := range "abcdefghijklmnopqrstuvwxyz234567" {
		if _, err := ParseToken(strings.Repeat("a", TokenLen-1) + string(c)); err == nil {
			n++
		}
	}
	if n != 2 {
		t.Errorf("%d last characters are taken, want 2", n)
	}
}

func FuzzParseToken(f *testing.F) {
	seeds := []string{"", NewToken().String(), strings.Repeat("a", TokenLen), strings.Repeat("\n", TokenLen)}
	for _, s := range seeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if tok, err := ParseToken(s); err == nil && tok.String() != s {
			t.Errorf("%q was read as %q", s, tok.String())
		}
	})
}

func TestSecretsStayOutOfText(t *testing.T) {
	key, token := NewKey(), NewToken()
	secrets := []string{fmt.Sprintf("%x", key[:]), fmt.Sprint(key[:]), token.String(), fmt.Sprintf("%x", token[:]), fmt.Sprint(token[:])}
	var out strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%o", "%b"} {
		fmt.Fprintf(&out, verb, key)
		fmt.Fprintf(&out, verb, &key)
		fmt.Fprintf(&out, verb, struct{ K Key }{key})
	}
	log := slog.New(slog.NewTextHandler(&out, nil))
	log.Info("x", "key", key, "token", token)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "token", token)
	for _, s := range secrets {
		if strings.Contains(strings.ToLower(out.String()), s) {
			t.Errorf("found %q in %q", s, out.String())
		}
	}
	// A key's last bytes must not show in another base either: the text is the same for every key.
	if a, b := fmt.Sprintf("%d %v %x", key, key, key), fmt.Sprintf("%d %v %x", Key{}, Key{}, Key{}); a != b {
		t.Errorf("%q and %q", a, b)
	}
}

// Each input of the two derivations matters, and so does its place.
func TestDerivationsDependOnEveryInput(t *testing.T) {
	base := [5]Key{{1}, {2}, {3}, {4}, {5}}
	wrap := func(k [5]Key) Key { return WrapKey(Token(k[0]), k[1], k[2], k[3], k[4]) }
	seen := map[Key]string{wrap(base): "base"}
	for i := range base {
		for _, bit := range []int{0, 255} {
			k := base
			k[i][bit/8] ^= 1 << (bit % 8)
			out := wrap(k)
			if was, ok := seen[out]; ok {
				t.Errorf("input %d bit %d gives the key of %s", i, bit, was)
			}
			seen[out] = fmt.Sprint(i, bit)
		}
		for j := range i {
			k := base
			k[i], k[j] = k[j], k[i]
			if was, ok := seen[wrap(k)]; ok {
				t.Errorf("swapping %d and %d gives the key of %s", i, j, was)
			}
		}
	}
	payload := NewKey()
	subkeys := map[Key]bool{payload: true, ManifestKey(payload): true, TrailerKey(payload): true}
	for n := range 100 {
		subkeys[ItemKey(payload, n)] = true
	}
	if len(subkeys) != 103 {
		t.Errorf("%d different keys, want 103", len(subkeys))
	}
	if LinkID(Token{1}, Key{1}) == LinkID(Token{1}, Key{2}) || LinkID(Token{1}, Key{1}) == LinkID(Token{2}, Key{1}) {
		t.Error("a link id depends on secret and host key")
	}
}

func TestUnwrapRefuses(t *testing.T) {
	wrapping, payload, aad := NewKey(), NewKey(), []byte("aad")
	wrapped := Wrap(wrapping, payload, aad)
	if got, err := Unwrap(wrapping, wrapped, aad); err != nil || got != payload {
		t.Fatal("does not open", err)
	}
	for bit := range len(wrapped) * 8 {
		bad := wrapped
		bad[bit/8] ^= 1 << (bit % 8)
		if got, err := Unwrap(wrapping, bad, aad); !errors.Is(err, ErrDamaged) || !got.IsZero() {
			t.Fatalf("bit %d: %v", bit, err)
		}
	}
	if _, err := Unwrap(NewKey(), wrapped, aad); !errors.Is(err, ErrDamaged) {
		t.Error("another key:", err)
	}
	if _, err := Unwrap(wrapping, wrapped, []byte("aae")); !errors.Is(err, ErrDamaged) {
		t.Error("other additional data:", err)
	}
}

func TestParams(t *testing.T) {
	good := []Params{DefaultParams(), {1, 8, 1}, {MaxTime, MaxMemory, MaxThreads}, {1, 64, 8}}
	bad := []Params{{}, {0, 64, 1}, {1, 0, 1}, {1, 64, 0}, {MaxTime + 1, 64, 1}, {1, MaxMemory + 1, 1}, {1, 64, MaxThreads + 1},
		{1, 7, 1}, {1, 63, 8}, {1<<32 - 1, 1<<32 - 1, 255}}
	for _, p := range good {
		if err := p.Check(); err != nil {
			t.Errorf("%+v: %v", p, err)
		}
	}
	for _, p := range bad {
		if err := p.Check(); !errors.Is(err, ErrParams) {
			t.Errorf("%+v: %v", p, err)
		}
		if k, err := PassphraseKey("x", [SaltLen]byte{}, p); !errors.Is(err, ErrParams) || !k.IsZero() {
			t.Errorf("%+v is worked on: %v", p, err)
		}
	}
	a, _ := PassphraseKey("x", [SaltLen]byte{}, Params{1, 64, 1})
	for _, c := range []struct {
		pass string
		salt [SaltLen]byte
		p    Params
	}{{"y", [SaltLen]byte{}, Params{1, 64, 1}}, {"x", [SaltLen]byte{1}, Params{1, 64, 1}}, {"x", [SaltLen]byte{}, Params{2, 64, 1}}} {
		if b, err := PassphraseKey(c.pass, c.salt, c.p); err != nil || a == b {
			t.Errorf("%+v gives the same key, or %v", c, err)
		}
	}
}

func TestPadme(t *testing.T) {
	// Computed by hand from section 4 of the paper.
	for n, want := range map[int64]int64{0: 0, 1: 1, 2: 2, 3: 3, 8: 8, 9: 10, 10: 10, 100: 104, 1000: 1024, 1025: 1088,
		4096: 4096, 4097: 4352, 10000: 10240, 1 << 20: 1 << 20, 1<<20 + 1: 1<<20 + 1<<15, 50_000_000: 50_331_648} {
		if got := Padme(n); got != want {
			t.Errorf("Padme(%d) = %d, want %d", n, got, want)
		}
	}
	for _, n := range []int64{1<<63 - 1, 1<<62 + 1, -1} {
		if got := Padme(n); got < n {
			t.Errorf("Padme(%d) = %d", n, got)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Int64Range(1, 1<<50).Draw(t, "n")
		p := Padme(n)
		if p < n || float64(p) > 1.12*float64(n)+1 || Padme(p) != p || Padme(n+1) < p {
			t.Fatalf("Padme(%d) = %d", n, p)
		}
	})
}

func TestSizes(t *testing.T) {
	for plain, want := range map[int64]int64{0: 16, 1: 17, ChunkSize: SealedChunk, ChunkSize + 1: SealedChunk + 17,
		2 * ChunkSize: 2 * SealedChunk, MaxPlain: MaxPlain + 16<<32, -1: -1, MaxPlain + 1: -1} {
		if got := SealedSize(plain); got != want {
			t.Errorf("SealedSize(%d) = %d, want %d", plain, got, want)
		}
	}
	// No size but those of SealedSize is taken: walk every length around the edges.
	valid := map[int64]int64{}
	for plain := range int64(3*ChunkSize + 2) {
		valid[SealedSize(plain)] = plain
	}
	for sealed := int64(-1); sealed <= 3*SealedChunk+17; sealed++ {
		got, err := PlainSize(sealed)
		want, ok := valid[sealed]
		if ok != (err == nil) || got != want || (!ok && !errors.Is(err, ErrDamaged)) {
			t.Fatalf("PlainSize(%d) = %d, %v; want %d, %v", sealed, got, err, want, ok)
		}
	}
	if got, err := PlainSize(MaxPlain + 16<<32); err != nil || got != MaxPlain {
		t.Error(got, err)
	}
	if _, err := PlainSize(MaxPlain + 16<<32 + 17); err == nil {
		t.Error("a size above the largest is taken")
	}
}

func TestTokenHash(t *testing.T) {
	token := NewToken()
	hash := token.Hash()
	if hash == [32]byte(token) || token.Hash() != hash || NewToken().Hash() == hash {
		t.Error("not a hash of the token")
	}
	if strings.Contains(hex.EncodeToString(hash[:]), hex.EncodeToString(token[:8])) || bytes.Contains(hash[:], token[:8]) {
		t.Error("the hash shows the token")
	}
}
