// Package review is the operator's look at what was reported, on the operator's
// own machine: it opens a sealed case, has a child process without rights decode
// the item, and shows it blurred and grey on one page that only this machine can
// reach. Everything of the item stays in RAM. It must not know the server's
// rooms: what it is given came over the admin socket, and may be hostile.
package review

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"

	"emberdrop/report"
	"emberdrop/seal"
)

// The errors at this room's border.
var (
	// ErrIdentity: none of a case's boxes opens with this identity.
	ErrIdentity = errors.New("this identity does not open the case")
	// ErrSwapped: the server sent a ciphertext that is not the one reported.
	ErrSwapped = errors.New("this is not the item that was reported")
)

// Open opens all boxes of a case that are sealed to the identity, the first
// report first. ErrIdentity when there is none.
func Open(identity seal.Identity, c report.Case) ([]report.Report, error) {
	id, err := report.ParseID(c.ID)
	if err != nil {
		return nil, err
	}
	var sum [32]byte
	copy(sum[:], c.Sum)
	var out []report.Report
	for _, box := range c.Boxes {
		r, err := report.Open(identity, id, sum, box.Sealed)
		if err == nil {
			out = append(out, r)
		}
	}
	if len(out) == 0 {
		return nil, ErrIdentity
	}
	return out, nil
}

// Item opens an item's ciphertext. Its hash is compared first: a server that was
// taken over could show its operator something else than what was reported.
func Item(it report.Item, sealed []byte) ([]byte, error) {
	if int64(len(sealed)) != it.Sealed || sha256.Sum256(sealed) != it.Sum {
		return nil, ErrSwapped
	}
	r, err := seal.NewReader(bytes.NewReader(sealed), int64(len(sealed)), it.Key, it.AAD)
	if err != nil {
		return nil, fmt.Errorf("open the item: %w", err)
	}
	stream := r.Stream()
	defer stream.Close()
	return io.ReadAll(stream)
}
