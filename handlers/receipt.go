package handlers

import "net/http"

// receipt tells the uploader what became of a link.
func (s *site) receipt(v *visit) error {
	token := v.r.PathValue("token")
	r, err := s.Links.Receipt(token)
	if err != nil {
		return err
	}
	if v.html {
		return v.page(http.StatusOK, policyPage, receiptPage(token, r, s.ReceiptTTL, s.Now()).Page(v.words))
	}
	return v.text(http.StatusOK, receiptLines(r)...)
}

// destroy ends a link on its uploader's word. Doing it twice is no error.
func (s *site) destroy(v *visit) error {
	token := v.r.PathValue("token")
	if err := s.Links.Destroy(token); err != nil {
		return err
	}
	forget(v)
	if v.html {
		return v.see(receiptPath(token))
	}
	r, err := s.Links.Receipt(token)
	if err != nil {
		return err
	}
	return v.text(http.StatusOK, receiptLines(r)...)
}
