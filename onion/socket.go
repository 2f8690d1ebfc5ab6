package onion

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// maxSocketPath is what fits into sockaddr_un.sun_path with its final zero (unix(7)).
const maxSocketPath = 107

// Errors about the target socket.
var (
	ErrSocketPath = errors.New("the path does not fit a unix socket")
	ErrSocketBusy = errors.New("another program listens on the target socket")
)

// listen listens on the unix socket at path with mode 0600, in a folder that only we may enter: whoever can
// connect here is taken for tor. A socket that a crash left is replaced, anything else there is not touched.
func listen(path string) (*net.UnixListener, error) {
	if len(path) > maxSocketPath {
		return nil, fmt.Errorf("%w: it has %d bytes and %d are possible: choose a shorter data folder", ErrSocketPath, len(path), maxSocketPath)
	}
	if !plain(filepath.Base(path)) {
		return nil, fmt.Errorf("%w: its last part may hold only a-z, A-Z, 0-9, '.', '-' and '_'", ErrSocketPath)
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	info, err := os.Stat(dir)
	if err != nil {
		return nil, err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("others may enter the folder of the target socket: chmod 700 %q", dir)
	}
	if err := removeStale(path); err != nil {
		return nil, err
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("target socket: %w", err)
	}
	// Between the two calls the folder's mode keeps others out.
	if err := os.Chmod(path, 0o600); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// removeStale removes a socket that nobody listens on. Two of us cannot race here: the log's lock on the
// data folder is taken first.
func removeStale(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("target socket: %q is there and is no socket: move it away", path)
	}
	conn, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		conn.Close()
		return fmt.Errorf("%w: is emberdrop running already?", ErrSocketBusy)
	}
	if !errors.Is(err, syscall.ECONNREFUSED) { // a full backlog, say: someone is there
		return fmt.Errorf("%w: %w", ErrSocketBusy, err)
	}
	return os.Remove(path)
}

// plain tells whether ADD_ONION, which cannot quote, takes the name as it is.
func plain(name string) bool {
	for _, r := range name {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r == '.', r == '-', r == '_':
		default:
			return false
		}
	}
	return true
}
