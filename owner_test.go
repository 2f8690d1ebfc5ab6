package main

import (
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
)

// While root hands a folder back, its owner swaps a folder in it for a link to
// one outside: nothing outside may change its owner.
func TestHandBackStaysInside(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
	outside, f := t.TempDir(), newFolder(t.TempDir(), "", "", nil)
	const nobody = 65534
	inner, away, link := f.in("inner"), f.in("away"), f.in("link")
	if err := os.Mkdir(inner, 0o700); err != nil {
		t.Fatal(err)
	}
	for i := range 300 {
		write(t, filepath.Join(outside, strconv.Itoa(i)), nil)
		write(t, filepath.Join(inner, strconv.Itoa(i)), nil)
	}
	if err := os.Symlink(outside, link); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(f.path, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	var swapping sync.WaitGroup
	swapping.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			os.Rename(inner, away)
			os.Rename(link, inner)
			os.Rename(inner, link)
			os.Rename(away, inner)
		}
	})
	for range 30 {
		f.handBack() // it may fail over the swapping, but never reach outside
	}
	close(stop)
	swapping.Wait()
	for i := range 300 {
		info, err := os.Lstat(filepath.Join(outside, strconv.Itoa(i)))
		if err != nil {
			t.Fatal(err)
		}
		if info.Sys().(*syscall.Stat_t).Uid != 0 {
			t.Fatalf("file %d outside was given away", i)
		}
	}
	if err := f.handBack(); err != nil {
		t.Fatal(err)
	}
	for i := range 300 {
		info, err := os.Lstat(filepath.Join(inner, strconv.Itoa(i)))
		if err != nil {
			t.Fatal(err)
		}
		if info.Sys().(*syscall.Stat_t).Uid != nobody {
			t.Fatalf("file %d inside is root's", i)
		}
	}
}
