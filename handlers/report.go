package handlers

import (
	"errors"
	"net/http"
	"strconv"

	"emberdrop/link"
	"emberdrop/views"
)

// A report goes to the operator, sealed. Its forms are of the link (before it is
// opened) and of the view (while it is): a link that is not there has no form.

const (
	// maxReport is how many bytes a report's body may have: words of four bytes each,
	// percent-encoded, and the rest.
	maxReport = 64 << 10
)

// reportField is a field of the forms of this file, with the most bytes it takes.
var (
	reportFields = map[string]int{
		"category": 16, "words": 4 * link.MaxWords, "contact": 4 * link.MaxContact, "item": 4, "passphrase": maxPassphrase,
	}
	noticeFields = map[string]int{
		"category": 16, "about": 4 * link.MaxWords, "words": 4 * link.MaxWords, "contact": 4 * link.MaxContact,
		"authority": 2, "faith": 2,
	}
)

// reportForm shows the form of a link that can be opened.
func (s *site) reportForm(v *visit) error {
	secret := v.r.PathValue("secret")
	p, err := s.Links.Preview(secret)
	if err != nil {
		return err
	}
	return s.showReport(v, http.StatusOK, s.linkReport(secret, p))
}

func (s *site) linkReport(secret string, p link.Preview) views.Report {
	return views.Report{
		Action: sharePath(secret) + "/report", Back: sharePath(secret), Locked: p.Locked,
		Items: items(p.Items, "", 0), Nobody: s.Links.Unattended(), Contact: s.Contact,
	}
}

// viewReportForm shows the form of a view that is open.
func (s *site) viewReportForm(v *visit) error {
	lease, err := s.Links.Lease(v.r.PathValue("lease"))
	if err != nil {
		return err
	}
	return s.showReport(v, http.StatusOK, s.viewReport(lease))
}

func (s *site) viewReport(lease *link.Lease) views.Report {
	return views.Report{
		Action: leasePath(lease.Token()) + "/report", Back: leasePath(lease.Token()),
		Items: items(lease.Items(), "", 0), Nobody: s.Links.Unattended(), Contact: s.Contact,
	}
}

func (s *site) showReport(v *visit, status int, page views.Report) error {
	page.Categories = categories()
	if v.html {
		return v.page(status, policyPage, page.Page(v.words))
	}
	if page.Nobody {
		return v.text(status, v.words.Say("report.nobody"), s.Origin+"/takedown")
	}
	return v.text(status, v.words.Say("text.report"))
}

// report takes a report of a link.
func (s *site) report(v *visit) error {
	secret := v.r.PathValue("secret")
	// A link that is not there has one answer, whatever was sent to it.
	p, gone := s.Links.Preview(secret)
	fields, err := s.readForm(v, maxReport, reportFields)
	if errors.Is(gone, link.ErrGone) {
		return gone
	}
	if err != nil {
		return err
	}
	complaint, err := complaintOf(fields)
	if err == nil {
		var status interface{ String() string }
		if status, err = s.Links.Report(secret, complaint); err == nil {
			return s.taken(v, status.String())
		}
	}
	page := s.linkReport(secret, p)
	page.Wrong, page.Slow = errors.Is(err, link.ErrPassphrase), errors.Is(err, link.ErrTooFast)
	return s.reportAgain(v, page, fields, err)
}

// reportView takes a report of an open view, also when its link has ended with it.
func (s *site) reportView(v *visit) error {
	lease, err := s.Links.Lease(v.r.PathValue("lease"))
	if err != nil {
		return err
	}
	fields, err := s.readForm(v, maxReport, reportFields)
	if err != nil {
		return err
	}
	complaint, err := complaintOf(fields)
	if err == nil {
		var status interface{ String() string }
		if status, err = s.Links.ReportLease(lease.Token(), complaint); err == nil {
			return s.taken(v, status.String())
		}
	}
	return s.reportAgain(v, s.viewReport(lease), fields, err)
}

// reportAgain shows the form anew to a person who can mend what was wrong.
func (s *site) reportAgain(v *visit, page views.Report, fields map[string]string, err error) error {
	page.Missing = errors.Is(err, link.ErrComplaint)
	if !v.html || !page.Missing && !page.Wrong && !page.Slow {
		return err
	}
	page.Category, page.Words, page.Reach = fields["category"], fields["words"], fields["contact"]
	page.Item, _ = strconv.Atoi(fields["item"])
	status := http.StatusUnprocessableEntity
	switch {
	case page.Slow:
		v.w.Header().Set("Retry-After", strconv.Itoa(comeBack["too_fast"]))
		status = http.StatusTooManyRequests
	case page.Wrong:
		status = http.StatusForbidden
	}
	return s.showReport(v, status, page)
}

// complaintOf is what a report's fields say. The error is link.ErrComplaint.
func complaintOf(fields map[string]string) (c link.Complaint, err error) {
	known := false
	if c.Category, known = link.ParseCategory(fields["category"]); !known {
		return c, link.ErrComplaint
	}
	c.Words, c.Contact, c.Passphrase, c.Item = fields["words"], fields["contact"], fields["passphrase"], 1
	if text := fields["item"]; text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || strconv.Itoa(n) != text {
			return c, link.ErrComplaint
		}
		c.Item = n
	}
	return c, nil
}

// taken sends whoever reported to the page that says what becomes of it.
func (s *site) taken(v *visit, status string) error {
	if v.html {
		return v.see("/report/" + status)
	}
	return v.text(http.StatusCreated, "report: "+s.Origin+"/report/"+status, v.words.Say("sent.keep"))
}

// reportStatus says what has become of a report, to whoever has its token.
func (s *site) reportStatus(v *visit) error {
	st, err := s.Links.Status(v.r.PathValue("token"))
	if err != nil {
		return err
	}
	if v.html {
		return v.page(http.StatusOK, policyPage, views.Sent{Decided: st.Decided, At: st.At, Now: s.Now()}.Page(v.words))
	}
	if st.Decided {
		return v.text(http.StatusOK, "state: decided", "decided: "+ends(st.At))
	}
	return v.text(http.StatusOK, "state: received", "received: "+ends(st.At))
}

// notice shows the takedown form, which everybody may fill in.
func (s *site) noticeForm(v *visit) error {
	return s.showNotice(v, http.StatusOK, views.Takedown{})
}

func (s *site) showNotice(v *visit, status int, page views.Takedown) error {
	page.Categories, page.Nobody, page.Contact = categories(), s.Links.Unattended(), s.Contact
	if v.html {
		return v.page(status, policyPage, page.Page(v.words))
	}
	return v.text(status, v.words.Say("text.takedown"))
}

// notice takes a takedown notice.
func (s *site) notice(v *visit) error {
	fields, err := s.readForm(v, 3*maxReport, noticeFields)
	if err != nil {
		return err
	}
	on := func(name string) bool { return fields[name] == "on" }
	n := link.Notice{About: fields["about"], Words: fields["words"], Contact: fields["contact"], GoodFaith: on("faith"), Authority: on("authority")}
	known := false
	if n.Category, known = link.ParseCategory(fields["category"]); !known {
		err = link.ErrComplaint
	} else {
		var status interface{ String() string }
		if status, err = s.Links.Notice(n); err == nil {
			return s.taken(v, status.String())
		}
	}
	if v.html && errors.Is(err, link.ErrComplaint) {
		return s.showNotice(v, http.StatusUnprocessableEntity, views.Takedown{
			Missing: true, Category: fields["category"], About: n.About, Words: n.Words, Reach: n.Contact, Authority: n.Authority,
		})
	}
	return err
}

// categories are the reasons that a visitor can give, in the order of the form.
func categories() (names []string) {
	for c := link.Child; c <= link.Other; c++ {
		names = append(names, c.String())
	}
	return names
}
