package onion

import (
	"bytes"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha3"
	"crypto/sha512"
	"encoding/base32"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	bine "github.com/cretz/bine/torutil/ed25519"
)

// ErrKey says that a key file is not one of tor's or is damaged.
var ErrKey = errors.New("not a tor onion service key (hs_ed25519_secret_key)")

// header begins tor's hs_ed25519_secret_key: 32 bytes with the zeros, then the expanded key.
const header = "== ed25519v1-secret: type0 ==\x00\x00\x00"

const (
	expandedSize = 64
	keyFileSize  = len(header) + expandedSize
)

// Key is the identity of an onion service: an ed25519 key in expanded form, that is SHA-512 of the seed with
// the scalar's bits set (RFC 8032 section 5.1.5, steps 1 and 2). Tor stores this form, and the seed cannot
// be had back from it. No way of printing a Key shows it.
type Key struct {
	expanded [expandedSize]byte
	public   [ed25519.PublicKeySize]byte
}

// NewKey makes a key from the system's randomness.
func NewKey() Key {
	seed := make([]byte, ed25519.SeedSize)
	rand.Read(seed) // never fails
	defer clear(seed)
	return fromSeed(seed)
}

// Derive makes another key out of this one, the same for the same label each time. Who has that one cannot come back
// to this one, and the two addresses show no kinship: HKDF-SHA256 (RFC 5869) of the secret scalar and prefix.
func (k Key) Derive(label string) Key {
	seed, err := hkdf.Key(sha256.New, k.expanded[:], nil, label, ed25519.SeedSize)
	if err != nil {
		panic(err) // the length is a constant that fits
	}
	defer clear(seed)
	return fromSeed(seed)
}

func fromSeed(seed []byte) Key {
	var k Key
	k.expanded = sha512.Sum512(seed)
	k.expanded[0] &= 248
	k.expanded[31] &= 127
	k.expanded[31] |= 64
	copy(k.public[:], ed25519.NewKeyFromSeed(seed).Public().(ed25519.PublicKey))
	return k
}

// ParseKey reads a key in the format of tor's hs_ed25519_secret_key file, 96 bytes.
func ParseKey(b []byte) (Key, error) {
	var k Key
	if len(b) != keyFileSize || !bytes.HasPrefix(b, []byte(header)) {
		return k, ErrKey
	}
	copy(k.expanded[:], b[len(header):])
	// Every key that tor or we make has these bits; one without is damaged, and tor would publish it under an
	// address that nobody can reach.
	if s := k.expanded[:32]; s[0]&7 != 0 || s[31]&128 != 0 || s[31]&64 == 0 {
		return Key{}, ErrKey
	}
	copy(k.public[:], bine.PrivateKey(k.expanded[:]).PublicKey())
	return k, nil
}

// Marshal returns the key in the format of tor's hs_ed25519_secret_key file, 96 bytes. They are secret.
func (k Key) Marshal() []byte {
	return append([]byte(header), k.expanded[:]...)
}

// LoadKey reads a key file. It refuses one that everyone may read.
func LoadKey(path string) (Key, error) {
	f, err := os.Open(path)
	if err != nil {
		return Key{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return Key{}, err
	}
	// Not the group's bit: systemd shows a credential's access list there.
	if info.Mode().Perm()&0o007 != 0 {
		return Key{}, fmt.Errorf("everyone may read the onion key: chmod 600 %q", path)
	}
	b, err := io.ReadAll(io.LimitReader(f, int64(keyFileSize)+1))
	if err != nil {
		return Key{}, err
	}
	defer clear(b)
	k, err := ParseKey(b)
	if err != nil {
		return Key{}, fmt.Errorf("%q: %w", path, err)
	}
	return k, nil
}

// Address returns the service's address, 56 characters and ".onion".
func (k Key) Address() string { return k.serviceID() + ".onion" }

// serviceID is base32(public key | checksum | version 3) in lower case, the checksum being the first two
// bytes of SHA3-256(".onion checksum" | public key | version) (rend-spec-v3 section 6).
func (k Key) serviceID() string {
	const version = 3
	sum := sha3.Sum256(append(append([]byte(".onion checksum"), k.public[:]...), version))
	b := append(append(k.public[:len(k.public):len(k.public)], sum[:2]...), version)
	return strings.ToLower(base32.StdEncoding.EncodeToString(b))
}

// blob is the key as ADD_ONION takes it.
func (k Key) blob() string { return base64.StdEncoding.EncodeToString(k.expanded[:]) }

func (k Key) isZero() bool { return k == Key{} }

const redacted = "onion key (not shown)"

// Format keeps every verb of fmt from showing the key.
func (k Key) Format(s fmt.State, _ rune) { io.WriteString(s, redacted) }

// LogValue keeps it out of structured logs.
func (k Key) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText keeps it out of JSON and the like.
func (k Key) MarshalText() ([]byte, error) { return []byte(redacted), nil }
