package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"emberdrop/onion"
)

// A private instance: an address that lets only those in who have a key (client authorisation), and an
// instance of two addresses, one to leave and one to open. Both are settings, so a backup holds them: who may come
// in, by name and public key, and a mark that there are two addresses. The second address comes out of the onion
// key, so there is no second key to seal, save or lose.

const (
	clientsFile = "clients"       // in settings; a line for each: name, "open" or "leave", public key
	twoMark     = "two-addresses" // in settings; empty
	leaveLabel  = "emberdrop/v1/leave-address"
)

// admitted is somebody who has a key.
type admitted struct {
	name string
	door string // which address it opens: openDoor or leaveDoor
	key  onion.Client
}

// The two addresses of an instance. One that has a single address has an open one only, which does everything.
const (
	openDoor  = "open"
	leaveDoor = "leave"
)

var clientName = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// twoAddresses says whether the folder is an instance of two addresses.
func (f folder) twoAddresses() (bool, error) {
	_, err := os.Stat(filepath.Join(f.in(settings), twoMark))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// split makes it one.
func (f folder) split() error {
	dir, err := f.inside(settings)
	if err != nil {
		return err
	}
	defer dir.Close()
	file, err := dir.OpenFile(twoMark, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(file.Sync(), file.Close(), syncRoot(dir))
}

// clients reads who has a key.
func (f folder) clients() (list []admitted, err error) {
	raw, err := os.ReadFile(filepath.Join(f.in(settings), clientsFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(bytes.NewReader(raw))
	for n := 1; lines.Scan(); n++ {
		if strings.TrimSpace(lines.Text()) == "" {
			continue
		}
		part := strings.Fields(lines.Text())
		if len(part) != 3 || !clientName.MatchString(part[0]) || part[1] != openDoor && part[1] != leaveDoor {
			return nil, fmt.Errorf("line %d of %s/%s is not NAME open|leave KEY", n, settings, clientsFile)
		}
		key, err := onion.ParseClient(part[2])
		if err != nil {
			return nil, fmt.Errorf("line %d of %s/%s: %w", n, settings, clientsFile, err)
		}
		list = append(list, admitted{part[0], part[1], key})
	}
	return list, lines.Err()
}

// saveClients puts a new list in the old one's place.
func (f folder) saveClients(list []admitted) error {
	dir, err := f.inside(settings)
	if err != nil {
		return err
	}
	defer dir.Close()
	var b bytes.Buffer
	for _, c := range list {
		fmt.Fprintf(&b, "%s %s %s\n", c.name, c.door, c.key)
	}
	return replace(dir, clientsFile, b.Bytes())
}

// keysFor are the keys that open a door.
func keysFor(list []admitted, door string) (keys []onion.Client) {
	for _, c := range list {
		if c.door == door {
			keys = append(keys, c.key)
		}
	}
	return keys
}

// tell has a running server read the list; without one it is read at the next start.
func (f folder) tell(ctx context.Context) error {
	if err := f.handBack(); err != nil { // or a server that is not root could not read what root wrote
		return err
	}
	err := f.ask(ctx, "POST", "/clients", nil)
	if errors.Is(err, errNotRunning) {
		return nil
	}
	return err
}

func clientsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "clients",
		Short: "who may visit a private address",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return usageError{errors.New("clients needs `add NAME`, `remove NAME`, `list` or `split`")}
		},
	}
	cmd.AddCommand(addClientCommand(), removeClientCommand(), listClientsCommand(), splitCommand())
	return cmd
}

func addClientCommand() *cobra.Command {
	var door string
	cmd := folderCommand("add --data DIR NAME", "make a key for somebody, print it, and let only those in who have one", 1,
		func(cmd *cobra.Command, f folder, args []string) error {
			name := args[0]
			if !clientName.MatchString(name) {
				return usageError{errors.New("a name has up to 64 letters, digits, dots, - and _")}
			}
			address, err := f.doorFor(&door)
			if err != nil {
				return err
			}
			list, err := f.clients()
			if err != nil {
				return err
			}
			if slices.ContainsFunc(list, func(c admitted) bool { return c.name == name }) {
				return hint{fmt.Errorf("%s has a key already", name), "one name has one key; remove it first, or add another name"}
			}
			key, line := onion.NewClient(address)
			list = append(list, admitted{name, door, key})
			if len(keysFor(list, door)) > onion.MaxClients {
				return onion.ErrTooMany
			}
			if err := f.saveClients(list); err != nil {
				return err
			}
			if err := f.tell(cmd.Context()); err != nil {
				return err
			}
			fmt.Fprintf(cmd.ErrOrStderr(), "the key for http://%s, kept nowhere else: Tor Browser asks for what stands behind the last colon\n", address)
			_, err = fmt.Fprintln(cmd.OutOrStdout(), line)
			return err
		})
	cmd.Flags().StringVar(&door, "for", "", "which address the key opens, `open|leave`, where there are two (default leave)")
	return cmd
}

// doorFor settles which door is meant and gives its address.
func (f folder) doorFor(door *string) (address string, err error) {
	key, err := f.onionKey()
	if err != nil {
		return "", err
	}
	two, err := f.twoAddresses()
	if err != nil {
		return "", err
	}
	standard := openDoor
	if two {
		standard = leaveDoor
	}
	switch *door = cmp.Or(*door, standard); {
	case *door == openDoor:
		return key.Address(), nil
	case *door == leaveDoor && two:
		return key.Derive(leaveLabel).Address(), nil
	case *door == leaveDoor:
		return "", hint{errors.New("this instance has one address, for leaving and for opening"), "`emberdrop clients split` gives it a second one; without --for the key opens the one"}
	}
	return "", usageError{errors.New("--for is open or leave")}
}

func removeClientCommand() *cobra.Command {
	var public bool
	cmd := folderCommand("remove --data DIR NAME", "take somebody's key back", 1,
		func(cmd *cobra.Command, f folder, args []string) error {
			list, err := f.clients()
			if err != nil {
				return err
			}
			at := slices.IndexFunc(list, func(c admitted) bool { return c.name == args[0] })
			if at < 0 {
				return hint{fmt.Errorf("%s has no key", args[0]), "`emberdrop clients list` shows who has"}
			}
			door := list[at].door
			list = slices.Delete(list, at, at+1)
			if door == openDoor && len(keysFor(list, openDoor)) == 0 && !public {
				return hint{errors.New("this is the last key of this address, and without any everybody may visit it"), "if that is meant, say --make-public; else add somebody else first"}
			}
			if err := f.saveClients(list); err != nil {
				return err
			}
			return f.tell(cmd.Context())
		})
	cmd.Flags().BoolVar(&public, "make-public", false, "also when it is the last key, and everybody may visit from then on")
	return cmd
}

func listClientsCommand() *cobra.Command {
	return folderCommand("list --data DIR", "show who has a key, and for which address", 0,
		func(cmd *cobra.Command, f folder, _ []string) error {
			list, err := f.clients()
			if err != nil {
				return err
			}
			for _, c := range list {
				fmt.Fprintf(cmd.OutOrStdout(), "%s %s\n", c.name, c.door)
			}
			return nil
		})
}

func splitCommand() *cobra.Command {
	return folderCommand("split --data DIR", "give a server a second address, so that one is to leave and one to open", 0,
		func(cmd *cobra.Command, f folder, _ []string) error {
			key, err := f.onionKey()
			if err != nil {
				return err
			}
			if err := f.split(); err != nil {
				return err
			}
			return f.printAddresses(cmd.OutOrStdout(), key)
		})
}
