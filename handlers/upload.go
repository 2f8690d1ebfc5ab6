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
	"emberdrop/views"
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
		return v.text(http.StatusOK, v.words.Say("text.upload", "Address", s.Here+"/"))
	}
	return s.zipped(v, func(v *visit) error {
		return v.page(http.StatusOK, policyUpload, s.uploadPageOf(id).Page(v.words))
	})
}

// uploadAgain is the answer on a page of its own, while it can still be shown.
func (s *site) uploadAgain(v *visit) error {
	id := v.r.PathValue("id")
	token, err := seal.ParseToken(id)
	if err != nil {
		return link.ErrGone
	}
	answer, found := s.Links.Answer(token)
	if !found {
		return v.see("/u/" + id)
	}
	return s.ready(v, http.StatusOK, id, answer, false)
}

// peek shows the uploader an item of the answer. It counts no view.
func (s *site) peek(v *visit) error {
	token, err := seal.ParseToken(v.r.PathValue("id"))
	if err != nil {
		return link.ErrGone
	}
	n, err := itemNumber(v)
	if err != nil {
		return err
	}
	content, it, err := s.Links.Peek(token, n)
	if err != nil {
		return err
	}
	defer content.Close()
	v.serve(content, it, n)
	return nil
}

// framing is what a multipart body may have besides its files' bytes: a note too.
const framing = 3 << 20

func (s *site) upload(v *visit) error {
	id := seal.NewToken() // POST /: every one is an upload of its own
	text := v.r.PathValue("id")
	if text != "" {
		var err error
		if id, err = seal.ParseToken(text); err != nil {
			return link.ErrGone
		}
	}
	most := s.Limits.MaxUpload + framing
	b := s.newBody(v.w, v.r, most)
	answer, repeat, err := s.take(v, b, id, most)
	// Told in the progress frame as well: where the browser sends the form again,
	// the frame for the answer may stay empty.
	s.meters.end(id.Hash(), b.meter, s.why(v.words, err))
	if err != nil || repeat {
		return s.answerThenDrain(v, b, func() error {
			if err != nil {
				s.refuse(v, err)
				return nil
			}
			return s.ready(v, http.StatusCreated, text, answer, true)
		})
	}
	return s.ready(v, http.StatusCreated, text, answer, false)
}

// why is the sentence for a refused upload; empty when it was taken.
func (s *site) why(w views.Words, err error) string {
	if err == nil {
		return ""
	}
	if errors.Is(err, context.Canceled) {
		return w.Say("progress.broken")
	}
	p, ok := problem(w, s.Limits, err)
	if !ok {
		p = views.Problem{ID: "internal"}
	}
	return sentence(w, p)
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
	b.wanted = up.Wanted
	s.meters.start(id.Hash(), b.meter)
	f, err := readUpload(v.r, s.Limits, up)
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
	case errors.Is(b.err, errBody), errors.Is(b.err, errSlow), errors.Is(b.err, os.ErrDeadlineExceeded):
		return b.err
	}
	return context.Canceled // the connection is gone
}

// ready shows what became of an upload. id is empty when nobody can ask again.
func (s *site) ready(v *visit, status int, id string, a link.Answer, repeat bool) error {
	if v.html {
		page, err := readyPage(s.Origin, id, a, repeat, s.Now())
		if err != nil {
			return err
		}
		page.Contact = s.Contact
		s.look(&page, id, a)
		if v.frame {
			return v.page(status, policyQRFrame, page.Frame(v.words))
		}
		return v.page(status, policyQR, page.Page(v.words))
	}
	lines := []string{
		"link: " + linkURL(s.Origin, a),
		"receipt: " + receiptURL(s.Origin, a),
		"ends: " + ends(a.Ends),
	}
	if a.Held {
		lines = append(lines, "state: held")
	}
	if a.Views > 0 {
		lines = append(lines, "views: "+strconv.Itoa(a.Views))
	}
	if s.Limits.NeverIdle > 0 && a.Ends.IsZero() { // the operator's, perhaps, so nobody was told yet
		lines = append(lines, "idle: "+idleText(a.Idle))
	}
	return v.text(status, lines...)
}

// look puts into the page what its uploader may look at: everything, or nothing
// when there is a passphrase, which nobody keeps.
func (s *site) look(page *views.Ready, id string, a link.Answer) {
	token, err := seal.ParseToken(id)
	if err != nil {
		return
	}
	first, _, err := s.Links.Peek(token, 1)
	if err != nil {
		return
	}
	first.Close()
	page.Items = items(a.Items, answerPath(id), maxLook)
	tell(page.Items, func(n int) (io.ReadCloser, error) {
		r, _, err := s.Links.Peek(token, n)
		return r, err
	})
}

// ends is a deadline in a text answer.
func ends(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.UTC().Format(time.RFC3339)
}
