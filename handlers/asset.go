package handlers

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"strconv"
	"strings"

	"github.com/klauspost/compress/gzhttp"

	"emberdrop/views"
)

// serveAsset serves a file whose path changes with its content. It is the same
// for everybody, so compressing it tells nothing; that is done once.
func serveAsset(a views.Asset) http.Handler {
	var packed bytes.Buffer
	z, _ := gzip.NewWriterLevel(&packed, gzip.BestCompression) // the level is valid
	z.Write(a.Body)                                            // a buffer takes everything
	z.Close()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := a.Body
		h := w.Header()
		guard(h, policyBytes)
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
		h.Set("Content-Type", a.Type)
		h.Set("Vary", "Accept-Encoding")
		if packed.Len() < len(body) && strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			h.Set("Content-Encoding", "gzip")
			body = packed.Bytes()
		}
		h.Set("Content-Length", strconv.Itoa(len(body)))
		w.Write(body)
	})
}

// jitter is how many bytes at most are added to a compressed page: about one of
// Tor's cells. They go into the gzip header, of which Go's reader takes 511.
const jitter = 480

// zipper makes what compresses a page. It is for pages without secrets only: how
// well a page compresses tells what repeats in it, and somebody who can make a
// page repeat a guess and sees its length can find out a secret in the same page
// (the BREACH attack). So links, receipts, captions and views are never
// compressed, nor is the one answer for what is not there, whose bytes must be
// the same each time. The upload page repeats nothing that a visitor sends; its
// only random value is its id, and the padding depends on the whole content, so
// that asking again for the same page does not average it out.
func zipper() (func(http.Handler) http.HandlerFunc, error) {
	return gzhttp.NewWrapper(gzhttp.MinSize(1024), gzhttp.RandomJitter(jitter, 0, true))
}

// zipped answers with a page that may be compressed.
func (s *site) zipped(v *visit, answer func(v *visit) error) (err error) {
	s.zip(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		packed := *v
		packed.w = w
		err = answer(&packed)
	})).ServeHTTP(v.w, v.r)
	return err
}
