package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"emberdrop/onion"
)

// dataFlags are the flags that say where a data folder and its keys are.
func dataFlags(cmd *cobra.Command) (open func() (folder, error)) {
	data := cmd.Flags().String("data", "", "data `folder`; needed")
	host := cmd.Flags().String("host-key", "", "`file` of the host key, if it lives off the data disk (default DIR/host.key)")
	onionKey := cmd.Flags().String("onion-key", "", "`file` of the onion service's key, if it lives elsewhere (default DIR/onion.key)")
	unlock := new(unlocking)
	unlock.register(cmd.Flags())
	return func() (folder, error) {
		if *data == "" {
			return folder{}, usageError{errors.New("--data DIR is needed")}
		}
		unlock.prompt = cmd.ErrOrStderr()
		return newFolder(*data, *host, *onionKey, unlock), nil
	}
}

// folderCommand is a command that works on a data folder and takes so many
// arguments besides its flags.
func folderCommand(use, short string, args int, run func(cmd *cobra.Command, f folder, args []string) error) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short, Args: cobra.ExactArgs(args)}
	open := dataFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		f, err := open()
		if err != nil {
			return err
		}
		return errors.Join(run(cmd, f, args), f.handBack())
	}
	return cmd
}

func initCommand() *cobra.Command {
	var ifMissing, two bool
	var seals func(folder) (*lock, error)
	cmd := folderCommand("init --data DIR", "make a data folder: the onion address, the host key, an empty log and vault", 0,
		func(cmd *cobra.Command, f folder, _ []string) error {
			if ifMissing && f.made() {
				return nil
			}
			with, err := seals(f)
			if err != nil {
				return err
			}
			key, err := f.newAddress()
			if err != nil {
				return err
			}
			before := func() error {
				if two {
					return f.split()
				}
				return nil
			}
			err = during(cmd.ErrOrStderr(), "making the folder", func() error {
				if ifMissing && f.begun() {
					key, err = f.finish(key, with, before)
					return err
				}
				return f.create(key, with, before)
			})
			if err != nil {
				return err
			}
			return f.printAddresses(cmd.OutOrStdout(), key)
		})
	seals = sealFlag(cmd)
	cmd.Flags().BoolVar(&two, "two-addresses", false, "make an instance with an address to leave, for those who have a key (emberdrop clients), and one to open")
	cmd.Flags().BoolVar(&ifMissing, "if-missing", false, "do nothing where a data folder is already, as a service wants that makes its own at its first start")
	return cmd
}

// sealFlag is the flag of commands that make keys. The returned function takes the
// new passphrase; nil: they are not sealed.
func sealFlag(cmd *cobra.Command) func(folder) (*lock, error) {
	wanted := cmd.Flags().Bool("seal", false, "seal the new keys under a passphrase (asked on the terminal, or read as --unlock-fd says)")
	return func(f folder) (*lock, error) {
		if !*wanted {
			return nil, nil
		}
		l, err := f.unlock.choose(f.unlock.descriptor)
		return &l, err
	}
}

// printLeaving prints the address to leave something at, where it is another one.
func printLeaving(out io.Writer, origin string) error {
	_, err := fmt.Fprintf(out, "to leave: %s\n", origin)
	return err
}

func printAddress(out io.Writer, key onion.Key) error {
	_, err := fmt.Fprintf(out, "address: http://%s\n", key.Address())
	return err
}
