package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"emberdrop/eventlog"
)

func rebuildCommand() *cobra.Command {
	return folderCommand("rebuild --data DIR", "fold the log anew into its projections, on a stopped server", 0,
		func(cmd *cobra.Command, f folder, _ []string) error {
			var report eventlog.Report
			err := during(cmd.ErrOrStderr(), "folding the log", func() (err error) {
				report, err = eventlog.Rebuild(f.log(nil, nil))
				return err
			})
			if err != nil {
				return f.advise(err)
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), "rebuilt:", report)
			return err
		})
}
