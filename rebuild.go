package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"emberdrop/eventlog"
)

func rebuildCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "rebuild --data DIR",
		Short: "fold the log anew into its projections, on a stopped server",
		Args:  cobra.NoArgs,
	}
	open := dataFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		f, err := open()
		if err != nil {
			return err
		}
		report, err := eventlog.Rebuild(f.log(nil, nil))
		if err != nil {
			return f.advise(err)
		}
		_, err = fmt.Fprintln(cmd.OutOrStdout(), "rebuilt:", report)
		return err
	}
	return cmd
}
