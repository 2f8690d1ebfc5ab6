package match

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"
)

// Kind says how an entry was made from a picture or file.
type Kind uint8

// The kinds. MD5 and SHA-1 are no protection against a forger; they are here
// because published lists carry them, and a forged match only hurts the forger.
const (
	kindNone Kind = iota
	KindPDQ
	KindMD5
	KindSHA1
	KindSHA256
)

// kinds holds word and size in bytes of each kind.
var kinds = [...]struct {
	word string
	size int
}{{"none", 0}, {"pdq", 32}, {"md5", md5.Size}, {"sha1", sha1.Size}, {"sha256", sha256.Size}}

// String gives the kind's word: pdq, md5, sha1 or sha256.
func (k Kind) String() string {
	if int(k) < len(kinds) {
		return kinds[k].word
	}
	return fmt.Sprintf("Kind(%d)", uint8(k))
}

// ParseKind reads a kind's word.
func ParseKind(s string) (Kind, bool) {
	for k := KindPDQ; int(k) < len(kinds); k++ {
		if strings.EqualFold(s, kinds[k].word) {
			return k, true
		}
	}
	return kindNone, false
}

// Entry is one thing that is known. Sum holds the hash from its first byte on;
// what its kind does not need is zero. Entries can be compared with ==.
type Entry struct {
	Kind Kind
	Sum  [32]byte
}

// PDQEntry makes an entry of a PDQ hash.
func PDQEntry(p PDQ) Entry { return Entry{Kind: KindPDQ, Sum: p} }

// bytes returns the hash without what its kind does not need.
func (e Entry) bytes() []byte { return e.Sum[:kinds[e.Kind].size] }

// String gives kind and hash as a line of a list has them: "pdq 0123...".
func (e Entry) String() string { return e.Kind.String() + " " + hex.EncodeToString(e.bytes()) }

// ErrEntry means a line that is not a kind and a hash of it.
var ErrEntry = errors.New("an entry is pdq, md5, sha1 or sha256 and a hash in hexadecimal")

// ParseEntry reads what String gives. A PDQ hash that is not Balanced is refused
// too. The error is ErrEntry.
func ParseEntry(line string) (Entry, error) {
	kind, digits, _ := strings.Cut(strings.TrimSpace(line), " ")
	k, ok := ParseKind(kind)
	if !ok {
		return Entry{}, ErrEntry
	}
	e, ok := parseEntry(k, strings.TrimSpace(digits))
	if !ok || k == KindPDQ && !PDQ(e.Sum).Balanced() {
		return Entry{}, ErrEntry
	}
	return e, nil
}

// parseEntry reads the digits of a hash of a known kind.
func parseEntry(k Kind, digits string) (e Entry, ok bool) {
	if len(digits) != 2*kinds[k].size {
		return e, false
	}
	e.Kind = k
	_, err := hex.Decode(e.Sum[:], []byte(digits))
	return e, err == nil
}

// Digests are the exact hashes of a file. One that is zero is not known, and
// matches nothing.
type Digests struct {
	MD5    [md5.Size]byte
	SHA1   [sha1.Size]byte
	SHA256 [sha256.Size]byte
}

// Entries gives those of the three hashes that are known, as entries.
func (d Digests) Entries() (out []Entry) {
	add := func(k Kind, sum []byte) {
		e := Entry{Kind: k}
		if copy(e.Sum[:], sum); e.Sum != [32]byte{} {
			out = append(out, e)
		}
	}
	add(KindMD5, d.MD5[:])
	add(KindSHA1, d.SHA1[:])
	add(KindSHA256, d.SHA256[:])
	return out
}

// Digester computes Digests of what is written to it, as it passes by.
type Digester struct{ md5, sha1, sha256 hash.Hash }

// NewDigester begins a file.
func NewDigester() *Digester { return &Digester{md5.New(), sha1.New(), sha256.New()} }

// Write takes the next bytes. It never fails.
func (d *Digester) Write(p []byte) (int, error) {
	d.md5.Write(p)
	d.sha1.Write(p)
	d.sha256.Write(p)
	return len(p), nil
}

// Digests returns the hashes of all that was written.
func (d *Digester) Digests() (out Digests) {
	d.md5.Sum(out.MD5[:0])
	d.sha1.Sum(out.SHA1[:0])
	d.sha256.Sum(out.SHA256[:0])
	return out
}

// DigestsOf reads a file to its end.
func DigestsOf(r io.Reader) (Digests, error) {
	d := NewDigester()
	if _, err := io.Copy(d, r); err != nil {
		return Digests{}, err
	}
	return d.Digests(), nil
}
