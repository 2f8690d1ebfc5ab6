package tests

import (
	"debug/elf"
	"testing"
)

// TestStaticBinary: the program needs no loader and no library, so it runs on
// whatever host it is copied to.
func TestStaticBinary(t *testing.T) {
	file, err := elf.Open(theProgram(t))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, part := range file.Progs {
		if part.Type == elf.PT_INTERP || part.Type == elf.PT_DYNAMIC {
			t.Errorf("the program has a %v segment", part.Type)
		}
	}
}
