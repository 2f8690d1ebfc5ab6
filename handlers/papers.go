package handlers

import (
	"net/http"
	"strconv"

	"emberdrop/link"
	"emberdrop/views"
)

// rules are the terms of use.
func (s *site) rules(v *visit) error {
	return s.paper(v, "rules.title", "rules.lead", views.Rules{Keys: s.Links.OperatorKeys(), Contact: s.Contact})
}

// how says what to choose, how to test the service and what it cannot do.
func (s *site) how(v *visit) error {
	return s.paper(v, "how.title", "how.lead", views.How{Contact: s.Contact})
}

// paper answers with a page that is the same for everybody; as text, with what it
// is about: the page is for reading.
func (s *site) paper(v *visit, title, lead string, page views.Paged) error {
	if v.html {
		return v.page(http.StatusOK, policyPage, page.Page(v.words))
	}
	return v.text(http.StatusOK, v.words.Say(title), v.words.Say(lead))
}

// transparency counts what was removed, by reason. It does not count reports: who
// saw that number move would learn that a link was reported.
func (s *site) transparency(v *visit) error {
	totals, err := s.Links.Totals()
	if err != nil {
		return err
	}
	page := views.Transparency{Preserved: int(totals.Preserved())}
	lines := []string{}
	counts := totals.Removed()
	for c := link.Category(0); c <= link.Other; c++ {
		if n := counts[c]; n > 0 {
			page.Removed = append(page.Removed, views.Removal{Category: c.String(), Count: int(n)})
			lines = append(lines, c.String()+": "+strconv.FormatInt(n, 10))
		}
	}
	if v.html {
		return v.page(http.StatusOK, policyPage, page.Page(v.words))
	}
	return v.text(http.StatusOK, append(lines, "preserved: "+strconv.Itoa(page.Preserved))...)
}
