package handlers

import (
	"context"
	"iter"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"emberdrop/seal"
	"emberdrop/views"
)

const (
	beat      = 400 * time.Millisecond // how often a progress frame looks
	quietTime = 10 * time.Minute       // after so long without news it loads itself anew
	keepTime  = 10 * time.Minute       // for so long it is known how an upload ended
	rateTime  = 10 * time.Second       // the rate is that of so long
	maxKept   = 10_000                 // uploads that are known; of more, nothing is kept after their end
)

// meters is how far the uploads have come: the one thing that this room keeps
// between two requests. It is in RAM only, looked up by an upload id's hash,
// and holds counts and the sentence of a refusal: nothing of what was sent.
type meters struct {
	mu       sync.Mutex
	byUpload map[[32]byte]*meter
	streams  int
	most     int // streams at once; more frames load themselves anew now and then

	stop     chan struct{} // closed when the server ends: frames must not hold it up
	stopOnce sync.Once
}

// meter is one POST of an upload.
type meter struct {
	total int64        // bytes that were announced; not positive: not known
	got   atomic.Int64 // bytes that have arrived

	// Guarded by meters.mu:
	over   bool
	failed string // why it failed, in words
}

func newMeters(most int) *meters {
	return &meters{byUpload: map[[32]byte]*meter{}, most: most, stop: make(chan struct{})}
}

// start makes m the one that an upload's progress frame shows.
func (t *meters) start(key [32]byte, m *meter) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.byUpload[key] = m
}

// end keeps how a POST ended for a while. A repeat that ends while another POST
// of the same upload is under way is not worth a word.
func (t *meters) end(key [32]byte, m *meter, failed string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if now := t.byUpload[key]; now != nil && now != m && !now.over {
		return
	}
	m.over, m.failed = true, failed
	if len(t.byUpload) >= maxKept {
		if t.byUpload[key] == m {
			delete(t.byUpload, key)
		}
		return
	}
	t.byUpload[key] = m
	time.AfterFunc(keepTime, func() { t.forget(key, m) })
}

func (t *meters) forget(key [32]byte, m *meter) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.byUpload[key] == m {
		delete(t.byUpload, key)
	}
}

// news is what a progress frame shows of an upload.
type news struct {
	m      *meter
	got    int64
	over   bool
	failed string
}

func (t *meters) news(key [32]byte) (n news) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if m := t.byUpload[key]; m != nil {
		n = news{m, m.got.Load(), m.over, m.failed}
	}
	return n
}

// enter counts a frame; false means that there are too many.
func (t *meters) enter() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.streams >= t.most {
		return false
	}
	t.streams++
	return true
}

func (t *meters) leave() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.streams--
}

// close ends every frame.
func (t *meters) close() { t.stopOnce.Do(func() { close(t.stop) }) }

// step says when two states look different: another attempt, another percent (or
// megabyte, when the size is not known), or its end.
func (n news) step() (s struct {
	m       *meter
	percent int
	over    bool
}) {
	s.m, s.over = n.m, n.over
	if n.m != nil {
		s.percent = views.Percent(n.got, n.m.total)
		if n.m.total <= 0 {
			s.percent = int(n.got >> 20)
		}
	}
	return s
}

// line puts news into words.
func (n news) line(w views.Words, rate int64) views.Line {
	switch {
	case n.failed != "":
		return views.Line{Percent: -1, Text: n.failed, Bad: true}
	case n.over:
		return views.Line{Percent: -1, Text: w.Say("progress.done")}
	case n.m.total <= 0:
		return views.Line{Percent: -1, Text: w.Progress(n.got, 0, rate)}
	case n.got >= n.m.total:
		return views.Line{Percent: 100, Text: w.Say("progress.sealing")}
	}
	return views.Line{Percent: views.Percent(n.got, n.m.total), Text: w.Progress(n.got, n.m.total, rate)}
}

// progress streams how far an upload has come, for as long as there may be news.
// Without a script this is the only way: the page that waits for the answer to a
// form can show nothing new, but a frame beside it whose document has not ended can.
func (s *site) progress(v *visit) error {
	token, err := seal.ParseToken(v.r.PathValue("id"))
	if err != nil {
		return s.nothing(v)
	}
	key := token.Hash()
	if !v.html {
		now := s.meters.news(key)
		if now.m == nil {
			return v.text(http.StatusOK, v.words.Say("text.waiting"))
		}
		return v.text(http.StatusOK, now.line(v.words, 0).Text)
	}
	h := v.w.Header()
	guard(h, policyFrame)
	h.Set("Content-Type", typeHTML)
	v.w.WriteHeader(http.StatusOK)
	if v.r.Method == http.MethodHead {
		return nil
	}
	again := 0
	page := views.Progress{
		Lines: s.lines(v.r.Context(), v.words, key, &again),
		Again: func() int { return again },
	}
	// An error means that nobody is looking any more.
	_ = page.Page(v.words).Render(v.r.Context(), flushing{v.w, http.NewResponseController(v.w)})
	return nil
}

// lines gives a line whenever there is news, until the upload is answered, the
// visitor leaves or the server ends. again is set when
// there may be more, in so many seconds.
func (s *site) lines(ctx context.Context, w views.Words, key [32]byte, again *int) iter.Seq[views.Line] {
	return func(yield func(views.Line) bool) {
		if !s.meters.enter() {
			*again = 15
			return
		}
		defer s.meters.leave()
		tick := time.NewTicker(beat)
		defer tick.Stop()
		quiet := time.NewTimer(quietTime)
		defer quiet.Stop()
		var shown news
		var pace pace
		for {
			now := s.meters.news(key)
			if now.m != shown.m {
				pace.past = nil
			}
			rate := pace.rate(time.Now(), now.got)
			if now.m != nil && now.step() != shown.step() {
				shown = now
				quiet.Reset(quietTime)
				if !yield(now.line(w, rate)) {
					return
				}
			}
			if now.over && now.failed == "" {
				return
			}
			select {
			case <-ctx.Done():
				return
			case <-s.meters.stop:
				return
			case <-quiet.C:
				*again = 1
				return
			case <-tick.C:
			}
		}
	}
}

// pace is how fast something grew over the last seconds.
type pace struct{ past []sample }

type sample struct {
	at time.Time
	n  int64
}

// rate is per second; 0 while it is too early to tell.
func (p *pace) rate(now time.Time, n int64) int64 {
	for len(p.past) > 1 && now.Sub(p.past[0].at) > rateTime {
		p.past = p.past[1:]
	}
	p.past = append(p.past, sample{now, n})
	spent := now.Sub(p.past[0].at)
	if spent < time.Second {
		return 0
	}
	return int64(float64(n-p.past[0].n) / spent.Seconds())
}

// flushing lets templ send off what it has written through any wrapper.
type flushing struct {
	http.ResponseWriter
	ctl *http.ResponseController
}

// Flush sends off what was written; an error will show at the next write.
func (f flushing) Flush() { _ = f.ctl.Flush() }

// framed reports whether a page will be shown inside the upload page's frame.
func framed(r *http.Request) bool {
	return r.Method == http.MethodPost && strings.HasPrefix(r.URL.Path, "/up/")
}
