package tornet

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// identity is what an authority must have before anyone can name it: a relay identity, and a v3 directory
// identity with a certified signing key.
type identity struct {
	tor, gencert, dir, name string
	orPort, dirPort         int
}

// make creates the keys below dir and returns the DirAuthority line that names them.
func (id *identity) make(ctx context.Context, l *launcher) (string, error) {
	keys := filepath.Join(id.dir, "keys")
	if err := os.MkdirAll(keys, 0o700); err != nil {
		return "", err
	}
	cert := filepath.Join(keys, "authority_certificate")
	gen := exec.CommandContext(ctx, id.gencert, "--create-identity-key", "--passphrase-fd", "0", "-m", "12",
		"-a", fmt.Sprintf("127.0.0.1:%d", id.dirPort), "-c", cert,
		"-i", filepath.Join(keys, "authority_identity_key"), "-s", filepath.Join(keys, "authority_signing_key"))
	gen.Stdin = strings.NewReader("not a secret\n")
	if err := l.run(gen); err != nil {
		return "", fmt.Errorf("tor-gencert: %w", err)
	}
	// A relay needs some DirAuthority line to print its fingerprint under a private network; any will do.
	dummy := "x orport=1 no-v2 v3ident=" + strings.Repeat("0", 40) + " 127.0.0.1:1 " + strings.Repeat("0", 40)
	list := exec.CommandContext(ctx, id.tor, "--list-fingerprint", "--quiet", "--defaults-torrc", "/dev/null",
		"-f", "none", "--ignore-missing-torrc", "--DataDirectory", id.dir, "--ORPort", "1", "--Nickname", id.name,
		"--DirAuthority", dummy)
	if err := l.run(list); err != nil {
		return "", fmt.Errorf("tor --list-fingerprint: %w", err)
	}
	fingerprint, err := field(filepath.Join(id.dir, "fingerprint"), id.name)
	if err != nil {
		return "", err
	}
	v3, err := field(cert, "fingerprint")
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("DirAuthority %s orport=%d no-v2 v3ident=%s 127.0.0.1:%d %s",
		id.name, id.orPort, v3, id.dirPort, fingerprint), nil
}

// field returns what follows the keyword on its line in file.
func field(file, keyword string) (string, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(b)) {
		if value, ok := strings.CutPrefix(line, keyword+" "); ok {
			return strings.TrimSpace(value), nil
		}
	}
	return "", errors.New("no " + keyword + " line in " + filepath.Base(file))
}
