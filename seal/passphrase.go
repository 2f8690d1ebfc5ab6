package seal

import "golang.org/x/crypto/argon2"

// SaltLen is the size of an Argon2id salt (RFC 9106 section 3.1 recommends 16 bytes).
const SaltLen = 16

// Params are Argon2id's cost (RFC 9106). They stand in a payload's header, which a thief or a failing disk may have
// changed before it is read, so every use checks them against the caps below.
type Params struct {
	Time    uint32 // passes over the memory, 1 to MaxTime
	Memory  uint32 // KiB, 8 per thread to MaxMemory
	Threads uint8  // lanes, 1 to MaxThreads
}

// Caps: what a header may ask of us before it has been authenticated.
const (
	MaxTime    = 10
	MaxMemory  = 256 << 10 // KiB: 256 MiB
	MaxThreads = 8
)

// DefaultParams is the second recommended option of RFC 9106 section 4: 64 MiB, three passes, four lanes.
func DefaultParams() Params { return Params{Time: 3, Memory: 64 << 10, Threads: 4} }

// Check says whether p is within the caps: nil or ErrParams.
func (p Params) Check() error {
	if p.Time < 1 || p.Time > MaxTime || p.Threads < 1 || p.Threads > MaxThreads ||
		p.Memory < 8*uint32(p.Threads) || p.Memory > MaxMemory {
		return ErrParams
	}
	return nil
}

// PassphraseKey is Argon2id(passphrase, salt) with p, 32 bytes. It takes p.Memory KiB of RAM while it runs; limit how
// many run at once. ErrParams when p is outside of the caps, before any work is done.
func PassphraseKey(passphrase string, salt [SaltLen]byte, p Params) (k Key, err error) {
	if err := p.Check(); err != nil {
		return Key{}, err
	}
	pass := []byte(passphrase)
	b := argon2.IDKey(pass, salt[:], p.Time, p.Memory, p.Threads, uint32(len(k)))
	copy(k[:], b)
	clear(b)
	clear(pass)
	return k, nil
}
