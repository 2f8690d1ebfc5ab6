package strip

import (
	"math/rand/v2"
	"testing"
)

// walkPlainly walks a block symbol by symbol, bit by bit: T.81 F.2.2 as it is
// written. It returns -1 if the block does not decode.
func walkPlainly(buf []byte, p int, dc, ac []byte) int {
	symbol := func(body []byte) (int, bool) {
		code, first, k := 0, 0, 17
		for length := 1; length <= 16; length++ {
			code = code<<1 | int(buf[p>>3]>>(7-p&7)&1)
			p++
			n := int(body[length])
			if first <<= 1; code-first < n {
				return int(body[k+code-first]), true
			}
			first += n
			k += n
		}
		return 0, false
	}
	size, ok := symbol(dc)
	if !ok {
		return -1
	}
	p += size
	for k := 1; k < 64; {
		s, ok := symbol(ac)
		if !ok || s&15 == 0 && s > 0 && s < 0xf0 {
			return -1
		}
		if s == 0 {
			return p
		}
		if k += s>>4 + 1; k > 64 {
			return -1
		}
		p += s & 15
	}
	return p
}

// randomTable makes a DHT body out of random codes. Few symbols make short codes,
// so that many of them fit in one look-up.
func randomTable(r *rand.Rand, dc bool) []byte {
	body := make([]byte, 17)
	left, total := 1, 0 // codes of the length that are free
	for length := 1; length <= 16 && left > 0; length++ {
		left <<= 1
		n := 0
		if length > 1 || r.IntN(3) == 0 {
			n = r.IntN(min(left, 40, 200-total) + 1)
		}
		if length == 1 {
			n = min(n, 1)
		}
		body[length] = byte(n)
		left, total = min(left-n, 1<<14), total+n
	}
	common := []byte{0, 0xf0, 0xf0, 0x01, 0x11, 0xe1, 0x0f, 0xff}
	for range total {
		s := byte(r.IntN(256))
		if dc {
			s &= 15
		} else if r.IntN(2) == 0 {
			s = common[r.IntN(len(common))]
		}
		body = append(body, s)
	}
	return body
}

// TestWalkBlock compares the walk that takes many symbols at once with the plain
// one, over tables that no encoder would make: with runs of zeros in two bits,
// codes of every length, symbols without a meaning.
func TestWalkBlock(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	ended, failed := 0, 0
	buf := make([]byte, 700)
	for range 700 {
		dcBody, acBody := randomTable(r, true), randomTable(r, false)
		dc, err := newHuffman(dcBody, true)
		if err != nil {
			t.Fatal(err)
		}
		ac, err := newHuffman(acBody, false)
		if err != nil {
			t.Fatal(err)
		}
		dc.buildSkip()
		ac.buildMany()
		for range 30 {
			for i := range buf {
				buf[i] = byte(r.Uint32())
				if r.IntN(3) == 0 {
					buf[i] = 0
				}
			}
			p := r.IntN(64)
			want := walkPlainly(buf, p, dcBody, acBody)
			got := -1
			v, n, at := walkBlock(buf, uint64(buf[p>>3])<<56<<(p&7), uint(8-p&7), p>>3+1, dc, ac)
			if at > 0 {
				got = 8*at - int(n)
				if v>>56 != top(buf, got)>>56 && n >= 8 {
					t.Fatal("the bits are not those at the position")
				}
			}
			if got != want {
				t.Fatalf("a block ends at %d, want %d\nDC %x\nAC %x", got, want, dcBody, acBody)
			}
			if want < 0 {
				failed++
			} else {
				ended++
			}
		}
	}
	if ended < 3000 || failed < 3000 {
		t.Errorf("%d blocks ended and %d failed: too few to say anything", ended, failed)
	}
}
