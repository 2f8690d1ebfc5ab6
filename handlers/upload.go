package handlers

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"strconv"
	"time"

	"emberdrop/link"
	"emberdrop/seal"
)

// home gives every visit to the upload page an address of its own, so that a
// reload, Back, or a form that a browser sends twice is known to be the same.
func (s *site) home(v *visit) error { return v.see("/u/" + seal.NewToken().String()) }

func (s *site) uploadPage(v *visit) error {
	id := v.r.PathValue("id")
	token, err := seal.ParseToken(id)
	if err != nil {
		return link.ErrGone
	}
	if s.Links.Answered(token) {
		return s.home(v) // Back, to share something else: under this id there is a link already
	}
	if !v.html {
		return v.text(http.StatusOK, v.words.Say("text.upload", "Address", s.Origin+"/"))
	}
	return v.page(http.StatusOK, policyPage, uploadPage(id, s.Limits).Page(v.words))
}

// uploadAgain is what a visitor gets who loads the address of an answer anew.
func (s *site) uploadAgain(v *visit) error {
	id := v.r.PathValue("id")
	if _, err := seal.ParseToken(id); err != nil {
		return link.ErrGone
	}
	return v.see("/u/" + id)
}

// framing is what a multipart body may have besides its files' bytes.
const framing = 1 << 20

func (s *site) upload(v *visit) error {
	id := seal.NewToken() // POST /: every one is an upload of its own
	if text := v.r.PathValue("id"); text != "" {
		var err error
		if id, err = seal.ParseToken(text); err != nil {
			return link.ErrGone
		}
	}
	most := s.Limits.MaxUpload + framing
	b := newBody(v.w, v.r, s.Stall, most)
	answer, repeat, err := s.take(v, b, id, most)
	if err != nil || repeat {
		return s.answerThenDrain(v, b, func() error {
			if err != nil {
				s.refuse(v, err)
				return nil
			}
			return s.ready(v, answer, true)
		})
	}
	return s.ready(v, answer, false)
}

// take makes a link out of a body, or finds the link that this upload made before.
func (s *site) take(v *visit, b *body, id seal.Token, most int64) (answer link.Answer, repeat bool, err error) {
	if v.r.ContentLength > most {
		return answer, false, errBody
	}
	up, again, err := s.Links.Begin(v.r.Context(), id, max(v.r.ContentLength, 0))
	if err != nil {
		return answer, false, err
	}
	if again != nil {
		return *again, true, nil
	}
	defer up.Abort()
	f, err := readUpload(v.r, s.Limits.MaxItems, func(file io.Reader) error {
		_, err := up.Add(file)
		return err
	})
	if err == nil {
		answer, err = up.Commit(f.policy, f.caption, f.passphrase)
	}
	return answer, false, blame(err, b)
}

// blame finds out whose failure it was: when the body itself failed, whatever
// was made of it upstairs says less.
func blame(err error, b *body) error {
	switch {
	case err == nil, b.err == nil, errors.Is(b.err, io.EOF):
		return err
	case errors.Is(b.err, errBody), errors.Is(b.err, os.ErrDeadlineExceeded):
		return b.err
	}
	return context.Canceled // the connection is gone
}

func (s *site) ready(v *visit, a link.Answer, repeat bool) error {
	if v.html {
		page, err := readyPage(s.Origin, a, repeat, s.Now())
		if err != nil {
			return err
		}
		return v.page(http.StatusCreated, policyQR, page.Page(v.words))
	}
	lines := []string{
		"link: " + linkURL(s.Origin, a),
		"receipt: " + receiptURL(s.Origin, a),
		"ends: " + ends(a.Ends),
	}
	if a.Views > 0 {
		lines = append(lines, "views: "+strconv.Itoa(a.Views))
	}
	return v.text(http.StatusCreated, lines...)
}

// ends is a deadline in a text answer.
func ends(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.UTC().Format(time.RFC3339)
}
