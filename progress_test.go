package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/schollz/progressbar/v3"

	"emberdrop/onion"
)

// A line of the log begins where the terminal's line begins, not behind the bar.
func TestLogIsNotBehindTheBar(t *testing.T) {
	var out bytes.Buffer
	p := newProgress(&out)
	p.bar = progressbar.NewOptions(100, progressbar.OptionSetWriter(&out))
	for _, percent := range []int{0, 40, 41} {
		p.show(onion.Progress{State: onion.Connecting, Percent: percent})
		fmt.Fprintln(p, "a line of the log")
	}
	rows := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(rows) != 3 || !strings.Contains(out.String(), "40%") {
		t.Fatalf("the bar or the log is missing: %q", rows)
	}
	for _, row := range rows {
		if last := row[strings.LastIndex(row, "\r")+1:]; last != "a line of the log" {
			t.Errorf("the row ends with %q", last)
		}
	}
}

// A tor that is started again has its bar as the first one had.
func TestBarComesBack(t *testing.T) {
	var out bytes.Buffer
	p := newProgress(&out)
	p.bar = progressbar.NewOptions(100, progressbar.OptionSetWriter(&out), progressbar.OptionClearOnFinish())
	p.show(onion.Progress{State: onion.Reachable, Percent: 100})
	out.Reset()
	p.show(onion.Progress{State: onion.Degraded, Percent: 45})
	if !strings.Contains(out.String(), "degraded  45%") {
		t.Errorf("it shows %q", out.String())
	}
}
