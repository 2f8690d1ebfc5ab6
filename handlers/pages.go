package handlers

import (
	"encoding/base64"
	"fmt"
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
func itemPath(lease string, n int) string       { return leasePath(lease) + "/" + strconv.Itoa(n) }
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

// items describes items for a page; lease is empty where they cannot be fetched.
func items(list []link.Item, lease string) []views.Item {
	out := make([]views.Item, len(list))
	for i, it := range list {
		m := mediaOf(it.Kind)
		out[i] = views.Item{Kind: m.what, Type: m.name, Size: it.Size, Label: m.label(i + 1)}
		if lease != "" {
			out[i].Path = itemPath(lease, i+1)
		}
	}
	return out
}

func uploadPage(id string, l Limits) views.Upload {
	return views.Upload{Action: "/up/" + id, MaxFile: l.MaxFile, MaxUpload: l.MaxUpload, MaxItems: l.MaxItems}
}

func readyPage(origin string, a link.Answer, repeat bool, now time.Time) (views.Ready, error) {
	code, err := qr.Encode(linkURL(origin, a), qr.M)
	if err != nil {
		return views.Ready{}, fmt.Errorf("draw the code: %w", err)
	}
	code.Scale = 4
	return views.Ready{
		Repeat:  repeat,
		Link:    linkURL(origin, a),
		Receipt: receiptURL(origin, a),
		QR:      "data:image/png;base64," + base64.StdEncoding.EncodeToString(code.PNG()),
		Items:   items(a.Items, ""),
		Removed: removed(a.Removed),
		Terms:   views.Terms{Now: now, Ends: a.Ends, Views: a.Views, Idle: a.Idle},
	}, nil
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
		Reveal: reveal,
		Locked: p.Locked,
		Wrong:  wrong,
		Terms:  views.Terms{Now: now, Ends: p.Ends, Views: p.ViewsLeft, Idle: p.Idle},
	}
	if !p.Locked {
		page.Caption, page.Items = p.Caption, items(p.Items, "")
	}
	return page
}

func openPage(lease, caption string, list []link.Item, final bool, until, now time.Time) views.Open {
	return views.Open{
		Caption: caption,
		Items:   items(list, lease),
		Final:   final,
		Done:    leasePath(lease) + "/done",
		Terms:   views.Terms{Now: now, Ends: until},
	}
}

func receiptPage(token string, r link.Receipt, now time.Time) views.Receipt {
	return views.Receipt{
		State:  views.State(r.State),
		Reason: views.Reason(r.Reason),
		Views:  r.Views,
		At:     r.At,
		Lapses: r.Lapses,
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
