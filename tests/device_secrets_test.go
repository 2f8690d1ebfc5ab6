package tests

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"emberdrop/eventlog"
	"emberdrop/seal"
	"emberdrop/tests/needle"
)

// Where a payload's header page keeps its two secrets (the package comment of vault).
const (
	headerPublic = 36
	headerHalf   = headerPublic + 32
	headerEnd    = headerHalf + seal.WrappedLen
)

// header is the front of a payload's header page as it stands on the disk.
type header [headerEnd]byte

func readHeader(t *testing.T, path string) (h header) {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Error(err)
		return h
	}
	defer file.Close()
	if _, err := file.ReadAt(h[:], 0); err != nil {
		t.Error(err)
	}
	return h
}

func (h *header) half() []byte    { return h[headerPublic:headerHalf] }
func (h *header) wrapped() []byte { return h[headerHalf:] }

// keys opens the payload key as a viewer's request does, and with it proves that
// what is looked for afterwards is the real thing.
func (h *header) keys(secret seal.Token, passphrase string, host, vault seal.Key) (wrapping, payload seal.Key, err error) {
	var pass, half seal.Key
	if passphrase != "" {
		var salt [seal.SaltLen]byte
		copy(salt[:], h[20:])
		pass, err = seal.PassphraseKey(passphrase, salt, seal.Params{
			Time: binary.BigEndian.Uint32(h[12:]), Memory: binary.BigEndian.Uint32(h[16:]), Threads: h[11],
		})
		if err != nil {
			return wrapping, payload, err
		}
	}
	copy(half[:], h.half())
	wrapping = seal.WrapKey(secret, half, pass, host, vault)
	id := seal.LinkID(secret, host)
	payload, err = seal.Unwrap(wrapping, [seal.WrappedLen]byte(h.wrapped()), append(h[:headerPublic:headerPublic], id[:]...))
	return wrapping, payload, err
}

// idTail is the part of a link's id that is looked for: sorted tables leave out of
// a key what it has in common with the one before.
const idTail = 4

// secrets remembers all of a link that must not stay, or must be found.
func (w *world) secrets(g *story, lives bool) {
	id := eventlog.ID(seal.LinkID(g.answer.Secret, w.host))
	row := map[uint64]any{}
	err := w.log.Read(func(tx *eventlog.Tx) error {
		value, known, err := tx.Get(eventlog.LinkKey(id))
		if err != nil || !known {
			return fmt.Errorf("the link is not in the log: %w", err)
		}
		return eventlog.Unmarshal(value, &row)
	})
	name, isName := row[1].(string)
	sum, isSum := row[3].([]byte)
	if err != nil || !isName || !isSum {
		w.t.Errorf("the link's row: %v", err)
		return
	}
	g.payload = name
	page := readHeader(w.t, filepath.Join(w.device.folder, "vault", name))
	wrapping, payload, err := page.keys(g.answer.Secret, g.passphrase, w.host, w.vkey)
	if err != nil {
		w.t.Errorf("the payload key of link %d: %v", g.n, err)
		return
	}
	onDisk := w.remember
	if lives {
		onDisk = w.keep
	}
	hash := g.answer.Receipt.Hash()
	onDisk("id", g.n, id[idTail:])
	onDisk("name", g.n, []byte(name))
	onDisk("sum", g.n, sum)
	onDisk("receipthash", g.n, hash[idTail:])
	onDisk("half", g.n, page.half())
	onDisk("wrapped", g.n, page.wrapped())
	// These must never be there, whether the link lives or not.
	w.remember("secret", g.n, g.answer.Secret[:])
	w.remember("receipt", g.n, g.answer.Receipt[:])
	w.remember("caption", g.n, []byte(g.caption))
	if g.passphrase != "" {
		w.remember("passphrase", g.n, []byte(g.passphrase))
	}
	never := []seal.Key{wrapping, payload, seal.ManifestKey(payload), seal.TrailerKey(payload)}
	for i, file := range g.files {
		never = append(never, seal.ItemKey(payload, i))
		for _, window := range needle.Windows("", file[len(file)/2:], 24, 3) {
			w.remember("content", g.n, window.Bytes)
		}
	}
	for _, key := range never {
		w.remember("key", g.n, key[:])
		if w.disk.careless {
			w.spill(key[:])
		}
	}
}
