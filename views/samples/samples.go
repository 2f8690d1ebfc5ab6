// Package samples holds every page in every state, filled with made-up data,
// for tests and for whoever designs. It must not be imported by the program.
package samples

import (
	"slices"
	"strings"
	"time"

	"github.com/a-h/templ"

	"emberdrop/views"
)

// Sample is one page in one state.
type Sample struct {
	Name string // fit for a file name
	Page templ.Component
}

// Hostile is text that a visitor could send to break a page.
const Hostile = `<script>alert(1)</script><img src=x onerror=alert(2)> "quoted" & 'single' ` + "\u202etfel ot thgir"

const (
	host   = "http://emberdropx7k2q5wz3mfj6t4c2rvn5p7qs2a4dhxlyu3bgoeik6vtmad.onion"
	secret = "k7q2m4x6z3b5n7r2t4v6y3c5d7f2g4h6j3l5p7s2w4a6e3i5o7u2"
)

// now is when the samples play.
var now = time.Date(2026, 11, 22, 14, 5, 0, 0, time.UTC)

// All fills every page in the given language. picture is where a sample
// picture can be loaded from; qr is a data: URI, or empty.
func All(w views.Words, picture, qr string) []Sample {
	photo := func(size int64) views.Item {
		return views.Item{Kind: views.Picture, Type: "JPEG", Size: size, Path: picture, Label: "photo-1.jpg"}
	}
	one := []views.Item{photo(3_104_882)}
	album := []views.Item{
		photo(3_104_882),
		{Kind: views.Picture, Type: "PNG", Size: 812_004, Path: picture, Label: "photo-2.png"},
		photo(998),
	}
	day := views.Terms{Now: now, Ends: now.Add(24 * time.Hour)}
	burn := views.Terms{Now: now, Ends: now.Add(24 * time.Hour), Views: 1}
	closed := views.Closed{Action: "/s/" + secret, Report: "/s/" + secret + "/report", Reveal: secret, Items: one, Terms: burn}
	open := views.Open{Items: one, Final: true, Done: "/v/" + secret + "/done", Report: "/v/" + secret + "/report", Terms: views.Terms{Now: now, Ends: now.Add(5 * time.Minute)}}
	receipt := views.Receipt{Action: "/r/" + secret + "/destroy", Keeps: 24 * time.Hour, Terms: day}

	var list []Sample
	add := func(name string, page templ.Component) { list = append(list, Sample{name, page}) }

	upload := views.Upload{Action: "/up/" + secret, Progress: "/progress/" + secret, MaxFile: 50 << 20, MaxUpload: 200 << 20, MaxItems: 50,
		Expire: []string{"1h", "1d", "1w", "never"}, Usual: "1d"}
	add("upload", upload.Page(w))
	upload.AnyFile, upload.MaxPassFile = true, 100<<20
	add("upload-any", upload.Page(w))
	upload.Expire, upload.NeverIdle, upload.Contact = upload.Expire[1:], 30*24*time.Hour, "emberdrop@example.org"
	add("upload-limits", upload.Page(w))
	for _, p := range progress(w) {
		add(p.Name, p.Page)
	}

	ready := views.Ready{
		Link: host + "/s/" + secret, Receipt: host + "/r/" + secret, QR: qr, Items: one,
		Removed: []string{"removed.location", "removed.device", "removed.time", "removed.thumbnail"}, Terms: burn,
		ID: secret[:26],
	}
	add("ready", ready.Page(w))
	ready.Address, ready.Items = "/up/"+secret, mixed(picture)
	add("ready-page", ready.Page(w))
	add("ready-frame", ready.Frame(w))
	ready.Repeat, ready.Removed, ready.Items = true, nil, album
	ready.Terms = views.Terms{Now: now, Views: 3, Idle: 7 * 24 * time.Hour}
	add("ready-repeat", ready.Frame(w))
	ready.Repeat, ready.QR, ready.Terms, ready.Address = false, "", views.Terms{Now: now}, ""
	ready.Removed = views.RemovedIDs()
	add("ready-never", ready.Page(w))
	ready.Items, ready.Removed = []views.Item{{Kind: views.Sealed, Size: 3_211_280, Path: picture, Label: "sealed-1.emberdrop"}}, nil
	ready.Contact = "emberdrop@example.org"
	add("ready-sealed", ready.Page(w))

	add("closed-burn", closed.Page(w))
	c := closed
	c.Caption, c.Items, c.Terms = "From the roof, just before the rain came in.", album, day
	add("closed-album", c.Page(w))
	c.Caption, c.Items, c.Terms = Hostile, one, views.Terms{Now: now, Ends: now.Add(72 * time.Hour), Views: 3}
	add("closed-hostile", c.Page(w))
	c.Caption = "این عکس از بالای بام گرفته شده است، درست پیش از باران."
	add("closed-rtl-caption", c.Page(w))
	c.Caption = strings.Repeat("M", 200)
	add("closed-long-caption", c.Page(w))
	c = closed
	c.Locked, c.Items = true, nil
	add("closed-locked", c.Page(w))
	c.Wrong = true
	add("closed-wrong", c.Page(w))
	c.Slow = true
	add("closed-slow", c.Page(w))
	c = closed
	c.Items = mixed("")
	add("closed-mixed", c.Page(w))
	sealed := views.Item{Kind: views.Sealed, Size: 3_211_280, Label: "sealed-1.emberdrop"}
	c.Items = []views.Item{sealed}
	add("closed-sealed", c.Page(w))

	add("open-final", open.Page(w))
	o := open
	o.Caption, o.Items, o.Final, o.Terms.Ends = "From the roof, just before the rain came in.", album, false, now.Add(time.Hour)
	add("open-album", o.Page(w))
	o.Caption = Hostile
	add("open-hostile", o.Page(w))
	o.Caption, o.Items = "", mixed(picture)
	add("open-mixed", o.Page(w))
	o.Items = mixed(picture)[2:3]
	add("open-video", o.Page(w))
	sealed.Path = picture
	o.Items = []views.Item{sealed}
	add("open-sealed", o.Page(w))
	o.Items = mixed(picture)[3:4]
	o.Items[0].Text = Hostile + "\n\n  \U0001f525 \u202eindented\u202c\nend"
	add("open-hostile-note", o.Page(w))
	add("done-final", views.Done{Final: true}.Page(w))
	add("done-others", views.Done{}.Page(w))

	receipt.State = views.Unopened
	add("receipt-unopened", receipt.Page(w))
	receipt.State, receipt.Views = views.Opened, 2
	receipt.Terms.Views, receipt.At = 1, now.Add(-26*time.Hour).Truncate(time.Hour)
	add("receipt-opened", receipt.Page(w))
	receipt.State = views.Held
	add("receipt-held", receipt.Page(w))
	receipt.State, receipt.At, receipt.Lapses = views.Destroyed, now.Truncate(time.Hour), now.Add(25*time.Hour)
	for _, reason := range []views.Reason{views.Expired, views.Viewed, views.Idle, views.Uploader, views.Operator} {
		receipt.Reason, receipt.Views = reason, 0
		if reason == views.Viewed {
			receipt.Views = 1
		}
		add("receipt-"+string(reason), receipt.Page(w))
	}

	for _, p := range abuse(w, one, album) {
		add(p.Name, p.Page)
	}

	add("gone", views.Gone{}.Page(w))
	add("problem-too-large", views.Problem{ID: "too_large", Status: 413,
		Next: w.Say("problem.too_large.next", "File", w.Cap(50<<20), "All", w.Cap(200<<20))}.Page(w))
	add("problem-frame", views.Problem{ID: "no_file", Status: 400}.Frame(w))
	add("problem-unsupported", views.Problem{ID: "unsupported", Status: 415}.Page(w))
	add("problem-full", views.Problem{ID: "full", Status: 507, Contact: "emberdrop@example.org"}.Page(w))
	add("problem-internal", views.Problem{ID: "internal", Status: 500}.Page(w))
	return list
}

// mixed is one of each kind, and one picture that is too heavy.
func mixed(path string) []views.Item {
	list := []views.Item{
		{Kind: views.Picture, Type: "JPEG", Size: 3_104_882, Label: "photo-1.jpg"},
		{Kind: views.Picture, Type: "WebP", Size: 61_104_882, Label: "photo-2.webp", Heavy: true},
		{Kind: views.Video, Type: "MP4", Size: 41_772_013, Label: "video-3.mp4"},
		{Kind: views.Note, Size: 212, Label: "note-4.txt", Text: "The door code is 4711.\n\nRing twice, then wait by the bicycles. \u0627\u0632 \u062f\u06cc\u062f\u0646\u062a \u062e\u0648\u0634\u062d\u0627\u0644 \u0645\u06cc\u200c\u0634\u0648\u0645."},
		{Kind: views.Note, Size: 912_004, Label: "note-5.txt"},
		{Kind: views.File, Size: 77_013, Label: "file-6.bin"},
	}
	for i := range list {
		if list[i].Path = path; path == "" {
			list[i].Text, list[i].Heavy = "", false
		}
	}
	return list
}

func progress(w views.Words) []Sample {
	frame := func(lines ...views.Line) templ.Component {
		return views.Progress{Lines: slices.Values(lines), Again: func() int { return 0 }}.Page(w)
	}
	const total = 8_100_000
	mid := views.Line{Percent: 37, Text: w.Progress(total*37/100, total, 120_000)}
	return []Sample{
		{"progress-idle", frame()},
		{"progress-part", frame(views.Line{Percent: 12, Text: w.Progress(total*12/100, total, 0)}, mid)},
		{"progress-sealing", frame(mid, views.Line{Percent: 100, Text: w.Say("progress.sealing")})},
		{"progress-failed", frame(mid, views.Line{Percent: -1, Text: w.Say("progress.broken"), Bad: true})},
		{"progress-done", frame(mid, views.Line{Percent: -1, Text: w.Say("progress.done")})},
	}
}
