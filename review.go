package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"emberdrop/harden"
	"emberdrop/report"
	"emberdrop/review"
)

func reviewCommand() *cobra.Command {
	var identity, decision, until string
	cmd := &cobra.Command{
		Use:   "review CASE --identity FILE",
		Short: "look at a reported item on this machine, and decide",
		Args:  cobra.ExactArgs(1),
	}
	open := socketFlags(cmd)
	cmd.Flags().StringVar(&identity, "identity", "", "`file` that `emberdrop keys new` made")
	cmd.Flags().StringVar(&decision, "decide", "", "decide without looking: dismiss, remove, block or preserve as `VERDICT`")
	cmd.Flags().StringVar(&until, "until", "", "with --decide preserve: the `DATE` it ends, YYYY-MM-DD")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		server, err := open()
		if err != nil {
			return err
		}
		if identity == "" && (decision == "" || decision == report.Block) {
			return usageError{errors.New("--identity FILE is needed to look, and to block")}
		}
		l := looking{server: server, id: args[0]}
		if decision != "" {
			d, err := review.Decided(decision, until)
			if err != nil {
				return usageError{err}
			}
			if d.Verdict == report.Block { // what to block by is computed from the item
				if err := l.open(cmd.Context(), identity); err != nil {
					return err
				}
			}
			return l.decide(cmd.Context(), d)
		}
		if err := l.open(cmd.Context(), identity); err != nil {
			return err
		}
		return review.Ask(cmd.Context(), l.look.Page, func(address string) {
			fmt.Fprintf(cmd.OutOrStdout(), "look: %s\n", address)
		}, func(d review.Decision) error { return l.decide(cmd.Context(), d) })
	}
	return cmd
}

// drawCommand is the child that decodes. It is run by review alone.
func drawCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "draw",
		Short:  "decode an item of standard input (run by review)",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := harden.Cage(); err != nil {
				return err
			}
			return review.Child(cmd.Context(), os.Stdin, os.Stdout)
		},
	}
}

// looking is one review under way.
type looking struct {
	server adminClient
	id     string // of the case
	look   review.Look
}

// open fetches the case and its item and opens both.
func (l *looking) open(ctx context.Context, path string) error {
	identity, err := readIdentity(path)
	if err != nil {
		return err
	}
	defer identity.Wipe()
	if _, err := report.ParseID(l.id); err != nil {
		return hint{err, "`emberdrop reports` lists the cases"}
	}
	var c report.Case
	if err := l.server.do(ctx, "GET", "/cases/"+l.id, nil, &c); err != nil {
		return err
	}
	reports, err := review.Open(identity, c)
	if errors.Is(err, review.ErrIdentity) {
		return hint{err, "it was sealed to another key: " + sealedTo(c)}
	}
	if err != nil {
		return err
	}
	var sealed []byte
	if item := review.Proved(reports); item != nil && c.LinkState != report.LinkGone {
		if sealed, err = l.server.fetch(ctx, fmt.Sprintf("/cases/%s/item?at=%d&size=%d", l.id, item.At, item.Sealed), item.Sealed); err != nil {
			return err
		}
	}
	l.look, err = review.Lay(ctx, time.Now(), c, reports, sealed, drawing)
	return err
}

func (l *looking) decide(ctx context.Context, d review.Decision) error {
	out := report.Decision{Decision: d.Verdict, Until: d.Until}
	if d.Verdict == report.Block {
		out.Bank = l.look.Bank
	}
	return l.server.do(ctx, "POST", "/cases/"+l.id+"/decide", out, nil)
}

// drawing makes the child that decodes: this program, in its cage.
func drawing(ctx context.Context) *exec.Cmd {
	return exec.CommandContext(ctx, "/proc/self/exe", "draw")
}

// sealedTo names the keys that a case is sealed to.
func sealedTo(c report.Case) string {
	var keys []string
	for _, box := range c.Boxes {
		if !slices.Contains(keys, box.To) {
			keys = append(keys, box.To)
		}
	}
	return printable(strings.Join(keys, ", "))
}
