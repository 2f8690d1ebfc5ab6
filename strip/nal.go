package strip

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

// H.264 NAL units (ITU-T H.264, 7.3.1 and 7.4.1). The lists here are allowlists:
// a type that is not on them is left out of the result.

const (
	nalSEI = 6
	nalSPS = 7
	nalPPS = 8
	nalAUD = 9
)

// nalKeep are the types that are copied as they are: slices and their
// partitions, parameter sets, the SPS extension and auxiliary (alpha) slices.
// Of the rest the filter writes type 6 anew with what seiKeep allows and 9 to 11,
// delimiters, as the fixed bytes that they must be.
var nalKeep = [32]bool{1: true, 2: true, 3: true, 4: true, 5: true, nalSPS: true, nalPPS: true, 13: true, 19: true}

// seiKeep are the SEI messages (annex D) that change what is shown: recovery
// point, frame packing, display orientation, mastering display, content light
// level, alternative transfer. None needs more than seiMostPayload bytes.
var seiKeep = map[int]bool{6: true, 45: true, 47: true, 137: true, 144: true, 147: true}

const seiMostPayload = 64

// seiMost bounds an SEI unit that is looked into; a longer one, which no
// message that is kept needs, is left out whole.
const seiMost = 64 << 10

// nalStart finds the first Annex B start code, 00 00 01, in b; -1 without one.
// This is where most of the time of stripping a video goes, hence the words of
// eight bytes, 32 bytes at a time: only where two zeros follow one another, which
// emulation prevention makes rare, is it looked at closely.
func nalStart(b []byte) int {
	i := 0
	for ; len(b)-i >= 34; i += 32 {
		c := (*[34]byte)(b[i:])
		if zeroPairs(c[0:])|zeroPairs(c[8:])|zeroPairs(c[16:])|zeroPairs(c[24:]) == 0 {
			continue
		}
		for k := 0; k < 32; k += 8 {
			if at := startCodes(c[k:]); at != 0 {
				return i + k + bits.TrailingZeros64(at)>>3
			}
		}
	}
	for ; i+2 < len(b); i++ {
		if b[i] == 0 && b[i+1] == 0 && b[i+2] == 1 {
			return i
		}
	}
	return -1
}

// zeroBytes is not 0 if x has a zero byte; its lowest bit is in the lowest one.
func zeroBytes(x uint64) uint64 { return (x - 0x0101010101010101) &^ x & 0x8080808080808080 }

// zeroPairs is not 0 if one of the first eight bytes and the next are zero.
func zeroPairs(b []byte) uint64 {
	return zeroBytes(binary.LittleEndian.Uint64(b) | binary.LittleEndian.Uint64(b[1:]))
}

// startCodes has its lowest bit in the first of eight bytes where a start code
// begins.
func startCodes(b []byte) uint64 {
	third := binary.LittleEndian.Uint64(b[2:]) ^ 0x0101010101010101
	return zeroBytes(binary.LittleEndian.Uint64(b) | binary.LittleEndian.Uint64(b[1:]) | third)
}

// nalSplit calls fn for the units in b, which should be one but, in files of
// some phones, holds several with Annex B start codes between them. Emulation
// prevention makes sure that a start code is never inside a unit. Empty units
// are left out.
func nalSplit(b []byte, fn func(unit []byte)) {
	for {
		i := nalStart(b)
		unit := b
		if i >= 0 {
			unit = b[:i]
			if i > 0 && b[i-1] == 0 { // a start code of four bytes
				unit = b[:i-1]
			}
		}
		if len(unit) > 0 {
			fn(unit)
		}
		if i < 0 {
			return
		}
		b = b[i+3:]
	}
}

// filterSEI returns an SEI unit with the allowed messages of unit only, nil if
// there are none, and what the others held.
func filterSEI(unit []byte) ([]byte, Removed) {
	raw := bytes.TrimRight(nalUnescape(unit[1:]), "\x00")
	if k := len(raw) - 1; k >= 0 && raw[k] == 0x80 {
		raw = raw[:k]
	}
	var kept []byte
	var removed Removed
	for len(raw) > 0 {
		kind, n := seiNumber(raw)
		raw = raw[n:]
		size, n := seiNumber(raw)
		raw = raw[n:]
		if size > len(raw) {
			removed |= RemovedOther
			break
		}
		payload := raw[:size]
		raw = raw[size:]
		if seiKeep[kind] && size <= seiMostPayload {
			kept = append(append(kept, byte(kind), byte(size)), payload...)
			continue
		}
		removed |= seiClass(kind, payload)
	}
	if kept == nil {
		return nil, removed
	}
	return nalEscape(nalSEI, append(kept, 0x80)), removed
}

// seiNumber reads a payload type or size (7.3.2.3.1) and says how many bytes it
// took. Numbers stop growing well before they could overflow: a unit is at most
// seiMost long.
func seiNumber(b []byte) (v, n int) {
	for n < len(b) && b[n] == 0xff {
		v += 255
		n++
	}
	if n < len(b) {
		v += int(b[n])
		n++
	}
	return v, n
}

// seiClass says what a message that is left out tells.
func seiClass(kind int, payload []byte) Removed {
	switch kind {
	case 5: // user data: encoders write their settings, camcorders their log
		if bytes.Contains(payload, []byte("MDPM")) {
			return RemovedDevice | RemovedTime
		}
		return RemovedSoftware
	case 4: // registered user data: captions and the like
		return RemovedText
	case 0, 3: // buffering, filler: nothing about anyone
		return 0
	}
	return RemovedOther
}

// nalUnescape removes the emulation prevention bytes (7.3.1).
func nalUnescape(b []byte) []byte {
	out := make([]byte, 0, len(b))
	zeros := 0
	for _, c := range b {
		if zeros >= 2 && c == 3 {
			zeros = 0
			continue
		}
		if c == 0 {
			zeros++
		} else {
			zeros = 0
		}
		out = append(out, c)
	}
	return out
}

// nalEscape puts header and emulation prevention bytes to a payload.
func nalEscape(header byte, raw []byte) []byte {
	out := append(make([]byte, 0, len(raw)+8), header)
	zeros := 0
	for _, c := range raw {
		if zeros >= 2 && c <= 3 {
			out = append(out, 3)
			zeros = 0
		}
		if c == 0 {
			zeros++
		} else {
			zeros = 0
		}
		out = append(out, c)
	}
	return out
}
