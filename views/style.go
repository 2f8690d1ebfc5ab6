package views

import (
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
)

//go:embed style.css
var css []byte

//go:embed favicon.png
var icon []byte

// Asset is a file that every page uses. Its path changes with its content, so
// it may be kept for ever.
type Asset struct {
	Path string
	Type string
	Body []byte
}

var (
	stylesheet = asset("/style-", ".css", "text/css; charset=utf-8", css)
	favicon    = asset("/icon-", ".png", "image/png", icon)
)

func asset(prefix, suffix, kind string, body []byte) Asset {
	sum := sha256.Sum256(body)
	return Asset{Path: prefix + hex.EncodeToString(sum[:6]) + suffix, Type: kind, Body: body}
}

// Assets lists what must be served beside the pages.
func Assets() []Asset { return []Asset{stylesheet, favicon} }
