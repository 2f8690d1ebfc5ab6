package onion

import (
	"slices"
	"strings"
	"time"
)

// pulse is how a tor is by its own word.
type pulse struct {
	online bool     // it has a connection to some relay
	intros []string // its circuits to introduction points that have taken a service in
}

// pulse asks tor how it is, and with that, whether it answers.
func (c *control) pulse(limit time.Duration) (p pulse, err error) {
	resp, err := c.requestWithin(limit, "GETINFO", "GETINFO orconn-status circuit-status")
	if err != nil {
		return pulse{}, err
	}
	for _, f := range values(resp.Data, "orconn-status") {
		p.online = p.online || f[len(f)-1] == "CONNECTED"
	}
	for _, f := range values(resp.Data, "circuit-status") {
		if slices.Contains(f, isIntro) && slices.Contains(f, "HS_STATE=HSSI_ESTABLISHED") {
			p.intros = append(p.intros, f[0])
		}
	}
	return p, nil
}

// isIntro stands in the line of a service's circuit to an introduction point (control-spec section 4.1.1).
const isIntro = "PURPOSE=HS_SERVICE_INTRO"

// values are the lines of a key in the answer to GETINFO, each in its words; empty lines are left out.
func values(data []string, key string) (lines [][]string) {
	for _, text := range data {
		value, ok := strings.CutPrefix(text, key+"=")
		if !ok {
			continue
		}
		for line := range strings.Lines(value) {
			if f := strings.Fields(line); len(f) > 0 {
				lines = append(lines, f)
			}
		}
	}
	return lines
}
