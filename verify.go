package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"emberdrop/link"
)

func verifyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "verify --data DIR",
		Short: "compare log, projections and payload files of a stopped server, and mend nothing",
		Args:  cobra.NoArgs,
	}
	open := dataFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		f, err := open()
		if err != nil {
			return err
		}
		store, err := f.open(nil, nil)
		if err != nil {
			return err
		}
		defer store.close()
		findings, err := link.New(store.config()).Verify()
		if err != nil {
			return err
		}
		for _, finding := range findings {
			fmt.Fprintln(cmd.OutOrStdout(), finding)
		}
		if len(findings) > 0 {
			return errors.New("the store is not in order")
		}
		_, err = fmt.Fprintln(cmd.OutOrStdout(), "in order")
		return err
	}
	return cmd
}
