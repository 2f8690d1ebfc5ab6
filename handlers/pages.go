package handlers

import (
	"encoding/base64"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"rsc.io/qr"

	"emberdrop/link"
	"emberdrop/strip"
	"emberdrop/views"
)

// The pages are built here, field by field, from what link says: no struct of
// link's reaches a page whole, so nothing new in one shows by accident. These
// functions know no request and no clock.

func sharePath(secret string) string            { return "/s/" + secret }
func leasePath(lease string) string             { return "/v/" + lease }
func itemPath(lease string, n int) string       { return under(leasePath(lease), n) }
func under(path string, n int) string           { return path + "/" + strconv.Itoa(n) }
func answerPath(id string) string               { return "/up/" + id }
func receiptPath(token string) string           { return "/r/" + token }
func linkURL(o string, a link.Answer) string    { return o + sharePath(a.Secret.String()) }
func receiptURL(o string, a link.Answer) string { return o + receiptPath(a.Receipt.String()) }

var noTime time.Time

// media is how a kind of content is served and called.
type media struct {
	kind   string // Content-Type
	name   string // what people call it; empty: nothing
	what   views.Kind
	stem   string // of a download's name
	ext    string
	inline bool // may be shown, not only saved
}

var medias = map[string]media{
	"image/jpeg": {"image/jpeg", "JPEG", views.Picture, "photo", "jpg", true},
	"image/png":  {"image/png", "PNG", views.Picture, "photo", "png", true},
	"image/gif":  {"image/gif", "GIF", views.Picture, "photo", "gif", true},
	"image/webp": {"image/webp", "WebP", views.Picture, "photo", "webp", true},
	"video/mp4":  {"video/mp4", "MP4", views.Video, "video", "mp4", true},
	link.Text:    {typeText, "", views.Note, "note", "txt", true},
	link.Sealed:  {link.Sealed, "", views.Sealed, "sealed", "emberdrop", false},
}

// mediaOf never passes a media type through that is not on the list: a browser
// might do more with it than show it.
func mediaOf(kind string) media {
	if m, ok := medias[kind]; ok {
		return m
	}
	return media{"application/octet-stream", "", views.File, "file", "bin", false}
}

// label is the file name of a download: nothing of the uploader's is left in it.
func (m media) label(n int) string { return fmt.Sprintf("%s-%d.%s", m.stem, n, m.ext) }

// How many bytes of pictures a page loads by itself; the others come when they
// are asked for. Tor Browser's Safest level knows no lazy loading.
const (
	maxView = 64 << 20 // the view page, which is opened to see them
	maxLook = 8 << 20  // the page of the answer, whose reader has the originals
)

// items describes items for a page; path is empty where they cannot be fetched,
// most is how many bytes of pictures the page may load by itself.
func items(list []link.Item, path string, most int64) []views.Item {
	out := make([]views.Item, len(list))
	for i, it := range list {
		m := mediaOf(it.Kind)
		out[i] = views.Item{Kind: m.what, Type: m.name, Size: it.Size, Label: m.label(i + 1), Veil: it.Veil}
		if path == "" {
			continue
		}
		out[i].Path = under(path, i+1)
		if m.what == views.Picture {
			most -= it.Size
			out[i].Heavy = most < 0
		}
	}
	return out
}

// maxTold is how many bytes of notes one page holds; longer ones are read by
// themselves.
const maxTold = 128 << 10

// tell puts the text of notes into a page's items, as far as there is room. A
// note that cannot be read is left to its own address, which says why.
func tell(list []views.Item, open func(n int) (io.ReadCloser, error)) {
	room := int64(maxTold)
	for i := range list {
		if list[i].Kind != views.Note || list[i].Size > room {
			continue
		}
		r, err := open(i + 1)
		if err != nil {
			continue
		}
		text, err := io.ReadAll(r)
		r.Close()
		if err == nil {
			list[i].Text = string(text)
			room -= list[i].Size
		}
	}
}

func (s *site) uploadPageOf(id string) views.Upload {
	l := s.Limits
	allowed, usual := l.choices()
	return views.Upload{
		Action: answerPath(id), Progress: "/progress/" + id,
		MaxFile: l.MaxFile, MaxPassFile: l.MaxPassFile, MaxUpload: l.MaxUpload, MaxItems: l.MaxItems, AnyFile: l.AnyFile,
		Expire: allowed, Usual: usual, NeverIdle: l.NeverIdle, Contact: s.Contact,
	}
}

func readyPage(origin, id string, a link.Answer, repeat bool, now time.Time) (views.Ready, error) {
	code, err := qr.Encode(linkURL(origin, a), qr.M)
	if err != nil {
		return views.Ready{}, fmt.Errorf("draw the code: %w", err)
	}
	code.Scale = 4
	page := views.Ready{
		Repeat:  repeat,
		ID:      a.ID,
		Held:    a.Held,
		Link:    linkURL(origin, a),
		Receipt: receiptURL(origin, a),
		QR:      "data:image/png;base64," + base64.StdEncoding.EncodeToString(code.PNG()),
		Items:   items(a.Items, "", 0),
		Removed: removed(a.Removed),
		Terms:   views.Terms{Now: now, Ends: a.Ends, Views: a.Views, Idle: a.Idle},
	}
	if id != "" {
		page.Address = answerPath(id)
	}
	return page, nil
}

// removed names every class that was taken out of any of the files.
func removed(sets []strip.Removed) []string {
	var all strip.Removed
	for _, set := range sets {
		all |= set
	}
	var ids []string
	for bit, id := range views.RemovedIDs() {
		if all&(1<<bit) != 0 {
			ids = append(ids, id)
		}
	}
	return ids
}

func closedPage(secret, reveal string, p link.Preview, wrong bool, now time.Time) views.Closed {
	page := views.Closed{
		Action: sharePath(secret),
		Report: sharePath(secret) + "/report",
		Reveal: reveal,
		Locked: p.Locked,
		Wrong:  wrong,
		Terms:  views.Terms{Now: now, Ends: p.Ends, Views: p.ViewsLeft, Idle: p.Idle},
	}
	if !p.Locked {
		page.Caption, page.Items = p.Caption, items(p.Items, "", 0)
	}
	return page
}

func openPage(lease, caption string, list []link.Item, final bool, until, now time.Time) views.Open {
	return views.Open{
		Caption: caption,
		Items:   items(list, leasePath(lease), maxView),
		Final:   final,
		Done:    leasePath(lease) + "/done",
		Report:  leasePath(lease) + "/report",
		Terms:   views.Terms{Now: now, Ends: until},
	}
}

func receiptPage(token string, r link.Receipt, keeps time.Duration, now time.Time) views.Receipt {
	return views.Receipt{
		State:  views.State(r.State),
		Reason: views.Reason(r.Reason),
		Views:  r.Views,
		At:     r.At,
		Lapses: r.Lapses,
		Keeps:  keeps,
		Terms:  views.Terms{Now: now, Ends: r.Ends, Views: r.ViewsLeft, Idle: r.Idle},
		Action: receiptPath(token) + "/destroy",
	}
}

func kindAndSize(it link.Item) string {
	return mediaOf(it.Kind).kind + " " + strconv.FormatInt(it.Size, 10)
}

func previewLines(w views.Words, p link.Preview) []string {
	var lines []string
	next := w.Say("text.reveal")
	if p.Locked {
		lines = append(lines, "passphrase: needed")
		next = w.Say("text.reveal_locked")
	} else {
		if p.Caption != "" {
			lines = append(lines, "caption: "+p.Caption)
		}
		for _, it := range p.Items {
			lines = append(lines, "item: "+kindAndSize(it))
			if it.Kind == link.Sealed {
				next = w.Say("text.sealed") // a POST alone would count a view of ciphertext
			}
		}
	}
	lines = append(lines, "ends: "+ends(p.Ends))
	if p.ViewsLeft > 0 {
		lines = append(lines, "views-left: "+strconv.Itoa(p.ViewsLeft))
	}
	if p.Idle > 0 {
		lines = append(lines, "idle: "+idleText(p.Idle))
	}
	return append(lines, next)
}

func receiptLines(r link.Receipt) []string {
	first := "state: " + r.State
	switch views.State(r.State) {
	case views.Opened:
		first += " " + strconv.Itoa(r.Views)
	case views.Destroyed:
		first += ": " + r.Reason
	}
	lines := []string{first}
	if views.State(r.State) == views.Destroyed {
		lines = append(lines, "views: "+strconv.Itoa(r.Views), "ended: "+ends(r.At), "lapses: "+ends(r.Lapses))
		return lines
	}
	lines = append(lines, "ends: "+ends(r.Ends))
	if r.ViewsLeft > 0 {
		lines = append(lines, "views-left: "+strconv.Itoa(r.ViewsLeft))
	}
	if r.Idle > 0 {
		lines = append(lines, "idle: "+idleText(r.Idle))
	}
	return lines
}

// idleText is an idle limit as the form takes it.
func idleText(d time.Duration) string {
	hours := int64(d / time.Hour)
	switch {
	case hours%(7*24) == 0:
		return strconv.FormatInt(hours/(7*24), 10) + "w"
	case hours%24 == 0:
		return strconv.FormatInt(hours/24, 10) + "d"
	}
	return strings.TrimSuffix(d.String(), "0m0s")
}
