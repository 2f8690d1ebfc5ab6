package vault

import (
	"crypto/sha256"
	"encoding/binary"

	"emberdrop/seal"
)

// pageLen is the header page: one block of every common file system and disk, so one overwrite takes all of it.
const pageLen = 4096

const (
	magic         = "EMBRDROP"
	version       = 1
	flagLocked    = 1 // a passphrase is needed
	publicLen     = 36
	sumAt         = publicLen + 32 + seal.WrappedLen // where the header's own checksum stands
	headerLen     = sumAt + 32
	numberTrailer = 0xfffffffe
	numberMani    = 0xffffffff
)

// header is the front of the header page. Its layout is in the package's comment.
type header struct {
	locked bool
	argon  seal.Params
	salt   [seal.SaltLen]byte

	// The two secrets. Without either the link secret opens nothing.
	half    seal.Key
	wrapped [seal.WrappedLen]byte
}

// public is the part that is no secret: additional data of what it describes, so it cannot be changed or swapped.
func (h *header) public() []byte {
	b := make([]byte, 0, publicLen)
	b = append(b, magic...)
	b = binary.BigEndian.AppendUint16(b, version)
	var flags byte
	if h.locked {
		flags |= flagLocked
	}
	b = append(b, flags, h.argon.Threads)
	b = binary.BigEndian.AppendUint32(b, h.argon.Time)
	b = binary.BigEndian.AppendUint32(b, h.argon.Memory)
	return append(b, h.salt[:]...)
}

// put writes the header over the front of a page.
func (h *header) put(page []byte) {
	n := copy(page, h.public())
	n += copy(page[n:], h.half[:])
	copy(page[n:], h.wrapped[:])
	// So that verify, which has no key, can tell a header that has rotted. It says
	// nothing that the bytes before it do not, and is shredded with them.
	sum := sha256.Sum256(page[:sumAt])
	copy(page[sumAt:], sum[:])
}

// parseHeader reads a header page. ErrDamaged for anything that put does not write, which a shredded page is, and for
// Argon2id parameters above the caps: nothing here has been authenticated yet.
func parseHeader(page []byte) (h header, err error) {
	if len(page) != pageLen || string(page[:8]) != magic || binary.BigEndian.Uint16(page[8:]) != version ||
		page[10]&^flagLocked != 0 || sha256.Sum256(page[:sumAt]) != [32]byte(page[sumAt:]) {
		return header{}, ErrDamaged
	}
	h.locked = page[10]&flagLocked != 0
	h.argon = seal.Params{
		Threads: page[11],
		Time:    binary.BigEndian.Uint32(page[12:]),
		Memory:  binary.BigEndian.Uint32(page[16:]),
	}
	copy(h.salt[:], page[20:])
	if h.locked && h.argon.Check() != nil {
		return header{}, ErrDamaged
	}
	if !h.locked && (h.argon != seal.Params{} || h.salt != [seal.SaltLen]byte{}) {
		return header{}, ErrDamaged
	}
	n := publicLen
	n += copy(h.half[:], page[n:])
	copy(h.wrapped[:], page[n:])
	return h, nil
}

func (h *header) wipe() {
	h.half.Wipe()
	clear(h.wrapped[:])
}

// wrapAAD binds the wrapped key to the public part and to the link.
func (h *header) wrapAAD(id seal.ID) []byte { return append(h.public(), id[:]...) }

// chunkAAD binds a chunk to the format, the link and its place in the payload.
func chunkAAD(id seal.ID, number uint32) []byte {
	b := binary.BigEndian.AppendUint16(nil, version)
	b = append(b, id[:]...)
	return binary.BigEndian.AppendUint32(b, number)
}

func (h *header) manifestAAD(id seal.ID) []byte {
	return append(chunkAAD(id, numberMani), h.public()...)
}
