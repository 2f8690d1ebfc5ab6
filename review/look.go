package review

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"

	"emberdrop/match"
	"emberdrop/report"
)

// maxNote is the longest note, in bytes, opened.
const maxNote = 1 << 20

// Look is a case laid out for its operator.
type Look struct {
	Page Page
	Bank []string // what "block" puts into the server's bank
}

// Lay lays out a case: reports are its opened boxes; sealed is the ciphertext of
// the item, nil if no report was proved or nothing of it is left; command makes
// the child that draws (see Draw). An item that cannot be drawn is no error: the
// page says why, since the operator has to decide all the same.
func Lay(ctx context.Context, now time.Time, c report.Case, reports []report.Report, sealed []byte, command func(context.Context) *exec.Cmd) (Look, error) {
	p := Page{
		Case: c.ID, Category: c.Category, Received: c.Received, Deadline: c.Deadline,
		// By what there is to look at: a scan's find has an item too, the notice of a
		// locked link has none, whoever sent it.
		Verified: len(c.Sum) == len(report.Item{}.Sum),
		Link:     orUnknown(c.LinkState), Tomorrow: now.UTC().AddDate(0, 0, 1).Format(time.DateOnly),
		Removable: c.Link != "" && c.LinkState != report.LinkGone,
	}
	for _, r := range reports {
		p.Reports = append(p.Reports, Words{Words: told(r), Contact: r.Contact})
		for _, f := range r.Findings {
			p.Findings = append(p.Findings, fmt.Sprintf("%s: %s (%.3g), %s", f.By, f.What, f.Value, f.Action))
		}
	}
	item := Proved(reports)
	if item == nil {
		return Look{Page: p}, nil
	}
	p.Kind, p.Size = item.Kind, item.Plain
	if sealed == nil {
		p.Unseen = "Nothing of the item is left on the server."
		return Look{Page: p}, nil
	}
	plain, err := Item(*item, sealed)
	if err != nil {
		return Look{}, err
	}
	defer clear(plain)
	if p.Note, err = note(item.Kind, plain); err != nil || p.Note != "" {
		return Look{Page: p}, err
	}
	bank := match.BankEntries([]match.Digests{digests(plain)}, nil)
	d, err := Draw(ctx, command, media(item.Kind), plain)
	if errors.Is(err, ErrChild) {
		d.Unseen = "The item could not be drawn: the process that decodes it failed."
	} else if err != nil {
		return Look{}, err
	}
	p.Pictures, p.Unseen = d.Pictures, d.Unseen
	for _, h := range d.Hashes {
		bank = append(bank, match.PDQEntry(h))
	}
	p.Blockable = len(bank) > 0
	look := Look{Page: p}
	for _, e := range bank {
		look.Bank = append(look.Bank, e.String())
	}
	return look, nil
}

// Proved is the item of the first report that has one; nil: none was proved.
func Proved(reports []report.Report) *report.Item {
	for _, r := range reports {
		if r.Item != nil {
			return r.Item
		}
	}
	return nil
}

// told is what a reporter wrote, in whichever form.
func told(r report.Report) string {
	if r.About == "" {
		return r.Words
	}
	return strings.TrimSpace("About: " + r.About + "\n" + r.Words)
}

// note is the text of an item that is one; else "". Notes are compressed before
// they are sealed, and their kind says so.
func note(kind string, plain []byte) (string, error) {
	media, params, err := mime.ParseMediaType(kind)
	if err != nil || media != "text/plain" {
		return "", nil
	}
	if params["encoding"] != "zstd" {
		return string(bytes.ToValidUTF8(plain, []byte("?"))), nil
	}
	size, err := strconv.Atoi(params["size"])
	if err != nil || size < 0 || size > maxNote {
		return "", errors.New("a note of no sensible size")
	}
	decoder, err := zstd.NewReader(bytes.NewReader(plain), zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(8*maxNote))
	if err != nil {
		return "", err
	}
	defer decoder.Close()
	text := make([]byte, size)
	if _, err := io.ReadFull(decoder, text); err != nil {
		return "", fmt.Errorf("open the note: %w", err)
	}
	return string(bytes.ToValidUTF8(text, []byte("?"))), nil
}

// media is a kind without its parameters, which say how an item was put away and
// which no decoder knows.
func media(kind string) string {
	bare, _, err := mime.ParseMediaType(kind)
	if err != nil {
		return kind // no decoder knows that either, and the page says so
	}
	return bare
}

func digests(plain []byte) match.Digests {
	d := match.NewDigester()
	d.Write(plain)
	return d.Digests()
}

func orUnknown(state string) string {
	if state == "" {
		return "not known"
	}
	return state
}
