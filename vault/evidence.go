package vault

import (
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"strings"

	"emberdrop/seal"
)

// Evidence is what opens one item of a payload and nothing else of it: not the other items, not the manifest, and not
// the payload by its link. It holds a key, so it is for sealing, at once.
type Evidence struct {
	Key    seal.Key
	AAD    []byte // additional data of the item's chunks
	Number int    // of the item, from 0
	Items  int    // how many the payload has; of a draft, so far
	Plain  int64  // bytes of plaintext
	At     int64  // where the item's ciphertext begins in the file
	Sealed int64  // bytes of ciphertext
	Sum    [32]byte
}

// Evidence gives what opens item n, from 0, with the SHA-256 of its ciphertext as it stands in the file. It works on a
// payload whose header is shredded already. fs.ErrNotExist when there is no such item, ErrClosed after Close.
func (p *Payload) Evidence(n int) (Evidence, error) {
	p.mu.Lock()
	if p.views == nil {
		p.mu.Unlock()
		return Evidence{}, ErrClosed
	}
	if n < 0 || n >= len(p.keys) {
		p.mu.Unlock()
		return Evidence{}, fs.ErrNotExist
	}
	e := evidence(p.id, n, p.keys[n])
	p.mu.Unlock()
	for i, it := range p.manifest.Items {
		e.place(i, it.Size)
	}
	return e, e.hash(p.file)
}

// Evidence gives what opens item n of a draft, from 0; the item must be finished, the draft not.
func (d *Draft) Evidence(n int) (Evidence, error) {
	if d.err != nil {
		return Evidence{}, d.err
	}
	if n < 0 || n >= len(d.sizes) {
		return Evidence{}, fs.ErrNotExist
	}
	e := evidence(d.id, n, seal.ItemKey(d.payload, n))
	for i, size := range d.sizes {
		e.place(i, size)
	}
	return e, e.hash(d.out.f)
}

func evidence(id seal.ID, n int, key seal.Key) Evidence {
	return Evidence{Key: key, AAD: chunkAAD(id, uint32(n)), Number: n, At: pageLen}
}

// place takes the sizes of all items in their order.
func (e *Evidence) place(i int, size int64) {
	e.Items++
	switch {
	case i < e.Number:
		e.At += seal.SealedSize(size)
	case i == e.Number:
		e.Plain, e.Sealed = size, seal.SealedSize(size)
	}
}

func (e *Evidence) hash(r io.ReaderAt) error {
	h := sha256.New()
	n, err := io.Copy(h, io.NewSectionReader(r, e.At, e.Sealed))
	if err != nil {
		return failed("read an item", err)
	}
	if n != e.Sealed {
		return ErrDamaged
	}
	h.Sum(e.Sum[:0])
	return nil
}

// Keep moves a payload's ciphertext to a name that says it is preserved: neither an orphan nor a payload that any link
// opens. Its header must be shredded before. It may be repeated, and finished when interrupted; ErrMissing when there is
// neither the one nor the other file.
func (v *Vault) Keep(name string) error {
	if !payloadName.MatchString(name) {
		return ErrMissing
	}
	defer v.names.lock(name)()
	cfg, kept := v.cfg, KeptName(name)
	if _, err := cfg.FS.Stat(cfg.path(kept)); err == nil {
		return cfg.syncDir(cfg.Dir)
	}
	err := cfg.FS.Rename(cfg.path(name), cfg.path(kept))
	if errors.Is(err, fs.ErrNotExist) {
		return ErrMissing
	}
	if err != nil {
		return failed("rename a payload", err)
	}
	return cfg.syncDir(cfg.Dir)
}

// ShredKept destroys what Keep has put aside. A file that is gone is fine.
func (v *Vault) ShredKept(name string) error {
	if !payloadName.MatchString(name) {
		return ErrMissing
	}
	return v.Shred(KeptName(name))
}

// KeptName is what Keep calls a payload, for Shred.
func KeptName(name string) string { return name + suffixKept }

// Kept lists the payloads that Keep has put aside, by the names that they had before.
func (v *Vault) Kept() ([]string, error) {
	names, err := v.list("", keptName)
	for i, name := range names {
		names[i] = strings.TrimSuffix(name, suffixKept)
	}
	return names, err
}

// Ciphertext opens a payload's file as it stands, kept or not, for reading bytes that nobody here can open. ErrMissing.
func (v *Vault) Ciphertext(name string) (f *Ciphertext, err error) {
	file, size, err := v.open(name)
	if errors.Is(err, ErrMissing) && payloadName.MatchString(name) {
		file, size, err = v.openFile(KeptName(name))
	}
	if err != nil {
		return nil, err
	}
	return &Ciphertext{file, size}, nil
}

// Ciphertext is a payload's file, header page included.
type Ciphertext struct {
	file *guarded
	Size int64
}

// ReadAt is io.ReaderAt.
func (c *Ciphertext) ReadAt(p []byte, off int64) (int, error) { return c.file.ReadAt(p, off) }

// Close lets go of the file.
func (c *Ciphertext) Close() { c.file.close() }

// VerifyCiphertext checks what follows the header page of a payload whose header is shredded, kept or not: its size and
// its SHA-256. nil, ErrMissing, ErrDamaged, or an error of the disk.
func (v *Vault) VerifyCiphertext(name string, size int64, sum [32]byte) error {
	c, err := v.Ciphertext(name)
	if err != nil {
		return err
	}
	defer c.Close()
	if c.Size != size || size < pageLen+trailerLen {
		return ErrDamaged
	}
	return verifySum(c, size, sum)
}
