package link

import (
	"io"

	"emberdrop/seal"
)

// Sealed is the kind of a file that its sender sealed (`emberdrop put --seal`):
// the key stands in the link behind the #, which no browser and no client sends,
// so nothing here can open, strip or judge it. It is for download only.
const Sealed = "application/vnd.emberdrop.sealed"

// sealedMagic is what such a file begins with, format version 1 included; one
// sealed stream follows. client/container.go has the format byte by byte.
const sealedMagic = "\x89emberdrop\r\n\x1a\n\x00\x01"

// isSealed reports whether a file has the form that the client gives it: its
// magic, and the length of a sealed stream whose plaintext is padded. More cannot
// be known of ciphertext without its key.
func isSealed(src io.ReaderAt, size int64) (bool, error) {
	plain, err := seal.PlainSize(size - int64(len(sealedMagic)))
	if err != nil || plain != seal.Padme(plain) {
		return false, nil
	}
	head := make([]byte, len(sealedMagic))
	_, err = io.ReadFull(io.NewSectionReader(src, 0, size), head)
	return string(head) == sealedMagic, err
}
