package main

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"emberdrop/report"
)

// socketFlags say how to reach a running server: through its data folder, or,
// from another machine, through its admin socket forwarded by ssh.
func socketFlags(cmd *cobra.Command) (open func() (adminClient, error)) {
	data := cmd.Flags().String("data", "", "data `folder` of the running server")
	socket := cmd.Flags().String("socket", "", "`path` of the server's admin socket, instead of --data: forwarded from elsewhere with\nssh -N -L ./admin.sock:/var/lib/emberdrop/admin.sock SERVER")
	return func() (adminClient, error) {
		switch {
		case (*data == "") == (*socket == ""):
			return adminClient{}, usageError{fmt.Errorf("one of --data DIR and --socket PATH is needed")}
		case *socket != "":
			return adminClient{socket: *socket}, nil
		}
		return newFolder(*data, "", "", nil).client(), nil
	}
}

func reportsCommand() *cobra.Command {
	var asJSON, all bool
	cmd := &cobra.Command{
		Use:   "reports",
		Short: "list the cases that wait for a decision, the most urgent first",
		Args:  cobra.NoArgs,
	}
	open := socketFlags(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "as one JSON array")
	cmd.Flags().BoolVar(&all, "all", false, "preserved and decided cases too, as long as they are known")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		server, err := open()
		if err != nil {
			return err
		}
		var cases []report.Case
		if err := server.do(cmd.Context(), "GET", "/cases", nil, &cases); err != nil {
			return err
		}
		shown := make([]report.Case, 0, len(cases))
		for _, c := range cases {
			if all || c.State == report.StateOpen {
				shown = append(shown, c)
			}
		}
		if asJSON {
			return json.NewEncoder(cmd.OutOrStdout()).Encode(shown)
		}
		return printCases(cmd.OutOrStdout(), shown, time.Now())
	}
	return cmd
}

func printCases(out io.Writer, cases []report.Case, now time.Time) error {
	if len(cases) == 0 {
		_, err := fmt.Fprintln(out, "no case waits")
		return err
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "CASE\tCATEGORY\tAGE\tDECIDE WITHIN\tPROVED\tMACHINE\tREPORTS\tLINK")
	for _, c := range cases {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%d\t%s\n", printable(c.ID), printable(c.Category), hours(now.Sub(c.Received)), within(c, now),
			yes(c.Verified), yes(c.Machine), c.Reports, printable(orDash(c.LinkState)))
	}
	return w.Flush()
}

// within is how long the operator has for a case.
func within(c report.Case, now time.Time) string {
	switch {
	case c.State != report.StateOpen:
		return printable(c.State)
	case c.Overdue:
		return "overdue"
	case c.Warn:
		return hours(c.Deadline.Sub(now)) + " !"
	}
	return hours(c.Deadline.Sub(now))
}

func hours(d time.Duration) string {
	if d = max(d, 0); d >= 72*time.Hour {
		return fmt.Sprintf("%d days", int(d.Hours()/24))
	}
	return fmt.Sprintf("%d h", int(d.Hours()))
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
