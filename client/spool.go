package client

import (
	"errors"
	"io"
	"os"

	"emberdrop/seal"
)

// Spool keeps a container between sealing and sending. Its length is known only
// at the end, a try that was cut off has to send the same bytes again, and it is
// too large for memory: so it goes to a temporary file, once more sealed under a
// key that only this process has. Without that, whoever finds the file's remains
// could open them with the link, long after the link has ended.
type Spool struct {
	file *os.File
	key  seal.Key
	w    *seal.Writer
}

// NewSpool makes a spool; Close it.
func NewSpool() (*Spool, error) {
	file, err := os.CreateTemp("", "emberdrop-*")
	if err != nil {
		return nil, err
	}
	// An open file needs no name. Where it does, Close takes it.
	_ = os.Remove(file.Name())
	s := &Spool{file: file, key: seal.NewKey()}
	s.w = seal.NewWriter(file, s.key, nil)
	return s, nil
}

// Write adds to the spool.
func (s *Spool) Write(p []byte) (int, error) { return s.w.Write(p) }

// File ends writing and gives the content, which is there until Close.
func (s *Spool) File() (File, error) {
	if err := s.w.Close(); err != nil {
		return File{}, err
	}
	r, err := seal.NewReader(s.file, seal.SealedSize(s.w.Size()), s.key, nil)
	if err != nil {
		return File{}, err
	}
	return File{Size: s.w.Size(), Open: func() io.Reader { return r.Stream() }}, nil
}

// Close drops the spool.
func (s *Spool) Close() error {
	s.key.Wipe()
	s.w.Wipe()
	err := s.file.Close()
	if gone := os.Remove(s.file.Name()); !errors.Is(gone, os.ErrNotExist) {
		err = errors.Join(err, gone)
	}
	return err
}
