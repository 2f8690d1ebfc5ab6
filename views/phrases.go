package views

import (
	"strconv"
	"strings"
	"time"
)

// Size says a number of bytes in words, rounded: "3.1 MB".
func (w Words) Size(n int64) string {
	const kilo, mega, giga = 1e3, 1e6, 1e9
	switch {
	case n < kilo:
		return w.Say("size.b", "N", strconv.FormatInt(n, 10))
	case n < mega-kilo/2: // else it would round to 1000 KB
		return w.Say("size.kb", "N", w.number(float64(n)/kilo, 0))
	case n < giga:
		return w.Say("size.mb", "N", w.number(float64(n)/mega, 1))
	}
	return w.Say("size.gb", "N", w.number(float64(n)/giga, 1))
}

// Cap says a limit that is set in MiB as the round figure that people know.
// It never promises more than the limit: 50 MiB is more than 50 MB.
func (w Words) Cap(n int64) string {
	if n < 1<<20 {
		return w.Size(n)
	}
	return w.Say("size.mb", "N", strconv.FormatInt(n>>20, 10))
}

func (w Words) number(f float64, decimals int) string {
	s := strconv.FormatFloat(f, 'f', decimals, 64)
	s = strings.TrimSuffix(s, ".0")
	return strings.Replace(s, ".", w.Say("number.point"), 1)
}

// Moment says when t is, seen from now. Tor Browser knows no time zone but
// UTC, so the zone is always written out.
func (w Words) Moment(t, now time.Time) string {
	t, now = t.UTC(), now.UTC()
	clock := t.Format("15:04")
	switch days(t) - days(now) {
	case 0:
		return w.Say("moment.today", "Time", clock)
	case 1:
		return w.Say("moment.tomorrow", "Time", clock)
	case -1:
		return w.Say("moment.yesterday", "Time", clock)
	}
	return w.Say("moment.date", "Day", t.Day(), "Month", w.Say("month."+strconv.Itoa(int(t.Month()))), "Time", clock)
}

const day = 24 * time.Hour

func days(t time.Time) int64 { return t.Unix() / (24 * 60 * 60) }

// Span says how long d is, rounded to its largest unit: "23 hours". It never
// says zero.
func (w Words) Span(d time.Duration) string {
	switch {
	case d >= 2*day-time.Hour/2, d > 0 && d%day == 0:
		return w.Count("span.days", int((d+day/2)/day))
	case d >= 90*time.Minute, d.Round(time.Minute) == time.Hour:
		return w.Count("span.hours", int((d+time.Hour/2)/time.Hour))
	}
	return w.Count("span.minutes", max(1, int(d.Round(time.Minute)/time.Minute)))
}

// Terms is what is left of a link, as pages say it.
type Terms struct {
	Now   time.Time     // for words like "tomorrow"
	Ends  time.Time     // zero: never
	Views int           // that are left; zero: no limit
	Idle  time.Duration // zero: off
}

// Terms says when a link ends, in sentences.
func (w Words) Terms(t Terms) string {
	var first string
	switch {
	case t.Ends.IsZero() && t.Views == 0 && t.Idle == 0:
		return w.Say("terms.never")
	case t.Ends.IsZero() && t.Views == 0:
		return w.Say("terms.idle", "Span", w.Span(t.Idle))
	case t.Ends.IsZero():
		first = w.Count("terms.views", t.Views)
	case t.Views == 0:
		first = w.Say("terms.ends", "When", w.Moment(t.Ends, t.Now))
	default:
		first = w.Count("terms.ends_views", t.Views, "When", w.Moment(t.Ends, t.Now))
	}
	if t.Idle == 0 {
		return first
	}
	return first + " " + w.Say("terms.idle_too", "Span", w.Span(t.Idle))
}

// Kind is what an item is to a person.
type Kind int

// The kinds that pages can tell apart.
const (
	File Kind = iota
	Picture
	Video
	Note
	Sealed // by its sender; the key is nowhere here
)

// Item is one item of a link.
type Item struct {
	Kind  Kind
	Type  string // what people call the format: "JPEG"; may be empty
	Size  int64  // bytes
	Path  string // of its bytes; empty where a page must not show it
	Label string // file name that a download gets
	Heavy bool   // a page must not load it by itself
	Text  string // of a note; empty: it is too long to be in the page
	Veil  bool   // shown behind a click only
}

// Contents says what a link holds: "2 photos, 1 video".
func (w Words) Contents(items []Item) string {
	var n [Sealed + 1]int
	for _, it := range items {
		n[it.Kind]++
	}
	var parts []string
	for _, k := range []struct {
		kind Kind
		id   string
	}{{Picture, "items.pictures"}, {Video, "items.videos"}, {Note, "items.notes"}, {Sealed, "items.sealed"}, {File, "items.files"}} {
		if n[k.kind] > 0 {
			parts = append(parts, w.Count(k.id, n[k.kind]))
		}
	}
	return strings.Join(parts, w.Say("list.separator"))
}

// Kind says what an item is made of: "JPEG, 3.1 MB".
func (w Words) Kind(it Item) string {
	if it.Type == "" {
		return w.Size(it.Size)
	}
	name := it.Type
	if w.Dir() == "rtl" {
		// Isolated, or the number behind a Latin name would stand on its wrong side.
		name = "\u2068" + name + "\u2069"
	}
	return name + w.Say("list.separator") + w.Size(it.Size)
}

// Weight says how much a link's items weigh together.
func (w Words) Weight(items []Item) string {
	var sum int64
	for _, it := range items {
		sum += it.Size
	}
	return w.Size(sum)
}

// Progress says how far an upload has come: got of total bytes (0: not known),
// at so many bytes a second (0: not known).
func (w Words) Progress(got, total, rate int64) string {
	text := w.Say("progress.some", "Size", w.Size(got))
	if total > 0 {
		text = w.Say("progress.part", "Percent", Percent(got, total), "Size", w.Size(total))
	}
	if rate > 0 {
		sep := w.Say("list.separator")
		text += sep + w.Say("progress.rate", "Size", w.Size(rate))
		if total > got {
			text += sep + w.Say("progress.left", "Span", w.short(time.Duration((total-got)/rate)*time.Second))
		}
	}
	return text
}

// Percent is how much of total got is; it is 100 only when everything is there.
func Percent(got, total int64) int {
	if total <= 0 {
		return 0
	}
	return int(min(max(got, 0), total) * 100 / total)
}

// short is Span down to seconds, in steps that do not flicker.
func (w Words) short(d time.Duration) string {
	if d >= time.Minute {
		return w.Span(d)
	}
	return w.Count("span.seconds", max(5, int(d.Seconds()+4)/5*5))
}

// Numbered names one item among several: "Photo 2".
func (w Words) Numbered(it Item, n int) string {
	id := map[Kind]string{Picture: "item.picture", Video: "item.video", Note: "item.note", Sealed: "item.sealed", File: "item.file"}[it.Kind]
	return w.Say(id, "N", n)
}
