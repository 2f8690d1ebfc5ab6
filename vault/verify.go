package vault

import (
	"crypto/sha256"
	"errors"
	"io"
)

// Verify checks a payload without any key: its size, its header by its own checksum, and the SHA-256 of all that
// follows the header page, last chunks and padding included. nil, ErrMissing, ErrDamaged (a shredded header is damage
// too), or an error of the disk.
func (v *Vault) Verify(name string, size int64, sum [32]byte) error {
	f, got, err := v.open(name)
	if err != nil {
		return err
	}
	defer f.close()
	if got != size || size < pageLen+trailerLen {
		return ErrDamaged
	}
	h, err := readHeader(f)
	if err != nil {
		return err
	}
	h.wipe()
	return verifySum(f, size, sum)
}

// verifySum hashes all that follows the header page.
func verifySum(f io.ReaderAt, size int64, sum [32]byte) error {
	hash := sha256.New()
	n, err := io.Copy(hash, io.NewSectionReader(f, pageLen, size-pageLen))
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if n != size-pageLen || [32]byte(hash.Sum(nil)) != sum {
		return ErrDamaged
	}
	return nil
}
