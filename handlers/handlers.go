// Package handlers turns HTTP requests into commands to link and answers into
// pages or plain text. It holds the list of addresses, the order of what
// happens to every request, the reading of forms, and the table from errors to
// statuses. Between two requests it keeps one thing: how far the uploads under
// way have come, by the hash of their ids, in RAM, until ten minutes after their
// end. It must not decide what happens to a link, keep anything else, write to
// the disk, or put anything of a visitor into a log line.
package handlers

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"emberdrop/link"
	"emberdrop/views"
)

// Limits are what an upload may hold. They must be those that link was given.
type Limits struct {
	MaxFile   int64 // bytes of one file; 0 means 50 MiB
	MaxUpload int64 // bytes of one upload's files together; 0 means 200 MiB
	MaxItems  int   // files in one link; 0 means 50

	// MaxPassFile is bytes of one file of an upload with a pass; 0 means that no
	// passes are given out, and the page does not ask for one.
	MaxPassFile int64

	// AnyFile: files of other kinds are taken too, as they are.
	AnyFile bool

	// MaxExpire is the longest time to a deadline, at least an hour; 0 means that
	// links may have none.
	MaxExpire time.Duration

	// NeverIdle is the idle limit that a link without a deadline gets; 0 means none.
	NeverIdle time.Duration
}

// Config is what the handlers stand on.
type Config struct {
	Links *link.Links

	// Origin is what links begin with, without a slash at the end:
	// http://xyz.onion. It cannot be empty.
	Origin string

	// Here is what the addresses of this half begin with, as Origin; "" means Origin.
	Here string

	// Half is what is served here; the zero value means all of it.
	Half Half

	// Log gets constant categories only; nil means nowhere.
	Log *slog.Logger

	Limits Limits

	// ReceiptTTL is how long a receipt answers after its link's end; 0 means 24
	// hours. It must be the one that link was given.
	ReceiptTTL time.Duration

	// Now is the clock for words like "tomorrow"; nil means time.Now. It decides nothing.
	Now func() time.Time

	// Stall is how long a visitor may stand still: while a request's header or body
	// is read, or an answer written; 0 means a minute. How long an upload or a
	// download takes altogether does not matter.
	Stall time.Duration

	// Trickle is how long an upload that others wait for may stay below 300 KiB; 0
	// means ten times Stall.
	Trickle time.Duration

	// Connections is how many are open at once; 0 means 1000. A quarter of them may
	// be progress frames.
	Connections int

	// Drains is how many refused uploads are read on for nothing at once, so that
	// browsers show why; 0 means 64. Beyond that the connection is closed.
	Drains int

	// Contact is how to reach the operator, one line of text for the pages; empty:
	// not said.
	Contact string
}

// site answers every request. Nothing in it changes after New, but for the
// counts in meters.
type site struct {
	Config
	words  *views.Catalogue
	gone   canned // the one answer of everything that is not there
	broken canned // when a page cannot be made, making one is no help
	framed canned // the same inside the upload page's frame
	zip    func(http.Handler) http.HandlerFunc
	meters *meters
	drains chan struct{} // a token for each refused upload that is read on
}

// Service is the handler of the whole service.
type Service struct {
	http.Handler
	log         *slog.Logger
	meters      *meters
	stall       time.Duration
	connections int
}

// New makes the handler of the whole service.
func New(cfg Config) (*Service, error) {
	if cfg.Links == nil {
		return nil, errors.New("handlers: no links")
	}
	if u, err := url.Parse(cfg.Origin); err != nil || u.Host == "" || u.Path != "" {
		return nil, errors.New("handlers: the origin is not scheme://host")
	}
	if cfg.Here == "" {
		cfg.Here = cfg.Origin
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Stall == 0 {
		cfg.Stall = time.Minute
	}
	if cfg.Trickle == 0 {
		cfg.Trickle = 10 * cfg.Stall
	}
	if cfg.Connections == 0 {
		cfg.Connections = 1000
	}
	if cfg.Drains == 0 {
		cfg.Drains = 64
	}
	if cfg.Limits.MaxExpire != 0 && cfg.Limits.MaxExpire < time.Hour {
		return nil, errors.New("handlers: the longest deadline is shorter than every choice")
	}
	if cfg.ReceiptTTL == 0 {
		cfg.ReceiptTTL = 24 * time.Hour
	}
	if cfg.Limits.MaxFile == 0 {
		cfg.Limits.MaxFile = 50 << 20
	}
	if cfg.Limits.MaxUpload == 0 {
		cfg.Limits.MaxUpload = 200 << 20
	}
	if cfg.Limits.MaxItems == 0 {
		cfg.Limits.MaxItems = 50
	}
	words, err := views.NewCatalogue()
	if err != nil {
		return nil, fmt.Errorf("handlers: %w", err)
	}
	s := &site{Config: cfg, words: words, meters: newMeters(max(1, cfg.Connections/4)), drains: make(chan struct{}, cfg.Drains)}
	if s.gone, err = can(words, http.StatusNotFound, policyPage, gonePage); err != nil {
		return nil, fmt.Errorf("handlers: the page for what is gone: %w", err)
	}
	if s.broken, err = can(words, http.StatusInternalServerError, policyPage, s.brokenPage); err != nil {
		return nil, fmt.Errorf("handlers: the page for failures: %w", err)
	}
	if s.framed, err = can(words, http.StatusInternalServerError, policyFrame, s.brokenFrame); err != nil {
		return nil, fmt.Errorf("handlers: the frame for failures: %w", err)
	}
	if s.zip, err = zipper(); err != nil {
		return nil, fmt.Errorf("handlers: %w", err)
	}
	return &Service{s.chain(s.mux()), cfg.Log, s.meters, cfg.Stall, cfg.Connections}, nil
}

// chain is what happens to every request, in this order.
func (s *site) chain(next http.Handler) http.Handler {
	// Outermost first, so that even what a panic leaves has no Date: a clock is a fingerprint.
	return s.dateless(
		// Then panics, so that everything below may fail in public without words of its own.
		s.recovered(
			// Then odd paths, because the mux would answer those with a redirect of its
			// own making, which tells a path apart from its siblings.
			s.canonical(
				// Then forms from other sites, before anything is looked up or read.
				s.ownForms(
					next))))
}

// routes is every address of the service. Under /s, /v, /r and /report whatever has no
// line of its own is answered as a link that is not there, any method included.
func (s *site) routes() map[string]action {
	return map[string]action{
		"GET /{$}":      s.home,
		"GET /u/{id}":   s.uploadPage,
		"POST /{$}":     s.upload,
		"POST /up/{id}": s.upload,
		"GET /up/{id}":  s.uploadAgain,

		"GET /up/{id}/{n}":   s.peek,
		"GET /progress/{id}": s.progress,

		"GET /s/{secret}":  s.preview,
		"POST /s/{secret}": s.reveal,

		"GET /v/{lease}":       s.view,
		"GET /v/{lease}/{n}":   s.item,
		"POST /v/{lease}/done": s.done,

		"GET /r/{token}":          s.receipt,
		"POST /r/{token}/destroy": s.destroy,

		"GET /s/{secret}/report":  s.reportForm,
		"POST /s/{secret}/report": s.report,
		"GET /v/{lease}/report":   s.viewReportForm,
		"POST /v/{lease}/report":  s.reportView,
		"GET /report/{token}":     s.reportStatus,
		"GET /takedown":           s.noticeForm,
		"POST /takedown":          s.notice,
		"GET /terms":              s.rules,
		"GET /how":                s.how,
		"GET /transparency":       s.transparency,

		"/s/{rest...}": s.nothing, "/s": s.nothing,
		"/v/{rest...}": s.nothing, "/v": s.nothing,
		"/r/{rest...}": s.nothing, "/r": s.nothing,
		"/report/{rest...}": s.nothing, "/report": s.nothing,
		"/{rest...}": s.nothing,
	}
}

func (s *site) mux() *http.ServeMux {
	mux := http.NewServeMux()
	for pattern, do := range s.routes() {
		if !s.Half.serves(pattern) {
			continue
		}
		mux.Handle(pattern, s.handle(do))
	}
	for _, a := range views.Assets() {
		mux.Handle("GET "+a.Path, serveAsset(a))
	}
	return mux
}

// action answers one request or says why not.
type action func(v *visit) error

func (s *site) handle(do action) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v := s.visit(w, r)
		if err := do(v); err != nil {
			s.refuse(v, err)
		}
	})
}

func (s *site) dateless(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header()["Date"] = nil // how net/http is told not to add one
		answering(r)
		next.ServeHTTP(w, r)
		if r.ContentLength != 0 {
			// net/http reads on what is left of a short body before it takes the next
			// request, and would wait for it for ever.
			_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(s.Stall)) // recorders in tests have none
		}
	})
}

func (s *site) recovered(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen := &watched{ResponseWriter: w}
		defer func() {
			// The value of a panic may hold anything, so it goes nowhere.
			switch recover() {
			case nil:
				return
			case http.ErrAbortHandler:
				panic(http.ErrAbortHandler)
			}
			s.Log.Error("request failed", "category", "panic")
			if seen.begun {
				panic(http.ErrAbortHandler) // cut the answer off rather than end it as if whole
			}
			clear(w.Header())
			w.Header()["Date"] = nil
			s.fail(s.visit(w, r))
		}()
		next.ServeHTTP(seen, r)
	})
}

// watched knows whether an answer has begun.
type watched struct {
	http.ResponseWriter
	begun bool
}

func (w *watched) WriteHeader(status int) {
	w.begun = true
	w.ResponseWriter.WriteHeader(status)
}

func (w *watched) Write(p []byte) (int, error) {
	w.begun = true
	return w.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController through.
func (w *watched) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (s *site) canonical(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p := r.URL.Path
		clean := path.Clean(p)
		slash := clean != "/" && p == clean+"/" // a slash at the end is an address of its own; "//" is not
		if !strings.HasPrefix(p, "/") || (p != clean && !slash) {
			s.handle(s.nothing).ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (s *site) ownForms(next http.Handler) http.Handler {
	guard := http.NewCrossOriginProtection()
	guard.SetDenyHandler(s.handle(func(*visit) error { return errElsewhere }))
	return guard.Handler(next)
}
