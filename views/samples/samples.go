// Package samples holds every page in every state, filled with made-up data,
// for tests and for whoever designs. It must not be imported by the program.
package samples

import (
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
	closed := views.Closed{Action: "/s/" + secret, Reveal: secret, Items: one, Terms: burn}
	open := views.Open{Items: one, Final: true, Done: "/v/" + secret + "/done", Terms: views.Terms{Now: now, Ends: now.Add(5 * time.Minute)}}
	receipt := views.Receipt{Action: "/r/" + secret + "/destroy", Terms: day}

	var list []Sample
	add := func(name string, page templ.Component) { list = append(list, Sample{name, page}) }

	add("upload", views.Upload{Action: "/up/" + secret, MaxFile: 50 << 20, MaxUpload: 200 << 20, MaxItems: 50}.Page(w))

	ready := views.Ready{
		Link: host + "/s/" + secret, Receipt: host + "/r/" + secret, QR: qr, Items: one,
		Removed: []string{"removed.location", "removed.device", "removed.time", "removed.thumbnail"}, Terms: burn,
	}
	add("ready", ready.Page(w))
	ready.Repeat, ready.Removed, ready.Items = true, nil, album
	ready.Terms = views.Terms{Now: now, Views: 3, Idle: 7 * 24 * time.Hour}
	add("ready-repeat", ready.Page(w))
	ready.Repeat, ready.QR, ready.Terms = false, "", views.Terms{Now: now}
	ready.Removed = views.RemovedIDs()
	add("ready-never", ready.Page(w))

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

	add("open-final", open.Page(w))
	o := open
	o.Caption, o.Items, o.Final, o.Terms.Ends = "From the roof, just before the rain came in.", album, false, now.Add(time.Hour)
	add("open-album", o.Page(w))
	o.Caption = Hostile
	add("open-hostile", o.Page(w))
	add("done-final", views.Done{Final: true}.Page(w))
	add("done-others", views.Done{}.Page(w))

	receipt.State = views.Unopened
	add("receipt-unopened", receipt.Page(w))
	receipt.State, receipt.Views = views.Opened, 2
	receipt.Terms.Views = 1
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

	add("gone", views.Gone{}.Page(w))
	add("problem-too-large", views.Problem{ID: "too_large", Status: 413,
		Next: w.Say("problem.too_large.next", "File", w.Cap(50<<20), "All", w.Cap(200<<20))}.Page(w))
	add("problem-unsupported", views.Problem{ID: "unsupported", Status: 415}.Page(w))
	add("problem-internal", views.Problem{ID: "internal", Status: 500}.Page(w))
	return list
}
