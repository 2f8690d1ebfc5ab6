package review

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/a-h/templ"

	"emberdrop/report"
)

// Page is what the operator is shown of one case, and asked.
type Page struct {
	Case     string
	Category string
	Received time.Time // to the hour; zero: not known
	Deadline time.Time // zero: none
	Link     string    // what became of the link meanwhile, in words
	Kind     string    // media type of the item; empty: not known
	Size     int64     // bytes
	Findings []string  // of lists and classifiers, in words
	Verified bool      // the server proved that the reporter had the item
	Reports  []Words   // what reporters wrote

	Pictures []string // data: URIs of PNG, from Pictures
	Note     string   // the item, if it is text
	Unseen   string   // why it cannot be shown; empty: it is

	Removable bool   // there is a link to end
	Blockable bool   // there are hashes to block by
	Tomorrow  string // the first date that preserve takes, YYYY-MM-DD

	action string // where the form posts to
	nonce  string
}

// Words is what one reporter wrote.
type Words struct{ Words, Contact string }

// Decision is the operator's answer.
type Decision struct {
	Verdict string    // dismiss, remove, block or preserve
	Until   time.Time // with preserve: the first moment of the day it ends, UTC
}

// ErrUnanswered means that the page was left without a decision.
var ErrUnanswered = errors.New("the case is left undecided")

// Ask shows the page once, on a loopback port of its own, and returns what was
// decided. at is told the address, which holds a one-time token, so that no other
// user of this machine can look; whoever opens it first sees it, and a second
// look takes a second review. decide carries the decision out: its error is shown
// on the page and returned. Ask ends with ctx, or when a decision was carried out.
func Ask(ctx context.Context, p Page, at func(address string), decide func(Decision) error) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	d := &desk{page: p, host: listener.Addr().String(), look: rand.Text(), answer: rand.Text(), decide: decide, done: make(chan error, 1)}
	d.page.action = "/" + d.answer
	srv := &http.Server{Handler: d, ReadHeaderTimeout: 10 * time.Second, MaxHeaderBytes: 64 << 10}
	go srv.Serve(listener)
	at("http://" + d.host + "/" + d.look)
	select {
	case err = <-d.done:
	case <-ctx.Done():
		err = ErrUnanswered
	}
	calm, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	return errors.Join(err, srv.Shutdown(calm))
}

// desk serves one page and takes one decision.
type desk struct {
	page         Page
	host         string
	look, answer string // one-time tokens
	decide       func(Decision) error
	done         chan error

	mu       sync.Mutex // guards what follows
	looked   bool
	answered bool
}

// ServeHTTP answers the two addresses that exist. Others, and both tokens once
// they are spent, are not found; so is a request under another host name, which
// is what a page elsewhere would send that resolves its own name to loopback.
func (d *desk) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Host != d.host:
	case r.Method == http.MethodGet && r.URL.Path == "/"+d.look && d.once(&d.looked):
		d.show(w, r)
		return
	case r.Method == http.MethodPost && r.URL.Path == "/"+d.answer:
		d.take(w, r)
		return
	}
	write(w, r, http.StatusNotFound, func(nonce string) templ.Component {
		return word(nonce, "Not here", "A case is shown once. To see it again, run emberdrop review again.")
	})
}

// once is true the first time.
func (d *desk) once(spent *bool) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	first := !*spent
	*spent = true
	return first
}

func (d *desk) show(w http.ResponseWriter, r *http.Request) {
	write(w, r, http.StatusOK, func(nonce string) templ.Component {
		p := d.page
		p.nonce = nonce
		return sheet(p)
	})
}

// take takes the decision: a form that makes no sense is told so and can be sent again.
func (d *desk) take(w http.ResponseWriter, r *http.Request) {
	say := func(status int, title, text string) {
		write(w, r, status, func(nonce string) templ.Component { return word(nonce, title, text) })
	}
	r.Body = http.MaxBytesReader(w, r.Body, 4096)
	decision, err := Decided(r.PostFormValue("decision"), r.PostFormValue("until"))
	if err != nil {
		say(http.StatusBadRequest, "That does not work", err.Error()+". Go back and choose again.")
		return
	}
	if !d.once(&d.answered) {
		say(http.StatusConflict, "Decided already", "This case has its decision.")
		return
	}
	if err := d.decide(decision); err != nil {
		say(http.StatusInternalServerError, "It did not work", "The server did not take the decision; the terminal says why.")
		d.done <- err
		return
	}
	say(http.StatusOK, "Done", "The decision was carried out: "+decision.Verdict+". You can close this page.")
	d.done <- nil
}

// Decided reads a decision: until, a date, is needed to preserve and for nothing else.
func Decided(verdict, until string) (d Decision, err error) {
	d.Verdict = verdict
	switch verdict {
	case report.Dismiss, report.Remove, report.Block:
		return d, nil
	case report.Preserve:
		d.Until, err = time.Parse(time.DateOnly, until)
		if err != nil {
			return d, errors.New("preserve needs a date, as in 2030-12-31")
		}
		return d, nil
	}
	return d, errors.New("a decision is dismiss, remove, block or preserve")
}

// write sends a page that may keep nothing and load nothing.
func write(w http.ResponseWriter, r *http.Request, status int, page func(nonce string) templ.Component) {
	nonce := rand.Text()
	var b bytes.Buffer
	if err := page(nonce).Render(r.Context(), &b); err != nil {
		http.Error(w, "the page could not be made", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; img-src data:; style-src 'nonce-"+nonce+"'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	w.WriteHeader(status)
	w.Write(b.Bytes())
}

// dataURI is a picture that needs no second request.
func dataURI(png []byte) string {
	return "data:image/png;base64," + base64.StdEncoding.EncodeToString(png)
}

func (p Page) item() string {
	if p.Kind == "" {
		return "not known"
	}
	return fmt.Sprintf("%s, %d bytes", p.Kind, p.Size)
}

// about is a category in words.
func (p Page) about() string {
	words := map[string]string{
		"machine": "found by the scan at upload", "child": "sexual abuse of children", "intimate": "intimate images without consent",
		"violence": "violence or terror", "personal": "personal data", "malware": "malware or spam",
	}
	if said := words[p.Category]; said != "" {
		return said
	}
	return p.Category
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return "not set"
	}
	return t.UTC().Format("2006-01-02 15:04 UTC")
}

func label(i, n int) string {
	if n == 1 {
		return "the reported picture"
	}
	return fmt.Sprintf("picture %d of %d", i+1, n)
}
