package tests

import (
	"io"
	"net"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"
)

// tap stands between a browser and tor's SOCKS port: it knows every address that
// the browser connects to, can slow down what comes, and knows when tor breaks a
// connection off.
type tap struct {
	listener net.Listener
	tor      string

	mu     sync.Mutex
	hosts  []string // asked for, with their ports
	rate   int      // bytes a second that come down each connection; 0: as they come
	down   int64    // bytes that came down, all connections together
	broken int      // connections that tor ended in the middle of something
}

func tapTor(t *testing.T) *tap {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	p := &tap{listener: listener, tor: theNetwork(t).SOCKS()}
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			go p.serve(c)
		}
	}()
	return p
}

func (p *tap) addr() string { return p.listener.Addr().String() }

// asked is every host and port that was connected to so far, once.
func (p *tap) asked() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	hosts := slices.Clone(p.hosts)
	slices.Sort(hosts)
	return slices.Compact(hosts)
}

// slow has what comes from now on come at so many bytes a second.
func (p *tap) slow(rate int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rate = rate
}

// seen is how many bytes came down, and how many connections tor broke off.
func (p *tap) seen() (down int64, broken int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.down, p.broken
}

func (p *tap) serve(c net.Conn) {
	defer c.Close()
	up, err := net.Dial("tcp", p.tor)
	if err != nil {
		return
	}
	defer up.Close()
	// Little is under way unseen: what tor has sent is soon what the browser has.
	up.(*net.TCPConn).SetReadBuffer(64 << 10)
	if !p.greet(c, up) {
		return
	}
	go func() {
		io.Copy(up, c)
		up.(*net.TCPConn).CloseWrite()
	}()
	buf := make([]byte, 16<<10)
	for {
		n, err := up.Read(buf)
		if n > 0 {
			p.mu.Lock()
			rate := p.rate
			p.mu.Unlock()
			if rate > 0 {
				time.Sleep(time.Duration(n) * time.Second / time.Duration(rate))
			}
			if _, gone := c.Write(buf[:n]); gone != nil {
				return // the browser had enough
			}
			p.mu.Lock()
			p.down += int64(n)
			p.mu.Unlock()
		}
		if err != nil {
			p.mu.Lock()
			p.broken++
			p.mu.Unlock()
			return
		}
	}
}

// greet passes the first messages of SOCKS5 (RFC 1928) on and keeps what host is
// asked for.
func (p *tap) greet(c, up net.Conn) bool {
	read := func(from net.Conn, n int) []byte {
		b := make([]byte, n)
		if _, err := io.ReadFull(from, b); err != nil {
			return nil
		}
		return b
	}
	hello := read(c, 2)
	if hello == nil {
		return false
	}
	methods := read(c, int(hello[1]))
	up.Write(append(hello, methods...))
	chosen := read(up, 2)
	if chosen == nil || chosen[1] != 0 {
		return false
	}
	c.Write(chosen)
	request := read(c, 5)
	if request == nil {
		return false
	}
	rest := map[byte]int{1: 3, 3: int(request[4]), 4: 15}[request[3]] // the first byte of the address is read
	tail := read(c, rest+2)
	if tail == nil {
		return false
	}
	host := string(tail[:rest])
	if request[3] != 3 {
		host = net.IP(append([]byte{request[4]}, tail[:rest]...)).String()
	}
	p.mu.Lock()
	p.hosts = append(p.hosts, net.JoinHostPort(host, strconv.Itoa(int(tail[rest])<<8|int(tail[rest+1]))))
	p.mu.Unlock()
	_, err := up.Write(append(request, tail...))
	return err == nil
}
