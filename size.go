package main

import (
	"fmt"
	"strconv"
	"strings"
)

// sizeFlag is a number of bytes on the command line: 64MiB, 20GiB, 1000.
type sizeFlag struct{ bytes *int64 }

func (f sizeFlag) Type() string { return "size" }

// String is the default that the help shows, in the largest unit that fits whole.
func (f sizeFlag) String() string {
	if f.bytes == nil || *f.bytes == 0 {
		return "0"
	}
	n, unit := *f.bytes, ""
	for _, next := range []string{"KiB", "MiB", "GiB", "TiB"} {
		if n%1024 != 0 {
			break
		}
		n, unit = n/1024, next
	}
	return strconv.FormatInt(n, 10) + unit
}

func (f sizeFlag) Set(text string) error {
	number, unit := text, int64(1)
	for i, suffix := range []string{"KiB", "MiB", "GiB", "TiB"} {
		if n, ok := strings.CutSuffix(text, suffix); ok {
			number, unit = n, 1<<(10*(i+1))
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n < 0 || n > (1<<62)/unit {
		return fmt.Errorf("%q is not a size such as 64MiB", text)
	}
	*f.bytes = n * unit
	return nil
}
