package main

import (
	"testing"
	"time"

	"github.com/spf13/pflag"

	"emberdrop/handlers"
	"emberdrop/link"
	"emberdrop/onion"
)

func limitsOf(t *testing.T, args ...string) (limits, error) {
	t.Helper()
	var l limits
	set := pflag.NewFlagSet("serve", pflag.ContinueOnError)
	l.register(set)
	if err := set.Parse(args); err != nil {
		return l, err
	}
	return l, l.check()
}

func TestLimits(t *testing.T) {
	for _, bad := range []string{
		"--never-share=101%", "--never-share=-1", "--never-share=half", "--never-idle=90m", "--never-idle=-1h", "--max-expire=2d", "--max-expire=",
		"--max-uploads=0", "--max-connections=100", "--stall=10ms", "--max-streams=0", "--max-streams=65536", "--pow-rate=-1", "--pow-burst=10",
		"--quota=20GB", "--contact=two\nlines", "--contact=\x1b[31m",
	} {
		if _, err := limitsOf(t, bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
	for _, c := range []struct {
		args []string
		want func(link.Config, handlers.Config, onion.Config) bool
	}{
		{nil, func(l link.Config, h handlers.Config, o onion.Config) bool {
			return l.Quota == 20<<30 && l.NeverQuota == 10<<30 && l.MaxExpire == 0 && h.Stall == time.Minute && o.PoWRate == 250 && !o.NoPoW && o.MaxStreams == 64
		}},
		{[]string{"--quota=0"}, func(l link.Config, _ handlers.Config, _ onion.Config) bool { return l.Quota == 0 && l.NeverQuota == 0 }},
		{[]string{"--never-share=0%"}, func(l link.Config, _ handlers.Config, _ onion.Config) bool { return l.NeverQuota < 0 }},
		{[]string{"--never-share", "25"}, func(l link.Config, _ handlers.Config, _ onion.Config) bool { return l.NeverQuota == 5<<30 }},
		{[]string{"--never-idle=720h", "--max-expire=1w"}, func(l link.Config, h handlers.Config, _ onion.Config) bool {
			return l.NeverIdle == 720*time.Hour && h.Limits.NeverIdle == l.NeverIdle && l.MaxExpire == 7*24*time.Hour && h.Limits.MaxExpire == l.MaxExpire
		}},
		{[]string{"--pow-rate=0"}, func(_ link.Config, _ handlers.Config, o onion.Config) bool { return o.NoPoW }},
		{[]string{"--pow-rate=10", "--pow-burst=20", "--max-streams=8"}, func(_ link.Config, _ handlers.Config, o onion.Config) bool {
			return o.PoWRate == 10 && o.PoWBurst == 20 && o.MaxStreams == 8
		}},
		{[]string{"--contact=امید"}, func(_ link.Config, h handlers.Config, _ onion.Config) bool { return h.Contact == "امید" }},
	} {
		l, err := limitsOf(t, c.args...)
		if err != nil {
			t.Errorf("%q: %v", c.args, err)
			continue
		}
		var lc link.Config
		var hc handlers.Config
		var oc onion.Config
		l.forLink(&lc)
		l.forHandlers(&hc)
		l.forOnion(&oc)
		if !c.want(lc, hc, oc) {
			t.Errorf("%q gives %+v, %+v, %+v", c.args, lc, hc, oc)
		}
	}
}
