package onion

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// Why a proof failed. All but errNoProbe say something about the service.
var (
	errNoDescriptor = errors.New("the directories do not have the descriptor")
	errNoIntro      = errors.New("no introduction point answers")
	errNoMeeting    = errors.New("no rendezvous comes about")
	errNoPage       = errors.New("the door opens and nobody answers")
	errNoWay        = errors.New("no way through Tor")
	errNoProbe      = errors.New("the probing tor cannot be used")
)

// dialOnion connects to port 80 of host through the SOCKS port of a tor at the unix socket (RFC 1928). It is written
// out here because x/net/proxy drops the code by which tor says what an onion service lacks (prop304, the
// SocksPort's flag ExtendedErrors). A user name of its own keeps the stream off every circuit that was used before
// (RFC 1929; tor's IsolateSOCKSAuth).
func dialOnion(ctx context.Context, socket, host string) (_ net.Conn, err error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", socket)
	if err != nil {
		return nil, errNoProbe
	}
	defer func() {
		if err != nil {
			conn.Close()
		}
	}()
	// A deadline in the past wakes reads and writes when ctx ends.
	defer context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })()
	user := hex.EncodeToString(randomBytes(16))
	// One after the other: tor does not look at what was sent ahead.
	var reply [4]byte
	for _, step := range []struct {
		say    string
		answer []byte
		broken error
	}{
		{"\x05\x01\x02", reply[:2], errNoProbe},
		{fmt.Sprintf("\x01%c%s%c%s", len(user), user, len(user), user), reply[:2], errNoProbe},
		{fmt.Sprintf("\x05\x01\x00\x03%c%s\x00\x50", len(host), host), reply[:], errNoWay}, // in time, that is
	} {
		if _, err := io.WriteString(conn, step.say); err != nil {
			return nil, errNoProbe
		}
		if _, err := io.ReadFull(conn, step.answer); err != nil {
			return nil, step.broken
		}
	}
	if code := reply[1]; code != 0 {
		return nil, socksError(code)
	}
	if err := skipAddress(conn, reply[3]); err != nil {
		return nil, err
	}
	return conn, nil
}

// skipAddress reads the address in a reply, of which an onion service has none: zeros, of a kind that tor chooses.
func skipAddress(r io.Reader, kind byte) error {
	const v4, name, v6, port = 1, 3, 4, 2
	size := int64(port)
	switch kind {
	case v4:
		size += 4
	case v6:
		size += 16
	case name:
		var length [1]byte
		if _, err := io.ReadFull(r, length[:]); err != nil {
			return errNoProbe
		}
		size += int64(length[0])
	default:
		return errNoProbe
	}
	if _, err := io.CopyN(io.Discard, r, size); err != nil {
		return errNoWay
	}
	return nil
}

// socksError reads tor's reply code: F0 to F7 are its own (tor(1), SocksPort, ExtendedErrors).
func socksError(code byte) error {
	switch code {
	case 0xF0:
		return errNoDescriptor
	case 0xF2, 0xF7:
		return errNoIntro
	case 0xF3:
		return errNoMeeting
	}
	return errNoWay
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	rand.Read(b) // never fails
	return b
}
