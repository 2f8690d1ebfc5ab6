package handlers

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"

	"emberdrop/link"
	"emberdrop/seal"
	"emberdrop/views"
)

// preview shows a link without opening it.
func (s *site) preview(v *visit) error {
	secret := v.r.PathValue("secret")
	p, err := s.Links.Preview(secret)
	if err != nil {
		return err
	}
	if v.html {
		page := closedPage(secret, seal.NewToken().String(), p, false, s.Now())
		return v.page(http.StatusOK, policyPage, page.Page(v.words))
	}
	return v.text(http.StatusOK, previewLines(v.words, p)...)
}

// reveal opens a link: the one request that counts.
func (s *site) reveal(v *visit) error {
	secret := v.r.PathValue("secret")
	s.formBody(v, maxReveal)
	fields, err := readReveal(v.r)
	if err != nil {
		// A link that is not there has one answer, whatever was sent to it.
		if _, gone := s.Links.Preview(secret); errors.Is(gone, link.ErrGone) {
			return gone
		}
		return err
	}
	lease, err := s.Links.Reveal(v.r.Context(), secret, fields["reveal"], fields["passphrase"])
	if v.html && (errors.Is(err, link.ErrPassphrase) || errors.Is(err, link.ErrTooFast)) {
		return s.askAgain(v, secret, fields, errors.Is(err, link.ErrTooFast))
	}
	if err != nil {
		return err
	}
	if v.html {
		return v.see(leasePath(lease.Token()))
	}
	items := lease.Items()
	if len(items) == 1 {
		v.w.Header().Set("Content-Location", itemPath(lease.Token(), 1))
		// The whole of it: a range of something not seen yet makes no sense.
		v.r.Header.Del("Range")
		return s.serveItem(v, lease, 1)
	}
	lines := make([]string, len(items))
	for i := range items {
		lines[i] = s.Origin + itemPath(lease.Token(), i+1)
	}
	return v.text(http.StatusOK, lines...)
}

// askAgain shows the closed link anew after a passphrase that did not fit. The
// reveal value stays: nothing was revealed under it.
func (s *site) askAgain(v *visit, secret string, fields map[string]string, slow bool) error {
	p, err := s.Links.Preview(secret)
	if err != nil {
		return err
	}
	reveal := fields["reveal"]
	if _, err := seal.ParseToken(reveal); err != nil {
		reveal = seal.NewToken().String()
	}
	page := closedPage(secret, reveal, p, fields["passphrase"] != "", s.Now())
	if page.Slow = slow; slow {
		v.w.Header().Set("Retry-After", "60")
		return v.page(http.StatusTooManyRequests, policyPage, page.Page(v.words))
	}
	return v.page(http.StatusForbidden, policyPage, page.Page(v.words))
}

// view is the page of a lease.
func (s *site) view(v *visit) error {
	lease, err := s.Links.Lease(v.r.PathValue("lease"))
	if err != nil {
		return err
	}
	items := lease.Items()
	if v.html {
		page := openPage(lease.Token(), lease.Caption(), items, lease.Final(), lease.Until(), s.Now())
		tell(page.Items, func(n int) (io.ReadCloser, error) {
			r, _, err := lease.Open(n)
			return r, err
		})
		return v.page(http.StatusOK, policyView, page.Page(v.words))
	}
	lines := []string{}
	if lease.Caption() != "" {
		lines = append(lines, "caption: "+lease.Caption())
	}
	for i, it := range items {
		lines = append(lines, "item: "+s.Origin+itemPath(lease.Token(), i+1)+" "+kindAndSize(it))
	}
	return v.text(http.StatusOK, append(lines, "until: "+ends(lease.Until()))...)
}

// item is one item of a lease, whole or in parts, as often as wanted.
func (s *site) item(v *visit) error {
	lease, err := s.Links.Lease(v.r.PathValue("lease"))
	if err != nil {
		return err
	}
	n, err := itemNumber(v)
	if err != nil {
		return err
	}
	return s.serveItem(v, lease, n)
}

// itemNumber is the item in an address; each has one spelling.
func itemNumber(v *visit) (int, error) {
	text := v.r.PathValue("n")
	n, err := strconv.Atoi(text)
	if err != nil || strconv.Itoa(n) != text {
		return 0, link.ErrGone
	}
	return n, nil
}

func (s *site) serveItem(v *visit, lease *link.Lease, n int) error {
	content, it, err := lease.Open(n)
	if err != nil {
		return err
	}
	defer content.Close()
	v.serve(content, it, n)
	return nil
}

// serve answers with an item, whole or in parts.
func (v *visit) serve(content io.ReadSeeker, it link.Item, n int) {
	m := mediaOf(it.Kind)
	disposition := "attachment"
	if m.inline && !v.r.URL.Query().Has("download") {
		disposition = "inline"
	}
	h := v.w.Header()
	guard(h, policyBytes)
	h.Set("Cache-Control", "private, no-store")
	h.Set("Content-Type", m.kind)
	h.Set("Content-Disposition", mime.FormatMediaType(disposition, map[string]string{"filename": m.label(n)}))
	// No time: when something was made or stored is nobody's business.
	http.ServeContent(uncached{v.w}, v.r, "", noTime, content)
}

// uncached keeps Cache-Control on every answer: http.ServeContent drops it from
// a 416.
type uncached struct{ http.ResponseWriter }

func (w uncached) WriteHeader(status int) {
	w.Header().Set("Cache-Control", "private, no-store")
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController through.
func (w uncached) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// done ends a lease because its viewer has seen enough.
func (s *site) done(v *visit) error {
	token := v.r.PathValue("lease")
	lease, err := s.Links.Lease(token)
	if err != nil {
		return err
	}
	final := lease.Final()
	if err := s.Links.EndLease(token); err != nil {
		return err
	}
	forget(v)
	if v.html {
		return v.page(http.StatusOK, policyPage, views.Done{Final: final}.Page(v.words))
	}
	return v.text(http.StatusOK, v.words.Say("text.done"))
}

// forget asks the browser to drop what it holds of us. Nothing of ours may be
// kept anyway; this is for browsers that kept it in memory.
func forget(v *visit) { v.w.Header().Set("Clear-Site-Data", `"cache"`) }
