package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"
)

func sweepCommand() *cobra.Command {
	return folderCommand("sweep --data DIR", "end what is due and shred what has ended on a running server, now", 0,
		func(cmd *cobra.Command, f folder, _ []string) error {
			return during(cmd.ErrOrStderr(), "sweeping", func() error { return f.ask(cmd.Context(), "POST", "/sweep", nil) })
		})
}

// purged is what a purge did; its JSON names are an interface.
type purged struct {
	Links  int   `json:"links"`
	Events int   `json:"events"`
	Took   int64 `json:"took_ms"`
	Pause  int64 `json:"pause_ms"` // how long appends waited
}

func (s *server) purge(ctx context.Context) (purged, error) {
	p, err := s.links.Purge(ctx)
	return purged{
		Links: p.Streams, Events: p.Events,
		Took: p.Erased.Took.Milliseconds(), Pause: p.Erased.Pause.Milliseconds(),
	}, err
}

func purgeCommand() *cobra.Command {
	return folderCommand("purge --data DIR", "drop finished links and every trace of them from a running server's disk, now", 0,
		func(cmd *cobra.Command, f folder, _ []string) error {
			var p purged
			err := during(cmd.ErrOrStderr(), "purging", func() error { return f.ask(cmd.Context(), "POST", "/purge", &p) })
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "purged: %d links, %d events, in %s\n", p.Links, p.Events, time.Duration(p.Took)*time.Millisecond)
			return err
		})
}
