package tests

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"emberdrop/tests/instance"
	"emberdrop/tests/sample"
)

// TestScripts runs testdata/script: the manual of the command line, which is
// held against the program. The language is the one of Go's own script tests
// with a few words more: see commands below.
func TestScripts(t *testing.T) {
	bin := filepath.Dir(theProgram(t))
	photo := sample.Photo(320, 240, 1)
	testscript.Run(t, testscript.Params{
		Dir:                "testdata/script",
		RequireUniqueNames: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("PATH", bin+string(os.PathListSeparator)+env.Getenv("PATH"))
			return os.WriteFile(filepath.Join(env.WorkDir, "photo.jpg"), photo, 0o600)
		},
		Condition: func(name string) (bool, error) {
			if name != "curl" {
				return false, errors.New("no such condition")
			}
			_, err := exec.LookPath("curl")
			return err == nil || os.Getenv("CI") == "true", nil // CI has all that it needs
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":   exits,
			"await":   await,
			"mode":    mode,
			"keep":    keep,
			"damage":  damage,
			"payload": payload,
		},
	})
}

// needs ends a script whose command is not written as it must be.
func needs(ts *testscript.TestScript, neg bool, args []string, n int, usage string) {
	if neg || len(args) < n {
		ts.Fatalf("usage: %s", usage)
	}
}

// exits runs a program that must end with an exact code: exec knows only zero and not.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	needs(ts, neg, args, 2, "exits CODE program [argument...]")
	err := ts.Exec(args[1], args[2:]...)
	code := 0
	var ended *exec.ExitError
	if errors.As(err, &ended) {
		code = ended.ExitCode()
	} else {
		ts.Check(err)
	}
	if strconv.Itoa(code) != args[0] {
		ts.Fatalf("exit code %d, want %s", code, args[0])
	}
}

// await waits until somebody answers on a unix socket.
func await(ts *testscript.TestScript, neg bool, args []string) {
	needs(ts, neg, args, 1, "await SOCKET")
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if c, err := net.Dial("unix", ts.MkAbs(args[0])); err == nil {
			c.Close()
			return
		}
	}
	ts.Fatalf("nobody answers on %s", args[0])
}

// mode checks the permissions of a file or folder.
func mode(ts *testscript.TestScript, neg bool, args []string) {
	needs(ts, neg, args, 2, "mode OCTAL FILE...")
	for _, name := range args[1:] {
		info, err := os.Stat(ts.MkAbs(name))
		ts.Check(err)
		if got := strconv.FormatUint(uint64(info.Mode().Perm()), 8); got != args[0] {
			ts.Fatalf("%s has mode %s, want %s", name, got, args[0])
		}
	}
}

// keep takes the line "name: value" of the last output into a variable.
func keep(ts *testscript.TestScript, neg bool, args []string) {
	needs(ts, neg, args, 2, "keep VARIABLE NAME")
	value := instance.Answer{Body: []byte(ts.ReadFile("stdout"))}.Line(args[1])
	if value == "" {
		ts.Fatalf("the last output has no line %q", args[1])
	}
	ts.Setenv(args[0], value)
}

// payload names the one payload of a data folder in a variable.
func payload(ts *testscript.TestScript, neg bool, args []string) {
	needs(ts, neg, args, 2, "payload VARIABLE FOLDER")
	files, err := filepath.Glob(filepath.Join(ts.MkAbs(args[1]), "vault", "*"))
	ts.Check(err)
	var found []string
	for _, file := range files {
		if info, err := os.Stat(file); err == nil && info.Mode().IsRegular() && !strings.HasSuffix(file, ".key") {
			found = append(found, file)
		}
	}
	if len(found) != 1 {
		ts.Fatalf("%d payloads in %s, want one", len(found), args[1])
	}
	ts.Setenv(args[0], found[0])
}

// damage flips one bit near the end of a file, as an old disk does.
func damage(ts *testscript.TestScript, neg bool, args []string) {
	needs(ts, neg, args, 1, "damage FILE")
	name := ts.MkAbs(args[0])
	raw, err := os.ReadFile(name)
	ts.Check(err)
	raw[len(raw)-20] ^= 1
	ts.Check(os.WriteFile(name, raw, 0o600))
}
