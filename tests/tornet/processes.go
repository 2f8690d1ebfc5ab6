package tornet

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Processes are the arguments of every process of this machine, by its id. A zombie has none.
func Processes() (map[int][]string, error) {
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil || len(files) == 0 {
		return nil, errors.New("no /proc")
	}
	all := make(map[int][]string)
	for _, f := range files {
		line, err := os.ReadFile(f)
		if err != nil {
			continue // it has ended
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(f)))
		if err != nil {
			return nil, err
		}
		all[pid] = strings.Split(string(line), "\x00")
	}
	return all, nil
}

// Mentioning are the ids of the processes that have dir in an argument.
func Mentioning(dir string) (pids []int, err error) {
	all, err := Processes()
	for pid, args := range all {
		if strings.Contains(strings.Join(args, " "), dir) {
			pids = append(pids, pid)
		}
	}
	return pids, err
}
