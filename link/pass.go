package link

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"strings"

	"emberdrop/eventlog"
)

// A pass is a code that the operator gives out: it raises one upload's files to
// a higher limit, once. It is stored as a hash, outside the log, and deleted in
// the batch that makes the link, so that afterwards nothing ties the two.

// passBytes is how much randomness a pass has: 80 bits, 16 letters, enough that
// guessing one over a network is hopeless and short enough to be read out.
const passBytes = 10

// maxMint is how many passes one command makes.
const maxMint = 1000

var passText = base32.StdEncoding // upper case: codes are read by people

func passHash(code string) [32]byte {
	code = strings.ToUpper(strings.NewReplacer("-", "", " ", "").Replace(code))
	return sha256.Sum256([]byte("emberdrop/v1/pass\x00" + code))
}

// Mint makes passes and returns their codes, which nothing keeps.
func (l *Links) Mint(n int) ([]string, error) {
	if n < 1 || n > maxMint {
		return nil, ErrPass
	}
	codes := make([]string, n)
	for i := range codes {
		var raw [passBytes]byte
		rand.Read(raw[:])
		text := passText.EncodeToString(raw[:])
		codes[i] = text[:4] + "-" + text[4:8] + "-" + text[8:12] + "-" + text[12:]
	}
	err := l.cfg.Log.Do(l.cfg.Now(), func(tx *eventlog.Tx) ([]eventlog.Draft, error) {
		for _, code := range codes {
			if err := tx.Set(eventlog.PassKey(passHash(code)), nil); err != nil {
				return nil, err
			}
		}
		return nil, nil
	})
	return codes, err
}

// Passes counts the passes that are not spent.
func (l *Links) Passes() (n int, err error) {
	err = l.cfg.Log.Read(func(tx *eventlog.Tx) error {
		lo, hi := eventlog.PassBounds()
		return tx.Scan(lo, hi, func(_, _ []byte) (bool, error) {
			n++
			return true, nil
		})
	})
	return n, err
}

// anyPass reports whether there is a pass that is not spent.
func (l *Links) anyPass() (some bool, err error) {
	err = l.cfg.Log.Read(func(tx *eventlog.Tx) error {
		lo, hi := eventlog.PassBounds()
		return tx.Scan(lo, hi, func(_, _ []byte) (bool, error) {
			some = true
			return false, nil
		})
	})
	return some, err
}

// Pass says that the upload comes with a pass. It is spent by Commit. The error
// is ErrPass when there is no such pass.
func (u *Upload) Pass(code string) error {
	hash := passHash(code)
	err := u.links.cfg.Log.Read(func(tx *eventlog.Tx) error {
		_, known, err := tx.Get(eventlog.PassKey(hash))
		if err == nil && !known {
			return ErrPass
		}
		return err
	})
	if err == nil {
		u.pass = &hash
	}
	return err
}

// spend deletes a pass inside the decision that makes the link; of many uploads
// with the same pass one finds it.
func spend(tx *eventlog.Tx, pass *[32]byte) error {
	if pass == nil {
		return nil
	}
	key := eventlog.PassKey(*pass)
	if _, known, err := tx.Get(key); err != nil {
		return err
	} else if !known {
		return ErrPass
	}
	return tx.Delete(key)
}
