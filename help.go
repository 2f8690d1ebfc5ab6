package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// helpWidth is the width that help is written for: a terminal of 80 columns
// breaks few of its lines, and a wide one does not tear them apart.
const helpWidth = 100

// flagGroup is a heading in the help of a command, and the flags under it.
type flagGroup struct {
	title string
	flags []string
}

// commandGroups are the headings under which the help lists the commands.
func commandGroups() []*cobra.Group {
	return []*cobra.Group{
		{ID: "server", Title: "Run a server:"},
		{ID: "folder", Title: "Look after it:"},
		{ID: "abuse", Title: "Act on abuse:"},
		{ID: "visitor", Title: "Share and open, as a visitor:"},
	}
}

// arrange makes the help of every command under root the manual: texts, groups,
// completion of folders. What a command says of itself is left as it is.
func arrange(root *cobra.Command) {
	root.AddGroup(commandGroups()...)
	root.SetHelpFunc(func(cmd *cobra.Command, _ []string) { writeHelp(cmd.OutOrStdout(), cmd) })
	texts := manual()
	eachCommand(root, func(cmd *cobra.Command) {
		text := texts[cmd.CommandPath()]
		if cmd.Long == "" {
			cmd.Long = text.long
		}
		if cmd.Example == "" {
			cmd.Example = text.example
		}
		if cmd.GroupID == "" && cmd.Parent() == root {
			cmd.GroupID = text.group
		}
		cmd.Flags().SortFlags = false
		cmd.Flags().VisitAll(sayDefault)
		if cmd.Flag("data") != nil {
			cmd.MarkFlagDirname("data")
		}
		if cmd.ValidArgsFunction == nil && cmd.Args != nil && cmd.Args(cmd, []string{"a file"}) != nil {
			cmd.ValidArgsFunction = cobra.NoFileCompletions
		}
	})
}

// sayDefault adds what a flag is when it is not given, where the usage does not
// say it and pflag will not: it leaves out what is zero.
func sayDefault(flag *pflag.Flag) {
	if strings.Contains(flag.Usage, "default") && flag.DefValue == "-1" {
		flag.DefValue = "0" // the usage says what not to give it means; pflag would say -1 too
	}
	for _, said := range []string{"default", "needed", "0: "} {
		if strings.Contains(flag.Usage, said) {
			return
		}
	}
	switch flag.DefValue {
	case "", "[]":
		flag.Usage += " (default none)"
	case "0", "0s":
		flag.Usage += " (default 0)"
	}
}

// eachCommand visits cmd and all commands below it.
func eachCommand(cmd *cobra.Command, visit func(*cobra.Command)) {
	visit(cmd)
	for _, sub := range cmd.Commands() {
		eachCommand(sub, visit)
	}
}

// writeHelp writes the manual of one command.
func writeHelp(out io.Writer, cmd *cobra.Command) {
	var b strings.Builder
	text := cmd.Long
	if text == "" {
		text = cmd.Short
	}
	fmt.Fprintf(&b, "%s\n\nUsage:\n  %s\n", strings.TrimSpace(text), usageLine(cmd))
	writeCommands(&b, cmd)
	for _, group := range flagGroups(cmd) {
		set := pflag.NewFlagSet("", pflag.ContinueOnError)
		set.SortFlags = false
		for _, name := range group.flags {
			set.AddFlag(cmd.Flag(name))
		}
		if set.HasAvailableFlags() {
			fmt.Fprintf(&b, "\n%s:\n%s", group.title, set.FlagUsagesWrapped(helpWidth))
		}
	}
	if cmd.Example != "" {
		fmt.Fprintf(&b, "\nExamples:\n%s\n", strings.TrimRight(cmd.Example, "\n"))
	}
	if cmd.HasAvailableSubCommands() {
		fmt.Fprintf(&b, "\n`%s COMMAND --help` tells more of a command.\n", cmd.CommandPath())
	}
	io.WriteString(out, b.String())
}

func usageLine(cmd *cobra.Command) string {
	if cmd.HasAvailableSubCommands() {
		return cmd.CommandPath() + " COMMAND [flags]"
	}
	return cmd.UseLine()
}

// writeCommands lists the commands below cmd, under their headings.
func writeCommands(b *strings.Builder, cmd *cobra.Command) {
	if !cmd.HasAvailableSubCommands() {
		return
	}
	list := func(title string, in func(*cobra.Command) bool) {
		first := true
		for _, sub := range cmd.Commands() {
			if !sub.IsAvailableCommand() || !in(sub) {
				continue
			}
			if first {
				fmt.Fprintf(b, "\n%s\n", title)
				first = false
			}
			fmt.Fprintf(b, "  %-*s %s\n", sub.NamePadding(), sub.Name(), sub.Short)
		}
	}
	for _, group := range cmd.Groups() {
		list(group.Title, func(sub *cobra.Command) bool { return sub.GroupID == group.ID })
	}
	other := "Commands:"
	if len(cmd.Groups()) > 0 {
		other = "Other commands:"
	}
	list(other, func(sub *cobra.Command) bool { return sub.GroupID == "" })
}

// flagGroups are the flags of a command under their headings; what no heading
// claims comes last.
func flagGroups(cmd *cobra.Command) (groups []flagGroup) {
	var claimed []string
	for _, group := range manual()[cmd.CommandPath()].flags {
		group.flags = slices.DeleteFunc(slices.Clone(group.flags), func(name string) bool { return cmd.Flag(name) == nil })
		groups = append(groups, group)
		claimed = append(claimed, group.flags...)
	}
	rest := flagGroup{title: "Flags"}
	if len(groups) > 0 {
		rest.title = "Other flags"
	}
	cmd.Flags().VisitAll(func(flag *pflag.Flag) {
		if flag.Name != "help" && !slices.Contains(claimed, flag.Name) {
			rest.flags = append(rest.flags, flag.Name)
		}
	})
	return append(groups, rest)
}
