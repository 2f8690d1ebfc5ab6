package seal

import (
	"bytes"
	"crypto/hpke"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
)

// A box is a message to the operator that the server itself cannot open again: HPKE (RFC 9180, base mode) with
// ML-KEM-768 + X25519 (X-Wing, draft-ietf-hpke-pq), HKDF-SHA256 and ChaCha20-Poly1305. The hybrid is chosen over plain
// X25519 because whoever copies the disk today may keep the box for as long as he likes; it costs 1088 bytes and 0.02 ms.
// Each box has an encapsulated key of its own, so its one message is under a fresh key and nonce reuse cannot happen.

// ErrBoxKey: text that is not an identity, or not a public key, or mistyped.
var ErrBoxKey = errors.New("malformed operator key")

const (
	identityPrefix = "emberdrop-identity-1:"
	publicPrefix   = "emberdrop-operator-1:"
	labelBox       = "emberdrop/v1/box\x00"
	labelBoxKey    = "emberdrop/v1/operator-key\x00"
	identityLen    = 32   // X-Wing: the seed of both private keys
	publicLen      = 1216 // X-Wing: 1184 bytes of ML-KEM-768, 32 of X25519
	checkLen       = 4    // of SHA-256, against a mistyped or cut text
	// boxBucket is what boxes are padded to, so that their size does not tell how much somebody had to say.
	boxBucket = 2048
)

// Identity opens boxes. It is made and kept on the operator's machine; the server never has one.
type Identity struct{ seed Key }

// PublicKey seals boxes for one identity.
type PublicKey struct{ raw [publicLen]byte }

// NewIdentity makes an identity from the system's random source.
func NewIdentity() Identity { return Identity{seed: NewKey()} }

// ParseIdentity reads what Text writes, with space around it; else ErrBoxKey.
func ParseIdentity(text string) (Identity, error) {
	var i Identity
	if err := parseBoxKey(i.seed[:], text, identityPrefix); err != nil {
		return Identity{}, err
	}
	return i, nil
}

// Text is the one spelling of the identity: for its file, and nothing else.
func (i Identity) Text() string { return boxKeyText(identityPrefix, i.seed[:]) }

// Format keeps an identity out of every formatted text, whatever the verb.
func (i Identity) Format(f fmt.State, _ rune) { io.WriteString(f, "[identity]") }

// Wipe clears the identity.
func (i *Identity) Wipe() { i.seed.Wipe() }

func (i Identity) private() (hpke.PrivateKey, error) {
	return hpke.MLKEM768X25519().NewPrivateKey(i.seed[:])
}

// Public is the half of the identity that may be shown to everyone.
func (i Identity) Public() PublicKey {
	k, err := i.private()
	if err != nil {
		panic("seal: box: " + err.Error()) // only for a seed that is not 32 bytes
	}
	var p PublicKey
	copy(p.raw[:], k.PublicKey().Bytes())
	return p
}

// Open opens a box that was sealed for this identity with the same info. Anything else is ErrDamaged.
func (i Identity) Open(info string, sealed []byte) ([]byte, error) {
	k, err := i.private()
	if err != nil {
		return nil, ErrDamaged
	}
	padded, err := hpke.Open(k, hpke.HKDFSHA256(), hpke.ChaCha20Poly1305(), []byte(labelBox+info), sealed)
	if err != nil || len(padded) < 4 || len(padded)%boxBucket != 0 {
		return nil, ErrDamaged
	}
	n := binary.BigEndian.Uint32(padded)
	if uint64(n) > uint64(len(padded)-4) || bytes.ContainsFunc(padded[4+n:], func(r rune) bool { return r != 0 }) {
		clear(padded)
		return nil, ErrDamaged
	}
	return padded[4 : 4+n], nil
}

// ParsePublicKey reads what Text writes, with space around it; else ErrBoxKey.
func ParsePublicKey(text string) (PublicKey, error) {
	var p PublicKey
	if err := parseBoxKey(p.raw[:], text, publicPrefix); err != nil {
		return PublicKey{}, err
	}
	if _, err := hpke.MLKEM768X25519().NewPublicKey(p.raw[:]); err != nil {
		return PublicKey{}, ErrBoxKey
	}
	return p, nil
}

// Text is the one spelling of the public key: one line of 1973 characters.
func (p PublicKey) Text() string { return boxKeyText(publicPrefix, p.raw[:]) }

// String is the fingerprint: what logs and people want of a key.
func (p PublicKey) String() string { return p.Fingerprint() }

// Fingerprint is 100 bits of a hash of the key, for people to compare: five groups of four letters and digits.
func (p PublicKey) Fingerprint() string {
	sum := sha256.Sum256(append([]byte(labelBoxKey), p.raw[:]...))
	text := tokenText.EncodeToString(sum[:13])[:20]
	return strings.Join([]string{text[:4], text[4:8], text[8:12], text[12:16], text[16:]}, "-")
}

// Seal seals plain for the identity behind the key. info binds the box to its place: Open fails under any other.
// The box is a multiple of 2 KiB and 1136 bytes, so its size tells the size of plain only roughly.
func (p PublicKey) Seal(info string, plain []byte) ([]byte, error) {
	k, err := hpke.MLKEM768X25519().NewPublicKey(p.raw[:])
	if err != nil {
		return nil, ErrBoxKey
	}
	padded := make([]byte, (4+len(plain)+boxBucket-1)/boxBucket*boxBucket)
	defer clear(padded)
	binary.BigEndian.PutUint32(padded, uint32(len(plain)))
	copy(padded[4:], plain)
	return hpke.Seal(k, hpke.HKDFSHA256(), hpke.ChaCha20Poly1305(), []byte(labelBox+info), padded)
}

func boxKeyText(prefix string, raw []byte) string {
	sum := sha256.Sum256(append([]byte(prefix), raw...))
	return prefix + tokenText.EncodeToString(append(append([]byte{}, raw...), sum[:checkLen]...))
}

func parseBoxKey(raw []byte, text, prefix string) error {
	text = strings.TrimSpace(text)
	coded, found := strings.CutPrefix(text, prefix)
	if !found || len(coded) != tokenText.EncodedLen(len(raw)+checkLen) {
		return ErrBoxKey
	}
	b, err := tokenText.DecodeString(coded)
	if err != nil || len(b) != len(raw)+checkLen {
		return ErrBoxKey
	}
	copy(raw, b)
	clear(b)
	if boxKeyText(prefix, raw) != text { // checksum, line breaks and spare bits in one comparison
		clear(raw)
		return ErrBoxKey
	}
	return nil
}
