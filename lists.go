package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"emberdrop/match"
)

// The folder DIR/lists holds what is known to be bad: NAME.list, a list that the
// operator has added, with its settings in its head; and bank, what was blocked
// here. All of it is text. Only whole files are ever put there.
const (
	listsFolder = "lists"
	listSuffix  = ".list"
	bankFile    = match.BankName
)

func (f folder) inLists(name string) string { return filepath.Join(f.in(listsFolder), name) }

// readLists reads all lists. One that cannot be read is an error: what protects
// must not shrink unseen.
func (f folder) readLists() (lists []match.List, err error) {
	files, err := os.ReadDir(f.in(listsFolder))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		name, ok := strings.CutSuffix(file.Name(), listSuffix)
		if !ok {
			continue
		}
		list, err := f.readList(name)
		if err != nil {
			return nil, hint{fmt.Errorf("list %s: %w", name, err), "add it again (`emberdrop lists add`), or take it away (`emberdrop lists remove`)"}
		}
		lists = append(lists, list)
	}
	return lists, nil
}

func (f folder) readList(name string) (match.List, error) {
	file, err := os.Open(f.inLists(name + listSuffix))
	if err != nil {
		return match.List{}, err
	}
	defer file.Close()
	return match.ReadList(name, file)
}

// writeList puts a list in its place, and says whether there was one.
func (f folder) writeList(list match.List) (replaced bool, err error) {
	var text bytes.Buffer
	if _, err := list.WriteTo(&text); err != nil {
		return false, err
	}
	name := list.Name + listSuffix
	_, err = os.Stat(f.inLists(name))
	return err == nil, f.replaceInLists(name, text.Bytes())
}

// openBank opens the bank, which is empty where there is none yet.
func (f folder) openBank() (*match.Bank, error) {
	path := f.inLists(bankFile)
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	bank, err := match.NewBank(bytes.NewReader(text), func(text []byte) error { return f.replaceInLists(bankFile, text) })
	if err != nil {
		return nil, hint{fmt.Errorf("%s: %w", path, err), "mend the line by hand, or take it out; a backup has the bank too"}
	}
	return bank, nil
}

func (f folder) replaceInLists(name string, text []byte) error {
	dir, err := f.inside(listsFolder)
	if err != nil {
		return err
	}
	defer dir.Close()
	return replace(dir, name, text)
}

// removeList takes a list away, and says whether there was one.
func (f folder) removeList(name string) (there bool, err error) {
	dir, err := f.inside(listsFolder)
	if err != nil {
		return false, err
	}
	defer dir.Close()
	err = dir.Remove(name + listSuffix)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return true, errors.Join(err, syncRoot(dir))
}

// lists answers the operator's commands about lists and the bank.
func (s *server) lists(mux *http.ServeMux) {
	mux.HandleFunc("POST /lists/reload", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, func() (any, error) { return nil, s.flags.known.reload(s.folder) })
	})
	mux.HandleFunc("GET /lists/matches", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, func() (any, error) { return s.flags.known.counts.all(), nil })
	})
	mux.HandleFunc("POST /lists/unblock", func(w http.ResponseWriter, r *http.Request) {
		reply(w, func() (any, error) { return s.flags.known.bank.Remove(r.URL.Query().Get("case")) })
	})
}

// known is what uploads are compared with.
type known struct {
	*match.Set
	bank   *match.Bank
	counts *counts
}

// openKnown reads lists and bank.
func (f folder) openKnown() (known, error) {
	bank, err := f.openBank()
	if err != nil {
		return known{}, err
	}
	k := known{match.NewSet(bank), bank, &counts{n: map[string]int{}}}
	return k, k.reload(f)
}

// reload exchanges the lists. On an error the old ones stay.
func (k known) reload(f folder) error {
	lists, err := f.readLists()
	if err == nil {
		k.Replace(lists)
	}
	return err
}

// block puts what the operator's machine computed of an item into the bank.
func (k known) block(caseID string, lines []string) error {
	entries := make([]match.Entry, 0, len(lines))
	for _, line := range lines {
		e, err := match.ParseEntry(line)
		if err != nil {
			return fmt.Errorf("%w: %w", errRequest, err)
		}
		entries = append(entries, e)
	}
	_, err := k.bank.Add(caseID, time.Now().UTC().Format(time.DateOnly), entries)
	return err
}
