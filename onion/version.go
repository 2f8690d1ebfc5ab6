package onion

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// minVersion is the oldest tor we take: ADD_ONION knows proof of work from 0.4.9 on, and until 0.4.9.9 a
// client could crash a tor that had it switched on (TROVE-2026-020).
const minVersion = "0.4.9.9"

// findTor returns the absolute path of a tor that is new enough.
func findTor(ctx context.Context, name string) (string, error) {
	path, err := exec.LookPath(name)
	if err != nil {
		return "", fmt.Errorf("%w (looked for %q)", ErrNoTor, name)
	}
	if path, err = filepath.Abs(path); err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	out, err := output(ctx, path, "--version")
	if ctxErr := context.Cause(ctx); err != nil && errors.Is(ctxErr, context.Canceled) {
		return "", ctxErr
	}
	have, ok := version(string(out))
	if err != nil || !ok {
		return "", fmt.Errorf("%w (%q does not answer --version like a tor)", ErrNoTor, name)
	}
	want, _ := version("Tor version " + minVersion)
	if compare(have, want) < 0 {
		return "", fmt.Errorf("%w (%q is %d.%d.%d.%d)", ErrOldTor, name, have[0], have[1], have[2], have[3])
	}
	return path, nil
}

// output runs a program that is gone when ctx ends. It is killed by the thread that forked it, as tor is.
func output(ctx context.Context, program string, args ...string) ([]byte, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var out bytes.Buffer
	cmd := exec.Command(program, args...)
	cmd.Env, cmd.Stdout, cmd.WaitDelay = environment(), &out, time.Second
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err := <-ended:
		return out.Bytes(), err
	case <-ctx.Done():
		return nil, errors.Join(ctx.Err(), cmd.Process.Kill())
	}
}

// version reads the first line of tor --version, as in "Tor version 0.4.9.11." or "Tor version 0.4.9.2-alpha
// (git-...).".
func version(out string) (v [4]int, ok bool) {
	line, _, _ := strings.Cut(out, "\n")
	line, ok = strings.CutPrefix(line, "Tor version ")
	if !ok {
		return v, false
	}
	number, _, _ := strings.Cut(line, " ")
	number, _, _ = strings.Cut(strings.TrimRight(number, ".\r"), "-")
	parts := strings.Split(number, ".")
	if len(parts) != len(v) {
		return v, false
	}
	for i, p := range parts {
		n, err := strconv.ParseUint(p, 10, 16)
		if err != nil {
			return v, false
		}
		v[i] = int(n)
	}
	return v, true
}

func compare(a, b [4]int) int {
	for i := range a {
		if a[i] != b[i] {
			return a[i] - b[i]
		}
	}
	return 0
}
