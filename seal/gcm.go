//go:build !emberdrop_plaintext

package seal

import (
	"crypto/aes"
	"crypto/cipher"
)

// Plaintext says that this is the test build that encrypts nothing.
const Plaintext = false

// newGCM takes over a copy of a key: it is wiped once the cipher has been made.
func newGCM(key *Key) cipher.AEAD {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic("seal: aes: " + err.Error()) // only for a key that is not 16, 24 or 32 bytes
	}
	key.Wipe()
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic("seal: gcm: " + err.Error()) // only for a block that is not 16 bytes
	}
	return aead
}
