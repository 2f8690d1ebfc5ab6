package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"emberdrop/eventlog"
	"emberdrop/link"
	"emberdrop/seal"
	"emberdrop/vault"
)

// panicMark is the file that says that a folder's keys were destroyed. Serving it
// again would show dead links as damaged ones.
const panicMark = "panicked"

// destroyKeys overwrites the vault key, then the host key where its file can be
// written, and leaves the mark. It works beside a running server and is what
// makes every payload unreadable; the rest only tidies up.
func (f folder) destroyKeys() error {
	first := vault.DestroyKey(f.vault(seal.NewKey())) // any host key: only the folder counts
	return errors.Join(first, overwrite(f.host), mark(f.in(panicMark)), syncDir(f.path))
}

// overwrite puts random bytes in a file's place, synced. Root follows no link: the
// folder is a service's, who could have it overwrite any file of the host. Others
// may keep their host key behind one.
func overwrite(path string) error {
	how := os.O_RDWR
	if os.Geteuid() == 0 {
		how |= syscall.O_NOFOLLOW
	}
	file, err := os.OpenFile(path, how, 0)
	if errors.Is(err, syscall.ELOOP) {
		return hint{err, "root overwrites nothing through a link: name the file itself, with --host-key or --onion-key"}
	}
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) {
		return nil // off this disk, or not ours to write: without the vault key it opens nothing
	}
	if err != nil {
		return err
	}
	return errors.Join(fillWithNoise(file), file.Close())
}

func fillWithNoise(file *os.File) error {
	info, err := file.Stat()
	if err == nil {
		noise := make([]byte, info.Size())
		rand.Read(noise)
		_, err = file.WriteAt(noise, 0)
	}
	return errors.Join(err, file.Sync())
}

func mark(path string) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(file.Sync(), file.Close())
}

// refusePanicked keeps a folder whose keys are destroyed from being served.
func (f folder) refusePanicked() error {
	if _, err := os.Stat(f.in(panicMark)); err == nil {
		return hint{errors.New("the keys of this data folder were destroyed by panic"),
			"`emberdrop panic` finishes what is left of it; make a new folder with `emberdrop init`, or `emberdrop restore` to keep the address"}
	}
	return nil
}

// panicNow is the running server's part: keys on the disk first, then those in
// RAM and every lease, then it stops serving and wipes the rest.
func (s *server) panicNow() error {
	err := errors.Join(s.folder.destroyKeys(), s.links.Panic())
	s.stop(errPanicked)
	return err
}

// errPanicked ends serve after a panic.
var errPanicked = errors.New("panic was called")

func panicCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "panic --data DIR",
		Short: "destroy the keys at once, then shred and purge everything; there is no way back",
		Args:  cobra.NoArgs,
	}
	open := dataFlags(cmd)
	yes := cmd.Flags().Bool("yes", false, "do not ask")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		f, err := open()
		if err != nil {
			return err
		}
		if !*yes && !confirmed(cmd.InOrStdin(), cmd.ErrOrStderr(), "Every link of this folder will be unreadable for ever.") {
			return usageError{errors.New("nothing was done: panic needs a `yes`, or --yes")}
		}
		// Whatever fails, go on: a running server still holds the keys in RAM.
		keys := f.destroyKeys()
		if keys == nil {
			fmt.Fprintln(cmd.OutOrStdout(), "keys destroyed: no link can be opened any more")
		}
		var done string
		rest := during(cmd.ErrOrStderr(), "shredding and purging", func() (err error) {
			done, err = f.finishPanic(cmd.Context())
			return err
		})
		if rest == nil {
			fmt.Fprintln(cmd.OutOrStdout(), done)
		}
		return errors.Join(keys, rest)
	}
	return cmd
}

// finishPanic tells the running server, or wipes a stopped folder. A server that
// is starting or ending is neither for a moment.
func (f folder) finishPanic(ctx context.Context) (done string, err error) {
	for range 60 {
		err = f.ask(ctx, "POST", "/panic", nil)
		if err == nil {
			return "the running server stops, shreds and purges", nil
		}
		if !errors.Is(err, errNotRunning) {
			return "", err
		}
		if err = f.wipe(ctx); err == nil {
			return "shredded and purged", nil
		}
		if !errors.Is(err, eventlog.ErrLocked) {
			return "", err
		}
		time.Sleep(500 * time.Millisecond)
	}
	return "", err
}

// confirmed asks on a terminal. Without one the answer is no.
func confirmed(in io.Reader, out io.Writer, what string) bool {
	if !isTerminal(in) {
		return false
	}
	fmt.Fprint(out, what+" Type yes: ")
	line, _ := bufio.NewReader(in).ReadString('\n')
	return strings.TrimSpace(line) == "yes"
}

// wipe shreds and purges a stopped folder. That opens no payload, so any host
// key will do: the real one may be gone, or unplugged.
func (f folder) wipe(ctx context.Context) error {
	store, err := f.openWith(seal.NewKey(), nil, nil)
	if err != nil {
		return err
	}
	return errors.Join(link.New(store.config()).Wipe(ctx), store.close())
}
