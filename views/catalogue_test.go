package views_test

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"emberdrop/views"
	"emberdrop/views/samples"
)

// forms are the plural forms of each language (CLDR), less the one of Spanish
// and French that begins at a million.
var forms = map[string][]string{
	"en": {"one", "other"}, "de": {"one", "other"}, "es": {"one", "other"}, "fr": {"one", "other"}, "fa": {"one", "other"},
	"ru": {"few", "many", "one", "other"}, "zh-Hans": {"other"},
}

// catalogue reads a file as message id -> plural form -> text; a message without
// forms has "" for one.
func catalogue(t *testing.T, file string) map[string]map[string]string {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var messages map[string]any
	if err := json.Unmarshal(raw, &messages); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	all := map[string]map[string]string{}
	for id, m := range messages {
		all[id] = map[string]string{}
		switch m := m.(type) {
		case string:
			all[id][""] = m
		case map[string]any:
			for form, text := range m {
				all[id][form] = text.(string)
			}
		}
	}
	return all
}

var place = regexp.MustCompile(`\{\{\.\w+\}\}`)

// places are the names to be filled in, in any of a message's forms.
func places(m map[string]string) []string {
	all := map[string]bool{}
	for _, text := range m {
		for _, p := range place.FindAllString(text, -1) {
			all[p] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// Every language says everything, in all its plural forms, with the same places
// to fill in.
func TestCataloguesAreWhole(t *testing.T) {
	files, err := filepath.Glob("active.*.json")
	if err != nil || len(files) != len(forms) {
		t.Fatalf("%d catalogues (%v), want %d", len(files), err, len(forms))
	}
	english := catalogue(t, "active.en.json")
	for _, file := range files {
		lang := strings.TrimSuffix(strings.TrimPrefix(file, "active."), ".json")
		mine := catalogue(t, file)
		for id, want := range english {
			got := mine[id]
			if len(got) == 0 {
				t.Errorf("%s does not say %s", lang, id)
				continue
			}
			if want, got := places(want), places(got); !slices.Equal(want, got) {
				t.Errorf("%s, %s: has %v, want %v", lang, id, got, want)
			}
			if _, plain := want[""]; plain {
				if len(got) != 1 || got[""] == "" {
					t.Errorf("%s, %s: has forms %v", lang, id, slices.Sorted(maps.Keys(got)))
				}
			} else if have := slices.Sorted(maps.Keys(got)); !slices.Equal(have, forms[lang]) {
				t.Errorf("%s, %s: has forms %v, want %v", lang, id, have, forms[lang])
			}
			for form, text := range got {
				// A place in one form only is well where the form is for one number, or as a word ("once").
				if form != "" && form != "one" && !strings.Contains(text, "{{.Count}}") {
					t.Errorf("%s, %s, %s: does not say how many", lang, id, form)
				}
				// In Russian "one" is for 21 too, in Persian and French for 0.
				if form == "one" && lang == "ru" && !strings.Contains(text, "{{.Count}}") {
					t.Errorf("%s, %s: one is not the only one", lang, id)
				}
				if strings.TrimSpace(text) == "" || strings.ContainsAny(text, "<>\n") || strings.Contains(text, "  ") {
					t.Errorf("%s, %s: %q", lang, id, text)
				}
				if lang != "en" && id != "number.point" && id != "list.separator" && len(text) > 24 && text == want[form] {
					t.Errorf("%s, %s: not translated", lang, id)
				}
			}
		}
		for id := range mine {
			if english[id] == nil {
				t.Errorf("%s says %s, which nobody asks for", lang, id)
			}
		}
	}
}

// Every page of every built-in language names all languages, each in its own
// words, as links that stay on the page.
func TestLanguageLinks(t *testing.T) {
	c, err := views.NewCatalogue()
	if err != nil {
		t.Fatal(err)
	}
	if got := len(c.All()); got != len(forms) {
		t.Fatalf("%d languages", got)
	}
	for _, w := range c.All() {
		for _, s := range samples.All(w, "/v/x/1", "") {
			if s.Name != "upload" && s.Name != "gone" && s.Name != "open-album" && s.Name != "receipt-opened" && s.Name != "closed-burn" && s.Name != "ready-page" {
				continue
			}
			page := render(t, s.Page)
			for lang, name := range map[string]string{"en": "English", "de": "Deutsch", "ru": "русский", "fa": "فارسی", "es": "español", "fr": "français", "zh-Hans": "简体中文"} {
				if !strings.Contains(page, ">"+name+"<") || lang != w.Lang() && !strings.Contains(page, `href="?lang=`+lang+`"`) {
					t.Errorf("%s.%s: no way to %s", s.Name, w.Lang(), name)
				}
			}
		}
	}
}

func TestPlurals(t *testing.T) {
	c, err := views.NewCatalogue()
	if err != nil {
		t.Fatal(err)
	}
	// Which numbers share a form, whatever the words are.
	for lang, groups := range map[string][][]int{
		"en": {{1}, {2, 5, 11, 21}}, "de": {{1}, {2, 21}}, "es": {{1}, {2, 50}}, "fr": {{1}, {2, 50}},
		"ru": {{1, 21, 31, 101}, {2, 3, 4, 22}, {5, 11, 12, 20, 100}},
	} {
		w := c.Pick(lang, "")
		seen := map[string]bool{}
		for _, group := range groups {
			form := func(n int) string {
				return strings.ReplaceAll(w.Count("span.minutes", n), strconv.Itoa(n), "#")
			}
			if seen[form(group[0])] {
				t.Errorf("%s: %v are said like others", lang, group)
			}
			seen[form(group[0])] = true
			for _, n := range group {
				if form(n) != form(group[0]) {
					t.Errorf("%s: %d is said %q, %d %q", lang, n, form(n), group[0], form(group[0]))
				}
			}
		}
	}
	if got := c.Pick("", "zh-CN,zh;q=0.9").Lang(); got != "zh-Hans" {
		t.Errorf("zh-CN is answered in %s", got)
	}
}
