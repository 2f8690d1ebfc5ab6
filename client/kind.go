package client

import "strconv"

// Kind is a media type.
type Kind string

// Sealed is the kind of what a sender sealed; see container.go. Unknown is what
// a server may call it that knows nothing of it, and any other file. Note is plain text.
const (
	Sealed  Kind = "application/vnd.emberdrop.sealed"
	Unknown Kind = "application/octet-stream"
	Note    Kind = "text/plain"
)

// names are what files of a kind are called. Nothing that a server sends gets
// into a file's name.
var names = map[Kind]struct{ stem, ext string }{
	"image/jpeg": {"photo", "jpg"},
	"image/png":  {"photo", "png"},
	"image/gif":  {"photo", "gif"},
	"image/webp": {"photo", "webp"},
	"video/mp4":  {"video", "mp4"},
	Note:         {"note", "txt"},
	Sealed:       {"sealed", "emberdrop"},
}

// Name is the name for item n, counted from 1, in two parts: "photo-1", ".jpg".
func (k Kind) Name(n int) (stem, ext string) {
	name, ok := names[k]
	if !ok {
		name.stem, name.ext = "file", "bin"
	}
	return name.stem + "-" + strconv.Itoa(n), "." + name.ext
}
