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
	return func() (folder, error) {
		if *data == "" {
			return folder{}, usageError{errors.New("--data DIR is needed")}
		}
		return newFolder(*data, *host, *onionKey), nil
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
	var ifMissing bool
	cmd := folderCommand("init --data DIR", "make a data folder: the onion address, the host key, an empty log and vault", 0,
		func(cmd *cobra.Command, f folder, _ []string) error {
			if ifMissing && f.made() {
				return nil
			}
			if err := during(cmd.ErrOrStderr(), "making the folder", func() error { return f.create(onion.NewKey()) }); err != nil {
				return err
			}
			return f.printAddress(cmd.OutOrStdout())
		})
	cmd.Flags().BoolVar(&ifMissing, "if-missing", false, "do nothing where a data folder is already, as a service wants that makes its own at its first start")
	return cmd
}

func (f folder) printAddress(out io.Writer) error {
	key, err := f.onionKey()
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "address: http://%s\n", key.Address())
	return err
}
