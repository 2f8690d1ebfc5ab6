package main

import (
	"path/filepath"
	"slices"
	"testing"
)

// A transport that the operator names may listen on a port that the kernel chooses; without one nothing may.
func TestTransportsMayListen(t *testing.T) {
	for lines, want := range map[string][]uint16{
		"UseBridges 1\n": nil,
		"ClientTransportPlugin obfs4 exec /bin/true\n": {0},
	} {
		extra := filepath.Join(t.TempDir(), "torrc")
		write(t, extra, []byte(lines))
		s := &server{folder: newFolder(t.TempDir(), "", "", nil), flags: serveFlags{torrcExtra: extra}}
		cfg, err := s.needs()
		if err != nil || !slices.Equal(cfg.TCP, want) {
			t.Errorf("%q: ports %v, %v", lines, cfg.TCP, err)
		}
	}
}
