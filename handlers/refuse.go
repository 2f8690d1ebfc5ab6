package handlers

import (
	"context"
	"errors"
	"net/http"
	"os"
	"strconv"
	"strings"

	"github.com/a-h/templ"

	"emberdrop/link"
	"emberdrop/strip"
	"emberdrop/views"
)

// What only this room can refuse.
var (
	errMalformed       = errors.New("malformed upload form")
	errMalformedReveal = errors.New("malformed reveal form")
	errNoFile          = errors.New("no file in the form")
	errBody            = errors.New("body too large")
	errExpire          = errors.New("expire refused")
	errBurn            = errors.New("burn refused")
	errViews           = errors.New("views refused")
	errIdle            = errors.New("idle refused")
	errContradiction   = errors.New("burn and views contradict each other")
	errText            = errors.New("text is not UTF-8")
	errPassphraseLong  = errors.New("passphrase too long")
	errElsewhere       = errors.New("form of another site")
	errMalformedForm   = errors.New("malformed form")
	errSlow            = errors.New("too slow while others wait")
)

// refusals is the one table from errors to statuses and to messages
// (problem.ID.title and problem.ID.next). Errors that are not in it, and not
// link.ErrGone, are failures of ours: 500.
var refusals = []struct {
	err    error
	status int
	id     string
}{
	{errMalformed, http.StatusBadRequest, "malformed"},
	{errMalformedReveal, http.StatusBadRequest, "malformed_reveal"},
	{errMalformedForm, http.StatusBadRequest, "malformed_form"},
	{errNoFile, http.StatusBadRequest, "no_file"},
	{link.ErrPassphrase, http.StatusForbidden, "passphrase"},
	{errElsewhere, http.StatusForbidden, "elsewhere"},
	{os.ErrDeadlineExceeded, http.StatusRequestTimeout, "stalled"},
	{errBody, http.StatusRequestEntityTooLarge, "too_large"},
	{link.ErrTooLarge, http.StatusRequestEntityTooLarge, "too_large"},
	{link.ErrTooMany, http.StatusRequestEntityTooLarge, "too_many"},
	{link.ErrEmpty, http.StatusUnprocessableEntity, "empty_file"},
	{strip.ErrDamaged, http.StatusUnprocessableEntity, "damaged"},
	{link.ErrRefused, http.StatusUnprocessableEntity, "refused"},
	{link.ErrComplaint, http.StatusUnprocessableEntity, "report"},
	{link.ErrNoOperator, http.StatusServiceUnavailable, "no_operator"},
	{link.ErrReports, http.StatusTooManyRequests, "reports"},
	{link.ErrNote, http.StatusUnprocessableEntity, "note"},
	{link.ErrPass, http.StatusUnprocessableEntity, "pass"},
	{link.ErrCaption, http.StatusUnprocessableEntity, "caption"},
	{errExpire, http.StatusUnprocessableEntity, "expire"},
	{errBurn, http.StatusUnprocessableEntity, "burn"},
	{errViews, http.StatusUnprocessableEntity, "views"},
	{errIdle, http.StatusUnprocessableEntity, "idle"},
	{errContradiction, http.StatusUnprocessableEntity, "contradiction"},
	{link.ErrPolicy, http.StatusUnprocessableEntity, "contradiction"},
	{link.ErrExpire, http.StatusUnprocessableEntity, "expire"},
	{errText, http.StatusUnprocessableEntity, "text"},
	{errPassphraseLong, http.StatusUnprocessableEntity, "passphrase_long"},
	{link.ErrTooFast, http.StatusTooManyRequests, "too_fast"},
	{link.ErrBusy, http.StatusServiceUnavailable, "busy"},
	{link.ErrUnavailable, http.StatusServiceUnavailable, "busy"},
	{errSlow, http.StatusServiceUnavailable, "slow"},
	{link.ErrFullNever, http.StatusInsufficientStorage, "full_never"},
	{link.ErrFull, http.StatusInsufficientStorage, "full"},
}

// comeBack says for the problems that pass by themselves after how many seconds to
// come back, as Retry-After counts (RFC 9110 section 10.2.3). It is always the same,
// since when room will really come free is a matter of other people's links.
var comeBack = map[string]int{
	"too_fast": 60, "busy": 60, "slow": 60,
	"full": 60 * 60, "full_never": 24 * 60 * 60,
}

// refuse answers with what an error means. Nothing of the error itself is shown
// or logged: its text could hold anything.
func (s *site) refuse(v *visit, err error) {
	if errors.Is(err, link.ErrGone) {
		s.gone.answer(v)
		return
	}
	if errors.Is(err, context.Canceled) {
		panic(http.ErrAbortHandler) // the visitor has left
	}
	p, ok := problem(v.words, s.Limits, err)
	if !ok {
		s.Log.Error("request failed", "category", "internal")
		s.fail(v)
		return
	}
	if after := comeBack[p.ID]; after > 0 {
		v.w.Header().Set("Retry-After", strconv.Itoa(after))
		p.Contact = s.Contact // it may not get better by itself
	}
	if !v.html {
		v.text(p.Status, sentence(v.words, p))
		return
	}
	policy, page := policyPage, p.Page(v.words)
	if v.frame {
		policy, page = policyFrame, p.Frame(v.words)
	}
	if v.page(p.Status, policy, page) != nil {
		s.fail(v)
	}
}

// fail answers that something broke here.
func (s *site) fail(v *visit) {
	if v.frame {
		s.framed.answer(v)
		return
	}
	s.broken.answer(v)
}

// problem is the page for an error; ok is false when it is not one that a
// visitor can do something about.
func problem(w views.Words, limits Limits, err error) (p views.Problem, ok bool) {
	var unsupported *strip.UnsupportedError
	if errors.As(err, &unsupported) {
		return views.Problem{ID: "unsupported", Status: http.StatusUnsupportedMediaType, Next: advice(w, unsupported.Found)}, true
	}
	for _, r := range refusals {
		if errors.Is(err, r.err) {
			most := link.MaxCaption
			if r.err == errPassphraseLong {
				most = maxPassphrase
			}
			allowed, _ := limits.choices()
			next := w.Say("problem."+r.id+".next",
				"Choices", strings.Join(allowed, w.Say("list.separator")),
				"File", w.Cap(limits.MaxFile), "All", w.Cap(limits.MaxUpload), "Items", limits.MaxItems, "Max", most, "Note", w.Cap(link.MaxNote))
			return views.Problem{ID: r.id, Status: r.status, Next: next}, true
		}
	}
	return views.Problem{}, false
}

// advice says what to do with a file that is not taken, by what strip found it to be.
func advice(w views.Words, found string) string {
	for _, a := range []struct{ part, id string }{
		{"HEI", "heic"},
		{"pixels", "pixels"},
		{"video", "video"}, {"sound", "video"}, {"MP4", "video"},
		{"document", "document"},
	} {
		if strings.Contains(found, a.part) {
			return w.Say("problem.unsupported." + a.id)
		}
	}
	return w.Say("problem.unsupported.next")
}

// sentence is a problem as text: one line.
func sentence(w views.Words, p views.Problem) string {
	return w.Say("problem.line", "Title", w.Say("problem."+p.ID+".title"), "Next", p.Sentence(w))
}

var noContext = context.Background() // pages made in advance belong to no request

func gonePage(w views.Words) (templ.Component, string) {
	return views.Gone{}.Page(w), w.Say("problem.line", "Title", w.Say("gone.title"), "Next", w.Say("gone.why_not"))
}

func (s *site) brokenPage(w views.Words) (templ.Component, string) {
	p := views.Problem{ID: "internal", Status: http.StatusInternalServerError, Contact: s.Contact}
	return p.Page(w), sentence(w, p)
}

func (s *site) brokenFrame(w views.Words) (templ.Component, string) {
	p := views.Problem{ID: "internal", Status: http.StatusInternalServerError, Contact: s.Contact}
	return p.Frame(w), sentence(w, p)
}

// nothing answers every address that is not one. Under /s, /v, /r and /report it asks
// link first, as a well-formed address would, so that the time it takes does
// not tell a malformed token from a dead one.
func (s *site) nothing(v *visit) error {
	root, rest, _ := strings.Cut(strings.TrimPrefix(v.r.URL.Path, "/"), "/")
	token, _, _ := strings.Cut(rest, "/")
	switch root {
	case "s":
		s.Links.Preview(token)
	case "v":
		s.Links.Lease(token)
	case "r":
		s.Links.Receipt(token)
	case "report":
		s.Links.Status(token)
	}
	return link.ErrGone
}
