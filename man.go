//go:build man

package main

import (
	"errors"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// developers are commands that are not in the program that people run: this
// file is built with `-tags man` only, and keeps the library that writes manual
// pages out of it.
func developers() []*cobra.Command {
	return []*cobra.Command{{
		Use:    "man FOLDER",
		Short:  "write the manual pages, one for each command",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			seconds, err := strconv.ParseInt(os.Getenv("SOURCE_DATE_EPOCH"), 10, 64)
			if err != nil {
				return errors.New("SOURCE_DATE_EPOCH is needed: the date that the pages bear")
			}
			date := time.Unix(seconds, 0).UTC()
			root := cmd.Root()
			root.InitDefaultCompletionCmd()
			root.DisableAutoGenTag = true // no date of the day in a page
			return doc.GenManTree(root, &doc.GenManHeader{
				Section: "1", Date: &date, Source: "emberdrop " + version, Manual: "Emberdrop",
			}, args[0])
		},
	}}
}
