package onion

import (
	"errors"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
)

// The connection begins where the reply ends, whichever kind of address it holds; and every code has its sentence.
func TestDialOnion(t *testing.T) {
	for name, c := range map[string]struct {
		reply string
		want  error
	}{
		"IPv4":              {"\x05\x00\x00\x01" + strings.Repeat("\x00", 6), nil},
		"IPv6":              {"\x05\x00\x00\x04" + strings.Repeat("\x00", 18), nil},
		"name":              {"\x05\x00\x00\x03\x02ab\x00\x50", nil},
		"nonsense":          {"\x05\x00\x00\x09", errNoProbe},
		"no descriptor":     {"\x05\xf0\x00\x01" + strings.Repeat("\x00", 6), errNoDescriptor},
		"no introduction":   {"\x05\xf2\x00\x01" + strings.Repeat("\x00", 6), errNoIntro},
		"introduced late":   {"\x05\xf7\x00\x01" + strings.Repeat("\x00", 6), errNoIntro},
		"no rendezvous":     {"\x05\xf3\x00\x01" + strings.Repeat("\x00", 6), errNoMeeting},
		"general failure":   {"\x05\x01\x00\x01" + strings.Repeat("\x00", 6), errNoWay},
		"closed":            {"", errNoWay},
		"cut in its middle": {"\x05\x00\x00\x04\x00", errNoWay},
	} {
		t.Run(name, func(t *testing.T) {
			socket := filepath.Join(t.TempDir(), "s")
			l, err := net.Listen("unix", socket)
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			asked := make(chan string, 1)
			go func() {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				defer conn.Close()
				buf := make([]byte, 512)
				io.ReadFull(conn, buf[:3])
				io.WriteString(conn, "\x05\x02")
				conn.Read(buf)
				io.WriteString(conn, "\x01\x00")
				n, _ := conn.Read(buf)
				asked <- string(buf[:n])
				io.WriteString(conn, c.reply)
				if c.want == nil {
					io.WriteString(conn, "the page")
				}
			}()
			conn, err := dialOnion(t.Context(), socket, "abc.onion")
			if !errors.Is(err, c.want) {
				t.Fatalf("got %v, want %v", err, c.want)
			}
			if got := <-asked; got != "\x05\x01\x00\x03\x09abc.onion\x00\x50" {
				t.Errorf("asked for %q", got)
			}
			if c.want == nil {
				defer conn.Close()
				if got, _ := io.ReadAll(conn); string(got) != "the page" {
					t.Errorf("read %q", got)
				}
			}
		})
	}
	if _, err := dialOnion(t.Context(), filepath.Join(t.TempDir(), "none"), "abc.onion"); !errors.Is(err, errNoProbe) {
		t.Errorf("without a tor: %v", err)
	}
}
