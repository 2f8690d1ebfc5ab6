// Package hook asks programs of the operator, on the same host, what they say of
// a file: a classifier of their own and ClamAV's clamd, over unix sockets, and
// ffmpeg, as a child that is shut in, for the pictures in a video. It must not
// know links, HTTP or lists, and it decides nothing but this: every error wraps
// match.ErrNotScanned, and what was not scanned is held. To let it pass because
// a program was down would be an invitation.
//
// No plaintext reaches the disk on the way: the classifier gets bytes through
// the socket; clamd and ffmpeg get a file that exists in RAM alone
// (memfd_create(2)), which can be swapped out exactly as our own memory can.
// What the operator's programs do with it is the operator's to see to; clamd
// unpacks archives into its TemporaryDirectory, which therefore belongs on a tmpfs.
package hook

import (
	"context"
	"fmt"
	"net"
	"time"

	"emberdrop/match"
)

// Config says where a program listens and how long it may take.
type Config struct {
	Socket  string        // path of its unix socket
	Timeout time.Duration // for one file, from connecting to the last byte of the answer; 0: 10 seconds
	MaxSize int64         // larger files are not sent and count as not scanned; 0: 100 MiB
}

const maxAnswer = 64 << 10 // bytes of an answer that are read

// refused makes an error of our own words alone.
func refused(why string) error { return fmt.Errorf("%w: %s", match.ErrNotScanned, why) }

// dial connects for one file. The connection ends with ctx and with the
// timeout, whatever is being read or written then. The caller calls done.
func (c Config) dial(ctx context.Context, size int64) (conn *net.UnixConn, done func(), err error) {
	limit, timeout := c.MaxSize, c.Timeout
	if limit == 0 {
		limit = 100 << 20
	}
	if timeout == 0 {
		timeout = 10 * time.Second
	}
	if size < 0 || size > limit {
		return nil, nil, refused("too large")
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	any, err := new(net.Dialer).DialContext(ctx, "unix", c.Socket)
	if err != nil {
		cancel()
		return nil, nil, refused("no connection")
	}
	conn = any.(*net.UnixConn)
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	return conn, func() { stop(); cancel(); conn.Close() }, nil
}
