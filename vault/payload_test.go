package vault

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	iofs "io/fs"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"emberdrop/seal"

	"github.com/cockroachdb/pebble/v2/vfs"
)

func TestPayloadClose(t *testing.T) {
	for name, cfg := range map[string]Config{"memory": testConfig(vfs.NewMem()), "disk": diskConfig(t)} {
		t.Run(name, func(t *testing.T) {
			v := newVaultAt(t, cfg)
			secret := seal.NewToken()
			st := content{items: [][]byte{noise(1, 20*seal.ChunkSize)}}.mustWrite(t, v, secret)
			p, err := v.Open(st.Name, secret, "")
			if err != nil {
				t.Fatal(err)
			}
			for _, n := range []int{-1, 1} {
				if _, err := p.Item(n); !errors.Is(err, iofs.ErrNotExist) {
					t.Errorf("item %d: %v", n, err)
				}
			}
			var wg sync.WaitGroup
			for range 4 {
				r, err := p.Item(0)
				if err != nil {
					t.Fatal(err)
				}
				wg.Go(func() {
					var err error
					for err == nil {
						_, err = r.Read(make([]byte, 100))
						if err == io.EOF {
							_, err = r.Seek(0, io.SeekStart)
						}
					}
					if !errors.Is(err, ErrClosed) {
						t.Error(err)
					}
				})
			}
			for range 100 { // views that come and go are not kept
				r, _ := p.Item(0)
				r.Read(make([]byte, 1))
				r.Close()
			}
			if len(p.views) != 4 {
				t.Errorf("%d views are kept", len(p.views))
			}
			// One that has a chunk in hand gives nothing of it any more.
			held, _ := p.Item(0)
			held.Read(make([]byte, 1))
			time.Sleep(5 * time.Millisecond)
			p.Close()
			if n, err := held.Read(make([]byte, 1)); n != 0 || !errors.Is(err, ErrClosed) {
				t.Error("reads on after Close:", n, err)
			}
			wg.Wait()
			p.Close()
			if _, err := p.Item(0); !errors.Is(err, ErrClosed) {
				t.Error(err)
			}
			if len(p.Manifest().Items) != 1 {
				t.Error("no manifest")
			}
		})
	}
}

func TestManifestIsACopy(t *testing.T) {
	v := newVault(t, vfs.NewMem())
	secret := seal.NewToken()
	st := content{items: [][]byte{{1}}}.mustWrite(t, v, secret)
	p, err := v.Open(st.Name, secret, "")
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	m := p.Manifest()
	m.Items[0].Kind = "changed"
	if p.Manifest().Items[0].Kind == "changed" {
		t.Error("a caller can change it")
	}
}

func TestServeItem(t *testing.T) {
	v := newVault(t, vfs.NewMem())
	secret := seal.NewToken()
	c := content{items: [][]byte{noise(1, 10), noise(2, 3*seal.ChunkSize+7), {}}}
	st := c.mustWrite(t, v, secret)
	p, err := v.Open(st.Name, secret, "")
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	for i, want := range c.items {
		for _, rng := range [][2]int{{0, len(want)}, {1, 9}, {65535, 65537}, {131000, 196000}} {
			if rng[1] > len(want) {
				continue
			}
			req := httptest.NewRequest("GET", "/", nil)
			whole := rng == [2]int{0, len(want)}
			if !whole {
				req.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", rng[0], rng[1]-1))
			}
			r, err := p.Item(i)
			if err != nil {
				t.Fatal(err)
			}
			rec := httptest.NewRecorder()
			rec.Header().Set("Content-Type", "image/png")
			http.ServeContent(rec, req, "", time.Time{}, r)
			r.Close()
			if (rec.Code == 206) == whole || !bytes.Equal(rec.Body.Bytes(), want[rng[0]:rng[1]]) {
				t.Errorf("item %d %v: %d, %d bytes", i, rng, rec.Code, rec.Body.Len())
			}
		}
	}
}

// Two payloads of the same link with the same passphrase share no byte that tells so.
func TestNothingRepeats(t *testing.T) {
	v := newVault(t, vfs.NewMem())
	secret := seal.NewToken()
	c := content{caption: "x", passphrase: "x", items: [][]byte{noise(1, 500), noise(1, 500)}}
	a, b := readFile(t, v.cfg, c.mustWrite(t, v, secret).Name), readFile(t, v.cfg, c.mustWrite(t, v, secret).Name)
	seen := map[string]int{}
	for _, file := range [][]byte{a[20:], b[20:]} { // what stands before is magic, version and parameters
		for at := 0; at+8 <= len(file); at++ {
			seen[string(file[at:at+8])]++
		}
	}
	for window, n := range seen {
		if n > 1 {
			t.Fatalf("%x stands there %d times", window, n)
		}
	}
}

func TestNamesAreNotIDs(t *testing.T) {
	v := newVault(t, vfs.NewMem())
	secret := seal.NewToken()
	a, b := content{}.mustWrite(t, v, secret), content{}.mustWrite(t, v, secret)
	if a.Name == b.Name || len(a.Name) != 32 {
		t.Error(a.Name, b.Name)
	}
	if a.ID != b.ID {
		t.Error("the id depends on more than the secret")
	}
	names, err := v.Names()
	if err != nil || len(names) != 2 || !slices.Contains(names, a.Name) {
		t.Error(names, err)
	}
}
