package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"emberdrop/link"
	"emberdrop/onion"
)

// Metrics for Prometheus, in its text format 0.0.4
// (https://prometheus.io/docs/instrumenting/exposition_formats/). The format is
// ten lines of code; its library is not in the program for that. A test has that
// library read what is written here. Names, labels and units are an interface:
// base units (seconds, bytes, ratio), _total for what only grows.

// metricsType is the content type of the format.
const metricsType = "text/plain; version=0.0.4; charset=utf-8"

// metric is one name with its samples: label value -> value.
type metric struct {
	name, kind, help string
	label            string // "": one sample, under ""
	samples          map[string]float64
}

func one(n float64) map[string]float64 { return map[string]float64{"": n} }

// metrics writes a status.
func (s status) metrics(out io.Writer) error {
	states := map[string]float64{}
	for _, state := range onionStates() {
		states[state] = 0
	}
	states[s.State] = 1
	ended := map[string]float64{}
	for _, reason := range []link.Reason{link.Expired, link.Viewed, link.Idle, link.Uploader, link.Operator} {
		ended[reason.String()] = float64(s.EndedBy[reason.String()])
	}
	wanting := map[string]float64{}
	for _, what := range notices() {
		wanting[what] = 0
	}
	for _, n := range s.Attention {
		wanting[n.What] = 1
	}
	all := []metric{
		{"emberdrop_build_info", "gauge", "Always 1; the version is the label.", "version", map[string]float64{s.Version: 1}},
		{"emberdrop_uptime_seconds", "gauge", "Time since the server started.", "", one(float64(s.Uptime))},
		{"emberdrop_state", "gauge", "1 for the state that the service is in, 0 for the others.", "state", states},
		{"emberdrop_tor_bootstrap_ratio", "gauge", "How far tor is connected to the network, 0 to 1.", "", one(float64(s.Percent) / 100)},
		{"emberdrop_links_live", "gauge", "Links that can be opened.", "", one(float64(s.Live))},
		{"emberdrop_links_created_total", "counter", "Links made since the folder was made.", "", one(float64(s.Created))},
		{"emberdrop_links_ended_total", "counter", "Links that have ended, by reason.", "reason", ended},
		{"emberdrop_views_total", "counter", "Views counted.", "", one(float64(s.Viewed))},
		{"emberdrop_cases_open", "gauge", "Reports that wait for the operator's decision.", "", one(float64(s.Cases))},
		{"emberdrop_leases_open", "gauge", "Views whose content can be fetched just now.", "", one(float64(s.Leases))},
		{"emberdrop_links_to_shred", "gauge", "Ended links whose payload waits to be shredded.", "", one(float64(s.Unswept))},
		{"emberdrop_links_overdue", "gauge", "Of them, those that should be shredded by now.", "", one(float64(s.Overdue))},
		{"emberdrop_payload_bytes", "gauge", "Size of all payload files.", "", one(float64(s.Payloads))},
		{"emberdrop_log_bytes", "gauge", "Size of the event log's files.", "", one(float64(s.Log))},
		{"emberdrop_log_dead_bytes", "gauge", "Of it, deleted, and erased by the next purge.", "", one(float64(s.Dead))},
		{"emberdrop_disk_free_bytes", "gauge", "Room on the disk of the data folder.", "", one(float64(s.Free))},
		{"emberdrop_disk_floor_bytes", "gauge", "Room under which uploads are refused (--free-floor).", "", one(float64(s.Floor))},
		{"emberdrop_quota_used_bytes", "gauge", "Payloads, and what is set aside for uploads under way.", "", one(float64(s.Stored))},
		{"emberdrop_quota_bytes", "gauge", "Where uploads are refused (--quota); 0: no limit.", "", one(float64(s.Quota))},
		{"emberdrop_uploads", "gauge", "Uploads under way.", "", one(float64(s.Uploads))},
		{"emberdrop_uploads_waiting", "gauge", "Uploads that wait for a place.", "", one(float64(s.Waiting))},
		{"emberdrop_attention", "gauge", "1 for what needs attention, see emberdrop status; 0 for the rest.", "what", wanting},
	}
	if p := s.Probe; p != nil {
		through := 0.0
		if p.Through {
			through = 1
		}
		all = append(all,
			metric{"emberdrop_probe_success", "gauge", "1 if our last attempt to come in through Tor got through, else 0; absent before the first.", "", one(through)},
			metric{"emberdrop_probe_age_seconds", "gauge", "Time since that attempt.", "", one(float64(p.Ago))},
			metric{"emberdrop_probe_failures", "gauge", "Attempts that failed in a row.", "", one(float64(p.Failures))})
	}
	for _, m := range all {
		if err := m.write(out); err != nil {
			return err
		}
	}
	return nil
}

func (m metric) write(out io.Writer) error {
	escapes := strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)
	var b strings.Builder
	fmt.Fprintf(&b, "# HELP %s %s\n# TYPE %s %s\n", m.name, m.help, m.name, m.kind)
	for _, value := range slices.Sorted(maps.Keys(m.samples)) {
		b.WriteString(m.name)
		if m.label != "" {
			fmt.Fprintf(&b, "{%s=\"%s\"}", m.label, escapes.Replace(value))
		}
		b.WriteString(" " + strconv.FormatFloat(m.samples[value], 'g', -1, 64) + "\n")
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// onionStates are the states that a service can be in, "serving" being that of --listen.
func onionStates() []string {
	return []string{"serving", string(onion.Starting), string(onion.Connecting), string(onion.Publishing),
		string(onion.Published), string(onion.Reachable), string(onion.Degraded), string(onion.Stopped)}
}
