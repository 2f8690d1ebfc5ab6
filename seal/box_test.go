package seal

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"
)

func TestBox(t *testing.T) {
	identity := NewIdentity()
	public := identity.Public()
	for _, size := range []int{0, 1, 2044, 2045, 5000, 100_000} {
		plain := bytes.Repeat([]byte{7}, size)
		sealed, err := public.Seal("here", plain)
		if err != nil {
			t.Fatal(err)
		}
		if want := (size+4+boxBucket-1)/boxBucket*boxBucket + 1136; len(sealed) != want {
			t.Errorf("a box of %d bytes has %d, want %d", size, len(sealed), want)
		}
		got, err := identity.Open("here", sealed)
		if err != nil || !bytes.Equal(got, plain) {
			t.Fatalf("a box of %d bytes: %v", size, err)
		}
		if _, err := identity.Open("there", sealed); err != ErrDamaged {
			t.Errorf("a box opens in another place: %v", err)
		}
		if _, err := NewIdentity().Open("here", sealed); err != ErrDamaged {
			t.Errorf("a box opens for another identity: %v", err)
		}
		for _, at := range []int{0, 1119, 1120, len(sealed) - 1} {
			sealed[at] ^= 1
			if _, err := identity.Open("here", sealed); err != ErrDamaged {
				t.Errorf("a box with a flipped bit at %d: %v", at, err)
			}
			sealed[at] ^= 1
		}
		if _, err := identity.Open("here", sealed[:len(sealed)-1]); err != ErrDamaged {
			t.Errorf("a cut box: %v", err)
		}
	}
	again, _ := public.Seal("here", nil)
	if other, _ := public.Seal("here", nil); bytes.Equal(again, other) {
		t.Error("two boxes of one message are equal")
	}
}

func TestBoxKeyTexts(t *testing.T) {
	identity := NewIdentity()
	text := identity.Text()
	back, err := ParseIdentity(" " + text + "\n")
	if err != nil || back != identity {
		t.Fatalf("an identity does not survive its text: %v", err)
	}
	public := identity.Public()
	if back, err := ParsePublicKey(public.Text() + "\n"); err != nil || back != public {
		t.Fatalf("a public key does not survive its text: %v", err)
	}
	if len(public.Fingerprint()) != 24 || public.Fingerprint() == NewIdentity().Public().Fingerprint() {
		t.Errorf("fingerprint %q", public.Fingerprint())
	}
	for _, bad := range []string{"", "emberdrop-identity-1:", public.Text(), text[:len(text)-1], text + "a",
		strings.ToUpper(text), text[:30] + "\n" + text[30:], flip(text, 40)} {
		if _, err := ParseIdentity(bad); err != ErrBoxKey {
			t.Errorf("%.40q is taken as an identity: %v", bad, err)
		}
	}
	for _, bad := range []string{"", text, flip(public.Text(), 500), public.Text()[:100]} {
		if _, err := ParsePublicKey(bad); err != ErrBoxKey {
			t.Errorf("%.40q is taken as a public key: %v", bad, err)
		}
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%q"} {
		if s := fmt.Sprintf(verb, identity); s != "[identity]" {
			t.Errorf("%s prints %q", verb, s)
		}
	}
}

// flip exchanges one letter for another.
func flip(s string, at int) string {
	c := byte('a')
	if s[at] == c {
		c = 'b'
	}
	return s[:at] + string(c) + s[at+1:]
}

// TestGoldenBox pins format and suite: a box that an earlier program made still opens.
func TestGoldenBox(t *testing.T) {
	identity, err := ParseIdentity(goldenFile(t, "box.identity"))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := identity.Public().Text(), strings.TrimSpace(goldenFile(t, "box.operator")); got != want {
		t.Error("the public key of an identity has changed")
	}
	if got, want := identity.Public().Fingerprint(), "4ncv-qv26-2v63-63as-l5bl"; got != want {
		t.Errorf("fingerprint %s, want %s", got, want)
	}
	plain, err := identity.Open("golden", []byte(goldenFile(t, "box.sealed")))
	if err != nil || string(plain) != "what was said" {
		t.Fatalf("the golden box holds %q, %v", plain, err)
	}
}

func goldenFile(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
