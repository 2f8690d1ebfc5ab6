package report

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"emberdrop/seal"
)

func TestReportOpensForItsCaseOnly(t *testing.T) {
	identity, id, sum := seal.NewIdentity(), ID{1, 2, 3}, [32]byte{4, 5, 6}
	r := Report{
		Source: FromViewer, Words: "what I saw", Contact: "me@example.org",
		Item: &Item{Key: seal.NewKey(), AAD: []byte("aad"), Number: 2, Items: 3, Kind: "image/jpeg", Plain: 10, At: 4096, Sealed: 26, Sum: sum},
	}
	box, err := r.Seal(identity.Public(), id, sum)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Open(identity, id, sum, box)
	if err != nil || got.Words != r.Words || got.Contact != r.Contact || got.Item.Key != r.Item.Key || !bytes.Equal(got.Item.AAD, r.Item.AAD) {
		t.Fatalf("opened %+v, %v", got, err)
	}
	for name, open := range map[string]func() (Report, error){
		"another case":       func() (Report, error) { return Open(identity, ID{1}, sum, box) },
		"another ciphertext": func() (Report, error) { return Open(identity, id, [32]byte{4}, box) },
		"another identity":   func() (Report, error) { return Open(seal.NewIdentity(), id, sum, box) },
	} {
		if _, err := open(); !errors.Is(err, ErrReport) {
			t.Errorf("a report opens for %s: %v", name, err)
		}
	}
}

func TestIDs(t *testing.T) {
	id := ID{0xff, 1, 0x80}
	if back, err := ParseID(id.String()); err != nil || back != id {
		t.Fatalf("%v, %v", back, err)
	}
	for _, bad := range []string{"", id.String()[:25], id.String() + "a", strings.ToUpper(id.String()), id.String()[:25] + "b", id.String()[:25] + "\n"} {
		if _, err := ParseID(bad); err == nil {
			t.Errorf("%q is an id", bad)
		}
	}
}

func TestRedact(t *testing.T) {
	secret := seal.NewToken().String()
	id := func(s string) (ID, bool) { return ID{7}, s == secret }
	link := "[link " + ID{7}.String() + "]"
	for text, want := range map[string]string{
		"":                               "",
		"no link here":                   "no link here",
		secret:                           link,
		strings.ToUpper(secret) + "!":    link + "!",
		"http://x.onion/s/" + secret:     "http://x.onion/s/" + link,
		"(" + secret + ")" + secret[:51]: "(" + link + ")" + secret[:51],
		secret + "x " + secret:           link + " " + link,
		secret + "\n" + secret:           link + "\n" + link,
		strings.Repeat("q", 52):          "[link]",
	} {
		got, _ := Redact(text, id)
		if got != want {
			t.Errorf("Redact(%q) = %q, want %q", text, got, want)
		}
	}
}

func FuzzRedact(f *testing.F) {
	secret := seal.NewToken().String()
	f.Add("see /s/" + secret + ".")
	f.Fuzz(func(t *testing.T, text string) {
		out, _ := Redact(text+" "+secret, func(s string) (ID, bool) { return ID{}, true })
		if strings.Contains(out, secret) {
			t.Errorf("a link is left in %q", out)
		}
	})
}
