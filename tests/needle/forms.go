// Package needle finds secrets in files: raw, and in the text forms that a
// program would write them in (hex, base32, base64), at any position, in file
// and folder names too. It judges emberdrop from outside and imports no room of
// it. It does not look into compressed data: a random token survives most
// compressors as it is, but prose does not, so a caption to look for should be
// random letters. A scan that finds nothing proves something only beside one
// that finds a planted needle.
package needle

import (
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
)

// Needle is a secret to look for.
type Needle struct {
	Name  string // what a Hit calls it
	Bytes []byte // at least MinBytes long
}

// MinBytes is the length below which a needle would be found by chance: 8 bytes
// turn up in 1 GiB of random data once in 2^34 times.
const MinBytes = 8

// Form is one way in which a needle can be written.
type Form struct {
	Name  string // "raw", "hex", "HEX", "base32", "BASE32", "base64" or "base64url"
	Bytes []byte // what to search for
}

// Forms returns every pattern that betrays b. One form can have several
// patterns: the letters of base32 and base64 depend on where in a longer text b
// begins, modulo 5 and 3 bytes. Each pattern is what all texts with that
// alignment share, without the letters at either end that carry a neighbour's
// bits or padding. So one pattern covers padded and unpadded, alone and within
// a longer text. Equal patterns are listed once.
func Forms(b []byte) []Form {
	forms := []Form{
		{"raw", b},
		{"hex", []byte(hex.EncodeToString(b))},
		{"HEX", []byte(strings.ToUpper(hex.EncodeToString(b)))},
	}
	for before := range 5 {
		upper := middle(b, before, 5, base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString)
		forms = append(forms, Form{"base32", []byte(strings.ToLower(upper))}, Form{"BASE32", []byte(upper)})
	}
	for before := range 3 {
		forms = append(forms, Form{"base64", []byte(middle(b, before, 6, base64.RawStdEncoding.EncodeToString))},
			Form{"base64url", []byte(middle(b, before, 6, base64.RawURLEncoding.EncodeToString))})
	}
	seen := map[string]bool{}
	distinct := forms[:0]
	for _, form := range forms {
		if !seen[string(form.Bytes)] {
			seen[string(form.Bytes)] = true
			distinct = append(distinct, form)
		}
	}
	return distinct
}

// middle returns the letters of bits bits each that b alone determines when it
// stands behind before other bytes.
func middle(b []byte, before, bits int, encode func([]byte) string) string {
	text := encode(append(make([]byte, before), b...))
	first := (8*before + bits - 1) / bits
	end := 8 * (before + len(b)) / bits
	return text[first:end]
}

// Windows samples a big file, such as a photo, as needles of size bytes each:
// at most count of them, spread evenly. Windows with little variety (runs,
// padding, text, tables of small numbers) are passed over, as they would be
// found in innocent files too; where a whole stretch is like that, it gets no
// window. Give it what is the file's own, such as a JPEG's entropy-coded data:
// tables from a standard are varied, and in every such file. Each needle is
// called name@offset.
func Windows(name string, content []byte, size, count int) []Needle {
	if size < MinBytes || count < 1 {
		return nil
	}
	var windows []Needle
	next := 0 // windows do not overlap
	for i := range count {
		from, to := i*len(content)/count, (i+1)*len(content)/count
		for at := max(from, next); at < to && at+size <= len(content); at += max(1, size/4) {
			window := content[at : at+size]
			if varied(window) {
				windows = append(windows, Needle{fmt.Sprintf("%s@%d", name, at), window})
				next = at + size
				break
			}
		}
	}
	return windows
}

// varied says whether b has about as many different bytes as random data would:
// at least three quarters of min(len(b), 64), where random data has 15.5 of 16
// and 56 of 64.
func varied(b []byte) bool {
	var seen [256]bool
	different := 0
	for _, c := range b {
		if !seen[c] {
			seen[c] = true
			different++
		}
	}
	return 4*different >= 3*min(len(b), 64)
}
