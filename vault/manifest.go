package vault

import (
	"encoding/binary"
	"fmt"
	"math"
	"unicode/utf8"

	"emberdrop/seal"
)

// Manifest is what a payload holds.
type Manifest struct {
	Caption string
	Items   []Item
}

// Item describes one item: its media type and its size in bytes of plaintext.
type Item struct {
	Kind string
	Size int64
}

const (
	manifestVersion = 1
	maxManifest     = seal.ChunkSize // one chunk, so it is read and authenticated in one go
)

// encode writes the layout of the package's comment. ErrManifest when something does not fit in it.
func (m Manifest) encode() ([]byte, error) {
	if !utf8.ValidString(m.Caption) || len(m.Items) > math.MaxUint16 {
		return nil, ErrManifest
	}
	b := []byte{manifestVersion}
	b = binary.BigEndian.AppendUint32(b, uint32(len(m.Caption)))
	b = append(b, m.Caption...)
	b = binary.BigEndian.AppendUint16(b, uint16(len(m.Items)))
	for _, it := range m.Items {
		if len(it.Kind) > math.MaxUint8 || it.Size < 0 {
			clear(b)
			return nil, ErrManifest
		}
		b = append(b, byte(len(it.Kind)))
		b = append(b, it.Kind...)
		b = binary.BigEndian.AppendUint64(b, uint64(it.Size))
	}
	if len(b) > maxManifest {
		clear(b)
		return nil, fmt.Errorf("%w: above %d bytes", ErrManifest, maxManifest)
	}
	return b, nil
}

// decodeManifest reads exactly what encode writes; all else is ErrDamaged.
func decodeManifest(b []byte) (m Manifest, err error) {
	r := fields{b: b}
	if r.number(1) != manifestVersion {
		return Manifest{}, ErrDamaged
	}
	m.Caption = string(r.bytes(r.number(4)))
	count := r.number(2)
	for i := uint64(0); i < count && !r.bad; i++ {
		it := Item{Kind: string(r.bytes(r.number(1)))}
		size := r.number(8)
		if size > seal.MaxPlain {
			r.bad = true
		}
		it.Size = int64(size)
		m.Items = append(m.Items, it)
	}
	if r.bad || len(r.b) != 0 || !utf8.ValidString(m.Caption) {
		return Manifest{}, ErrDamaged
	}
	return m, nil
}

// fields takes fields off the front of b. After the first that does not fit it is bad and gives zeros.
type fields struct {
	b   []byte
	bad bool
}

func (r *fields) bytes(n uint64) []byte {
	if r.bad || n > uint64(len(r.b)) {
		r.bad = true
		return nil
	}
	p := r.b[:n]
	r.b = r.b[n:]
	return p
}

func (r *fields) number(width uint64) (n uint64) {
	for _, c := range r.bytes(width) {
		n = n<<8 | uint64(c)
	}
	return n
}

// trailer locates the manifest. It is the one thing at a fixed place: the last bytes of the file.
type trailer struct {
	manifestAt  int64 // offset
	manifestLen int64 // sealed bytes
	fileLen     int64 // so that a file cannot be made longer or shorter around its padding
}

const (
	trailerPlain = 32
	trailerLen   = trailerPlain + 16
)

func (t trailer) encode() []byte {
	b := binary.BigEndian.AppendUint64(nil, uint64(t.manifestAt))
	b = binary.BigEndian.AppendUint64(b, uint64(t.manifestLen))
	b = binary.BigEndian.AppendUint64(b, uint64(t.fileLen))
	return binary.BigEndian.AppendUint64(b, 0)
}

func decodeTrailer(b []byte) (t trailer, err error) {
	if len(b) != trailerPlain || binary.BigEndian.Uint64(b[24:]) != 0 {
		return trailer{}, ErrDamaged
	}
	t.manifestAt = int64(binary.BigEndian.Uint64(b[0:]))
	t.manifestLen = int64(binary.BigEndian.Uint64(b[8:]))
	t.fileLen = int64(binary.BigEndian.Uint64(b[16:]))
	return t, nil
}
