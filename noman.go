//go:build !man

package main

import "github.com/spf13/cobra"

// developers are commands that only a build with `-tags man` has.
func developers() []*cobra.Command { return nil }
