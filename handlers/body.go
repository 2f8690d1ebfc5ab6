package handlers

import (
	"io"
	"net/http"
	"strings"
	"time"
)

// body is a request body that may be slow but not stand still, and that ends
// with errBody after max bytes. The first failure stays: a parser above may
// hide it behind an error of its own.
type body struct {
	src   io.ReadCloser
	ctl   *http.ResponseController
	stall time.Duration
	max   int64 // bytes that may still come
	err   error
	begun bool
	meter *meter // counts what arrives
}

func newBody(w http.ResponseWriter, r *http.Request, stall time.Duration, max int64) *body {
	b := &body{src: r.Body, ctl: http.NewResponseController(w), stall: stall, max: max, meter: &meter{total: r.ContentLength}}
	r.Body = b
	return b
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
	// Recorders in tests have no deadlines; a real connection always has.
	_ = b.ctl.SetReadDeadline(time.Now().Add(b.stall))
	b.begun = true
	n, err := b.src.Read(p)
	b.max -= int64(n)
	b.meter.got.Add(int64(n))
	if err != nil {
		b.err = err
		// From here on net/http listens for the visitor leaving; a deadline
		// left behind would look like that.
		_ = b.ctl.SetReadDeadline(time.Time{})
	}
	return n, err
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
		return nil // there is no more to come
	}
	b.err, b.max = nil, drains*s.Limits.MaxUpload
	io.Copy(io.Discard, b)
	return nil
}
