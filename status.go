package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"emberdrop/harden"
)

// status is what `emberdrop status` shows; its JSON names are an interface.
type status struct {
	Version   string           `json:"version"`
	State     string           `json:"state"`                   // of the onion service, or "serving" with --listen
	Percent   int              `json:"percent"`                 // of tor's bootstrap; 100 with --listen
	Address   string           `json:"address"`                 // what links begin with
	Leave     string           `json:"leave_address,omitempty"` // where uploads go, if that is another one
	Uptime    int64            `json:"uptime_seconds"`
	Live      int64            `json:"links_live"`
	Leases    int              `json:"leases"`
	Created   int64            `json:"links_created"`
	Viewed    int64            `json:"views"`
	Ended     int64            `json:"links_ended"`
	EndedBy   map[string]int64 `json:"links_ended_by"` // reason -> links
	Unswept   int64            `json:"links_to_shred"`
	Overdue   int64            `json:"links_overdue"` // of them, those that should be shredded by now
	Payloads  int64            `json:"payload_bytes"`
	Log       uint64           `json:"log_bytes"`
	Dead      uint64           `json:"log_dead_bytes"` // deleted, and erased by the next purge
	Free      int64            `json:"disk_free_bytes"`
	Floor     int64            `json:"disk_floor_bytes"` // --free-floor: uploads stop there
	Cases     int              `json:"cases_open"`       // that wait for a decision
	CasesDue  int              `json:"cases_due"`        // of them, those with less than 12 hours left, or none
	Operators []string         `json:"operator_keys"`    // fingerprints of what reports are sealed to
	Stored    int64            `json:"quota_used_bytes"` // payloads, and what is set aside for uploads under way
	Quota     int64            `json:"quota_bytes"`      // --quota: uploads stop there; 0: no limit
	Uploads   int              `json:"uploads"`          // under way
	Waiting   int              `json:"uploads_waiting"`  // for a place
	Probe     *probe           `json:"probe"`            // the last time that we came in as a visitor does; null: not yet, or never
	Attention []notice         `json:"attention"`        // what needs the operator, the urgent first
}

// probe is what came of our last attempt to come in through Tor.
type probe struct {
	Through  bool  `json:"through"`
	Ago      int64 `json:"seconds_ago"`
	Failures int   `json:"failures"` // in a row, up to now
}

func (p probe) text() string {
	if p.Through {
		return "came in through Tor"
	}
	return fmt.Sprintf("did not get through, %d times in a row", p.Failures)
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
	health, err := s.links.Health()
	if err != nil {
		return out, err
	}
	out = status{
		Version: version, State: "serving", Percent: 100, Address: s.doors.origin, Uptime: int64(time.Since(s.started).Seconds()),
		Leases: s.links.Leases(), Created: totals.Created, Viewed: totals.Viewed,
		EndedBy: map[string]int64{}, Overdue: health.Overdue, Log: size.Disk, Dead: size.Dead, Floor: s.flags.floor,
	}
	if out.Cases, out.CasesDue, err = s.links.Waiting(); err != nil {
		return out, err
	}
	out.Operators = s.links.OperatorKeys()
	for reason, n := range totals.Ended {
		out.Ended += n
		out.EndedBy[reason.String()] = n
	}
	out.Live = totals.Created - out.Ended
	out.Unswept = out.Ended - totals.Shredded
	if out.Payloads, err = s.store.vault.Used(); err != nil {
		return out, err
	}
	room, err := s.links.Room()
	if err != nil {
		return out, err
	}
	out.Stored, out.Quota = room.Stored+room.Reserved, room.Quota
	out.Uploads, out.Waiting = s.links.Uploads()
	if out.Free, err = freeBytes(s.folder.path); err != nil {
		return out, err
	}
	seen := sight{Uptime: time.Since(s.started), Behind: health.Behind, Root: os.Geteuid() == 0, Swap: harden.Swapping(), Unfenced: s.unfenced, HostKeyHere: !s.sealed && s.folder.hostKeyHere(credentialStore)}
	for _, door := range s.doors.all[1:] {
		out.Leave = door.origin
	}
	if s.onion != nil {
		now := s.onion.Progress()
		out.State, out.Percent, seen.Tor = string(now.State), now.Percent, &now
		if last, ok := s.onion.Proof(); ok {
			out.Probe = &probe{last.Through, int64(last.Ago.Seconds()), last.Failures}
		}
	}
	out.Attention = attention(out, seen)
	return out, nil
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
	var asJSON, asMetrics bool
	cmd := folderCommand("status --data DIR", "show how a running server is, and what needs attention", 0,
		func(cmd *cobra.Command, f folder, _ []string) error {
			if asJSON && asMetrics {
				return usageError{errors.New("--json and --prometheus exclude each other")}
			}
			var s status
			if err := f.ask(cmd.Context(), "GET", "/status", &s); err != nil {
				return err
			}
			switch {
			case asJSON:
				return json.NewEncoder(cmd.OutOrStdout()).Encode(s)
			case asMetrics:
				return s.metrics(cmd.OutOrStdout())
			}
			return s.print(cmd.OutOrStdout())
		})
	cmd.Flags().BoolVar(&asJSON, "json", false, "as one JSON object")
	cmd.Flags().BoolVar(&asMetrics, "prometheus", false, "as metrics in Prometheus' text format")
	return cmd
}

func (s status) print(out io.Writer) error {
	state := s.State
	if s.Percent < 100 {
		state += fmt.Sprintf(" (%d %%)", s.Percent)
	}
	address := s.Address
	if s.Leave != "" {
		address += " to open, " + s.Leave + " to leave something"
	}
	_, err := fmt.Fprintf(out, `state:    %s, up %s
address:  %s
links:    %d live, %d made, %d views, %d ended, %d waiting to be shredded, %d leases open
disk:     %s in payloads, %s in the log, %s free; uploads stop at %s
uploads:  %d under way, %d waiting; %s
`, state, time.Duration(s.Uptime)*time.Second, address,
		s.Live, s.Created, s.Viewed, s.Ended, s.Unswept, s.Leases,
		bytesText(s.Payloads), bytesText(int64(s.Log)), bytesText(s.Free), bytesText(s.Floor),
		s.Uploads, s.Waiting, s.quotaText())
	if err == nil && s.Probe != nil {
		_, err = fmt.Fprintf(out, "probe:    %s, %s ago\n", s.Probe.text(), time.Duration(s.Probe.Ago)*time.Second)
	}
	if err == nil {
		sealed := "reports are not taken, there is no operator's key"
		if len(s.Operators) > 0 {
			sealed = "reports are sealed to " + strings.Join(s.Operators, " and ")
		}
		_, err = fmt.Fprintf(out, "cases:    %d wait, %d of them are due; %s\n", s.Cases, s.CasesDue, sealed)
	}
	if err != nil || len(s.Attention) == 0 {
		return err
	}
	fmt.Fprintln(out, "attention:")
	for _, n := range s.Attention {
		mark := "-"
		if n.Urgent {
			mark = "!"
		}
		_, err = fmt.Fprintf(out, "  %s %s\n      %s\n", mark, n.Text, n.Do)
	}
	return err
}

func (s status) quotaText() string {
	if s.Quota == 0 {
		return "no quota"
	}
	return bytesText(s.Stored) + " of the quota of " + bytesText(s.Quota) + " in use"
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
