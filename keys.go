package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"emberdrop/seal"
)

// The operator's keys. The identity opens reports and is made and kept on the
// operator's own machine; a server has the public key alone, so that whoever
// takes the server cannot read what was reported.

func keysCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "keys",
		Short: "the operator's keys: what opens reports, and what seals them",
		Args:  cobra.NoArgs,
	}
	cmd.RunE = func(*cobra.Command, []string) error {
		return usageError{errors.New("say `keys new FILE` or `keys show FILE`")}
	}
	cmd.AddCommand(
		&cobra.Command{
			Use:   "new FILE",
			Short: "make an identity in a new file, and print its public key for the server",
			Args:  cobra.ExactArgs(1),
			RunE: func(cmd *cobra.Command, args []string) error {
				return newIdentity(cmd, args[0])
			},
		},
		&cobra.Command{
			Use:   "show FILE",
			Short: "print the public key of an identity, and its fingerprint",
			Args:  cobra.ExactArgs(1),
			RunE: func(cmd *cobra.Command, args []string) error {
				identity, err := readIdentity(args[0])
				if err != nil {
					return err
				}
				defer identity.Wipe()
				return printPublic(cmd, identity.Public())
			},
		},
	)
	return cmd
}

func newIdentity(cmd *cobra.Command, path string) error {
	identity := seal.NewIdentity()
	defer identity.Wipe()
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return hint{err, "an identity is never overwritten: choose another name"}
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(file, identity.Text())
	err = errors.Join(err, file.Sync(), file.Close())
	if err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return printPublic(cmd, identity.Public())
}

// printPublic prints the key alone on standard output, fit for a file, and what
// people compare beside it.
func printPublic(cmd *cobra.Command, key seal.PublicKey) error {
	fmt.Fprintf(cmd.ErrOrStderr(), "fingerprint: %s\n", key.Fingerprint())
	_, err := fmt.Fprintln(cmd.OutOrStdout(), key.Text())
	return err
}

func readIdentity(path string) (seal.Identity, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return seal.Identity{}, err
	}
	defer clear(text)
	identity, err := seal.ParseIdentity(string(text))
	if err != nil {
		return identity, hint{fmt.Errorf("%s is not an identity: %w", path, err), "make one with `emberdrop keys new FILE`"}
	}
	return identity, nil
}
