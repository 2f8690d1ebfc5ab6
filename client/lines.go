package client

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"unicode"
)

// Line is one "name: value" of a plain answer. Both are safe to print.
type Line struct{ Name, Value string }

// Lines are a plain answer.
type Lines []Line

// Get is the first value of a name, or "".
func (l Lines) Get(name string) string {
	for _, line := range l {
		if line.Name == name {
			return line.Value
		}
	}
	return ""
}

// maxAnswer is how much of a plain answer is read: 50 items and a caption need
// less than a fifth of it.
const maxAnswer = 64 << 10

// readLines reads a plain answer whole; lines of another shape are left out.
func (c *Client) readLines(res *http.Response) (Lines, error) {
	defer res.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	if err != nil {
		return nil, c.broken(res.Request.Context(), err)
	}
	if len(raw) > maxAnswer {
		return nil, fmt.Errorf("%w: too long", ErrAnswer)
	}
	var lines Lines
	for text := range strings.Lines(string(raw)) {
		name, value, ok := strings.Cut(Printable(strings.TrimSuffix(text, "\n")), ": ")
		if ok && !strings.Contains(name, " ") {
			lines = append(lines, Line{name, value})
		}
	}
	return lines, nil
}

// Printable makes text from elsewhere safe for a terminal: what is not a letter,
// a mark, a sign or a plain space becomes a space, so that no escape sequence and
// no change of direction gets through.
func Printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) || r == '\u200d' || r == '\u200c' { // joiners: emoji, Persian
			return r
		}
		return ' '
	}, strings.ToValidUTF8(text, "�"))
}
