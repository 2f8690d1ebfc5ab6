package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"emberdrop/client"
	"emberdrop/seal"
)

type putFlags struct {
	to, via        string
	expire         string
	burn           bool
	views          int
	idle           string
	caption        string
	note           string
	pass           string
	passphraseFile string
	seal           bool
}

func putCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "put FILE... --to URL",
		Short: "share files over Tor: prints the link and the receipt",
		Long: "Put uploads files, a note or both to an emberdrop server through Tor and prints the link\n" +
			"and the receipt. The server takes their metadata out before it stores them.\n\n" +
			"With --seal that happens here, and the result is encrypted before it leaves this machine.\n" +
			"The key stands in the link behind the # and reaches no server, so that not even the host can\n" +
			"look; `emberdrop get` opens such a link. A passphrase is always checked by the server.",
		Args: cobra.ArbitraryArgs,
	}
	var flags putFlags
	set := cmd.Flags()
	set.StringVar(&flags.to, "to", "", "the server's `address`: http://….onion; needed")
	set.StringVar(&flags.via, "via", "", viaUsage)
	set.StringVar(&flags.expire, "expire", "1d", "the link ends after `1h|1d|1w|never`")
	set.BoolVar(&flags.burn, "burn", false, "the link ends when it was opened once")
	set.IntVar(&flags.views, "views", 0, "the link ends when it was opened `N` times, 1 to 100; 0: no limit")
	set.StringVar(&flags.idle, "idle", "0", "the link ends when nobody opened it for `1d|1w`; 0: no limit")
	set.StringVar(&flags.caption, "caption", "", "a line of `text` above what is shared")
	set.StringVar(&flags.note, "note", "", "a `text` to share, with files or without; -: from standard input")
	set.StringVar(&flags.pass, "pass", "", "a `code` from the operator, for larger files")
	set.StringVar(&flags.passphraseFile, "passphrase-file", "", "`file` whose first line is a passphrase that opening will need")
	set.BoolVar(&flags.seal, "seal", false, "strip and encrypt here, so that the host cannot look")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		server, err := flags.check(args)
		if err != nil {
			return usageError{err}
		}
		if flags.note == "-" {
			if flags.note, err = readNote(cmd.InOrStdin()); err != nil {
				return err
			}
		}
		return advised(flags.put(cmd, server, args), whenSending)
	}
	return cmd
}

// check finds what no server would take, before anything is read or sent.
func (f *putFlags) check(args []string) (server string, err error) {
	switch {
	case f.to == "":
		return "", errors.New("--to URL is needed: the server's address")
	case len(args) == 0 && f.note == "":
		return "", errors.New("nothing to share: name a FILE, or give a --note")
	case !slices.Contains([]string{"1h", "1d", "1w", "never"}, f.expire):
		return "", fmt.Errorf("--expire %s: it can be 1h, 1d, 1w or never", f.expire)
	case !slices.Contains([]string{"0", "1d", "1w"}, f.idle):
		return "", fmt.Errorf("--idle %s: it can be 0, 1d or 1w", f.idle)
	case f.views < 0 || f.views > 100:
		return "", fmt.Errorf("--views %d: it can be 0 to 100", f.views)
	case f.burn && f.views > 1:
		return "", errors.New("--burn and --views contradict each other")
	}
	if server, err = client.Origin(f.to); err != nil {
		return "", fmt.Errorf("--to: %w", err)
	}
	return server, nil
}

func readNote(in io.Reader) (string, error) {
	text, err := io.ReadAll(io.LimitReader(in, client.MaxNote+1))
	if err == nil && len(text) == 0 {
		err = errors.New("the note is empty")
	}
	return string(text), err
}

func (f *putFlags) put(cmd *cobra.Command, server string, args []string) error {
	fields, err := f.fields()
	if err != nil {
		return err
	}
	files, closeAll, err := openFiles(args)
	defer closeAll()
	if err != nil {
		return err
	}
	up := client.Upload{Fields: fields}
	fragment := ""
	if f.seal {
		key := seal.NewToken()
		fragment = "#" + key.String()
		spool, err := client.NewSpool()
		if err != nil {
			return err
		}
		defer spool.Close()
		var sealed client.File
		err = during(cmd.ErrOrStderr(), "sealing", func() (err error) {
			sealed, err = f.sealInto(spool, seal.Key(key), files)
			return err
		})
		if err != nil {
			return err
		}
		up.Files = []client.File{sealed}
	} else {
		up.Fields = append(up.Fields, nonempty("caption", f.caption, "note", f.note)...)
		for _, file := range files {
			up.Files = append(up.Files, client.File{Size: file.size, Open: file.open})
		}
	}
	return f.send(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr(), server, up, fragment)
}

// fields are those of the form that a server has to know, sealed or not.
func (f *putFlags) fields() ([]client.Line, error) {
	all := []client.Line{{Name: "expire", Value: f.expire}, {Name: "idle", Value: f.idle}}
	if f.burn {
		all = append(all, client.Line{Name: "burn", Value: "on"})
	} else {
		all = append(all, client.Line{Name: "views", Value: strconv.Itoa(f.views)})
	}
	passphrase := ""
	if f.passphraseFile != "" {
		var err error
		if passphrase, err = readPassphrase(f.passphraseFile); err != nil {
			return nil, err
		}
	}
	return append(all, nonempty("pass", f.pass, "passphrase", passphrase)...), nil
}

// nonempty makes fields of pairs, but for those without a value.
func nonempty(pairs ...string) (fields []client.Line) {
	for pair := range slices.Chunk(pairs, 2) {
		if pair[1] != "" {
			fields = append(fields, client.Line{Name: pair[0], Value: pair[1]})
		}
	}
	return fields
}

func readPassphrase(path string) (string, error) {
	l, err := passphraseLock(os.ReadFile(path))
	return string(l.secret), err
}

// sealInto makes the one file that a server gets to see of a sealed upload.
func (f *putFlags) sealInto(spool *client.Spool, key seal.Key, files []localFile) (client.File, error) {
	s, err := client.NewSealer(spool, key)
	if err != nil {
		return client.File{}, err
	}
	if f.note != "" {
		if err := s.Note(f.note); err != nil {
			return client.File{}, err
		}
	}
	for _, file := range files {
		if err := s.File(file, file.size); err != nil {
			return client.File{}, fmt.Errorf("%s: %w", file.Name(), err)
		}
	}
	if err := s.Close(f.caption); err != nil {
		return client.File{}, err
	}
	return spool.File()
}

func (f *putFlags) send(ctx context.Context, stdout, stderr io.Writer, server string, up client.Upload, fragment string) error {
	shown := newTransfer(stderr)
	c, err := client.New(ctx, client.Config{Server: server, Via: f.via, Retrying: shown.retrying})
	if err != nil {
		return err
	}
	var size int64
	for _, file := range up.Files {
		size += file.Size
	}
	shown.begin("sending", size)
	up.Moved = shown.at
	answer, err := c.Put(ctx, up)
	shown.end()
	if err != nil {
		return err
	}
	for _, line := range answer {
		if line.Name == "link" {
			line.Value += fragment
		}
		if _, err := fmt.Fprintf(stdout, "%s: %s\n", line.Name, line.Value); err != nil {
			return err
		}
	}
	if fragment != "" {
		fmt.Fprintf(stderr, "emberdrop: a browser cannot open this link, it takes: emberdrop get '%s'\n", answer.Get("link")+fragment)
	}
	return nil
}

// localFile is a file to share. It stays open, so that a repeated try reads the same one.
type localFile struct {
	*os.File
	size int64
}

func (f localFile) open() io.Reader { return io.NewSectionReader(f, 0, f.size) }

func openFiles(paths []string) (files []localFile, closeAll func(), err error) {
	closeAll = func() {
		for _, f := range files {
			f.Close()
		}
	}
	for _, path := range paths {
		file, err := os.Open(path)
		if err != nil {
			return files, closeAll, err
		}
		info, err := file.Stat()
		if err != nil {
			return files, closeAll, errors.Join(err, file.Close())
		}
		files = append(files, localFile{file, info.Size()})
		switch {
		case !info.Mode().IsRegular():
			return files, closeAll, hint{fmt.Errorf("%s is not a file", path), "name files one by one; a text from a pipe can be a note: --note -"}
		case info.Size() == 0:
			return files, closeAll, fmt.Errorf("%s is empty", path)
		}
	}
	return files, closeAll, nil
}
