package vault

import (
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"hash"
	"io"

	"emberdrop/seal"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Draft is a payload that is being written, under a name that marks it as unfinished. It is for one goroutine.
type Draft struct {
	v       *Vault
	name    string // the finished name
	secret  seal.Token
	payload seal.Key
	id      seal.ID
	out     *sink
	item    *itemWriter // the one being written, if any
	sizes   []int64     // plaintext of the finished items
	err     error       // first failure; ErrClosed once committed or aborted
}

// Stored is a finished payload, as the log records it.
type Stored struct {
	ID   seal.ID
	Name string
	Size int64    // of the whole padded file
	Sum  [32]byte // SHA-256 of what follows the header page
}

// sink writes and hashes, and remembers that writing failed.
type sink struct {
	f   vfs.File
	sum hash.Hash
	n   int64
	err error
}

func (s *sink) Write(p []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	s.sum.Write(p) // first: a vfs.File may change what it is given
	n, err := s.f.Write(p)
	if err == nil && n != len(p) {
		err = io.ErrShortWrite
	}
	s.n += int64(n)
	s.err = failed("write a payload", err)
	return n, s.err
}

// Create begins the payload of a link. What is written is sealed from the first byte on, under a key that is in RAM
// alone until Commit. End it with Commit or Abort.
func (v *Vault) Create(secret seal.Token) (*Draft, error) {
	host, vault, err := v.keys()
	if err != nil {
		return nil, err
	}
	vault.Wipe()
	d := &Draft{v: v, name: newName(), secret: secret, payload: seal.NewKey(), id: seal.LinkID(secret, host)}
	host.Wipe()
	v.setLive(d.tmp(), true) // before there is a file, so the sweeper never sees it as a leftover
	f, err := v.cfg.create(d.tmp())
	if err != nil {
		d.wipe()
		v.setLive(d.tmp(), false)
		return nil, err
	}
	d.out = &sink{f: f, sum: sha256.New()}
	// The header's page is random until Commit writes the header over it: a draft opens with nothing.
	if err := d.random(pageLen); err != nil {
		d.Abort()
		return nil, err
	}
	d.out.sum.Reset()
	return d, nil
}

func (d *Draft) tmp() string { return d.name + suffixDraft }

// random writes n random bytes.
func (d *Draft) random(n int64) error {
	buf := make([]byte, min(n, seal.ChunkSize))
	for n > 0 {
		p := buf[:min(n, int64(len(buf)))]
		rand.Read(p)
		if _, err := d.out.Write(p); err != nil {
			return err
		}
		n -= int64(len(p))
	}
	return nil
}

type itemWriter struct {
	d *Draft
	w *seal.Writer
}

// Item begins the next item. The one before must have been closed.
func (d *Draft) Item() (io.WriteCloser, error) {
	if d.err != nil {
		return nil, d.err
	}
	if d.item != nil {
		return nil, errors.New("vault: the item before is still open")
	}
	n := len(d.sizes)
	d.item = &itemWriter{d: d, w: seal.NewWriter(d.out, seal.ItemKey(d.payload, n), chunkAAD(d.id, uint32(n)))}
	return d.item, nil
}

func (w *itemWriter) Write(p []byte) (int, error) {
	n, err := w.w.Write(p)
	if err != nil && w.d.err == nil {
		w.d.err = err
	}
	return n, err
}

// Close ends the item. Closing it again does nothing.
func (w *itemWriter) Close() error {
	d := w.d
	if d.item != w {
		return d.err
	}
	d.item = nil
	if err := w.w.Close(); err != nil {
		d.err = err
		return err
	}
	d.sizes = append(d.sizes, w.w.Size())
	return nil
}

// Commit finishes the payload: when it returns without an error the file is complete and durable under Stored.Name,
// and opens with the link secret (and the passphrase, when it is not empty). m names the items in the order in which
// they were written; sizes are taken from what was written, and one that is given and differs is ErrManifest. On any
// error the draft is gone, as after Abort.
func (d *Draft) Commit(m Manifest, passphrase string) (Stored, error) {
	if d.err == nil && d.item != nil {
		d.err = errors.New("vault: an item is still open")
	}
	if d.err == nil {
		d.err = d.seal(m, passphrase)
	}
	if d.err == nil {
		d.err = d.publish()
	}
	if d.err != nil {
		err := d.err
		d.Abort()
		return Stored{}, err
	}
	st := Stored{ID: d.id, Name: d.name, Size: d.out.n}
	d.out.sum.Sum(st.Sum[:0])
	d.close()
	return st, nil
}

// seal writes all that follows the items, and the header last.
func (d *Draft) seal(m Manifest, passphrase string) error {
	h := header{half: seal.NewKey()}
	defer h.wipe()
	var pass seal.Key
	defer pass.Wipe()
	if passphrase != "" {
		h.locked, h.argon = true, d.v.cfg.Argon
		rand.Read(h.salt[:])
		var err error
		if pass, err = d.v.passphrase(passphrase, h); err != nil {
			return err
		}
	}
	if err := d.tail(m, &h); err != nil {
		return err
	}
	host, vault, err := d.v.keys()
	if err != nil {
		return err
	}
	wrapping := seal.WrapKey(d.secret, h.half, pass, host, vault)
	host.Wipe()
	vault.Wipe()
	h.wrapped = seal.Wrap(wrapping, d.payload, h.wrapAAD(d.id))
	wrapping.Wipe()

	page := make([]byte, pageLen)
	defer clear(page)
	rand.Read(page)
	h.put(page)
	_, err = d.out.f.WriteAt(page, 0)
	return failed("write a header", err)
}

// tail writes manifest, padding and trailer.
func (d *Draft) tail(m Manifest, h *header) error {
	if len(m.Items) != len(d.sizes) {
		return ErrManifest
	}
	items := make([]Item, len(m.Items))
	for i, it := range m.Items {
		if it.Size != 0 && it.Size != d.sizes[i] {
			return ErrManifest
		}
		items[i] = Item{Kind: it.Kind, Size: d.sizes[i]}
	}
	plain, err := Manifest{Caption: m.Caption, Items: items}.encode()
	if err != nil {
		return err
	}
	defer clear(plain)
	t := trailer{manifestAt: d.out.n}
	if err := d.stream(seal.ManifestKey(d.payload), h.manifestAAD(d.id), plain); err != nil {
		return err
	}
	t.manifestLen = d.out.n - t.manifestAt
	t.fileLen = seal.Padme(d.out.n + trailerLen)
	if err := d.random(t.fileLen - trailerLen - d.out.n); err != nil {
		return err
	}
	return d.stream(seal.TrailerKey(d.payload), chunkAAD(d.id, numberTrailer), t.encode())
}

// stream writes one whole sealed stream.
func (d *Draft) stream(key seal.Key, aad, plain []byte) error {
	w := seal.NewWriter(d.out, key, aad)
	key.Wipe()
	defer w.Wipe()
	if _, err := w.Write(plain); err != nil {
		return err
	}
	return w.Close()
}

// publish makes the file durable, then gives it its name, then makes the name durable. In this order a name never
// stands for a file that is not whole, whatever a crash leaves.
func (d *Draft) publish() error {
	cfg := d.v.cfg
	if err := d.out.f.Sync(); err != nil {
		return failed("sync a payload", err)
	}
	f := d.out.f
	d.out.f = nil
	if err := f.Close(); err != nil {
		return failed("close a payload", err)
	}
	if err := cfg.FS.Rename(cfg.path(d.tmp()), cfg.path(d.name)); err != nil {
		return failed("name a payload", err)
	}
	return cfg.syncDir(cfg.Dir)
}

// Abort gives the draft up: it is overwritten and unlinked. After Commit it does nothing. When it fails the draft is
// one of the Leftovers, without a key that opens it.
func (d *Draft) Abort() error {
	if d.out == nil {
		return nil
	}
	if d.item != nil {
		d.item.w.Wipe()
	}
	d.close()
	// Commit may have failed after the file got its name.
	return errors.Join(d.v.Shred(d.tmp()), d.v.Shred(d.name))
}

// close lets go of everything but the file itself.
func (d *Draft) close() {
	d.wipe()
	if d.out.f != nil {
		d.out.f.Close()
	}
	d.out, d.item = nil, nil
	d.err = ErrClosed
	d.v.setLive(d.tmp(), false)
}

func (d *Draft) wipe() {
	d.secret.Wipe()
	d.payload.Wipe()
}

// Bound is the most bytes that a payload takes whose items, caption and media types have so many bytes together, as
// long as nothing grows on its way in: header page, tags, manifest, trailer, and the padding of all of it. It is what
// to set aside before the first byte.
func Bound(content int64) int64 {
	// Every item ends in a chunk of its own and has ten bytes in the manifest besides its media type; both are less than
	// what frames a file in a form. The rest is for the caption's and the manifest's own framing.
	const framing = 512
	return seal.Padme(pageLen + seal.SealedSize(content) + framing + trailerLen)
}

// passphrase derives the key of a header's passphrase. Only a few run at once: each takes much RAM.
func (v *Vault) passphrase(passphrase string, h header) (seal.Key, error) {
	v.slow <- struct{}{}
	defer func() { <-v.slow }()
	return seal.PassphraseKey(passphrase, h.salt, h.argon)
}
