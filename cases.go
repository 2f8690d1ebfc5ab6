package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"emberdrop/link"
	"emberdrop/report"
	"emberdrop/seal"
)

// caseFlags are serve's flags about reports and what becomes of them.
type caseFlags struct {
	operatorKeys []string
	holdMax      time.Duration
	operators    []seal.PublicKey // read before the process is fenced in
}

func (c *caseFlags) register(set *pflag.FlagSet) {
	set.StringArrayVar(&c.operatorKeys, "operator-key", nil, "a `file` with a public key that reports are sealed to; once more for a second person (default DIR/operator.pub, if it is there)")
	set.DurationVar(&c.holdMax, "hold-max", 14*24*time.Hour, "end links that are held when you have not decided for so long")
}

// read reads the operator's public keys.
func (c *caseFlags) read(f folder) (err error) {
	if c.holdMax < time.Hour {
		return usageError{errors.New("--hold-max is at least 1h")}
	}
	c.operators, err = f.operators(c.operatorKeys)
	return err
}

func (c *caseFlags) forLink(cfg *link.Config) { cfg.Operators, cfg.HoldMax = c.operators, c.holdMax }

// operatorFile is where the operator's public keys are by themselves.
const operatorFile = "operator.pub"

// maxOperators is how many people a report is sealed to.
const maxOperators = 2

// operators reads the public keys of the files named, or of where they are by
// themselves: in the data folder, or among the settings that a backup holds.
func (f folder) operators(files []string) (keys []seal.PublicKey, err error) {
	named := len(files) > 0
	if !named {
		files = []string{f.in(operatorFile), f.in(settings + "/" + operatorFile)}
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if !named && errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		lines := bufio.NewScanner(strings.NewReader(string(text)))
		for lines.Scan() {
			line := strings.TrimSpace(lines.Text())
			if line == "" || line[0] == '#' {
				continue
			}
			key, err := seal.ParsePublicKey(line)
			if err != nil {
				return nil, hint{fmt.Errorf("%s: %w", file, err), "`emberdrop keys new`, on your own machine, makes an identity and prints its public key"}
			}
			keys = append(keys, key)
		}
		if !named && len(keys) > 0 {
			break
		}
	}
	if len(keys) > maxOperators {
		return nil, usageError{fmt.Errorf("%d operator keys, and reports are sealed to at most %d", len(keys), maxOperators)}
	}
	return keys, nil
}

// cases answers the operator's client about cases; package report has the forms.
func (s *server) cases(mux *http.ServeMux) {
	mux.HandleFunc("GET /cases", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, func() (any, error) { return s.links.Docket() })
	})
	mux.HandleFunc("GET /cases/{id}", func(w http.ResponseWriter, r *http.Request) {
		reply(w, func() (any, error) {
			id, err := report.ParseID(r.PathValue("id"))
			if err != nil {
				return nil, link.ErrNoCase
			}
			return s.links.Case(id)
		})
	})
	mux.HandleFunc("GET /cases/{id}/item", s.caseItem)
	mux.HandleFunc("POST /cases/{id}/decide", func(w http.ResponseWriter, r *http.Request) {
		reply(w, func() (any, error) {
			id, err := report.ParseID(r.PathValue("id"))
			if err != nil {
				return nil, link.ErrNoCase
			}
			var d report.Decision
			if err := readJSON(r, &d); err != nil {
				return nil, err
			}
			return s.links.Decide(id, d)
		})
	})
	mux.HandleFunc("POST /takedown", func(w http.ResponseWriter, r *http.Request) {
		reply(w, func() (any, error) {
			var t report.Takedown
			if err := readJSON(r, &t); err != nil {
				return nil, err
			}
			why, authority, err := reasonOf(t.Reason)
			if err != nil {
				return nil, err
			}
			return s.links.Takedown(t.Link, why, authority)
		})
	})
	mux.HandleFunc("GET /operators", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, func() (any, error) {
			prints := []string{}
			for _, key := range s.flags.operators {
				prints = append(prints, key.Fingerprint())
			}
			return prints, nil
		})
	})
}

// caseItem sends bytes of a case's ciphertext as stored.
func (s *server) caseItem(w http.ResponseWriter, r *http.Request) {
	id, bad := report.ParseID(r.PathValue("id"))
	at, badAt := strconv.ParseInt(r.URL.Query().Get("at"), 10, 64)
	size, badSize := strconv.ParseInt(r.URL.Query().Get("size"), 10, 64)
	if bad != nil || badAt != nil || badSize != nil {
		http.Error(w, "which case, at=N and size=N?", http.StatusBadRequest)
		return
	}
	body, err := s.links.CaseItem(id, at, size)
	if err != nil {
		http.Error(w, err.Error(), adminStatus(err))
		return
	}
	defer body.Close()
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Length", strconv.FormatInt(size, 10))
	io.Copy(w, body)
}

// adminStatus is how a refusal is told to the operator's client.
func adminStatus(err error) int {
	switch {
	case errors.Is(err, link.ErrNoCase):
		return http.StatusNotFound
	case errors.Is(err, link.ErrDecided):
		return http.StatusConflict
	case errors.Is(err, link.ErrDecision), errors.Is(err, errRequest):
		return http.StatusBadRequest
	}
	return http.StatusInternalServerError
}

// errRequest means a body or a word that the admin socket does not take.
var errRequest = errors.New("not a request that makes sense")

// maxAdminBody bounds a request of the operator's: a case has tens of hashes.
const maxAdminBody = 1 << 20

func readJSON(r *http.Request, into any) error {
	decoder := json.NewDecoder(io.LimitReader(r.Body, maxAdminBody))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return fmt.Errorf("%w: %w", errRequest, err)
	}
	return nil
}
