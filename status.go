package main

import (
	"encoding/json"
	"fmt"
	"io"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

// status is what `emberdrop status` shows; its JSON names are an interface.
type status struct {
	State    string `json:"state"`   // of the onion service, or "serving" with --listen
	Address  string `json:"address"` // what links begin with
	Uptime   int64  `json:"uptime_seconds"`
	Live     int64  `json:"links_live"`
	Leases   int    `json:"leases"`
	Created  int64  `json:"links_created"`
	Viewed   int64  `json:"views"`
	Ended    int64  `json:"links_ended"`
	Unswept  int64  `json:"links_to_shred"`
	Payloads int64  `json:"payload_bytes"`
	Log      uint64 `json:"log_bytes"`
	Free     int64  `json:"disk_free_bytes"`
}

func (s *server) status() (out status, err error) {
	totals, err := s.links.Totals()
	if err != nil {
		return out, err
	}
	size, err := s.store.log.Size()
	if err != nil {
		return out, err
	}
	out = status{
		State: "serving", Address: s.origin, Uptime: int64(time.Since(s.started).Seconds()),
		Leases: s.links.Leases(), Created: totals.Created, Viewed: totals.Viewed, Log: size.Disk,
	}
	if s.onion != nil {
		out.State = string(s.onion.Progress().State)
	}
	for _, n := range totals.Ended {
		out.Ended += n
	}
	out.Live = totals.Created - out.Ended
	out.Unswept = out.Ended - totals.Shredded
	if out.Payloads, err = s.store.vault.Used(); err != nil {
		return out, err
	}
	out.Free, err = freeBytes(s.folder.path)
	return out, err
}

// freeBytes is the room on the disk that unprivileged writers have.
func freeBytes(path string) (int64, error) {
	var fs syscall.Statfs_t
	if err := syscall.Statfs(path, &fs); err != nil {
		return 0, err
	}
	return int64(fs.Bavail) * fs.Bsize, nil
}

func statusCommand() *cobra.Command {
	var asJSON bool
	cmd := folderCommand("status --data DIR", "show how a running server is", 0,
		func(cmd *cobra.Command, f folder, _ []string) error {
			var s status
			if err := f.ask(cmd.Context(), "GET", "/status", &s); err != nil {
				return err
			}
			if asJSON {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(s)
			}
			return s.print(cmd.OutOrStdout())
		})
	cmd.Flags().BoolVar(&asJSON, "json", false, "as one JSON object")
	return cmd
}

func (s status) print(out io.Writer) error {
	_, err := fmt.Fprintf(out, `state:    %s, up %s
address:  %s
links:    %d live, %d made, %d views, %d ended, %d waiting to be shredded, %d leases open
disk:     %s in payloads, %s in the log, %s free
`, s.State, time.Duration(s.Uptime)*time.Second, s.Address,
		s.Live, s.Created, s.Viewed, s.Ended, s.Unswept, s.Leases,
		bytesText(s.Payloads), bytesText(int64(s.Log)), bytesText(s.Free))
	return err
}

// bytesText is a size for people, in binary units.
func bytesText(n int64) string {
	const units = "KMGT"
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	v, unit := float64(n), -1
	for v >= 1024 && unit < len(units)-1 {
		v /= 1024
		unit++
	}
	return fmt.Sprintf("%.1f %ciB", v, units[unit])
}
