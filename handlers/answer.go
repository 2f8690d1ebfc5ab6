package handlers

import (
	"bytes"
	"net/http"
	"strconv"
	"strings"

	"github.com/a-h/templ"

	"emberdrop/views"
)

// visit is one request with what its headers say about the visitor.
type visit struct {
	w     http.ResponseWriter
	r     *http.Request
	words views.Words
	html  bool // else plain text
	frame bool // what a person sees of it is inside the upload page's frame
}

func (s *site) visit(w http.ResponseWriter, r *http.Request) *visit {
	html := wantsHTML(r.Header.Values("Accept"))
	return &visit{
		w:     w,
		r:     r,
		words: s.words.Pick(asked(r), r.Header.Get("Accept-Language")),
		html:  html,
		frame: html && framed(r),
	}
}

// asked is the language in the address. It is cut out by hand because a
// malformed query elsewhere in it is no reason to forget the language.
func asked(r *http.Request) string {
	for pair := range strings.SplitSeq(r.URL.RawQuery, "&") {
		if lang, ok := strings.CutPrefix(pair, "lang="); ok {
			return lang
		}
	}
	return ""
}

// wantsHTML reports whether text/html is named and not ruled out. A bare */* is
// what curl sends, and curl gets text.
func wantsHTML(accept []string) bool {
	for _, line := range accept {
		for item := range strings.SplitSeq(line, ",") {
			kind, params, _ := strings.Cut(item, ";")
			if !strings.EqualFold(strings.TrimSpace(kind), "text/html") {
				continue
			}
			q, ok := strings.CutPrefix(strings.ReplaceAll(strings.ToLower(params), " ", ""), "q=")
			if weight, err := strconv.ParseFloat(q, 64); ok && err == nil && weight == 0 {
				continue
			}
			return true
		}
	}
	return false
}

// What a page may load and do, and who may frame it. Only the page with the QR
// code may show data: pictures; only the two documents in the upload page's
// frames may be framed, by our own pages.
const (
	policyBase = "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; "
	unframed   = "frame-ancestors 'none'"
	ownFrames  = "frame-ancestors 'self'"

	policyPage    = policyBase + "img-src 'self'; " + unframed
	policyUpload  = policyBase + "img-src 'self'; frame-src 'self'; " + unframed
	policyView    = policyBase + "img-src 'self'; media-src 'self'; " + unframed
	policyQR      = policyBase + "img-src 'self' data:; " + unframed
	policyQRFrame = policyBase + "img-src 'self' data:; " + ownFrames
	policyFrame   = policyBase + "img-src 'self'; " + ownFrames
	policyBytes   = "default-src 'none'; sandbox; " + unframed
)

// guard sets the headers that every answer has, media included.
func guard(h http.Header, policy string) {
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	if strings.HasSuffix(policy, ownFrames) {
		h.Set("X-Frame-Options", "SAMEORIGIN")
	}
	// same-origin, not no-referrer: with the latter Chromium sends "Origin: null"
	// with our own forms, and they would look like another site's.
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Embedder-Policy", "require-corp")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=(), browsing-topics=()")
	h.Set("Cache-Control", "no-store")
}

const (
	typeHTML = "text/html; charset=utf-8"
	typeText = "text/plain; charset=utf-8"
)

// page answers with a whole page. It is rendered before the first byte leaves,
// so that a failure can still become the page for failures.
func (v *visit) page(status int, policy string, page templ.Component) error {
	var body bytes.Buffer
	if err := page.Render(v.r.Context(), &body); err != nil {
		return err
	}
	v.send(status, policy, typeHTML, body.Bytes())
	return nil
}

// text answers with lines.
func (v *visit) text(status int, lines ...string) error {
	v.send(status, policyBytes, typeText, []byte(strings.Join(lines, "\n")+"\n"))
	return nil
}

func (v *visit) send(status int, policy, kind string, body []byte) {
	h := v.w.Header()
	guard(h, policy)
	h.Set("Content-Type", kind)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	v.w.WriteHeader(status)
	v.w.Write(body) // net/http drops it for HEAD; an error means that nobody is listening
}

// see sends the visitor to another address of ours, as a GET.
func (v *visit) see(to string) error {
	h := v.w.Header()
	guard(h, policyBytes)
	h.Set("Location", v.words.Link(to))
	h.Set("Content-Length", "0")
	v.w.WriteHeader(http.StatusSeeOther)
	return nil
}

// canned is one answer, made in advance for each language and representation,
// so that it is the same bytes each time and cannot fail.
type canned struct {
	status int
	policy string
	html   map[tongue][]byte
	text   map[tongue][]byte
}

// tongue is a language as a page is written in it: whether it was chosen shows
// in the page's links.
type tongue struct {
	lang   string
	chosen bool
}

func can(words *views.Catalogue, status int, policy string, make func(views.Words) (page templ.Component, text string)) (canned, error) {
	c := canned{status: status, policy: policy, html: map[tongue][]byte{}, text: map[tongue][]byte{}}
	for _, guessed := range words.All() {
		for _, w := range []views.Words{guessed, words.Pick(guessed.Lang(), "")} {
			key := tongue{w.Lang(), w.Chosen()}
			page, text := make(w)
			var body bytes.Buffer
			if err := page.Render(noContext, &body); err != nil {
				return c, err
			}
			c.html[key] = body.Bytes()
			c.text[key] = []byte(text + "\n")
		}
	}
	return c, nil
}

func (c canned) answer(v *visit) {
	key := tongue{v.words.Lang(), v.words.Chosen()}
	if v.html {
		v.send(c.status, c.policy, typeHTML, c.html[key])
	} else {
		v.send(c.status, policyBytes, typeText, c.text[key])
	}
}
