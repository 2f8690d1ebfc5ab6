package main

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"

	"emberdrop/handlers"
	"emberdrop/link"
	"emberdrop/onion"
)

// limits are the flags of serve that say how much the service takes on. Visitors
// have no addresses here, so there is no limit for each of them: every budget is
// one for all, and what it costs to use it up is tor's proof of work.
type limits struct {
	quota       int64
	neverShare  int // percent
	neverIdle   time.Duration
	maxExpire   time.Duration // 0: never is allowed
	maxUploads  int
	maxStaged   int64
	connections int
	stall       time.Duration
	maxStreams  int
	powRate     int
	powBurst    int
	contact     string
}

func (l *limits) register(set *pflag.FlagSet) {
	l.quota, l.neverShare, l.maxStaged = 20<<30, 50, 4<<30
	set.Var(sizeFlag{&l.quota}, "quota", "the most `bytes` of sealed payloads on the disk; 0: no limit but --free-floor")
	set.Var(percentFlag{&l.neverShare}, "never-share", "how much of the quota links that never end may fill, in `percent`")
	set.DurationVar(&l.neverIdle, "never-idle", 0, "end links that never end when nobody opened them for so many whole `hours`; 0: do not")
	set.Var(expireFlag{&l.maxExpire}, "max-expire", "the longest time that uploaders can choose: `1h|1d|1w|never`")
	set.IntVar(&l.maxUploads, "max-uploads", 64, "`uploads` under way at once; as many more wait for a minute")
	set.Var(sizeFlag{&l.maxStaged}, "max-staged", "the most `bytes` that uploads under way put aside on the disk; 0: no limit")
	set.IntVar(&l.connections, "max-connections", 1000, "open `connections`; beyond that the one goes that has waited longest")
	set.DurationVar(&l.stall, "stall", time.Minute, "give up a request or an answer that stands still for so long")
	set.IntVar(&l.maxStreams, "max-streams", 64, "`streams` on one circuit; beyond that tor closes the circuit")
	set.IntVar(&l.powRate, "pow-rate", 250, "introductions a second that tor serves before it asks for proof of work, a `number`; 0: it never asks")
	set.IntVar(&l.powBurst, "pow-burst", 0, "introductions that tor serves at once before that, a `number`; 0: ten times the rate (default 0)")
	set.StringVar(&l.contact, "contact", "", "how to reach you, a line of `text` that the pages show")
}

// check refuses what cannot be meant.
func (l limits) check() error {
	bad := func(flag, why string) error { return usageError{fmt.Errorf("--%s %s", flag, why)} }
	switch {
	case l.neverIdle < 0 || l.neverIdle%time.Hour != 0:
		return bad("never-idle", "takes whole hours, such as 720h")
	case l.maxUploads < 1:
		return bad("max-uploads", "must be at least 1")
	case l.connections < 2*l.maxUploads:
		return bad("max-connections", "must be at least twice --max-uploads: who waits for a place has a connection too")
	case l.stall < time.Second:
		return bad("stall", "must be at least a second")
	case l.maxStreams < 1 || l.maxStreams > 65535:
		return bad("max-streams", "must be 1 to 65535")
	case l.powRate < 0 || l.powBurst < 0 || l.powBurst > 0 && l.powBurst < l.powRate:
		return bad("pow-burst", "must not be below --pow-rate")
	case utf8.RuneCountInString(l.contact) > 200 || !utf8.ValidString(l.contact) || strings.ContainsFunc(l.contact, func(r rune) bool { return !unicode.IsPrint(r) }):
		return bad("contact", "takes one line of at most 200 characters")
	}
	return nil
}

// forLink is what link keeps to.
func (l limits) forLink(cfg *link.Config) {
	cfg.Quota, cfg.NeverIdle, cfg.MaxExpire = l.quota, l.neverIdle, l.maxExpire
	cfg.Uploads, cfg.UploadWait, cfg.MaxStaged = l.maxUploads, l.stall, l.maxStaged
	switch {
	case l.neverShare == 0:
		cfg.NeverQuota = -1
	case l.quota > 0:
		share := int64(l.neverShare) // taken in two steps, so that no quota is too large
		cfg.NeverQuota = max(1, l.quota/100*share+l.quota%100*share/100)
	}
}

// forHandlers is what handlers keep to, or show.
func (l limits) forHandlers(cfg *handlers.Config) {
	cfg.Stall, cfg.Connections, cfg.Drains, cfg.Contact = l.stall, l.connections, l.maxUploads, l.contact
	cfg.Limits.MaxExpire, cfg.Limits.NeverIdle = l.maxExpire, l.neverIdle
}

// forOnion is what tor keeps to.
func (l limits) forOnion(cfg *onion.Config) {
	cfg.MaxStreams, cfg.NoPoW, cfg.PoWRate, cfg.PoWBurst = l.maxStreams, l.powRate == 0, l.powRate, l.powBurst
}

// files is how many files may be open at once: connections, leases, uploads with
// a draft and a stage, and what log and tor need.
func (l limits) files() uint64 { return uint64(l.connections) + 1000 + 2*uint64(l.maxUploads) + 500 }

// warnFiles says so when the system allows fewer open files. Go has raised the
// soft limit to the hard one by now.
func (l limits) warnFiles(events *slog.Logger) {
	var allowed unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &allowed); err == nil && allowed.Cur < l.files() {
		events.Warn("the system allows fewer open files than the limits need; raise it (ulimit, LimitNOFILE) or lower --max-connections", "room", "main")
	}
}

// percentFlag is a share on the command line: 50%, or 50.
type percentFlag struct{ percent *int }

func (f percentFlag) Type() string { return "percent" }

func (f percentFlag) String() string {
	if f.percent == nil {
		return "0%"
	}
	return strconv.Itoa(*f.percent) + "%"
}

func (f percentFlag) Set(text string) error {
	n, err := strconv.Atoi(strings.TrimSuffix(text, "%"))
	if err != nil || n < 0 || n > 100 {
		return errors.New("not a share from 0% to 100%")
	}
	*f.percent = n
	return nil
}

// expireFlag is a choice of the upload form on the command line.
type expireFlag struct{ longest *time.Duration }

var expireChoices = map[string]time.Duration{"1h": time.Hour, "1d": 24 * time.Hour, "1w": 7 * 24 * time.Hour, "never": 0}

func (f expireFlag) Type() string { return "time" }

func (f expireFlag) String() string {
	for name, d := range expireChoices {
		if f.longest != nil && *f.longest == d {
			return name
		}
	}
	return "never"
}

func (f expireFlag) Set(text string) error {
	d, ok := expireChoices[text]
	if !ok {
		return fmt.Errorf("not one of %s", strings.Join(slices.Sorted(maps.Keys(expireChoices)), ", "))
	}
	*f.longest = d
	return nil
}
