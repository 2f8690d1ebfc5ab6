package main

import (
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"

	"emberdrop/match"
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

// What root writes into a service's folder stays in it, whatever that folder's owner has put in its way.
func TestWrittenInside(t *testing.T) {
	f, outside := newFolder(t.TempDir(), "", "", nil), t.TempDir()
	if err := os.Symlink(outside, f.in(listsFolder)); err != nil {
		t.Fatal(err)
	}
	list := match.List{Name: "known", Action: match.Hold}
	if _, err := f.writeList(list); err == nil {
		t.Error("a list is written through a link")
	}
	if err := os.WriteFile(filepath.Join(outside, "known"+listSuffix), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := f.removeList("known"); err == nil {
		t.Error("a list is removed through a link")
	}
	if files, err := os.ReadDir(outside); err != nil || len(files) != 1 {
		t.Errorf("outside are now %v, %v", files, err)
	}
}
