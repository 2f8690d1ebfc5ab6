package browser_test

import (
	"encoding/binary"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
)

// socks is a SOCKS5 server (RFC 1928) that leads every *.onion name to one
// address and refuses every other.
type socks struct {
	listener net.Listener
	target   string

	mu      sync.Mutex
	refused []string
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

// others returns the hosts outside *.onion that were asked for.
func (s *socks) others() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.refused)
}

func (s *socks) serve(c net.Conn) {
	defer c.Close()
	head := make([]byte, 2)
	if _, err := io.ReadFull(c, head); err != nil || head[0] != 5 {
		return
	}
	if _, err := io.CopyN(io.Discard, c, int64(head[1])); err != nil {
		return
	}
	c.Write([]byte{5, 0}) // no authentication
	request := make([]byte, 4)
	if _, err := io.ReadFull(c, request); err != nil || request[1] != 1 {
		return
	}
	host, ok := readHost(c, request[3])
	var port [2]byte
	if _, err := io.ReadFull(c, port[:]); err != nil || !ok {
		return
	}
	if !strings.HasSuffix(host, ".onion") || binary.BigEndian.Uint16(port[:]) != 80 {
		s.mu.Lock()
		s.refused = append(s.refused, host)
		s.mu.Unlock()
		c.Write([]byte{5, 4, 0, 1, 0, 0, 0, 0, 0, 0}) // host unreachable
		return
	}
	up, err := net.Dial("tcp", s.target)
	if err != nil {
		return
	}
	defer up.Close()
	c.Write([]byte{5, 0, 0, 1, 0, 0, 0, 0, 0, 0})
	go func() {
		io.Copy(up, c)
		up.Close()
	}()
	io.Copy(c, up)
}

func readHost(r io.Reader, kind byte) (string, bool) {
	var raw []byte
	switch kind {
	case 1:
		raw = make([]byte, 4)
	case 3:
		length := make([]byte, 1)
		if _, err := io.ReadFull(r, length); err != nil {
			return "", false
		}
		raw = make([]byte, length[0])
	case 4:
		raw = make([]byte, 16)
	default:
		return "", false
	}
	if _, err := io.ReadFull(r, raw); err != nil {
		return "", false
	}
	if kind == 3 {
		return string(raw), true
	}
	return net.IP(raw).String(), true
}
