package handlers

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"strconv"
	"strings"

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
