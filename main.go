// Emberdrop is an anonymous photo drop on a Tor onion service. This package
// parses the command line, opens the data folder, wires the rooms and runs them;
// it is the only place that knows every room, and it decides nothing that a room
// could decide.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"emberdrop/harden"
)

// version is set by the release build.
var version = "devel"

func main() {
	harden.Private()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is the whole program, for main and for tests. It returns the exit code: 0
// for success, 1 for failure, 2 for wrong usage.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := commands()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	fmt.Fprintln(stderr, "emberdrop: "+strings.TrimSpace(err.Error()))
	var hinted hint
	if errors.As(err, &hinted) {
		fmt.Fprintln(stderr, "emberdrop: hint: "+hinted.advice)
	}
	var usage usageError
	if errors.As(err, &usage) {
		return 2
	}
	return 1
}

func commands() *cobra.Command {
	root := &cobra.Command{
		Use:           "emberdrop",
		Short:         "an anonymous photo drop on a Tor onion service",
		SilenceErrors: true, // run prints them, in one way
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return usageError{errors.New("a command is needed, see `emberdrop --help`")}
		},
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.AddCommand(
		initCommand(), serveCommand(), statusCommand(), passesCommand(), clientsCommand(), takedownCommand(),
		putCommand(), getCommand(),
		keysCommand(), reportsCommand(), reviewCommand(), drawCommand(), videoCommand(), listsCommand(),
		verifyCommand(), rebuildCommand(), sweepCommand(), purgeCommand(),
		backupCommand(), restoreCommand(), passphraseCommand(), rotateCommand(), panicCommand(), versionCommand(),
	)
	root.AddCommand(developers()...)
	arrange(root)
	wrongArgsAreUsage(root)
	return root
}

// wrongArgsAreUsage makes every command's complaint about its arguments exit with 2.
func wrongArgsAreUsage(cmd *cobra.Command) {
	for _, sub := range cmd.Commands() {
		wrongArgsAreUsage(sub)
	}
	check := cmd.Args
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return usageError{err}
		}
		return nil
	}
}

// usageError is a command line that makes no sense: exit code 2.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// hint is an error with advice for the operator.
type hint struct {
	error
	advice string
}

func (e hint) Unwrap() error { return e.error }

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "print the version",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(cmd.OutOrStdout(), "emberdrop "+version)
			return err
		},
	}
}
