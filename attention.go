package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"emberdrop/onion"
)

// notice is something that an operator should know, and what to do about it. It
// names no link and no visitor.
type notice struct {
	What   string `json:"what"`   // one of notices; an interface, scripts and alerts go by it
	Urgent bool   `json:"urgent"` // the service does not do its work, or will soon not; else advice
	Text   string `json:"text"`   // a sentence
	Do     string `json:"do"`     // what to do
}

// notices are all names that a notice can have, so that the metrics can say 0 of
// those that are absent.
func notices() []string {
	return []string{
		"disk_full", "disk_low", "quota_full", "not_published", "degraded", "tor_warning",
		"cases_due", "shreds_overdue", "clock_behind", "swap", "root", "not_fenced", "host_key_on_data_disk",
	}
}

// sight is what attention looks at beside the numbers of the status.
type sight struct {
	Tor         *onion.Progress // nil with --listen
	Uptime      time.Duration
	Behind      time.Duration // the clock, behind the log's latest time
	Root        bool          // running as root
	Swap        bool          // swap is on
	Unfenced    []string      // what the kernel could not take from the process
	HostKeyHere bool          // the host key lies unsealed on the disk of the data folder
}

const (
	// slowStart is when a service that is not published yet should worry somebody:
	// a first start on a slow line takes a minute or two.
	slowStart = 5 * time.Minute
	// slightlyBehind is what clocks do by themselves; the log keeps whole minutes.
	slightlyBehind = 2 * time.Minute
)

// attention says what needs the operator: what is urgent first. It is pure.
func attention(s status, seen sight) []notice {
	urgent, advice := []notice{}, []notice{}
	warn := func(what, text, do string) { urgent = append(urgent, notice{what, true, text, do}) }
	advise := func(what, text, do string) { advice = append(advice, notice{what, false, text, do}) }

	switch {
	case s.Free < s.Floor:
		warn("disk_full", fmt.Sprintf("the disk has %s left, under the %s of --free-floor: uploads are refused, links still open", bytesText(s.Free), bytesText(s.Floor)),
			"make room on the disk, or move the stopped data folder to a larger one")
	case s.Free < 2*s.Floor:
		warn("disk_low", fmt.Sprintf("the disk has %s left, uploads are refused under %s", bytesText(s.Free), bytesText(s.Floor)),
			"make room on the disk, or move the stopped data folder to a larger one")
	}
	if s.Quota > 0 && s.Stored > s.Quota/20*19 {
		warn("quota_full", fmt.Sprintf("%s of the quota of %s are in use: uploads are refused soon, or already; links still open", bytesText(s.Stored), bytesText(s.Quota)),
			"raise --quota if the disk has room, or wait until links have ended")
	}
	if tor := seen.Tor; tor != nil {
		switch {
		case tor.State == onion.Degraded:
			warn("degraded", "visitors may not get through: "+because(tor.Warning), "nothing, if it passes: the service mends itself; if it stays, check this host's network and clock")
		case (tor.State == onion.Starting || tor.State == onion.Connecting || tor.State == onion.Publishing) && seen.Uptime > slowStart:
			warn("not_published", fmt.Sprintf("the address is still not published, %s after the start: %s", seen.Uptime.Round(time.Minute), because(tor.Warning)),
				"check network and clock of this host; where Tor is blocked, name bridges in a file for --torrc-extra")
		case tor.Warning != "":
			warn("tor_warning", "tor is not content: "+tor.Warning, "see the sentence itself; tor goes on meanwhile")
		}
	}
	if s.CasesDue > 0 {
		warn("cases_due", fmt.Sprintf("%d reports have to be decided within 12 hours, or should have been", s.CasesDue),
			"`emberdrop reports` lists them, `emberdrop review` shows one; `emberdrop takedown` ends a link without a look")
	}
	if s.Overdue > 0 {
		warn("shreds_overdue", fmt.Sprintf("%d ended links are not shredded yet, though an hour has passed: they cannot be opened, but their files are still there", s.Overdue),
			"look in the log for what the sweeper says; check the disk for errors and the data folder for files that are not writable; then `emberdrop sweep`")
	}
	if seen.Behind > slightlyBehind {
		warn("clock_behind", fmt.Sprintf("the clock is %s behind the latest time in the log: until it has caught up no link ends by its deadline", seen.Behind.Round(time.Minute)),
			"set the clock (timedatectl set-ntp true)")
	}
	if seen.Swap {
		advise("swap", "swap is on: keys and pictures in RAM may reach a disk", "switch it off (swapoff -a, and its line in /etc/fstab), or encrypt it under a key that dies with the boot")
	}
	if seen.Root {
		advise("root", "the server runs as root: a fault in it would have the whole host", "run it as a user of its own, as the packaged systemd unit does")
	}
	if len(seen.Unfenced) > 0 {
		advise("not_fenced", "the kernel does not fence "+strings.Join(seen.Unfenced, ", ")+": a fault in the server would reach further than it must", kernelAdvice)
	}
	if seen.HostKeyHere {
		advise("host_key_on_data_disk", "the host key lies on the disk of the data folder: who takes that disk and has the URL of a live link opens it",
			"keep it on another device: stop the server, move host.key there, start it with --host-key FILE; or seal it: `emberdrop passphrase`")
	}
	return append(urgent, advice...)
}

func because(warning string) string {
	if warning == "" {
		return "tor does not say why"
	}
	return warning
}

// credentialStore is where systemd looks for what LoadCredential names (systemd.exec(5)).
const credentialStore = "/etc/credstore"

// hostKeyHere reports whether the host key is on the file system of the data folder.
// One that systemd passes is a copy in RAM: what counts is where it has it from,
// which is credentialStore.
func (f folder) hostKeyHere(store string) bool {
	if f.host != credential(hostCredential) {
		return sameDevice(f.host, f.path)
	}
	return sameDevice(store, f.path)
}

func sameDevice(one, other string) bool {
	var a, b syscall.Stat_t
	return syscall.Stat(filepath.Clean(one), &a) == nil && syscall.Stat(other, &b) == nil && a.Dev == b.Dev
}
