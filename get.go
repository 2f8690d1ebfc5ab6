package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"

	"github.com/spf13/cobra"

	"emberdrop/client"
	"emberdrop/seal"
)

type getFlags struct {
	via, out       string
	passphraseFile string
	yes, keep      bool
}

func getCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "get LINK",
		Short: "open a link over Tor and save what is in it",
		Long: "Get shows what a link holds, asks before it opens it, since that counts as a view, and saves\n" +
			"every item under a new name: photo-1.jpg, video-2.mp4. A download that breaks off goes on\n" +
			"where it was. The names of what was saved go to standard output.\n\n" +
			"Quote the link: a shell may take the # and what stands behind it for a comment.",
		Args: cobra.ExactArgs(1),
	}
	var flags getFlags
	set := cmd.Flags()
	set.StringVar(&flags.via, "via", "", viaUsage)
	set.StringVar(&flags.out, "out", ".", "`folder` to save in")
	set.StringVar(&flags.passphraseFile, "passphrase-file", "", "`file` whose first line is the passphrase (default: asked on the terminal)")
	set.BoolVar(&flags.yes, "yes", false, "open it without asking")
	set.BoolVar(&flags.keep, "keep", false, "do not end the lease: it can be fetched again, for some minutes, from the address that is printed")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		g, err := newGetting(cmd, &flags, args[0])
		if err != nil {
			return err
		}
		return advised(g.get(cmd.Context()), whenGetting)
	}
	return cmd
}

// getting is one run of get.
type getting struct {
	*getFlags
	at       client.Place
	fragment string   // of the link: the key as text, or empty
	key      seal.Key // of the fragment

	in     io.Reader
	stdout io.Writer
	stderr io.Writer
	shown  *transfer
	client *client.Client
}

func newGetting(cmd *cobra.Command, flags *getFlags, link string) (*getting, error) {
	g := &getting{
		getFlags: flags, in: cmd.InOrStdin(), stdout: cmd.OutOrStdout(), stderr: cmd.ErrOrStderr(),
		shown: newTransfer(cmd.ErrOrStderr()),
	}
	var err error
	if g.at, g.fragment, err = client.Split(link); err != nil {
		return nil, usageError{fmt.Errorf("the link: %w", err)}
	}
	if g.fragment != "" {
		key, err := seal.ParseToken(g.fragment)
		if err != nil {
			return nil, usageError{errors.New("the link: what stands behind the # is not a whole key: copy all of it")}
		}
		g.key = seal.Key(key)
	}
	return g, nil
}

// sealed says that the link has a key: what it leads to must be sealed.
func (g *getting) sealed() bool { return g.fragment != "" }

func (g *getting) get(ctx context.Context) error {
	// Opening counts, so whatever can fail here fails before.
	if err := writable(g.out); err != nil {
		return err
	}
	var err error
	g.client, err = client.New(ctx, client.Config{Server: g.at.Server, Via: g.via, Retrying: g.shown.retrying})
	if err != nil {
		return err
	}
	lease := g.at
	if !g.at.Opened {
		if lease, err = g.open(ctx); err != nil {
			return err
		}
	}
	again := lease.String()
	if g.fragment != "" {
		again += "#" + g.fragment
	}
	if err := g.save(ctx, lease); err != nil {
		if errors.Is(err, client.ErrGone) {
			return hint{errors.New("the lease has ended before everything was here"), "what was saved is whole; ask the sender for another link"}
		}
		return hint{plainly(err), "the link is open for some minutes more; to try again without counting another view: emberdrop get '" + again + "'"}
	}
	if g.keep {
		_, err := fmt.Fprintf(g.stdout, "lease: %s\n", again)
		return err
	}
	if err := g.client.Done(ctx, lease); err != nil {
		fmt.Fprintln(g.stderr, "emberdrop: everything is here, but the server could not be told; its lease ends by itself in some minutes")
	}
	return nil
}

// open shows what a link holds and, if that is wanted, opens it.
func (g *getting) open(ctx context.Context) (lease client.Place, err error) {
	preview, err := g.client.Preview(ctx, g.at)
	if err != nil {
		return lease, err
	}
	for _, line := range preview.Lines {
		fmt.Fprintf(g.stderr, "%s: %s\n", line.Name, line.Value)
	}
	if !preview.Locked {
		if err := g.fits(preview.Items); err != nil {
			return lease, err
		}
	}
	if !g.yes {
		switch answer, err := g.ask(ctx, "open it now? this counts [y/N] "); {
		case errors.Is(err, errNoTerminal):
			return lease, usageError{errors.New("nothing was opened: opening counts, and without a terminal to ask on it needs --yes")}
		case err != nil:
			return lease, err
		case answer != "y" && answer != "yes":
			return lease, errors.New("nothing was opened, and nothing counted")
		}
	}
	if !preview.Locked {
		return g.client.Reveal(ctx, g.at, "")
	}
	return g.unlock(ctx)
}

// fits finds a link without the key that it needs, or with one that it does not
// need, while nothing has been opened.
func (g *getting) fits(items []client.Item) error {
	for _, item := range items {
		if item.Kind == client.Sealed && !g.sealed() {
			return hint{errors.New("the sender sealed this, and the link is without its key"), "nothing was opened: ask for the whole link, with what stands behind the #"}
		}
	}
	if g.sealed() && (len(items) != 1 || items[0].Kind != client.Sealed && items[0].Kind != client.Unknown) {
		return errors.New("the link has a key, but what the server has is not sealed: it is not what the sender sent")
	}
	return nil
}

// unlock opens a link that needs a passphrase; somebody at a terminal has three tries.
func (g *getting) unlock(ctx context.Context) (client.Place, error) {
	if g.passphraseFile != "" {
		passphrase, err := readPassphrase(g.passphraseFile)
		if err != nil {
			return client.Place{}, err
		}
		return g.client.Reveal(ctx, g.at, passphrase)
	}
	for tries := 1; ; tries++ {
		passphrase, err := g.askHidden(ctx, "passphrase: ")
		if errors.Is(err, errNoTerminal) {
			return client.Place{}, hint{errors.New("the link needs a passphrase"), "name a file that holds it with --passphrase-file"}
		}
		if err != nil {
			return client.Place{}, err
		}
		lease, err := g.client.Reveal(ctx, g.at, passphrase)
		if !errors.Is(err, client.ErrPassphrase) || tries == 3 {
			return lease, err
		}
		fmt.Fprintln(g.stderr, "that is not it; nothing was opened, and nothing counted")
	}
}

// save brings everything in an opened link onto the disk, synced: after that the
// server may forget it.
func (g *getting) save(ctx context.Context, lease client.Place) error {
	view, err := g.client.View(ctx, lease)
	if err != nil {
		return err
	}
	if err := g.fits(view.Items); err != nil {
		return err
	}
	if view.Caption != "" {
		fmt.Fprintf(g.stdout, "caption: %s\n", view.Caption)
	}
	for i, item := range view.Items {
		name := newName(g.out, item.Kind, i+1)
		err := g.keepFile(name, !g.sealed(), func(file *os.File) error {
			if err := g.fetch(ctx, lease, i+1, item, file); err != nil || !g.sealed() {
				return err
			}
			return g.unseal(file, item.Size)
		})
		if err != nil {
			return err
		}
	}
	return syncDir(g.out)
}

func (g *getting) fetch(ctx context.Context, lease client.Place, n int, item client.Item, file *os.File) error {
	g.shown.begin("receiving item "+strconv.Itoa(n), item.Size)
	defer g.shown.end()
	return g.client.Fetch(ctx, lease, n, item, file, g.shown.at)
}

// unseal saves what is in a sealed file: all of it, or nothing if any of it does
// not open.
func (g *getting) unseal(file *os.File, size int64) error {
	opened, err := client.Open(file, size, g.key)
	if err != nil {
		return err
	}
	if err := during(g.stderr, "unsealing", opened.Verify); err != nil {
		return err
	}
	if opened.Caption != "" {
		fmt.Fprintf(g.stdout, "caption: %s\n", client.Printable(opened.Caption))
	}
	for i, item := range opened.Items {
		err := g.keepFile(newName(g.out, item.Kind, i+1), true, func(file *os.File) error { return opened.Copy(file, i) })
		if err != nil {
			return err
		}
	}
	return nil
}
