package seal

import "math/bits"

const (
	// ChunkSize is the plaintext of one chunk; only a stream's last chunk may be shorter.
	ChunkSize = 64 << 10
	// SealedChunk is the size of a full chunk on disk: ciphertext and GCM tag.
	SealedChunk = ChunkSize + tagLen
	// MaxPlain is the most plaintext that one stream holds: the chunk counter has 32 bits.
	MaxPlain = ChunkSize << 32
)

// SealedSize is the size of a sealed stream with that many bytes of plaintext. Every chunk adds 16 bytes, and an
// empty stream is one empty chunk. A negative size, or one above MaxPlain, is a programming error and gives -1.
func SealedSize(plain int64) int64 {
	if plain < 0 || plain > MaxPlain {
		return -1
	}
	chunks := max(1, (plain+ChunkSize-1)/ChunkSize)
	return plain + chunks*tagLen
}

// PlainSize is the inverse of SealedSize. A size that no stream can have (cut inside a tag, an empty last chunk after
// a full one) is ErrDamaged.
func PlainSize(sealed int64) (int64, error) {
	if sealed < tagLen || sealed > MaxPlain+(tagLen<<32) {
		return 0, ErrDamaged
	}
	chunks := (sealed + SealedChunk - 1) / SealedChunk
	last := sealed - (chunks-1)*SealedChunk - tagLen
	if last < 0 || (last == 0 && chunks > 1) {
		return 0, ErrDamaged
	}
	return sealed - chunks*tagLen, nil
}

// Padme rounds a size up so that it tells little: O(log log n) bits leak and at most 12 % is added (Nikitin and
// others, "Reducing Metadata Leakage from Encrypted Files and Communication with PURBs", PETS 2019, section 4).
// It is idempotent. Sizes below 2 stay; one so large that rounding would overflow stays too.
func Padme(n int64) int64 {
	if n < 2 {
		return n
	}
	e := bits.Len64(uint64(n)) - 1    // floor(log2 n)
	s := bits.Len64(uint64(e))        // floor(log2 e) + 1 bits that may differ
	mask := int64(1)<<max(e-s, 0) - 1 // the low bits that are rounded away
	if n > (1<<63-1)-mask {
		return n
	}
	return (n + mask) &^ mask
}
