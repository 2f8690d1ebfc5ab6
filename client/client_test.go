package client

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestSplit(t *testing.T) {
	token := strings.Repeat("a", 52)
	for text, want := range map[string]string{
		"http://abc.onion/s/" + token:              "http://abc.onion/s/",
		"abc.onion/s/" + token + "#key":            "http://abc.onion/s/ key",
		"http://abc.onion:8080/v/" + token:         "http://abc.onion:8080/v/ opened",
		"https://drop.test/s/" + token + "?lang=d": "https://drop.test/s/",
		"http://abc.onion.example/s/" + token:      "",
		"http://drop.test/s/" + token:              "",
		"ftp://abc.onion/s/" + token:               "",
		"http://me@abc.onion/s/" + token:           "",
		"http://abc.onion/r/" + token:              "",
		"http://abc.onion/s/" + token + "/":        "",
		"http://abc.onion/s/%61" + token[1:]:       "",
		"http://abc.onion/s/" + token[1:] + "b":    "", // spare bits set
		"http://abc.onion/s/" + token + "a":        "",
		"http://abc.onion":                         "",
		"/s/" + token:                              "",
		"":                                         "",
	} {
		at, fragment, err := Split(text)
		if want == "" {
			if !errors.Is(err, ErrAddress) {
				t.Errorf("%q is taken: %v", text, at)
			}
			continue
		}
		got := strings.TrimSuffix(at.String(), token)
		if fragment != "" {
			got += " " + fragment
		}
		if at.Opened {
			got += " opened"
		}
		if err != nil || got != want {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
}

func TestPrintable(t *testing.T) {
	for text, want := range map[string]string{
		"plain, 信 and 🔥":              "plain, 信 and 🔥",
		"\x1b[31mred\x07\r\n":         " [31mred   ",
		"\u202eesrever\u2066":         " esrever ",
		"می\u200cخواهم":               "می\u200cخواهم",
		"\xff\u0085\u2028\x7f":        "\ufffd   ",
		"no\u00a0break \u200b \ufeff": "no break    ",
	} {
		if got := Printable(text); got != want {
			t.Errorf("%q became %q, want %q", text, got, want)
		}
	}
}

func FuzzPrintable(f *testing.F) {
	f.Add("\x1b]0;x\x07\u202e")
	f.Fuzz(func(t *testing.T, text string) {
		got := Printable(text)
		if !utf8.ValidString(got) || strings.ContainsAny(got, "\x1b\x07\r\n\x7f\u009b\u202e\u202d\u2066\u2067\u2068") {
			t.Fatalf("%q", got)
		}
	})
}

// The form is what its length says, and names no file.
func TestForm(t *testing.T) {
	contents := []string{strings.Repeat("first ", 10_000), "second"}
	up := Upload{Fields: []Line{{"expire", "1d"}, {"caption", "two\nlines"}}}
	var moved int64
	up.Moved = func(n int64) { moved = n }
	for _, content := range contents {
		up.Files = append(up.Files, File{int64(len(content)), func() io.Reader { return strings.NewReader(content) }})
	}
	for range 2 {
		body, kind, err := up.write()
		if err != nil {
			t.Fatal(err)
		}
		raw, err := io.ReadAll(body)
		if err != nil || int64(len(raw)) != body.size || moved != int64(len(contents[0])+len(contents[1])) {
			t.Fatalf("%d bytes, announced %d, told of %d (%v)", len(raw), body.size, moved, err)
		}
		_, params, err := mime.ParseMediaType(kind)
		if err != nil {
			t.Fatal(err)
		}
		parts := multipart.NewReader(bytes.NewReader(raw), params["boundary"])
		for _, want := range [][3]string{{"expire", "", "1d"}, {"caption", "", "two\nlines"}, {"file", "file", contents[0]}, {"file", "file", contents[1]}} {
			part, err := parts.NextRawPart()
			if err != nil {
				t.Fatal(err)
			}
			content, err := io.ReadAll(part)
			if got := [3]string{part.FormName(), part.FileName(), string(content)}; err != nil || got != want {
				t.Fatalf("part %.60q, want %.60q (%v)", got, want, err)
			}
		}
		if _, err := parts.NextRawPart(); err != io.EOF {
			t.Fatalf("more parts: %v", err)
		}
	}
}

// A file that shrinks while it is sent is not the connection's failure, so it is
// not tried again and again.
func TestShrinkingFile(t *testing.T) {
	up := Upload{Files: []File{{100, func() io.Reader { return strings.NewReader("short") }}}}
	body, _, err := up.write()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(body); !errors.Is(err, ErrFile) || passes(err) {
		t.Fatal(err)
	}
}

func TestItemLines(t *testing.T) {
	for text, want := range map[string]Item{
		"image/jpeg 5": {"image/jpeg", 5},
		"http://abc.onion/v/x/1 text/plain; charset=utf-8 7": {Note, 7},
		"image/jpeg":                {},
		"http://abc.onion/v/x/1 17": {},
		"":                          {},
		"image/jpeg -1":             {},
		"image/jpeg many":           {},
	} {
		items, err := itemsOf(Lines{{"item", text}})
		if (want == Item{}) {
			if !errors.Is(err, ErrAnswer) {
				t.Errorf("%q: %v", text, items)
			}
		} else if err != nil || items[0] != want {
			t.Errorf("%q: %v, %v", text, items, err)
		}
	}
}
