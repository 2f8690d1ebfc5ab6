// Command extract takes the network out of the npm package that publishes it
// and writes what match/classify embeds: weights.bin, the quantised weights as
// they are, and graph.json, which layer uses which of them and how.
//
// It reads the package's tarball (npm pack nsfwjs@4.4.0; `just weights` does
// both), refuses any other, and is needed only to prove where the two committed
// files come from: the program is built without it.
package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

const (
	tarball = "585cd178f3b994337c4d10a87b080d342fc52f8b9bf0085c4d1f345a3a1c5382" // SHA-256 of nsfwjs-4.4.0.tgz
	weights = "fee38f0bcbad1a223b8301c014bbf78984365aef5ab08fc3289ed4229ab67f0e" // SHA-256 of the shards, one behind the other
	folder  = "package/dist/models/mobilenet_v2_mid/"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: extract nsfwjs-4.4.0.tgz FOLDER")
		os.Exit(2)
	}
	if err := extract(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "extract:", err)
		os.Exit(1)
	}
}

func extract(from, to string) error {
	packed, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if sum := digest(packed); sum != tarball {
		return fmt.Errorf("%s is not nsfwjs-4.4.0.tgz: its SHA-256 is %s, want %s", from, sum, tarball)
	}
	files, err := unpack(packed)
	if err != nil {
		return err
	}
	blob, err := shards(files)
	if err != nil {
		return err
	}
	if sum := digest(blob); sum != weights {
		return fmt.Errorf("the weights' SHA-256 is %s, want %s", sum, weights)
	}
	m, err := parseModel(files["model.min.js"])
	if err != nil {
		return err
	}
	layers, err := m.layers(len(blob))
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(to, "weights.bin"), blob, 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(to, "graph.json"), graph(layers), 0o644)
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// unpack returns the model's files by name.
func unpack(packed []byte) (map[string][]byte, error) {
	gz, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{}
	for archive := tar.NewReader(gz); ; {
		header, err := archive.Next()
		if err == io.EOF {
			return files, nil
		}
		if err != nil {
			return nil, err
		}
		if name, ok := strings.CutPrefix(header.Name, folder); ok {
			if files[name], err = io.ReadAll(archive); err != nil {
				return nil, err
			}
		}
	}
}

// A shard is a script with one base64 string and code around it.
var literal = regexp.MustCompile(`"([A-Za-z0-9+/]{1000,}={0,2})"`)

func shards(files map[string][]byte) ([]byte, error) {
	var blob []byte
	for _, name := range []string{"group1-shard1of2.min.js", "group1-shard2of2.min.js"} {
		found := literal.FindAllSubmatch(files[name], -1)
		if len(found) != 1 {
			return nil, fmt.Errorf("%s: %d base64 strings, want 1", name, len(found))
		}
		data, err := base64.StdEncoding.DecodeString(string(found[0][1]))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		blob = append(blob, data...)
	}
	return blob, nil
}

// graph is one layer a line, so that a change can be read.
func graph(layers []layer) []byte {
	var out bytes.Buffer
	out.WriteString("[\n")
	for i, l := range layers {
		line, err := json.Marshal(l)
		if err != nil {
			panic(err) // plain numbers and strings: cannot happen
		}
		out.Write(line)
		if i < len(layers)-1 {
			out.WriteByte(',')
		}
		out.WriteByte('\n')
	}
	out.WriteString("]\n")
	return out.Bytes()
}
