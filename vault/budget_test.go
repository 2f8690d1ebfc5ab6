package vault

import (
	"bytes"
	"errors"
	"testing"

	"emberdrop/seal"

	"github.com/cockroachdb/pebble/v2/vfs"
	"pgregory.net/rapid"
)

// TestBound: no payload is larger than its bound, and the bound is at most two
// steps of the padding above what a payload of one item takes.
func TestBound(t *testing.T) {
	v := newVault(t, vfs.NewMem())
	rapid.Check(t, func(t *rapid.T) {
		var c content
		c.caption = rapid.StringN(0, 200, 800).Draw(t, "caption")
		sum := int64(len(c.caption))
		for range rapid.IntRange(1, 50).Draw(t, "items") {
			item := bytes.Repeat([]byte("x"), rapid.IntRange(0, 200<<10).Draw(t, "size"))
			c.items = append(c.items, item)
			// What frames a file in a form: a delimiter, a disposition, a type.
			sum += int64(len(item)) + int64(len("--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"\"\r\n\r\n\r\n"))
		}
		st, err := c.write(v, seal.NewToken())
		if err != nil {
			t.Fatal(err)
		}
		if most := Bound(sum); st.Size > most {
			t.Fatalf("%d bytes of content take %d, the bound is %d", sum, st.Size, most)
		}
		if err := v.Shred(st.Name); err != nil {
			t.Fatal(err)
		}
	})
	for _, n := range []int64{1 << 10, 512 << 10, 50 << 20, 200 << 20} {
		least := seal.Padme(pageLen + seal.SealedSize(n) + trailerLen)
		if most := Bound(n); most > least+least/16 && n > 64<<10 {
			t.Errorf("the bound for %d bytes is %d, and a payload takes %d: that wastes quota", n, most, least)
		}
	}
}

// TestPassphrasesInLine: when as many Opens wait as may, the next is told so at
// once, and the others get their turn. Who makes a payload waits however long.
func TestPassphrasesInLine(t *testing.T) {
	v := newVault(t, vfs.NewMem())
	c := content{items: [][]byte{[]byte("x")}, passphrase: "right"}
	secret := seal.NewToken()
	st := c.mustWrite(t, v, secret)
	for range cap(v.line) {
		v.line <- struct{}{}
	}
	if _, err := v.Open(st.Name, secret, "right"); !errors.Is(err, ErrBusy) {
		t.Fatalf("with the line full: %v", err)
	}
	c.mustWrite(t, v, seal.NewToken())
	<-v.line
	p, err := v.Open(st.Name, secret, "right")
	if err != nil {
		t.Fatal(err)
	}
	p.Close()
	if len(v.slow) != 0 || len(v.line) != cap(v.line)-1 {
		t.Fatalf("places stay taken: %d at work, %d in line", len(v.slow), len(v.line))
	}
}
