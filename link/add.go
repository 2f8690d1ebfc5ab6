package link

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"syscall"

	"emberdrop/strip"
	"emberdrop/vault"
)

// Add takes one file as it arrives: staged in RAM or sealed under a key that
// only RAM holds, recognised by content, stripped and sealed. Its errors are
// ErrEmpty, ErrTooLarge, ErrTooMany, ErrFull, what strip refuses, or one of the
// disk or of r. After an error only Abort is of use.
func (u *Upload) Add(r io.Reader) (strip.Report, error) {
	report, err := u.add(r)
	return report, full(err)
}

// full says of a disk that ran full under an upload what a visitor can be told.
func full(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	return err
}

func (u *Upload) add(r io.Reader) (strip.Report, error) {
	if len(u.items) == u.links.cfg.MaxItems {
		return strip.Report{}, ErrTooMany
	}
	stage := u.links.cfg.Vault.Stage()
	defer stage.Close()
	most, err := u.mostBytes()
	if err != nil {
		return strip.Report{}, err
	}
	size, err := io.Copy(stage, io.LimitReader(r, most+1))
	if err != nil {
		return strip.Report{}, err
	}
	u.total += size
	u.largest = max(u.largest, size)
	switch {
	case size == 0:
		return strip.Report{}, ErrEmpty
	case size > most, u.total > u.links.cfg.MaxUpload:
		return strip.Report{}, ErrTooLarge
	}
	if err := stage.Done(); err != nil {
		return strip.Report{}, err
	}
	veil, err := u.scan(stage, size)
	if err != nil {
		return strip.Report{}, err
	}
	report, err := u.strip(stage, size)
	if err == nil && veil {
		last := &u.items[len(u.items)-1]
		last.Kind = veiled(last.Kind)
	}
	return report, err
}

// mostBytes is how large a file may be as far as is known now: a pass may still
// come behind it, if there are any.
func (u *Upload) mostBytes() (int64, error) {
	cfg := u.links.cfg
	if u.pass != nil {
		return cfg.MaxPassFile, nil
	}
	some, err := u.links.anyPass()
	if err != nil || !some {
		return cfg.MaxFile, err
	}
	return cfg.MaxPassFile, nil
}

// keepItem stores one item: fill writes it and says of which kind it is and what
// was taken out. shown is what viewers get of it; nil: what is written. The first
// item begins the payload: not sooner, so that an empty form touches no disk.
func (u *Upload) keepItem(shown []byte, fill func(io.Writer) (kind string, removed strip.Removed, err error)) error {
	if u.draft == nil {
		draft, err := u.links.cfg.Vault.Create(u.secret)
		if err != nil {
			return err
		}
		u.draft = draft
	}
	item, err := u.draft.Item()
	if err != nil {
		return err
	}
	sized := &counter{w: item, sum: sha256.New()}
	kind, removed, err := fill(sized)
	if err != nil {
		return err
	}
	if err := item.Close(); err != nil {
		return err
	}
	u.items = append(u.items, vault.Item{Kind: kind, Size: sized.n})
	u.removed = append(u.removed, removed)
	if shown != nil {
		return u.scanSum(sha256.Sum256(shown))
	}
	return u.scanSum([32]byte(sized.sum.Sum(nil)))
}

func (u *Upload) strip(src *vault.Stage, size int64) (strip.Report, error) {
	if _, err := strip.Recognise(src, size); err != nil {
		return u.keep(src, size, err)
	}
	var report strip.Report
	err := u.keepItem(nil, func(w io.Writer) (kind string, removed strip.Removed, err error) {
		report, err = strip.Strip(w, src, size)
		return string(report.Kind), report.Removed, err
	})
	if err != nil {
		return strip.Report{}, err
	}
	return report, nil
}

// keep takes a file that strip does not: text as a note, what its sender sealed,
// anything else as it is if the operator allows that. refused is why strip does
// not take it.
func (u *Upload) keep(src *vault.Stage, size int64, refused error) (strip.Report, error) {
	var kind *strip.UnsupportedError
	if !errors.As(refused, &kind) {
		return strip.Report{}, refused
	}
	// Words may begin as a film does ("I'm free"): only a format that is written itself is not a note.
	if !kind.Written && size <= MaxNote {
		text := make([]byte, size)
		defer clear(text)
		if _, err := src.ReadAt(text, 0); err != nil && err != io.EOF {
			return strip.Report{}, err
		}
		if plainText(text) {
			return strip.Report{Kind: Text}, u.addNote(text)
		}
	}
	sealed, err := isSealed(src, size)
	switch {
	case err != nil:
		return strip.Report{}, err
	case sealed:
		return u.asIs(src, size, Sealed)
	case u.links.cfg.AnyFile:
		return u.asIs(src, size, Any)
	}
	return strip.Report{}, refused
}

// asIs takes a file byte for byte.
func (u *Upload) asIs(src *vault.Stage, size int64, kind string) (strip.Report, error) {
	err := u.keepItem(nil, func(w io.Writer) (string, strip.Removed, error) {
		_, err := io.Copy(w, io.NewSectionReader(src, 0, size))
		return kind, 0, err
	})
	return strip.Report{Kind: strip.Kind(kind)}, err
}

type counter struct {
	w   io.Writer
	n   int64
	sum hash.Hash
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	c.sum.Write(p[:n])
	return n, err
}
