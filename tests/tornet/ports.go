package tornet

import (
	"fmt"
	"syscall"
)

// Ports holds TCP ports on 127.0.0.1 until they are closed, so that who is to listen there finds them free: a relay
// also after a restart. Each is a socket that is bound but does not listen: with SO_REUSEADDR on both sides (tor sets it)
// Linux lets a second socket bind and listen there, yet never gives the port to anyone who asks for any
// port, nor to an outgoing connection, of which eight tors on one address make many.
type Ports struct {
	fds []int
}

// Reserve takes one more port.
func (p *Ports) Reserve() (int, error) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, fmt.Errorf("socket: %w", err)
	}
	p.fds = append(p.fds, fd)
	if err := syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1); err != nil {
		return 0, fmt.Errorf("setsockopt: %w", err)
	}
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return 0, fmt.Errorf("bind: %w", err)
	}
	addr, err := syscall.Getsockname(fd)
	if err != nil {
		return 0, fmt.Errorf("getsockname: %w", err)
	}
	return addr.(*syscall.SockaddrInet4).Port, nil
}

// Close gives them all back.
func (p *Ports) Close() {
	for _, fd := range p.fds {
		_ = syscall.Close(fd)
	}
	p.fds = nil
}
