package samples

import (
	"time"

	"emberdrop/views"
)

// abuse are the pages about reports, takedowns and rules, and what a scan changes.
func abuse(w views.Words, one, album []views.Item) (list []Sample) {
	add := func(name string, page views.Paged) { list = append(list, Sample{name, page.Page(w)}) }
	categories := []string{"child", "intimate", "violence", "personal", "copyright", "harassment", "malware", "other"}
	const contact = "emberdrop@example.org"

	r := views.Report{Action: "/s/" + secret + "/report", Back: "/s/" + secret, Items: one, Categories: categories, Contact: contact}
	add("report", r)
	r.Items, r.Missing, r.Words, r.Reach, r.Item = album, true, Hostile, Hostile, 2
	add("report-album", r)
	r.Items, r.Missing, r.Locked, r.Wrong, r.Category = nil, false, true, true, "personal"
	add("report-locked", r)
	r.Slow = true
	add("report-slow", r)
	add("report-nobody", views.Report{Back: "/s/" + secret, Nobody: true, Contact: contact})
	t := views.Takedown{Categories: categories}
	add("takedown", t)
	t.Missing, t.Nobody, t.Category, t.About, t.Words, t.Reach, t.Authority, t.Contact = true, true, "copyright", Hostile, Hostile, Hostile, true, contact
	add("takedown-missing", t)
	add("report-sent", views.Sent{At: now.Truncate(time.Hour), Now: now})
	add("report-decided", views.Sent{Decided: true, At: now.Add(-24 * time.Hour).Truncate(time.Hour), Now: now})
	add("rules", views.Rules{Keys: []string{"4ncv-qv26-2v63-63as-l5bl"}, Contact: contact})
	add("rules-nobody", views.Rules{})
	add("how", views.How{Contact: contact})
	add("transparency", views.Transparency{Removed: []views.Removal{{Category: "child", Count: 3}, {Category: "copyright", Count: 12}}, Preserved: 1})
	add("transparency-none", views.Transparency{})

	veiled := append([]views.Item{}, album...)
	for i := range veiled {
		veiled[i].Veil = i == 0
	}
	o := views.Open{Items: veiled, Done: "/v/" + secret + "/done", Report: "/v/" + secret + "/report", Terms: views.Terms{Now: now, Ends: now.Add(time.Hour)}}
	add("open-veiled", o)
	add("ready-held", views.Ready{Link: host + "/s/" + secret, Receipt: host + "/r/" + secret, Items: one, ID: secret[:26], Held: true, Terms: views.Terms{Now: now, Ends: now.Add(24 * time.Hour)}})
	return list
}
