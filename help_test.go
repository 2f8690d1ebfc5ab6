package main

import (
	"bytes"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

var (
	aFlag    = regexp.MustCompile(`(?:^|[\s('"` + "`" + `])--([a-z][a-z-]*)`)
	aCommand = regexp.MustCompile(`(?m)(?:^|[\s` + "`" + `]|\./)emberdrop ([a-z][a-z ]*)`)
)

// ours are the commands that this program brings: not cobra's help and completion.
func ours(root *cobra.Command) (all []*cobra.Command) {
	eachCommand(root, func(cmd *cobra.Command) {
		if !strings.HasPrefix(cmd.CommandPath(), "emberdrop completion") && cmd.Name() != "help" {
			all = append(all, cmd)
		}
	})
	return all
}

func hasFlag(cmds []*cobra.Command, name string) bool {
	return name == "help" || slices.ContainsFunc(cmds, func(cmd *cobra.Command) bool { return cmd.Flag(name) != nil })
}

// wantKnownFlags checks that every flag in a text belongs to one of cmds.
func wantKnownFlags(t *testing.T, where, text string, cmds []*cobra.Command) {
	t.Helper()
	for _, found := range aFlag.FindAllStringSubmatch(text, -1) {
		if !hasFlag(cmds, found[1]) {
			t.Errorf("%s speaks of --%s, which does not exist there", where, found[1])
		}
	}
}

func TestEveryCommandHasItsManual(t *testing.T) {
	root := commands()
	all := ours(root)
	texts := manual()
	for _, cmd := range all {
		path := cmd.CommandPath()
		if cmd.Long == "" || cmd.Example == "" || cmd.Short == "" {
			t.Errorf("%s has no long text, no short one or no example", path)
		}
		if len(cmd.Short) > 80 {
			t.Errorf("%s: the short text has %d characters", path, len(cmd.Short))
		}
		for line := range strings.Lines(cmd.Long) {
			if len([]rune(line)) > helpWidth+8 {
				t.Errorf("%s: a line of %d characters: %s", path, len(line), line)
			}
		}
		wantKnownFlags(t, path, cmd.Long, all)
		for _, group := range texts[path].flags {
			for _, name := range group.flags {
				if cmd.Flag(name) == nil {
					t.Errorf("%s: the heading %q has --%s, which is gone", path, group.title, name)
				}
			}
		}
		delete(texts, path)
		for line := range strings.Lines(cmd.Example) {
			wantExample(t, root, path, line)
		}
	}
	for path := range texts {
		t.Errorf("the manual has a chapter on %q, which is gone", path)
	}
}

// wantExample checks that a line of an example would be understood.
func wantExample(t *testing.T, root *cobra.Command, where, line string) {
	t.Helper()
	_, call, ok := strings.Cut(" "+line, " emberdrop ")
	if !ok || strings.HasPrefix(strings.TrimSpace(line), "systemctl") {
		return
	}
	cmd, _, err := root.Find(strings.Fields(call))
	if err != nil || cmd == root {
		t.Errorf("%s: an example calls what does not exist: %s", where, line)
		return
	}
	wantKnownFlags(t, where+": an example", call, []*cobra.Command{cmd})
}

// Every flag is in the help with its default, which is a unit too for sizes and times.
func TestHelpShowsEveryFlagWithItsDefault(t *testing.T) {
	for _, cmd := range ours(commands()) {
		var out bytes.Buffer
		writeHelp(&out, cmd)
		entries := regexp.MustCompile(`(?m)^      --|^  -`).Split(out.String(), -1)
		cmd.Flags().VisitAll(func(flag *pflag.Flag) {
			if flag.Hidden || flag.Name == "help" {
				return
			}
			i := slices.IndexFunc(entries, func(entry string) bool { return strings.HasPrefix(entry, flag.Name+" ") })
			if i < 0 {
				t.Errorf("%s --help does not have --%s", cmd.CommandPath(), flag.Name)
				return
			}
			own, _, _ := strings.Cut(entries[i], "\n\n") // up to the next heading
			if flag.Value.Type() != "bool" && !strings.Contains(own, "default") && !strings.Contains(own, "needed") && !strings.Contains(own, "0: ") {
				t.Errorf("%s --%s: no default in %q", cmd.CommandPath(), flag.Name, own)
			}
			if kind := flag.Value.Type(); (kind == "int" || kind == "uint" || kind == "int64") && !strings.Contains(flag.Usage, "`") {
				t.Errorf("%s --%s: a number of what?", cmd.CommandPath(), flag.Name)
			}
		})
	}
}

// What the pages for readers say of the command line is true.
func TestREADMEKnowsTheCommandLine(t *testing.T) {
	root := commands()
	all := ours(root)
	root.InitDefaultCompletionCmd()
	for _, file := range []string{"README.md", "ARCHITECTURE.md"} {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		named := 0
		for _, code := range regexp.MustCompile("(?s)```.*?```|`[^`\n]+`").FindAllString(string(raw), -1) {
			code = strings.ReplaceAll(code, "# emberdrop", "") // a comment, or the first line of a file
			code = regexp.MustCompile(`(?m)^.*(curl|go build|go test|npx|apt|systemd|systemctl|firefox|dpkg|journalctl) .*$`).ReplaceAllString(code, "")
			for _, found := range aCommand.FindAllStringSubmatch(code, -1) {
				named++
				if cmd, _, err := root.Find(strings.Fields(found[1])); err != nil || cmd == root {
					t.Errorf("%s speaks of `emberdrop %s`, which does not exist", file, found[1])
				}
			}
			wantKnownFlags(t, file, code, all)
		}
		if named == 0 {
			t.Errorf("%s names no command: this test sees nothing", file)
		}
	}
}

// Completion is there for the shells that people use, and knows folders from files.
func TestCompletion(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish"} {
		var out, errs bytes.Buffer
		if code := run(t.Context(), []string{"completion", shell}, &out, &errs); code != 0 || !strings.Contains(out.String(), "emberdrop") {
			t.Errorf("%s: exit %d, %d bytes, %s", shell, code, out.Len(), errs.String())
		}
	}
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"sta"}, "status\t"},
		{[]string{"status", "--pro"}, "--prometheus\t"},
		{[]string{"status", "--data", ""}, ":16\n"}, // folders only
		{[]string{"status", ""}, ":4\n"},            // no file names where none is taken
		{[]string{"put", ""}, ":0\n"},               // and file names where they are
	} {
		var out, errs bytes.Buffer
		run(t.Context(), append([]string{"__complete"}, test.args...), &out, &errs)
		if !strings.Contains(out.String(), test.want) {
			t.Errorf("%q completes to %q, want %q", test.args, out.String(), test.want)
		}
	}
}
