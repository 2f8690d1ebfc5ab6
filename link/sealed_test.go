package link

import (
	"bytes"
	"errors"
	"testing"

	"emberdrop/seal"
	"emberdrop/strip"
)

// sealedFile has the form of a file that its sender sealed: magic, and a stream
// of so many bytes.
func sealedFile(t *testing.T, plain int64) []byte {
	t.Helper()
	var out bytes.Buffer
	out.WriteString(sealedMagic)
	w := seal.NewWriter(&out, seal.NewKey(), []byte(sealedMagic))
	if _, err := w.Write(make([]byte, plain)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// What a sender sealed is taken as it is, by default and whatever the operator
// allows besides; what only begins like it is not.
func TestSealedByItsSender(t *testing.T) {
	r := newRig(t)
	for _, size := range []int64{0, 1, seal.Padme(2500), seal.Padme(200_000)} {
		file := sealedFile(t, size)
		a, err := r.send(func(u *Upload) error { return addFile(u, file) })
		if err != nil || len(a.Items) != 1 || a.Items[0] != (Item{Kind: Sealed, Size: int64(len(file))}) {
			t.Fatalf("of %d bytes: %v, %v", size, a.Items, err)
		}
		if got := r.content(r.mustReveal(a), 1); !bytes.Equal(got, file) {
			t.Fatal("the file changed")
		}
	}
	good := sealedFile(t, seal.Padme(200_000))
	for name, file := range map[string][]byte{
		"not padded":       sealedFile(t, 200_001),
		"cut":              good[:len(good)-1],
		"only the magic":   good[:len(sealedMagic)],
		"less than a tag":  good[:len(sealedMagic)+15],
		"another version":  bytes.Replace(good, []byte("\x1a\n\x00\x01"), []byte("\x1a\n\x00\x02"), 1),
		"something before": append([]byte("\x00"), good[:len(good)-1]...),
	} {
		_, err := r.send(func(u *Upload) error { return addFile(u, file) })
		var unsupported *strip.UnsupportedError
		if !errors.As(err, &unsupported) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// strip knows nothing of sealed files: there is nothing in them to strip.
func TestSealedIsNoKindOfStrip(t *testing.T) {
	file := sealedFile(t, seal.Padme(2500))
	var unsupported *strip.UnsupportedError
	kind, err := strip.Recognise(bytes.NewReader(file), int64(len(file)))
	if !errors.As(err, &unsupported) || unsupported.Found != "" || kind != "" {
		t.Fatalf("recognised as %q, %v", kind, err)
	}
}
