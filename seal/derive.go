package seal

import (
	"crypto/hkdf"
	"crypto/sha256"
	"strconv"
)

// Labels of HKDF-SHA256, the info parameter of RFC 5869. Each key has one of its own, so no key can be derived from
// another of the same level and none serves two purposes. They are part of the format: never change one.
const (
	labelLinkID   = "emberdrop/v1/link-id"
	labelWrap     = "emberdrop/v1/wrap"
	labelManifest = "emberdrop/v1/manifest"
	labelTrailer  = "emberdrop/v1/trailer"
	labelItem     = "emberdrop/v1/item/" // and the item's number in decimal, from 0
)

// LinkID is HKDF-SHA256(secret, salt host key, "emberdrop/v1/link-id")[:16]. Without the host key the ids in a stolen
// log cannot be tied to a link that somebody kept.
func LinkID(secret Token, host Key) (id ID) {
	derive(id[:], secret[:], host[:], labelLinkID)
	secret.Wipe()
	host.Wipe()
	return id
}

// WrapKey is the wrapping key of one payload:
//
//	HKDF-SHA256(secret || server half || passphrase key or 32 zero bytes, salt host key || vault key, "emberdrop/v1/wrap")
//
// All three inputs have a fixed length, so their concatenation is unambiguous. Every one of the five is needed:
// HKDF's extract step is a PRF keyed by the salt over the rest, and each of them alone has 256 random bits (the
// passphrase key is the exception; it only ever adds).
func WrapKey(secret Token, serverHalf, passphraseKey, host, vault Key) (k Key) {
	var in [96]byte
	copy(in[0:], secret[:])
	copy(in[32:], serverHalf[:])
	copy(in[64:], passphraseKey[:])
	var salt [64]byte
	copy(salt[0:], host[:])
	copy(salt[32:], vault[:])
	derive(k[:], in[:], salt[:], labelWrap)
	clear(in[:])
	clear(salt[:])
	secret.Wipe()
	for _, c := range []*Key{&serverHalf, &passphraseKey, &host, &vault} {
		c.Wipe()
	}
	return k
}

// ManifestKey seals a payload's manifest.
func ManifestKey(payload Key) Key { return subkey(payload, labelManifest) }

// TrailerKey seals a payload's trailer.
func TrailerKey(payload Key) Key { return subkey(payload, labelTrailer) }

// ItemKey seals item n, counted from 0. It opens that item and nothing else of the payload.
func ItemKey(payload Key, n int) Key { return subkey(payload, labelItem+strconv.Itoa(n)) }

// subkey has no salt: the payload key is uniformly random, so extraction needs no help (RFC 5869 section 3.1).
func subkey(payload Key, label string) (k Key) {
	derive(k[:], payload[:], nil, label)
	payload.Wipe()
	return k
}

func derive(out, secret, salt []byte, label string) {
	b, err := hkdf.Key(sha256.New, secret, salt, label, len(out))
	if err != nil {
		panic("seal: hkdf: " + err.Error()) // only for an output above 8160 bytes
	}
	copy(out, b)
	clear(b)
}

// WrappedLen is the size of a wrapped key: the key and a GCM tag.
const WrappedLen = 32 + tagLen

// Wrap seals a payload key under its wrapping key, bound to aad. The nonce is fixed, which is safe because a wrapping
// key is derived from a fresh random server half and so seals exactly one message in its life.
func Wrap(wrapping, payload Key, aad []byte) (out [WrappedLen]byte) {
	aead := newGCM(&wrapping)
	var nonce [nonceLen]byte
	aead.Seal(out[:0], nonce[:], payload[:], aad)
	payload.Wipe()
	return out
}

// Unwrap opens what Wrap made. ErrDamaged says that the key, the bytes or aad are not the same.
func Unwrap(wrapping Key, wrapped [WrappedLen]byte, aad []byte) (payload Key, err error) {
	aead := newGCM(&wrapping)
	var nonce [nonceLen]byte
	b, err := aead.Open(wrapped[:0], nonce[:], wrapped[:], aad)
	if err != nil {
		return Key{}, ErrDamaged
	}
	copy(payload[:], b)
	clear(wrapped[:])
	return payload, nil
}

const (
	nonceLen = 12
	tagLen   = 16
)
