package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"emberdrop/match"
)

func listsCommand() *cobra.Command {
	var asJSON bool
	cmd := folderCommand("lists --data DIR", "show what uploads are compared with; add, remove, unblock", 0,
		func(cmd *cobra.Command, f folder, _ []string) error {
			shown, err := f.shownLists()
			if err != nil {
				return err
			}
			if err := f.ask(cmd.Context(), "GET", "/lists/matches", &shown.Matches); err != nil && !errors.Is(err, errNotRunning) {
				return err
			}
			if asJSON {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(shown)
			}
			return shown.print(cmd.OutOrStdout())
		})
	cmd.Flags().BoolVar(&asJSON, "json", false, "as one JSON object")
	cmd.AddCommand(addListCommand(), removeListCommand(), unblockCommand())
	return cmd
}

func addListCommand() *cobra.Command {
	var list match.List
	var action, bare string
	cmd := folderCommand("add --data DIR --name NAME FILE...", "take a list of hashes, or a newer version of one", 0,
		func(cmd *cobra.Command, f folder, args []string) (err error) {
			if err := checkList(&list, action); err != nil {
				return err
			}
			var kind match.Kind
			if bare != "" {
				if kind, _ = match.ParseKind(bare); kind != match.KindPDQ && kind != match.KindSHA256 {
					return usageError{fmt.Errorf("--bare is pdq or sha256, not %q", bare)}
				}
			}
			return f.addList(cmd, list, kind, args)
		})
	cmd.Args = cobra.MinimumNArgs(1)
	cmd.Flags().StringVar(&list.Name, "name", "", "the list's `name`: needed; one that is there is replaced")
	cmd.Flags().StringVar(&action, "action", "hold", "what a match is: label (shown behind a click), hold (shown when you have released it) or block (refused)")
	cmd.Flags().IntVar(&list.Distance, "distance", match.MaxDistance, "PDQ: a match is at most so many `bits` of 256 away, 0 to 64")
	cmd.Flags().BoolVar(&list.DryRun, "dry-run", false, "compare and do nothing, until it is added again without")
	cmd.Flags().StringVar(&list.Note, "note", "", "a `text` for yourself: where it is from, since when")
	cmd.Flags().StringVar(&bare, "bare", "", "what lines of 64 digits without a kind are, `pdq or sha256`; they are left out otherwise")
	return cmd
}

func checkList(list *match.List, action string) (err error) {
	if err := match.CheckName(list.Name); err != nil {
		return usageError{fmt.Errorf("--name: %w", err)}
	}
	if list.Action, err = match.ParseAction(action); err != nil || list.Action == match.Pass {
		return usageError{fmt.Errorf("--action is label, hold or block, not %q", action)}
	}
	if list.Distance < 0 || list.Distance > match.FarDistance {
		return usageError{fmt.Errorf("--distance is 0 to %d", match.FarDistance)}
	}
	if list.Distance == 0 {
		list.Distance = match.ExactOnly
	}
	return nil
}

// addList reads files as one, puts the list in its place and tells the server.
func (f folder) addList(cmd *cobra.Command, list match.List, bare match.Kind, files []string) error {
	if _, err := os.Stat(f.path); err != nil {
		return err
	}
	var summary match.Summary
	err := during(cmd.ErrOrStderr(), "reading the list", func() error {
		var parts []io.Reader
		for _, name := range files {
			file, err := os.Open(name)
			if err != nil {
				return err
			}
			defer file.Close()
			parts = append(parts, file, strings.NewReader("\n"))
		}
		var err error
		list.Entries, summary, err = match.ReadEntries(io.MultiReader(parts...), bare)
		return err
	})
	if err != nil {
		return err
	}
	list.LeftOut = summary.LeftOut()
	if len(list.Entries) == 0 {
		return hint{fmt.Errorf("nothing in it can be used: %s", list.LeftOut), leftOutAdvice(summary)}
	}
	replaced, err := f.writeList(list)
	if err != nil {
		return err
	}
	verb := map[bool]string{true: "replaced", false: "added"}[replaced]
	fmt.Fprintf(cmd.OutOrStdout(), "%s list %s, from %s: %s\n", verb, list.Name, summary.Format, counted(list.Entries))
	if list.LeftOut != "" {
		fmt.Fprintf(cmd.OutOrStdout(), "left out: %s\n", list.LeftOut)
	}
	if summary.Skipped[match.SkippedBare] > 0 {
		fmt.Fprintln(cmd.OutOrStdout(), leftOutAdvice(summary))
	}
	return f.tellLists(cmd)
}

func leftOutAdvice(summary match.Summary) string {
	if summary.Skipped[match.SkippedBare] > 0 {
		return "say --bare pdq or --bare sha256, if you know which the lines of 64 digits are"
	}
	return "`emberdrop lists add --help` says what can be used"
}

// tellLists makes a running server use the lists as they are now. What root has
// written goes to the server's user first, who could not read it.
func (f folder) tellLists(cmd *cobra.Command) error {
	if err := f.handBack(); err != nil {
		return err
	}
	err := f.ask(cmd.Context(), "POST", "/lists/reload", nil)
	if errors.Is(err, errNotRunning) {
		_, err = fmt.Fprintln(cmd.OutOrStdout(), "no server is running: it holds from the next start on")
	}
	return err
}

func removeListCommand() *cobra.Command {
	return folderCommand("remove --data DIR NAME", "forget a list", 1,
		func(cmd *cobra.Command, f folder, args []string) error {
			if err := match.CheckName(args[0]); err != nil {
				return usageError{err}
			}
			there, err := f.removeList(args[0])
			if err != nil {
				return err
			}
			if !there {
				return hint{fmt.Errorf("there is no list %s", args[0]), "`emberdrop lists` shows them"}
			}
			fmt.Fprintf(cmd.OutOrStdout(), "removed list %s\n", args[0])
			return f.tellLists(cmd)
		})
}

func unblockCommand() *cobra.Command {
	return folderCommand("unblock --data DIR CASE", "take what was blocked by a case out of the bank", 1,
		func(cmd *cobra.Command, f folder, args []string) error {
			n, err := f.unblock(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if n == 0 {
				return hint{errors.New("the bank has nothing of this case"), "`emberdrop lists` shows the cases it has something of"}
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "unblocked: %d hashes\n", n)
			return err
		})
}

func (f folder) unblock(ctx context.Context, caseID string) (n int, err error) {
	err = f.ask(ctx, "POST", "/lists/unblock?case="+url.QueryEscape(caseID), &n)
	if !errors.Is(err, errNotRunning) {
		return n, err
	}
	bank, err := f.openBank()
	if err != nil {
		return 0, err
	}
	return bank.Remove(caseID)
}

// shownLists is what `emberdrop lists` shows; its JSON names are an interface.
type shownLists struct {
	Lists []shownList `json:"lists"`
	Bank  []shownCase `json:"bank"`
	// Matches are uploads that matched since the server has started, by list; null
	// if none is running.
	Matches map[string]int `json:"matches"`
}

type shownList struct {
	Name     string         `json:"name"`
	Action   string         `json:"action"`
	Distance int            `json:"distance"`
	DryRun   bool           `json:"dry_run"`
	Entries  map[string]int `json:"entries"` // by kind
	LeftOut  string         `json:"left_out,omitempty"`
	Note     string         `json:"note,omitempty"`
}

type shownCase struct {
	Case    string         `json:"case"`
	Date    string         `json:"date"`
	Entries map[string]int `json:"entries"`
}

func (f folder) shownLists() (shown shownLists, err error) {
	lists, err := f.readLists()
	if err != nil {
		return shown, err
	}
	shown.Lists, shown.Bank = []shownList{}, []shownCase{}
	for _, l := range lists {
		shown.Lists = append(shown.Lists, shownList{
			Name: l.Name, Action: l.Action.String(), Distance: max(l.Distance, 0), DryRun: l.DryRun,
			Entries: byKind(l.Entries), LeftOut: l.LeftOut, Note: l.Note,
		})
	}
	bank, err := f.openBank()
	if err != nil {
		return shown, err
	}
	for _, e := range bank.Entries() {
		i := slices.IndexFunc(shown.Bank, func(c shownCase) bool { return c.Case == e.Case && c.Date == e.Date })
		if i < 0 {
			i = len(shown.Bank)
			shown.Bank = append(shown.Bank, shownCase{Case: e.Case, Date: e.Date, Entries: map[string]int{}})
		}
		shown.Bank[i].Entries[e.Kind.String()]++
	}
	return shown, nil
}

func (s shownLists) print(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	if len(s.Lists) == 0 {
		fmt.Fprintln(w, "no list")
	} else {
		fmt.Fprintln(w, "LIST\tACTION\tDISTANCE\tHASHES\tMATCHES\tLEFT OUT\tNOTE")
	}
	for _, l := range s.Lists {
		action := l.Action
		if l.DryRun {
			action += ", dry run"
		}
		fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%s\t%s\t%s\n",
			l.Name, action, l.Distance, inWords(l.Entries), s.matches(l.Name), cmp.Or(l.LeftOut, "-"), cmp.Or(l.Note, "-"))
	}
	if len(s.Bank) == 0 {
		fmt.Fprintln(w, "the bank is empty: nothing was blocked here")
	} else {
		fmt.Fprintf(w, "\nthe bank, matches: %s\nBLOCKED BY CASE\tDAY\tHASHES\n", s.matches(match.BankName))
	}
	for _, c := range s.Bank {
		fmt.Fprintf(w, "%s\t%s\t%s\n", c.Case, c.Date, inWords(c.Entries))
	}
	return w.Flush()
}

// matches is how often a list has matched, or "-" if no server can tell.
func (s shownLists) matches(name string) string {
	if s.Matches == nil {
		return "-"
	}
	return strconv.Itoa(s.Matches[name])
}

func byKind(entries []match.Entry) map[string]int {
	n := map[string]int{}
	for _, e := range entries {
		n[e.Kind.String()]++
	}
	return n
}

func counted(entries []match.Entry) string { return inWords(byKind(entries)) }

// inWords says how many there are of each kind, in a fixed order.
func inWords(n map[string]int) string {
	var parts []string
	for _, kind := range []match.Kind{match.KindPDQ, match.KindMD5, match.KindSHA1, match.KindSHA256} {
		if n[kind.String()] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n[kind.String()], kind))
		}
	}
	return strings.Join(parts, ", ")
}
