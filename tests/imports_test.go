// Package tests holds the tests that look at emberdrop as a whole. No room
// imports it.
package tests

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "emberdrop"

// room is a top-level folder with the folders below it: which other rooms its
// code may import, and why not more.
type room struct {
	name string
	may  []string
	why  string
}

var everyone = []string{"*"}

// rooms is the picture in ARCHITECTURE.md. "" is the program at the root.
var rooms = []room{
	{name: "", may: []string{"harden", "client", "onion", "handlers", "views", "sweeper", "link", "eventlog", "vault", "strip", "match", "report", "review", "seal"},
		why: "the program wires every room, but what only tests need must not get into the binary"},
	{name: "client", may: []string{"strip", "seal"},
		why: "it is a visitor, not the host: what it knows of a server comes over the wire, and what it seals no room of the server can open"},
	{name: "onion",
		why: "it gives back a net.Listener and must not care what is served on it"},
	{name: "handlers", may: []string{"views", "link", "strip", "seal"},
		why: "every decision goes through link's commands; strip and seal only lend the types that those commands take and return. With eventlog or vault in reach a page could serve what link has not granted"},
	{name: "views",
		why: "pages are pure functions of their structs, so that they can be looked at and tested without a server"},
	{name: "sweeper", may: []string{"link"},
		why: "it decides when, link decides what: the path that erases is the same whoever starts it"},
	{name: "link", may: []string{"eventlog", "vault", "strip", "match", "report", "seal"},
		why: "the domain must not know who calls it, or over which protocol"},
	{name: "eventlog",
		why: "a log that knows no room can be tested, rebuilt and purged without them; it calls the fold through an interface"},
	{name: "vault", may: []string{"seal"},
		why: "files and keys only: what a link is and whether it lives must not decide how bytes are sealed"},
	{name: "strip",
		why: "a parser of hostile bytes has nothing in reach that it could be tricked into using"},
	{name: "match",
		why: "a classifier of hostile pictures has nothing in reach that it could be tricked into using"},
	{name: "review", may: []string{"match", "report", "seal"},
		why: "it runs on the operator's machine and believes nothing that a server sends: no room of the server may be in its reach"},
	{name: "report", may: []string{"seal"},
		why: "what is sealed to the operator is one form, which the server writes and the operator's client reads"},
	{name: "seal",
		why: "cryptography is read and audited alone"},
	{name: "harden",
		why: "what takes rights from the process must not know what it takes them for, and must be read and tested alone"},
	{name: "packaging",
		why: "it packs a program that is already built, and must not need to know what is in it"},
	{name: "tests", may: everyone,
		why: "tests look at everything"},
}

// aloof are packages of tests that share no code with what they judge.
var aloof = []struct{ path, why string }{
	{"tests/needle", "forensics with the code of the accused would share its mistakes about forms and formats"},
	{"tests/browser", "a visitor's browser knows nothing of the server"},
	{"tests/tornet", "a Tor network knows nothing of its services"},
}

// only lists outside packages that few rooms may import. Paths stand for
// everything below them too. by names rooms; a room with a path behind a colon
// may import that path only.
var only = []struct {
	path string
	by   []string
	why  string
}{
	{"github.com/cockroachdb/pebble", []string{"eventlog", "vault:github.com/cockroachdb/pebble/v2/vfs", ":github.com/cockroachdb/pebble/v2/vfs"},
		"one room knows the database, so its keys, batches and syncs are in one place; vault stands on the same file system, so that one crash clone covers log and payloads, and the program chooses it"},
	{"github.com/cretz/bine", []string{"onion"},
		"one room speaks to tor, so what is published and how is in one place"},
	{"github.com/a-h/templ", []string{"views", "handlers", "review"},
		"HTML is written by views and sent by handlers, escaped by one library; the operator's one page is review's"},
	{"github.com/fxamacker/cbor", []string{"eventlog", "link", "vault", "report"},
		"what is written to disk is encoded where its format and versions are kept"},
	{"golang.org/x/image", []string{"match", "review"},
		"pictures are decoded where they are compared, and where an operator looks at one; nowhere else is a stranger's file unpacked"},
	{"golang.org/x/net/proxy", []string{"client"},
		"one room connects to somewhere else, and only through the SOCKS port that it was told of"},
	{"github.com/landlock-lsm/go-landlock", []string{"harden"},
		"one room fences the process in, so what stays possible is in one place"},
	{"github.com/spf13/cobra", []string{""},
		"flags are read by the program alone; rooms get a Config"},
	{"github.com/spf13/pflag", []string{""},
		"as cobra: flags are read by the program alone"},
}

// outer lists packages of a pure room that speak to something outside of the
// program. What is pure must not import them: who asks them has decided to.
var outer = []struct{ path, why string }{
	{"match/hook", "it asks programs of the operator, over unix sockets or as children, with deadlines, and makes files in RAM"},
}

// harmless are packages below a forbidden one that read nothing but constants.
var harmless = []struct{ path, why string }{
	{"golang.org/x/sys/cpu", "it says which instructions the processor has"},
}

// never lists packages that a room must not import; programs for developers in
// a folder below it may, and so may its outer packages.
var never = []struct {
	rooms []string
	paths []string
	why   string
}{
	{[]string{"strip", "match", "report", "seal"}, []string{"os", "net", "syscall", "golang.org/x/sys", "log"},
		"they are pure: bytes in, bytes out, nothing to leak to and nothing to clean up (log/slog is for LogValue, which hides a secret)"},
	{[]string{"strip", "match"}, []string{"time", "log/slog"},
		"no clock and no logging where a visitor's file is open: the same file gives the same result, and no word of it gets out"},
	{[]string{"link", "eventlog", "vault", "sweeper"}, []string{"net/http"},
		"the domain and what is below it answer to no protocol, so curl, the page and the sweeper get the same law"},
	{[]string{"views"}, []string{"net/http", "os"},
		"a page is built from its struct alone, with no request and no file in reach"},
	{[]string{"harden"}, []string{"log", "log/slog", "net", "os/exec"},
		"it reports what holds and does nothing else: the program says it to the operator"},
	{[]string{"link"}, []string{"os"},
		"files are vault's and eventlog's, which write through a file system that a test can crash"},
}

// within says whether path is top or below it. The standard library's log/slog
// is a package of its own, not a part of log.
func within(path, top string) bool {
	return path == top || strings.HasPrefix(path, top+"/") && !(top == "log" && path == "log/slog")
}

// source is one package: its folder within the module ("" is the root), whether
// it is a program, and the imports of its files but tests, under any build tag.
type source struct {
	folder  string
	program bool
	imports []string
}

func (s source) room() string {
	name, _, _ := strings.Cut(s.folder, "/")
	return name
}

// violations returns one line for each import that a rule forbids, each room
// without a rule and each rule without a room.
func violations(sources []source) []string {
	var found []string
	for _, s := range sources {
		i := slices.IndexFunc(rooms, func(r room) bool { return r.name == s.room() })
		if i < 0 {
			found = append(found, fmt.Sprintf("%s: no rule says what this room may import", s.folder))
			continue
		}
		for _, path := range s.imports {
			for _, why := range forbidden(s, rooms[i], path) {
				found = append(found, fmt.Sprintf("%s/%s imports %s: %s", module, s.folder, path, why))
			}
		}
	}
	for _, folder := range named() {
		if !slices.ContainsFunc(sources, func(s source) bool { return s.folder == folder }) {
			found = append(found, fmt.Sprintf("%q: a rule names this package, and it is gone", folder))
		}
	}
	return found
}

// named returns the folders of all packages that rules are about.
func named() []string {
	var folders []string
	for _, r := range rooms {
		if r.name != "tests" { // that one is made of test files
			folders = append(folders, r.name)
		}
	}
	for _, a := range aloof {
		folders = append(folders, a.path)
	}
	for _, o := range outer {
		folders = append(folders, o.path)
	}
	return folders
}

// forbidden returns the reasons why package s of room r must not import path.
func forbidden(s source, r room, path string) (reasons []string) {
	if path == module || strings.HasPrefix(path, module+"/") {
		other, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(path, module), "/"), "/")
		if other != r.name && !slices.Equal(r.may, everyone) && !slices.Contains(r.may, other) {
			reasons = append(reasons, r.why)
		}
		for _, a := range aloof {
			if s.folder == a.path && other != "tests" {
				reasons = append(reasons, a.why)
			}
		}
		for _, o := range outer {
			if other == r.name && path == module+"/"+o.path && !isOuter(s) {
				reasons = append(reasons, "what is pure must not import what is not: "+o.why)
			}
		}
		return reasons
	}
	for _, rule := range only {
		if within(path, rule.path) && r.name != "tests" && !slices.ContainsFunc(rule.by, func(by string) bool {
			name, part, partial := strings.Cut(by, ":")
			return name == r.name && (!partial || within(path, part))
		}) {
			reasons = append(reasons, rule.why)
		}
	}
	for _, rule := range never {
		if slices.Contains(rule.rooms, r.name) && !s.program && !isOuter(s) && !isHarmless(path) &&
			slices.ContainsFunc(rule.paths, func(top string) bool { return within(path, top) }) {
			reasons = append(reasons, rule.why)
		}
	}
	return reasons
}

func isOuter(s source) bool {
	for _, o := range outer {
		if s.folder == o.path {
			return true
		}
	}
	return false
}

func isHarmless(path string) bool {
	for _, h := range harmless {
		if path == h.path {
			return true
		}
	}
	return false
}

// load reads the import clauses of the module whose root is given. It parses
// the files itself: a package that does not build, or only under a build tag,
// is not passed over.
func load(root string) ([]source, error) {
	byFolder := map[string]*source{}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := entry.Name()
		if entry.IsDir() && path != root {
			_, err := os.Stat(filepath.Join(path, "go.mod"))
			if err == nil || name == "testdata" || strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") {
				return fs.SkipDir // another module, or no package
			}
		}
		if entry.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		folder, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			return err
		}
		if folder = filepath.ToSlash(folder); folder == "." {
			folder = ""
		}
		s := byFolder[folder]
		if s == nil {
			s = &source{folder: folder, program: file.Name.Name == "main"}
			byFolder[folder] = s
		}
		for _, spec := range file.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			if !slices.Contains(s.imports, imported) {
				s.imports = append(s.imports, imported)
			}
		}
		return nil
	})
	var sources []source
	for _, s := range byFolder {
		sources = append(sources, *s)
	}
	return sources, err
}

func TestImports(t *testing.T) {
	sources, err := load("..")
	if err != nil {
		t.Fatal(err)
	}
	found := violations(sources)
	slices.Sort(found)
	for _, line := range found {
		t.Error(line)
	}
}

// Every rule must be able to fail, and allow what it means to allow.
func TestImportRulesBite(t *testing.T) {
	const pebble, vfs = "github.com/cockroachdb/pebble/v2", "github.com/cockroachdb/pebble/v2/vfs"
	tests := []struct {
		folder, path string
		ok           bool
	}{
		{"", "emberdrop/link", true}, {"", "emberdrop/tests/tornet", false}, {"", vfs, true}, {"", pebble, false},
		{"", "emberdrop/client", true}, {"handlers", "emberdrop/client", false}, {"link", "emberdrop/client", false},
		{"client", "emberdrop/seal", true}, {"client", "emberdrop/link", false}, {"client", "github.com/spf13/cobra", false},
		{"client", "golang.org/x/net/proxy", true}, {"onion", "golang.org/x/net/proxy", false},
		{"onion", "emberdrop/link", false}, {"onion", "github.com/cretz/bine/tor", true},
		{"", "emberdrop/harden", true}, {"onion", "emberdrop/harden", false}, {"harden", "emberdrop/onion", false}, {"harden", "log/slog", false},
		{"harden", "github.com/landlock-lsm/go-landlock/landlock", true}, {"onion", "github.com/landlock-lsm/go-landlock/landlock", false},
		{"handlers", "emberdrop/link", true}, {"handlers", "emberdrop/views", true}, {"handlers", "net/http", true},
		{"handlers", "emberdrop/eventlog", false}, {"handlers", "emberdrop/vault", false}, {"handlers", "emberdrop/sweeper", false},
		{"handlers", "github.com/spf13/cobra", false}, {"handlers", "github.com/spf13/pflag", false}, {"", "github.com/spf13/pflag", true},
		{"views", "emberdrop/link", false}, {"views", "emberdrop/views/samples", true}, {"views", "net/http", false},
		{"views/inner", "emberdrop/seal", false},
		{"sweeper", "emberdrop/link", true}, {"sweeper", "emberdrop/vault", false}, {"sweeper", "emberdrop/eventlog", false},
		{"link", "emberdrop/eventlog", true}, {"link", "emberdrop/vault", true}, {"link", "emberdrop/handlers", false},
		{"link", "net/http", false}, {"link", "net/http/httptest", false}, {"link", pebble, false}, {"link", vfs, false}, {"link", "os", false},
		{"eventlog", pebble, true}, {"eventlog", "emberdrop/seal", false}, {"eventlog", "emberdrop/link", false},
		{"vault", "emberdrop/seal", true}, {"vault", vfs, true}, {"vault", pebble, false}, {"vault", pebble + "/vfsx", false},
		{"vault", "emberdrop/eventlog", false}, {"vault", "github.com/cretz/bine/control", false},
		{"strip", "bytes", true}, {"strip", "os", false}, {"strip", "net/url", false}, {"strip", "time", false}, {"strip", "emberdrop/seal", false},
		{"strip/jpeg", "os", false},
		{"match", "golang.org/x/image/webp", true}, {"link", "golang.org/x/image/webp", false}, {"strip", "golang.org/x/image/vp8", false},
		{"match", "os/exec", false}, {"match", "emberdrop/strip", false},
		{"match/classify", "os", false}, {"match/classify", "time", false}, {"match/classify", "golang.org/x/sys/unix", false},
		{"match/classify", "golang.org/x/sys/cpu", true}, {"match/hook", "net", true}, {"match/hook", "emberdrop/link", false},
		{"match", "emberdrop/match/hook", false}, {"link", "emberdrop/match/hook", true},
		{"seal", "log/slog", true}, {"seal", "log", false}, {"seal", "os", false}, {"seal", "syscall", false}, {"seal", "emberdrop/vault", false},
		{"link", "github.com/a-h/templ", false}, {"handlers", "github.com/fxamacker/cbor/v2", false},
		{"tests/e2e", "emberdrop/vault", true}, {"tests/e2e", pebble, true},
		{"tests/needle", "emberdrop/seal", false}, {"tests/browser", "emberdrop/link", false}, {"tests/tornet", "emberdrop/onion", false},
		{"util", "fmt", false},
	}
	for _, test := range tests {
		var sources []source
		for _, folder := range named() {
			sources = append(sources, source{folder: folder})
		}
		if found := violations(sources); len(found) > 0 {
			t.Fatalf("packages without imports break rules: %q", found)
		}
		sources = append(sources, source{folder: test.folder, imports: []string{test.path}})
		if found := violations(sources); (len(found) == 0) != test.ok {
			t.Errorf("%q importing %q: allowed %v, want %v: %q", test.folder, test.path, len(found) == 0, test.ok, found)
		}
	}
	for _, gone := range named() {
		var sources []source
		for _, folder := range named() {
			if folder != gone {
				sources = append(sources, source{folder: folder})
			}
		}
		if found := violations(sources); len(found) != 1 || !strings.Contains(found[0], strconv.Quote(gone)) {
			t.Errorf("without %q: %q", gone, found)
		}
	}
	program := source{folder: "views/preview", program: true, imports: []string{"os"}}
	if reasons := forbidden(program, room{name: "views"}, "os"); len(reasons) > 0 {
		t.Errorf("a developer's program: %q", reasons)
	}
}

// The rules are worth what load sees: every build tag, and nothing that is not
// this module's code.
func TestImportsAreSeen(t *testing.T) {
	root := t.TempDir()
	for name, text := range map[string]string{
		"main.go":              "package main\nimport _ \"a\"",
		"link/one.go":          "package link\nimport (\n\"b\"\nx \"c\"\n)",
		"link/two.go":          "//go:build never\n\npackage link\nimport _ `d`\nfunc unfinished( {",
		"link/one_test.go":     "package link\nimport _ \"test\"",
		"link/testdata/no.go":  "package no\nimport _ \"testdata\"",
		"tools/go.mod":         "module tools",
		"tools/tools.go":       "package tools\nimport _ \"other\"",
		".hidden/hidden.go":    "package hidden\nimport _ \"hidden\"",
		"link/inner/inner.go":  "package main\nimport _ \"e\"",
		"link/inner/notes.txt": "no Go",
	} {
		file := filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	sources, err := load(root)
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(sources, func(a, b source) int { return strings.Compare(a.folder, b.folder) })
	want := "[{ true [a]} {link false [b c d]} {link/inner true [e]}]"
	if got := fmt.Sprint(sources); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
