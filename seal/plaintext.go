//go:build emberdrop_plaintext

package seal

import (
	"crypto/cipher"
	"crypto/sha256"
	"crypto/subtle"
)

// Plaintext says that this is the test build that encrypts nothing. It exists so
// that the search for plaintext on the disk can be seen to find some; serve
// refuses to go near Tor with it.
const Plaintext = true

// open is a cipher.AEAD that hides nothing: the text as it is, and a checksum in
// the tag's place, so that everything but secrecy works as it does.
type open struct{ key Key }

func newGCM(key *Key) cipher.AEAD {
	o := open{*key}
	key.Wipe()
	return o
}

func (open) NonceSize() int { return nonceLen }
func (open) Overhead() int  { return tagLen }

func (o open) tag(nonce, text, aad []byte) []byte {
	h := sha256.New()
	for _, part := range [][]byte{o.key[:], nonce, aad, text} {
		h.Write(part)
	}
	return h.Sum(nil)[:tagLen]
}

func (o open) Seal(dst, nonce, plain, aad []byte) []byte {
	tag := o.tag(nonce, plain, aad)
	return append(append(dst, plain...), tag...)
}

func (o open) Open(dst, nonce, sealed, aad []byte) ([]byte, error) {
	if len(sealed) < tagLen {
		return nil, ErrDamaged
	}
	text, tag := sealed[:len(sealed)-tagLen], sealed[len(sealed)-tagLen:]
	if subtle.ConstantTimeCompare(tag, o.tag(nonce, text, aad)) != 1 {
		return nil, ErrDamaged
	}
	return append(dst, text...), nil
}
