package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// lockFlags are the flags that say what seals a backup. The returned function
// reads it; kind is what the file was sealed with, or 0 when it is being made.
func lockFlags(cmd *cobra.Command) func(prompt io.Writer, kind byte) (lock, error) {
	keyFile := cmd.Flags().String("key-file", "", "`file` of at least 32 random bytes that seals the backup")
	passFile := cmd.Flags().String("passphrase-file", "", "`file` whose first line is the passphrase (default: asked on the terminal)")
	return func(prompt io.Writer, kind byte) (lock, error) {
		switch {
		case *keyFile != "" && *passFile != "":
			return lock{}, usageError{errors.New("--key-file and --passphrase-file exclude each other")}
		case *keyFile != "" || kind == lockedByFile:
			return fileLock(*keyFile)
		case *passFile != "":
			return passphraseLock(os.ReadFile(*passFile))
		}
		return askPassphrase(prompt, "passphrase for the backup", kind == 0)
	}
}

func fileLock(path string) (lock, error) {
	if path == "" {
		return lock{}, usageError{errors.New("this backup was sealed with a key file: name it with --key-file")}
	}
	secret, err := os.ReadFile(path)
	if err == nil && len(secret) < 32 {
		err = hint{errors.New("the key file has less than 32 bytes"), "make one with: head -c 32 /dev/urandom > FILE"}
	}
	return lock{kind: lockedByFile, secret: secret}, err
}

func passphraseLock(text []byte, err error) (lock, error) {
	first, _, _ := bytes.Cut(text, []byte("\n"))
	if err == nil && len(first) == 0 {
		err = errors.New("the passphrase is empty")
	}
	return lock{kind: lockedByPassphrase, secret: first}, err
}

// askPassphrase asks on the terminal, twice when it is a new one.
func askPassphrase(prompt io.Writer, what string, again bool) (lock, error) {
	if !term.IsTerminal(int(os.Stdin.Fd())) {
		return lock{}, usageError{errors.New("no terminal to ask for the " + what)}
	}
	ask := func(words string) ([]byte, error) {
		fmt.Fprint(prompt, words)
		defer fmt.Fprintln(prompt)
		return term.ReadPassword(int(os.Stdin.Fd()))
	}
	first, err := ask(what + ": ")
	if err == nil && again {
		var second []byte
		if second, err = ask("once more: "); err == nil && !bytes.Equal(first, second) {
			err = errors.New("the two are not the same")
		}
	}
	return passphraseLock(first, err)
}
