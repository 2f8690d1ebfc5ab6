package main

import (
	"bytes"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"io"

	"emberdrop/seal"
)

// A sealed file is one that a passphrase or a key file opens: 20 bytes that say
// what it is | 1 byte, 1 for a passphrase and 2 for a key file | 16 bytes salt |
// sealed stream. Backups and, if the operator wants it, key files are sealed so.
// The key is Argon2id(passphrase, salt) with seal.DefaultParams, or
// HKDF-SHA256(key file, salt, sealedLabel). The bytes before the stream are its
// additional data. Salt and so key are new for every file, as a stream needs.
const (
	magicLen    = 20
	sealedHead  = magicLen + 1 + seal.SaltLen
	sealedLabel = "emberdrop/v1/backup"

	lockedByPassphrase = 1
	lockedByFile       = 2
)

// errSealed says that a sealed file does not open.
var errSealed = errors.New("wrong passphrase or key file, or the file is damaged")

// lock is what seals and opens a file: a passphrase, or the content of a key file.
type lock struct {
	kind   byte
	secret []byte
}

func (l lock) key(salt [seal.SaltLen]byte) (key seal.Key, err error) {
	if l.kind == lockedByPassphrase {
		return seal.PassphraseKey(string(l.secret), salt, seal.DefaultParams())
	}
	raw, err := hkdf.Key(sha256.New, l.secret, salt[:], sealedLabel, len(key))
	copy(key[:], raw)
	return key, err
}

// seal makes a sealed file.
func (l lock) seal(magic string, plain []byte) ([]byte, error) {
	var salt [seal.SaltLen]byte
	rand.Read(salt[:])
	key, err := l.key(salt)
	if err != nil {
		return nil, err
	}
	defer key.Wipe()
	head := append(append([]byte(magic), l.kind), salt[:]...)
	out := bytes.NewBuffer(bytes.Clone(head))
	stream := seal.NewWriter(out, key, head)
	_, err = stream.Write(plain)
	err = errors.Join(err, stream.Close()) // which writes the last chunk
	return out.Bytes(), err
}

// isSealed reports whether a file is a sealed one of this kind.
func isSealed(magic string, file []byte) bool {
	return len(file) >= sealedHead && string(file[:magicLen]) == magic
}

// unseal opens a sealed file; unlock is asked for a lock of the kind that closed
// it. errSealed says that it is not the right one.
func unseal(magic string, file []byte, unlock func(kind byte) (lock, error)) ([]byte, error) {
	if !isSealed(magic, file) {
		return nil, errSealed
	}
	l, err := unlock(file[magicLen])
	if err != nil {
		return nil, err
	}
	key, err := l.key([seal.SaltLen]byte(file[magicLen+1 : sealedHead]))
	if err != nil {
		return nil, err
	}
	defer key.Wipe()
	body := file[sealedHead:]
	stream, err := seal.NewReader(bytes.NewReader(body), int64(len(body)), key, file[:sealedHead])
	if err != nil {
		return nil, errSealed
	}
	plain, err := io.ReadAll(stream.Stream())
	if err != nil {
		return nil, errSealed
	}
	return plain, nil
}
