package main

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"
)

func passesCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "passes",
		Short: "codes that let one upload have larger files",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return usageError{errors.New("passes needs `mint N` or `count`")}
		},
	}
	cmd.AddCommand(mintCommand(), countCommand())
	return cmd
}

func mintCommand() *cobra.Command {
	return folderCommand("mint --data DIR N", "make N passes (1 to 1000) and print them", 1,
		func(cmd *cobra.Command, f folder, args []string) error {
			n, err := strconv.Atoi(args[0])
			if err != nil || n < 1 || n > 1000 {
				return usageError{fmt.Errorf("%q is not a number from 1 to 1000", args[0])}
			}
			var codes []string
			if err := f.ask(cmd.Context(), "POST", "/passes?n="+strconv.Itoa(n), &codes); err != nil {
				return err
			}
			for _, code := range codes {
				fmt.Fprintln(cmd.OutOrStdout(), code)
			}
			return nil
		})
}

func countCommand() *cobra.Command {
	return folderCommand("count --data DIR", "say how many passes are not spent", 0,
		func(cmd *cobra.Command, f folder, _ []string) error {
			var n int
			if err := f.ask(cmd.Context(), "GET", "/passes", &n); err != nil {
				return err
			}
			_, err := fmt.Fprintln(cmd.OutOrStdout(), n)
			return err
		})
}
