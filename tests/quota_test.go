package tests

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"emberdrop/tests/instance"
)

// pourer is the body of a form whose file is shared by all who send it.
type pourer struct {
	kind         string
	before, last []byte
	file         []byte
}

func pour(t *testing.T, file []byte, fields ...instance.Field) pourer {
	t.Helper()
	const mark = "the file stands here"
	kind, form := formOf(t, append(fields, instance.File("x.jpg", []byte(mark)))...)
	before, last, found := bytes.Cut(form, []byte(mark))
	if !found {
		t.Fatal("no file in the form")
	}
	return pourer{kind, before, last, file}
}

func (p pourer) size() int64 { return int64(len(p.before) + len(p.file) + len(p.last)) }

func (p pourer) body() io.Reader {
	return io.MultiReader(bytes.NewReader(p.before), bytes.NewReader(p.file), bytes.NewReader(p.last))
}

// TestQuotaUnderLoad: 100 uploads at once with a quota for 20: 20 are stored, 80
// are refused in words, with the time to come back, and leave nothing. The count
// survives kill -9. EMBERDROP_SOAK makes the files 50 MiB.
func TestQuotaUnderLoad(t *testing.T) {
	size := 512 << 10
	if os.Getenv("EMBERDROP_SOAK") != "" {
		size = 50<<20 - 128<<10
	}
	probe := openSite(t, "--allow-any-file")
	noise := make([]byte, size) // nothing of it can be taken out or made smaller
	rand.NewChaCha8([32]byte{7}).Read(noise)
	form := pour(t, noise, instance.Text("expire", "1d"))
	upload := func(s *site) (a instance.Answer, err error) {
		req, err := http.NewRequestWithContext(t.Context(), "POST", "http://drop.test/", form.body())
		if err != nil {
			return a, err
		}
		req.ContentLength = form.size()
		req.Header.Set("Content-Type", form.kind)
		// As curl does with what is large: who is refused has sent nothing.
		req.Header.Set("Expect", "100-continue")
		client := http.Client{Transport: &http.Transport{
			ExpectContinueTimeout: 5 * time.Minute, DisableKeepAlives: true,
			DialContext: func(context.Context, string, string) (net.Conn, error) { return net.Dial("unix", s.socket) },
		}}
		res, err := client.Do(req)
		if err != nil {
			return a, err
		}
		defer res.Body.Close()
		a.Status, a.Header = res.StatusCode, res.Header
		a.Body, err = io.ReadAll(res.Body)
		return a, err
	}
	if a, err := upload(probe); err != nil || a.Status != 201 {
		t.Fatalf("one alone: %v %d %s", err, a.Status, a.Body)
	}
	each := vaultBytes(t, probe.data)
	probe.server.Stop()

	// Room for 20 and a half, and for what is set aside for padding of the last one.
	quota := strconv.FormatInt(20*each+each/2, 10)
	s := openSite(t, "--allow-any-file", "--quota", quota)
	var stored, refused, other atomic.Int32
	var all sync.WaitGroup
	for range 100 {
		all.Go(func() {
			a, err := upload(s)
			switch {
			case err != nil:
				t.Error(err)
			case a.Status == 201:
				s.shared(t, a)
				stored.Add(1)
			case a.Status == 507 && a.Header.Get("Retry-After") == "3600" && strings.Contains(string(a.Body), "come back in an hour"):
				refused.Add(1)
			default:
				other.Add(1)
				t.Errorf("%d %v %s", a.Status, a.Header, a.Body)
			}
		})
	}
	all.Wait()
	if stored.Load() != 20 || refused.Load() != 80 {
		t.Fatalf("%d stored, %d refused, %d something else; want 20 and 80", stored.Load(), refused.Load(), other.Load())
	}
	wantStored := func(when string) {
		t.Helper()
		left := leftovers(t, s.data)
		left = slices.DeleteFunc(left, func(name string) bool { return name == "staging" })
		if sum := vaultBytes(t, s.data); len(left) != 20 || sum != 20*each {
			t.Fatalf("%s: %d files of %d bytes, want 20 of %d: %q", when, len(left), sum, 20*each, left)
		}
	}
	wantStored("after the uploads")
	most := process(s.server.PID()).memory(t, "VmHWM")
	t.Logf("%d bytes each; the server had at most %d MB", each, most>>20)
	if most > 300<<20 {
		t.Errorf("the server took %d MB", most>>20)
	}
	if log := s.server.Log(); log != "" {
		noSecrets(t, log, s.secrets...)
	}
	s.server.Kill()
	s.serve(t, "--allow-any-file", "--quota", quota)
	if a, err := upload(s); err != nil || a.Status != 507 {
		t.Fatalf("after kill -9: %v %d %s", err, a.Status, a.Body)
	}
	wantStored("after kill -9")
}

// vaultBytes is the size of every payload together.
func vaultBytes(t *testing.T, data string) (sum int64) {
	t.Helper()
	for _, name := range leftovers(t, data) {
		info, err := os.Stat(filepath.Join(data, "vault", name))
		if err == nil && !info.IsDir() {
			sum += info.Size()
		}
	}
	return sum
}
