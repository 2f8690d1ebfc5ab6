package tests

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"slices"
	"strconv"
	"sync"
	"testing"
)

// socks is a SOCKS5 server (RFC 1928 and 1929) that leads every name to one unix
// socket, keeps what it is told, and breaks connections as a bad circuit does.
type socks struct {
	listener net.Listener
	target   string

	mu    sync.Mutex
	users []string     // of each connection
	hosts []string     // asked for, with their ports
	sent  bytes.Buffer // all that clients sent to the server
	cuts  []cut
}

// cut breaks a connection once, when what went one way over it holds a text and
// so many bytes more.
type cut struct {
	up    bool // to the server
	after string
	more  int
}

func startSOCKS(t *testing.T, target string) *socks {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	s := &socks{listener: listener, target: target}
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			go s.serve(c)
		}
	}()
	return s
}

func (s *socks) addr() string { return s.listener.Addr().String() }

// breakOnce has the next connection that it fits broken off.
func (s *socks) breakOnce(c cut) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cuts = append(s.cuts, c)
}

// unbroken is how many cuts are still to come.
func (s *socks) unbroken() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.cuts)
}

// told returns what clients sent so far, and forgets it.
func (s *socks) told() (sent []byte, users, hosts []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sent, users, hosts = slices.Clone(s.sent.Bytes()), s.users, s.hosts
	s.sent.Reset()
	s.users, s.hosts = nil, nil
	return sent, users, hosts
}

func (s *socks) serve(c net.Conn) {
	defer c.Close()
	user, host, ok := handshake(c)
	if !ok {
		return
	}
	s.mu.Lock()
	s.users, s.hosts = append(s.users, user), append(s.hosts, host)
	s.mu.Unlock()
	up, err := net.Dial("unix", s.target)
	if err != nil {
		c.Write([]byte{5, 5, 0, 1, 0, 0, 0, 0, 0, 0}) // connection refused
		return
	}
	defer up.Close()
	c.Write([]byte{5, 0, 0, 1, 0, 0, 0, 0, 0, 0})
	go func() {
		defer up.Close()
		defer c.Close()
		s.pass(up, c, true)
	}()
	s.pass(c, up, false)
}

// pass copies one way until it ends or is cut.
func (s *socks) pass(dst, src net.Conn, up bool) {
	buf := make([]byte, 8<<10)
	var all []byte // that went over this connection, this way
	for {
		n, err := src.Read(buf)
		s.mu.Lock()
		all = append(all, buf[:n]...)
		if up {
			s.sent.Write(buf[:n])
		}
		i := slices.IndexFunc(s.cuts, func(c cut) bool {
			at := bytes.Index(all, []byte(c.after))
			return c.up == up && at >= 0 && len(all) >= at+len(c.after)+c.more
		})
		if i >= 0 {
			s.cuts = slices.Delete(s.cuts, i, i+1)
		}
		s.mu.Unlock()
		if i >= 0 || err != nil {
			return
		}
		if _, err := dst.Write(buf[:n]); err != nil {
			return
		}
	}
}

// handshake reads who asks for what.
func handshake(c net.Conn) (user, host string, ok bool) {
	field := func(length int) []byte {
		b := make([]byte, length)
		if _, err := io.ReadFull(c, b); err != nil {
			return make([]byte, length)
		}
		return b
	}
	text := func() string { return string(field(int(field(1)[0]))) }
	if field(1)[0] != 5 {
		return "", "", false
	}
	if !bytes.Contains([]byte(text()), []byte{2}) { // the ways to say who one is
		c.Write([]byte{5, 0xff})
		return "", "", false
	}
	c.Write([]byte{5, 2})
	field(1)
	user = text() + ":" + text()
	c.Write([]byte{1, 0})
	if request := field(4); request[1] != 1 || request[3] != 3 { // CONNECT, to a name
		c.Write([]byte{5, 8, 0, 1, 0, 0, 0, 0, 0, 0})
		return "", "", false
	}
	host = text()
	return user, host + ":" + strconv.Itoa(int(binary.BigEndian.Uint16(field(2)))), true
}
