//go:build !cgo

package harden

import (
	"encoding/json"
	"os"
	"testing"
)

// TestBecomeWithin: a fenced service can still start a decoder that is shut in further. Not with
// cgo: the library that carries Landlock to all threads then reads /proc, which is fenced off.
func TestBecomeWithin(t *testing.T) {
	needs(t, abiFiles)
	bash, env := installed(t, "bash"), installed(t, "env")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(becoming{Argv: []string{bash, "-c", "read x < /etc/passwd || exit 0; exit 9"}})
	if err != nil {
		t.Fatal(err)
	}
	o := order{Config: Config{Run: []string{self, bash, env}}, Try: "run", Args: []string{env, "-u", childEnv, becomeEnv + "=" + string(raw), self}}
	if got := send(t, o); got != "done" {
		t.Error(got)
	}
}
