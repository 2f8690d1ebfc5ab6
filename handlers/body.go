package handlers

import (
	"io"
	"net/http"
	"strings"
	"time"
)

// body is a request body that may be slow but not stand still, and that ends
// with errBody after max bytes. While others wait for its place it must come on by
// a trickle at least, else it ends with errSlow. The first failure stays: a parser
// above may hide it behind an error of its own.
type body struct {
	src    io.ReadCloser
	ctl    *http.ResponseController
	stall  time.Duration
	slow   time.Duration // for so long it may stay below a trickle
	max    int64         // bytes that may still come
	until  time.Time     // when it must be over; zero: whenever
	wanted func() bool   // whether others wait for its place; nil: nobody does
	err    error
	begun  bool
	meter  *meter // counts what arrives

	mark    time.Time // when a trickle had last come together
	markGot int64     // how much had arrived then
}

// trickle is the least progress, in bytes, of an upload that others wait for, in
// ten minutes if nothing else is set: a tenth of what a bad circuit carries. It is
// far below any speed at which people share photos, so that only what was made to
// be slow is cut off.
const trickle = 300 << 10

func (s *site) newBody(w http.ResponseWriter, r *http.Request, max int64) *body {
	b := &body{src: r.Body, ctl: http.NewResponseController(w), stall: s.Stall, slow: s.Trickle, max: max, meter: &meter{total: r.ContentLength}}
	r.Body = b
	return b
}

// formTimes is how long a form without files may take to arrive, in stalls.
const formTimes = 5

// formBody makes the body of a form of short fields: a few lines, which need not
// take long, whoever comes in drops.
func (s *site) formBody(v *visit, most int64) {
	s.newBody(v.w, v.r, most+framing).until = time.Now().Add(formTimes * s.Stall)
}

func (b *body) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	if b.max <= 0 {
		b.err = errBody
		return 0, b.err
	}
	if int64(len(p)) > b.max {
		p = p[:b.max]
	}
	now := time.Now()
	deadline := now.Add(b.stall)
	if !b.until.IsZero() && b.until.Before(deadline) {
		deadline = b.until
	}
	// Recorders in tests have no deadlines; a real connection always has.
	_ = b.ctl.SetReadDeadline(deadline)
	if !b.begun {
		b.begun, b.mark = true, now
	}
	n, err := b.src.Read(p)
	b.max -= int64(n)
	got := b.meter.got.Add(int64(n))
	if err == nil {
		err = b.pace(got)
	}
	if err != nil {
		b.err = err
		// From here on net/http listens for the visitor leaving; a deadline
		// left behind would look like that.
		_ = b.ctl.SetReadDeadline(time.Time{})
	}
	return n, err
}

// pace is errSlow when too little has come for too long, and others wait.
func (b *body) pace(got int64) error {
	now := time.Now()
	if got-b.markGot >= trickle {
		b.mark, b.markGot = now, got
		return nil
	}
	if b.wanted != nil && now.Sub(b.mark) > b.slow && b.wanted() {
		return errSlow
	}
	return nil
}

func (b *body) Close() error { return b.src.Close() }

// drains is how many times the largest upload is read for nothing. A form that is
// sent on beyond that is cut off, and its browser shows no answer; the progress
// frame has said why.
const drains = 5

// answerThenDrain gives an answer while the visitor is still sending, then
// reads what comes on, for nothing, so that the answer is seen: browsers show
// it only when they are done sending, and Firefox sends a form again up to
// three times when the connection closes under it. curl stops by itself.
func (s *site) answerThenDrain(v *visit, b *body, answer func() error) error {
	ctl := http.NewResponseController(v.w)
	// An error means a recorder in a test, or HTTP/2, which closes its streams one by one.
	_ = ctl.EnableFullDuplex()
	v.w.Header().Set("Connection", "close")
	if err := answer(); err != nil {
		return err
	}
	_ = ctl.Flush()
	if !b.begun && strings.EqualFold(v.r.Header.Get("Expect"), "100-continue") {
		return nil // it waits to be asked, and now knows better
	}
	if b.err != nil && b.err != errBody {
		return nil // there is no more to come, or we want no more
	}
	select {
	case s.drains <- struct{}{}:
		defer func() { <-s.drains }()
	default:
		return nil
	}
	b.err, b.max, b.wanted = nil, drains*s.Limits.MaxUpload, func() bool { return true }
	io.Copy(io.Discard, b)
	return nil
}
