package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"emberdrop/link"
	"emberdrop/report"
)

func takedownCommand() *cobra.Command {
	var reason string
	var asJSON bool
	cmd := folderCommand("takedown --data DIR LINK-or-ID", "end a link at once, blind: no key and no case is needed", 1,
		func(cmd *cobra.Command, f folder, args []string) error {
			if _, _, err := reasonOf(reason); err != nil {
				return usageError{err}
			}
			what, err := named(args[0], cmd.InOrStdin())
			if err != nil {
				return err
			}
			done, err := f.takedown(cmd.Context(), what, reason)
			if err != nil {
				return err
			}
			if asJSON {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(done)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "taken down: %s (it was %s)\n", done.ID, done.Was)
			return err
		})
	cmd.Flags().StringVar(&reason, "reason", "other", "why, a `word`: child, intimate, violence, personal, copyright, harassment, malware, other, or authority")
	cmd.Flags().BoolVar(&asJSON, "json", false, "as one JSON object")
	return cmd
}

// named is the link that a command is about; "-" takes it from standard input,
// where no list of processes shows it.
func named(arg string, in io.Reader) (string, error) {
	if arg != "-" {
		return arg, nil
	}
	text, err := io.ReadAll(io.LimitReader(in, 4096))
	if err == nil && strings.TrimSpace(string(text)) == "" {
		err = usageError{errors.New("standard input names no link")}
	}
	return strings.TrimSpace(string(text)), err
}

// reasonOf is what a reason's word stands for.
func reasonOf(word string) (why link.Category, authority bool, err error) {
	if word == "authority" {
		why, _ = link.ParseCategory("other")
		return why, true, nil
	}
	why, known := link.ParseCategory(word)
	if !known {
		return 0, false, fmt.Errorf("%w: %q is no reason", errRequest, word)
	}
	return why, false, nil
}

// takedown ends a link through the running server, or by itself on a folder that
// no server uses.
func (f folder) takedown(ctx context.Context, what, reason string) (done report.TakenDown, err error) {
	err = f.askWith(ctx, "POST", "/takedown", report.Takedown{Link: what, Reason: reason}, &done)
	if !errors.Is(err, errNotRunning) {
		return done, err
	}
	why, authority, err := reasonOf(reason)
	if err != nil {
		return done, err
	}
	store, err := f.open(nil, nil)
	if err != nil {
		return done, err
	}
	done, err = link.New(store.config()).Takedown(what, why, authority)
	if errors.Is(err, link.ErrNoCase) {
		err = hint{err, "give the whole link, or the id that its upload page shows"}
	}
	return done, errors.Join(err, store.close())
}
