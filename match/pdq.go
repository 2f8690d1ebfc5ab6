package match

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"math/bits"
)

// PDQ is a perceptual hash of a picture: 256 bits, in the order in which the
// reference prints them. Bit k of the algorithm (row k/16, column k%16 of the
// 16x16 DCT) is bit k%8 of byte 31-k/8.
type PDQ [32]byte

// MaxDistance is the greatest distance that the authors of PDQ take for a match.
const MaxDistance = 31

// MinQuality is the least quality at which a picture is looked up. Below it the
// authors discard hashes: flat pictures have hashes that resemble one another.
const MinQuality = 50

// ErrPDQ means text that is not 64 hexadecimal digits.
var ErrPDQ = errors.New("a PDQ hash is 64 hexadecimal digits")

// String gives 64 hexadecimal digits, as the reference prints a hash.
func (a PDQ) String() string { return hex.EncodeToString(a[:]) }

// ParsePDQ reads what String gives; capitals are taken too. The error is ErrPDQ.
func ParsePDQ(s string) (p PDQ, err error) {
	if len(s) != 2*len(p) {
		return p, ErrPDQ
	}
	if _, err := hex.Decode(p[:], []byte(s)); err != nil {
		return PDQ{}, ErrPDQ
	}
	return p, nil
}

// Distance is the number of bits, of 256, in which two hashes differ.
func (a PDQ) Distance(b PDQ) int { return a.words().distance(b.words()) }

// Balanced says whether a hash can have come from a picture worth looking up.
// A hash has a bit for each of 256 values that is above their median, so close
// to 128 bits are set. All-zero and lopsided hashes in a list come from blank
// pictures or from mistakes, and would match a great many innocent ones.
func (a PDQ) Balanced() bool {
	n := a.words().ones()
	return n >= 128-32 && n <= 128+32
}

// words is a hash as four machine words.
type words [4]uint64

func (a PDQ) words() (w words) {
	for i := range w {
		w[i] = binary.LittleEndian.Uint64(a[8*i:])
	}
	return w
}

func (w words) distance(v words) int {
	return bits.OnesCount64(w[0]^v[0]) + bits.OnesCount64(w[1]^v[1]) +
		bits.OnesCount64(w[2]^v[2]) + bits.OnesCount64(w[3]^v[3])
}

func (w words) ones() int { return w.distance(words{}) }
