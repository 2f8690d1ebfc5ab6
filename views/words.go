package views

import (
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/nicksnyder/go-i18n/v2/i18n"
	"golang.org/x/text/language"
	"golang.org/x/text/language/display"
)

//go:embed active.*.json
var embedded embed.FS

// source is the language that every message exists in; the others fall back to
// it, message by message.
var source = language.English

// Catalogue holds every sentence that a visitor can read, in every language.
// It is made once and is safe for concurrent use.
type Catalogue struct {
	bundle  *i18n.Bundle
	matcher language.Matcher
	tags    []language.Tag
}

// NewCatalogue loads the languages built into the program.
func NewCatalogue() (*Catalogue, error) { return LoadCatalogue(embedded) }

// LoadCatalogue loads the active.*.json files at the root of fsys, which must
// have English among them.
func LoadCatalogue(fsys fs.FS) (*Catalogue, error) {
	names, err := fs.Glob(fsys, "active.*.json")
	if err != nil {
		return nil, fmt.Errorf("list messages: %w", err)
	}
	c := &Catalogue{bundle: i18n.NewBundle(source)}
	c.bundle.RegisterUnmarshalFunc("json", json.Unmarshal)
	// The matcher takes its first tag when nothing fits, so English leads.
	c.tags = append(c.tags, source)
	english := false
	for _, name := range names {
		file, err := c.bundle.LoadMessageFileFS(fsys, name)
		if err != nil {
			return nil, fmt.Errorf("load messages %s: %w", name, err)
		}
		if file.Tag == source {
			english = true
			continue
		}
		c.tags = append(c.tags, file.Tag)
	}
	if !english {
		return nil, errors.New("load messages: no active.en.json")
	}
	c.matcher = language.NewMatcher(c.tags)
	return c, nil
}

// All speaks each language once, English first, as if chosen by nobody.
func (c *Catalogue) All() []Words {
	all := make([]Words, len(c.tags))
	for i, tag := range c.tags {
		all[i] = c.words(tag, false)
	}
	return all
}

// Pick chooses a language: the one asked for in the address (?lang=) when we
// have exactly that one, else the best guess from Accept-Language. Only a
// language that was asked for is kept in links and forms.
func (c *Catalogue) Pick(asked, accept string) Words {
	for _, tag := range c.tags {
		if asked == tag.String() {
			return c.words(tag, true)
		}
	}
	// Browsers send less; a longer header is somebody's experiment.
	const longest = 256
	if len(accept) > longest {
		accept = ""
	}
	_, at := language.MatchStrings(c.matcher, accept)
	return c.words(c.tags[at], false)
}

func (c *Catalogue) words(tag language.Tag, chosen bool) Words {
	return Words{
		cat:    c,
		tag:    tag,
		chosen: chosen,
		loc:    i18n.NewLocalizer(c.bundle, tag.String()),
	}
}

// Words speaks one language. The zero value is of no use; see Catalogue.
type Words struct {
	cat    *Catalogue
	tag    language.Tag
	chosen bool
	loc    *i18n.Localizer
}

// Lang is the value for the lang attribute and for ?lang=.
func (w Words) Lang() string { return w.tag.String() }

// Chosen reports whether the visitor asked for this language by ?lang=.
func (w Words) Chosen() bool { return w.chosen }

// Dir is the value for the dir attribute.
func (w Words) Dir() string {
	// A script decides the direction, not a language: Punjabi has two.
	script, _ := w.tag.Script()
	switch script.String() {
	case "Arab", "Hebr", "Syrc", "Thaa", "Nkoo", "Adlm":
		return "rtl"
	}
	return "ltr"
}

// Link keeps a chosen language in an address of our own.
func (w Words) Link(path string) string {
	if !w.chosen {
		return path
	}
	sep := "?"
	if strings.Contains(path, "?") {
		sep = "&"
	}
	return path + sep + "lang=" + w.Lang()
}

// Tongue is one entry of the language list.
type Tongue struct {
	Lang, Name, Dir string
	Current         bool
}

// Tongues lists every language by its own name; empty when there is only one.
func (w Words) Tongues() []Tongue {
	if len(w.cat.tags) < 2 {
		return nil
	}
	list := make([]Tongue, len(w.cat.tags))
	for i, other := range w.cat.All() {
		list[i] = Tongue{
			Lang:    other.Lang(),
			Name:    display.Self.Name(other.tag),
			Dir:     other.Dir(),
			Current: other.tag == w.tag,
		}
	}
	return list
}

// Say gives one message. Arguments are pairs of a name and a value for the
// {{.Name}} places in it. Messages are plain text: templ escapes them.
func (w Words) Say(id string, pairs ...any) string {
	return w.say(&i18n.LocalizeConfig{MessageID: id, TemplateData: data(pairs)})
}

// Count gives the form of a message that fits n, which is {{.Count}} in it.
func (w Words) Count(id string, n int, pairs ...any) string {
	d := data(pairs)
	d["Count"] = n
	return w.say(&i18n.LocalizeConfig{MessageID: id, TemplateData: d, PluralCount: n})
}

func (w Words) say(cfg *i18n.LocalizeConfig) string {
	// An error beside a text means that English had to help out.
	text, err := w.loc.Localize(cfg)
	if err != nil && text == "" {
		return cfg.MessageID // a test asserts that no page comes here
	}
	return text
}

func data(pairs []any) map[string]any {
	d := make(map[string]any, len(pairs)/2+1)
	for i := 0; i+1 < len(pairs); i += 2 {
		d[pairs[i].(string)] = pairs[i+1]
	}
	return d
}
