// Package seal holds emberdrop's cryptography: keys and tokens, their derivation, the wrapping of a payload's key,
// and sealed streams that can be read from anywhere. Everything in it is pure: bytes in, bytes out.
//
// It must not open a file, read a clock, log, or know what a link, an item or a policy is. It has no state.
//
// Primitives: AES-256-GCM (NIST SP 800-38D), HKDF-SHA256 (RFC 5869), Argon2id (RFC 9106), SHA-256 (FIPS 180-4),
// base32 (RFC 4648, lower case). Nothing here is home made but the framing of a stream, which is the STREAM
// construction (Hoang, Reyhanitabar, Rogaway, Vizár 2015) with the nonce layout of age.
//
// What wiping can promise in Go: the copies that this package makes are cleared when they are no longer needed. The
// expanded AES key schedule inside crypto/aes, and copies that the compiler or a growing stack leaves behind, are not
// ours to clear; they are gone when the garbage collector reuses the memory. Swap off is the operator's part.
package seal

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"io"
	"log/slog"
)

// The errors at this room's border.
var (
	// ErrToken: text that is not the one canonical spelling of a token.
	ErrToken = errors.New("malformed token")
	// ErrDamaged: sealed bytes that do not open under this key and additional data: flipped, cut, reordered, of
	// another stream, or the key is the wrong one. Which of them is not knowable, on purpose.
	ErrDamaged = errors.New("sealed data is damaged")
	// ErrClosed: the stream was closed and its keys and buffers wiped.
	ErrClosed = errors.New("sealed stream is closed")
	// ErrParams: Argon2id parameters outside of what this program takes.
	ErrParams = errors.New("passphrase parameters out of range")
	// ErrTooLarge: more plaintext than one stream can count, MaxPlain bytes.
	ErrTooLarge = errors.New("too large for one sealed stream")
)

// Key is a 256-bit secret key.
type Key [32]byte

// Token is 32 independent random bytes: a link secret, receipt token, lease, upload id or reveal value.
type Token [32]byte

// TokenLen is the length of a token's text.
const TokenLen = 52

// ID is a link id. It is derived, not secret, and never a file name.
type ID [16]byte

// NewKey makes a key from the system's random source, which cannot fail (crypto/rand ends the program first).
func NewKey() (k Key) {
	rand.Read(k[:])
	return k
}

// NewToken makes a token from the system's random source.
func NewToken() (t Token) {
	rand.Read(t[:])
	return t
}

// Wipe clears the key.
func (k *Key) Wipe() { clear(k[:]) }

// Wipe clears the token.
func (t *Token) Wipe() { clear(t[:]) }

// IsZero reports whether the key was never set, or was wiped.
func (k Key) IsZero() bool { return k == Key{} }

// Format keeps a key out of every formatted text, whatever the verb.
func (k Key) Format(f fmt.State, _ rune) { io.WriteString(f, "[key]") }

// LogValue keeps a token out of the log. String is for URLs only.
func (t Token) LogValue() slog.Value { return slog.StringValue("[token]") }

// The alphabet of RFC 4648 section 6 in lower case, without padding: safe in a path, a file name and a QR code.
var tokenText = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// String is the token as it stands in a URL: 52 characters of base32, lower case, no padding.
func (t Token) String() string { return tokenText.EncodeToString(t[:]) }

// ParseToken reads what String writes and nothing else: exact length, lower case, spare bits zero. Anything else is
// ErrToken. One spelling per token matters because look-ups are by hash, and because a second spelling of a dead
// link's URL must not behave differently from the first.
func ParseToken(s string) (Token, error) {
	if len(s) != TokenLen {
		return Token{}, ErrToken
	}
	var t Token
	// The decoder skips line breaks and takes any spare bits; writing the token back shows both.
	if n, err := tokenText.Decode(t[:], []byte(s)); err != nil || n != len(t) || t.String() != s {
		return Token{}, ErrToken
	}
	return t, nil
}

// labelToken separates token hashes from every other use of SHA-256.
const labelToken = "emberdrop/v1/token"

// Hash is the only form of a token that is looked up or stored. A plain hash is enough: a token has 256 random bits,
// so there is nothing to guess that a slower hash would protect.
func (t Token) Hash() [32]byte {
	var in [len(labelToken) + 1 + len(t)]byte // label, a zero byte, token: fixed lengths, so no two inputs collide
	copy(in[:], labelToken)
	copy(in[len(labelToken)+1:], t[:])
	sum := sha256.Sum256(in[:])
	clear(in[:])
	return sum
}
