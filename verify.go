package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"emberdrop/link"
)

func verifyCommand() *cobra.Command {
	return folderCommand("verify --data DIR", "compare log, projections and payload files of a stopped server, and mend nothing", 0,
		func(cmd *cobra.Command, f folder, _ []string) error {
			store, err := f.open(nil, nil)
			if err != nil {
				return err
			}
			defer store.close()
			shown := begin(cmd.ErrOrStderr(), "checking payloads")
			cfg := store.config()
			cfg.Verified = shown.at
			findings, err := link.New(cfg).Verify()
			shown.end()
			if err != nil {
				return err
			}
			disorder := false
			for _, finding := range findings {
				fmt.Fprintln(cmd.OutOrStdout(), finding)
				disorder = disorder || !finding.Pending
			}
			if disorder {
				return errors.New("the store is not in order")
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), "in order")
			return err
		})
}
