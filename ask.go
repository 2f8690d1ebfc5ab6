package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

var errNoTerminal = errors.New("no terminal")

// ask asks on the terminal; an end of input is an empty answer.
func (g *getting) ask(ctx context.Context, question string) (string, error) {
	return g.atTerminal(ctx, question, func(file *os.File) (string, error) {
		line, err := bufio.NewReader(file).ReadString('\n')
		if errors.Is(err, io.EOF) {
			err = nil
		}
		return strings.ToLower(strings.TrimSpace(line)), err
	})
}

// askHidden asks for something that the terminal must not show.
func (g *getting) askHidden(ctx context.Context, question string) (string, error) {
	return g.atTerminal(ctx, question, func(file *os.File) (string, error) {
		defer fmt.Fprintln(g.stderr)
		text, err := term.ReadPassword(int(file.Fd()))
		return string(text), err
	})
}

// atTerminal reads an answer. An interrupt ends it, which reading by itself would
// not notice, and the terminal is left as it was. The error is errNoTerminal, or
// ctx's.
func (g *getting) atTerminal(ctx context.Context, question string, read func(*os.File) (string, error)) (string, error) {
	file, ok := g.in.(*os.File)
	if !ok {
		return "", errNoTerminal
	}
	fd := int(file.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return "", errNoTerminal
	}
	type answer struct {
		text string
		err  error
	}
	given := make(chan answer, 1)
	fmt.Fprint(g.stderr, question)
	go func() {
		text, err := read(file)
		given <- answer{text, err}
	}()
	select {
	case a := <-given:
		return a.text, a.err
	case <-ctx.Done():
		return "", errors.Join(ctx.Err(), term.Restore(fd, before))
	}
}
