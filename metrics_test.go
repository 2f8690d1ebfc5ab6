package main

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
)

// read has Prometheus' own library read what metrics wrote.
func read(t *testing.T, s status) map[string]*dto.MetricFamily {
	t.Helper()
	var out bytes.Buffer
	if err := s.metrics(&out); err != nil {
		t.Fatal(err)
	}
	var parser expfmt.TextParser
	families, err := parser.TextToMetricFamilies(&out)
	if err != nil {
		t.Fatal(err)
	}
	return families
}

// value finds the one sample of a name, or the one with a label's value.
func value(t *testing.T, families map[string]*dto.MetricFamily, name, label string) float64 {
	t.Helper()
	for _, m := range families[name].GetMetric() {
		if (label == "" && len(m.Label) == 0) || (len(m.Label) == 1 && m.Label[0].GetValue() == label) {
			return m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
	}
	t.Fatalf("no %s %q", name, label)
	return 0
}

func TestMetricsAreWellFormed(t *testing.T) {
	s := status{
		Version: "1.2 \"quoted\" \\ \n", State: "degraded", Percent: 37, Uptime: 90, Live: 3, Created: 10, Viewed: 12, Ended: 7,
		EndedBy: map[string]int64{"viewed": 5, "expired": 2}, Payloads: 1 << 40, Free: 5, Floor: 10,
		Attention: []notice{{What: "disk_full"}},
	}
	if _, there := read(t, s)["emberdrop_probe_success"]; there {
		t.Error("a probe that never was is reported")
	}
	s.Probe = &probe{Through: false, Ago: 61, Failures: 3}
	families := read(t, s)
	base := regexp.MustCompile(`^emberdrop_[a-z_]+$`)
	for name, family := range families {
		if !base.MatchString(name) || family.GetHelp() == "" {
			t.Errorf("%s: odd name, or no help", name)
		}
		if counter := family.GetType() == dto.MetricType_COUNTER; counter != strings.HasSuffix(name, "_total") {
			t.Errorf("%s is a %s: what only grows, and nothing else, ends in _total", name, family.GetType())
		}
		if strings.Contains(name, "_ms") || strings.Contains(name, "_percent") || strings.Contains(name, "_kib") {
			t.Errorf("%s is not in a base unit", name)
		}
	}
	for _, want := range []struct {
		name, label string
		value       float64
	}{
		{"emberdrop_build_info", s.Version, 1},
		{"emberdrop_state", "degraded", 1}, {"emberdrop_state", "published", 0},
		{"emberdrop_tor_bootstrap_ratio", "", 0.37}, {"emberdrop_uptime_seconds", "", 90},
		{"emberdrop_links_live", "", 3}, {"emberdrop_links_created_total", "", 10}, {"emberdrop_views_total", "", 12},
		{"emberdrop_links_ended_total", "viewed", 5}, {"emberdrop_links_ended_total", "operator", 0},
		{"emberdrop_payload_bytes", "", 1 << 40}, {"emberdrop_disk_free_bytes", "", 5}, {"emberdrop_disk_floor_bytes", "", 10},
		{"emberdrop_probe_success", "", 0}, {"emberdrop_probe_age_seconds", "", 61}, {"emberdrop_probe_failures", "", 3},
		{"emberdrop_attention", "disk_full", 1}, {"emberdrop_attention", "degraded", 0},
	} {
		if got := value(t, families, want.name, want.label); got != want.value {
			t.Errorf("%s %q is %v, want %v", want.name, want.label, got, want.value)
		}
	}
	if got := len(families["emberdrop_attention"].GetMetric()); got != len(notices()) {
		t.Errorf("%d kinds of attention, want %d", got, len(notices()))
	}
}

// A notice that the metrics do not know would be missing from every alert.
func wantKnown(t *testing.T, found []notice) {
	t.Helper()
	for _, n := range found {
		if !slices.Contains(notices(), n.What) {
			t.Errorf("%q is not one of notices()", n.What)
		}
		if n.Text == "" || n.Do == "" {
			t.Errorf("%s: says nothing, or not what to do", n.What)
		}
	}
}
