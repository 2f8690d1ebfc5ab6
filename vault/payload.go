package vault

import (
	"errors"
	"io"
	"io/fs"
	"slices"
	"sync"

	"emberdrop/seal"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Payload is an open payload: the keys and ciphers of its items are in RAM and its file is held open, so that it goes on
// reading after its header was shredded or its name unlinked. The payload key itself is wiped before Open returns. It is
// safe for any number of goroutines.
type Payload struct {
	id       seal.ID
	manifest Manifest
	file     *guarded

	mu    sync.Mutex
	keys  []seal.Key            // of the items, for Evidence; wiped and nil once closed
	items []*seal.Reader        // nil once closed, so that their ciphers can be collected
	views map[*Content]struct{} // open views, to be wiped on Close; nil once closed
}

// guarded is a file that can be closed under its readers.
type guarded struct {
	mu     sync.RWMutex
	f      vfs.File
	closed bool
}

func (g *guarded) ReadAt(p []byte, off int64) (int, error) {
	g.mu.RLock()
	defer g.mu.RUnlock()
	if g.closed {
		return 0, ErrClosed
	}
	n, err := g.f.ReadAt(p, off)
	if err != nil && !errors.Is(err, io.EOF) {
		err = failed("read a payload", err)
	}
	return n, err
}

func (g *guarded) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.closed {
		g.closed = true
		g.f.Close()
	}
}

// Locked says whether a payload needs a passphrase. ErrMissing; ErrDamaged when there is no header (any more).
func (v *Vault) Locked(name string) (bool, error) {
	f, _, err := v.open(name)
	if err != nil {
		return false, err
	}
	defer f.close()
	h, err := readHeader(f)
	defer h.wipe()
	return h.locked, err
}

func (v *Vault) open(name string) (*guarded, int64, error) {
	if !payloadName.MatchString(name) {
		return nil, 0, ErrMissing
	}
	return v.openFile(name)
}

func (v *Vault) openFile(name string) (*guarded, int64, error) {
	f, err := v.cfg.FS.Open(v.cfg.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, ErrMissing
	}
	if err != nil {
		return nil, 0, failed("open a payload", err)
	}
	fi, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, 0, failed("look at a payload", err)
	}
	return &guarded{f: f}, fi.Size(), nil
}

func readHeader(r io.ReaderAt) (header, error) {
	page := make([]byte, pageLen)
	defer clear(page)
	if n, err := r.ReadAt(page, 0); n < len(page) {
		return header{}, short(err)
	}
	return parseHeader(page)
}

// Open opens a payload. The manifest and every item's last chunk are authenticated before it returns, so a file that
// was cut, or whose parts were exchanged, is refused as a whole. ErrPassphrase when it needs a passphrase and this one
// does not open it (nor would anything, should the header be damaged: the two cannot be told apart); ErrBusy; ErrDamaged;
// ErrMissing; ErrClosed once the vault key was destroyed; otherwise an error of the disk.
func (v *Vault) Open(name string, secret seal.Token, passphrase string) (*Payload, error) {
	defer secret.Wipe()
	f, size, err := v.open(name)
	if err != nil {
		return nil, err
	}
	p, err := v.unseal(f, size, secret, passphrase)
	if err != nil {
		f.close()
		return nil, err
	}
	return p, nil
}

func (v *Vault) unseal(f *guarded, size int64, secret seal.Token, passphrase string) (*Payload, error) {
	h, err := readHeader(f)
	if err != nil {
		return nil, err
	}
	defer h.wipe()
	host, vault, err := v.keys()
	if err != nil {
		return nil, err
	}
	defer host.Wipe()
	defer vault.Wipe()
	id := seal.LinkID(secret, host)

	var pass seal.Key
	defer pass.Wipe()
	if h.locked {
		if passphrase == "" {
			return nil, ErrPassphrase
		}
		// Who uploads waits as long as it takes; who tries passphrases may be turned away.
		select {
		case v.line <- struct{}{}:
			defer func() { <-v.line }()
		default:
			return nil, ErrBusy
		}
		if pass, err = v.passphrase(passphrase, h); err != nil {
			return nil, err
		}
	}
	wrapping := seal.WrapKey(secret, h.half, pass, host, vault)
	key, err := seal.Unwrap(wrapping, h.wrapped, h.wrapAAD(id))
	wrapping.Wipe()
	if err != nil {
		if h.locked {
			return nil, ErrPassphrase
		}
		return nil, err
	}
	defer key.Wipe()

	p := &Payload{id: id, file: f, views: map[*Content]struct{}{}}
	if err := p.load(&key, &h, id, size); err != nil {
		p.wipeKeys()
		return nil, err
	}
	return p, nil
}

// load reads trailer, manifest and last chunks. Every offset and size in the file has one right value, which follows
// from the sizes of the items, and no other is taken.
func (p *Payload) load(key *seal.Key, h *header, id seal.ID, size int64) error {
	if size < pageLen+trailerLen {
		return ErrDamaged
	}
	plain, err := p.whole(seal.TrailerKey(*key), chunkAAD(id, numberTrailer), size-trailerLen, trailerLen)
	if err != nil {
		return err
	}
	t, err := decodeTrailer(plain)
	if err != nil {
		return err
	}
	if t.fileLen != size || t.manifestLen < 0 || t.manifestLen > seal.SealedChunk || t.manifestAt < pageLen ||
		t.manifestAt > size || seal.Padme(t.manifestAt+t.manifestLen+trailerLen) != size {
		return ErrDamaged
	}
	if plain, err = p.whole(seal.ManifestKey(*key), h.manifestAAD(id), t.manifestAt, t.manifestLen); err != nil {
		return err
	}
	defer clear(plain)
	if p.manifest, err = decodeManifest(plain); err != nil {
		return err
	}
	at := int64(pageLen)
	p.keys = make([]seal.Key, 0, len(p.manifest.Items)) // whole at once: growing would leave copies behind
	for i, it := range p.manifest.Items {
		n := seal.SealedSize(it.Size)
		if n > t.manifestAt-at {
			return ErrDamaged
		}
		p.keys = append(p.keys, seal.ItemKey(*key, i))
		r, err := seal.NewReader(io.NewSectionReader(p.file, at, n), n, p.keys[i], chunkAAD(id, uint32(i)))
		if err != nil {
			return err
		}
		p.items = append(p.items, r)
		at += n
	}
	if at != t.manifestAt {
		return ErrDamaged
	}
	return nil
}

// whole opens one short sealed stream.
func (p *Payload) whole(key seal.Key, aad []byte, at, n int64) ([]byte, error) {
	defer key.Wipe()
	r, err := seal.NewReader(io.NewSectionReader(p.file, at, n), n, key, aad)
	if err != nil {
		return nil, err
	}
	b := make([]byte, r.Size())
	if _, err := r.ReadAt(b, 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return b, nil
}

// Manifest is what the payload holds. It stays readable after Close: Go strings cannot be wiped.
func (p *Payload) Manifest() Manifest {
	return Manifest{Caption: p.manifest.Caption, Items: slices.Clone(p.manifest.Items)}
}

// Content is a view of one item: sequential, seekable, fit for http.ServeContent. Each chunk is authenticated before a
// byte of it is given out. It is for one reading goroutine; Close may come from another, and wipes the chunk in hand.
type Content struct {
	*seal.Stream
	p *Payload
}

// Item gives a view of item n, from 0, at its beginning; any number may be open. fs.ErrNotExist when there is no such
// item, ErrClosed after Close.
func (p *Payload) Item(n int) (*Content, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.views == nil {
		return nil, ErrClosed
	}
	if n < 0 || n >= len(p.items) {
		return nil, fs.ErrNotExist
	}
	c := &Content{Stream: p.items[n].Stream(), p: p}
	p.views[c] = struct{}{}
	return c, nil
}

// Close ends the view. It never fails and may be repeated.
func (c *Content) Close() error {
	c.p.mu.Lock()
	delete(c.p.views, c)
	c.p.mu.Unlock()
	return c.Stream.Close()
}

// Close drops the ciphers, wipes every chunk in hand and closes the file. Reads of its items give ErrClosed from then on,
// those under way finish with the chunk they have. It never fails and may be repeated.
func (p *Payload) Close() {
	p.mu.Lock()
	views := p.views
	p.wipeKeys()
	p.views, p.items = nil, nil
	p.mu.Unlock()
	p.file.close()
	for c := range views {
		c.Stream.Close()
	}
}

func (p *Payload) wipeKeys() {
	for i := range p.keys {
		p.keys[i].Wipe()
	}
	p.keys = nil
}
