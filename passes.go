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
	cmd := &cobra.Command{
		Use:   "mint --data DIR N",
		Short: "make N passes (1 to 1000) on a running server and print them; nothing else keeps them",
		Args:  cobra.ExactArgs(1),
	}
	open := dataFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		n, err := strconv.Atoi(args[0])
		if err != nil || n < 1 || n > 1000 {
			return usageError{fmt.Errorf("%q is not a number from 1 to 1000", args[0])}
		}
		f, err := open()
		if err != nil {
			return err
		}
		var codes []string
		if err := f.ask(cmd.Context(), "POST", "/passes?n="+strconv.Itoa(n), &codes); err != nil {
			return err
		}
		for _, code := range codes {
			fmt.Fprintln(cmd.OutOrStdout(), code)
		}
		return nil
	}
	return cmd
}

func countCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "count --data DIR",
		Short: "say how many passes are not spent",
		Args:  cobra.NoArgs,
	}
	open := dataFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		f, err := open()
		if err != nil {
			return err
		}
		var n int
		if err := f.ask(cmd.Context(), "GET", "/passes", &n); err != nil {
			return err
		}
		_, err = fmt.Fprintln(cmd.OutOrStdout(), n)
		return err
	}
	return cmd
}
