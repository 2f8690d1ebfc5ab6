package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/spf13/pflag"

	"emberdrop/onion"
	"emberdrop/views"
)

// reachFlags are serve's flags about staying reachable.
type reachFlags struct {
	probeEvery time.Duration
}

func (r *reachFlags) register(set *pflag.FlagSet) {
	set.DurationVar(&r.probeEvery, "probe-every", 10*time.Minute,
		"prove about so often, through a second tor, that visitors get through; 0: never, and save that tor's memory")
}

func (r reachFlags) forOnion(cfg *onion.Config) {
	cfg.Check = checkPage
	cfg.Pace.Probe = r.probeEvery
	if r.probeEvery <= 0 {
		cfg.Pace.Probe = -1
	}
}

// page is the smallest thing that we serve and that counts nothing.
func page() views.Asset {
	smallest := views.Assets()[0]
	for _, a := range views.Assets() {
		if len(a.Body) < len(smallest.Body) {
			smallest = a
		}
	}
	return smallest
}

// checkPage asks for the page over a connection to our own address, as a browser would, and wants every byte of it.
func checkPage(ctx context.Context, conn net.Conn) error {
	want := page()
	req, err := http.NewRequestWithContext(ctx, "GET", "http://probe"+want.Path, nil)
	if err != nil {
		return err
	}
	req.Close = true
	if err := req.Write(conn); err != nil {
		return err
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	got, err := io.ReadAll(io.LimitReader(res.Body, int64(len(want.Body))+1))
	if err != nil || res.StatusCode != http.StatusOK || !bytes.Equal(got, want.Body) {
		return errors.New("another page answers")
	}
	return nil
}

// announce prints the address when it has been reached through Tor, not before: an
// address that does not answer yet teaches people to distrust it.
func (s *server) announce(ctx context.Context, stdout io.Writer) {
	if s.onion == nil || s.onion.Reached(ctx) == nil {
		fmt.Fprintf(stdout, "address: %s\n", s.doors.origin)
		for _, door := range s.doors.all[1:] {
			printLeaving(stdout, door.origin)
		}
	}
}

// alive says whether the log answers: a server that cannot read it serves nobody.
func (s *server) alive() bool {
	_, err := s.links.Totals()
	return err == nil
}
