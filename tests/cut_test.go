package tests

import (
	"bytes"
	"fmt"
	"image"
	"image/jpeg"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"emberdrop/tests/instance"
	"emberdrop/tests/needle"
	"emberdrop/tests/sample"
)

// begin sends the head of an upload and the first part of its body, and leaves
// the connection open, as a slow circuit does.
func (s *site) begin(t *testing.T, body []byte, kind string, first int) net.Conn {
	t.Helper()
	c := s.dial(t)
	fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: drop.test\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n", kind, len(body))
	if _, err := c.Write(body[:first]); err != nil {
		t.Fatal(err)
	}
	return c
}

// TestCutUpload: the connection dies in the middle of an upload. Nothing is left.
func TestCutUpload(t *testing.T) {
	s := openSite(t)
	empty := appended(t, s.data)
	photo, large := sample.Photo(320, 240, 1), hugePhoto(4<<20)
	for _, c := range []struct {
		name  string
		first int // bytes of the last file that arrive
		parts []instance.Field
		under string // what begins so in the vault meanwhile; empty: nothing does
	}{
		{"inside a small photo", len(photo) / 2, []instance.Field{instance.Text("caption", caption), instance.File("x.jpg", photo)}, ""},
		{"inside a large photo", len(large) / 2, []instance.Field{instance.File("x.jpg", large)}, "staging/"},
		{"inside the second photo", len(large) / 2, []instance.Field{instance.File("x.jpg", photo), instance.File("y.jpg", large)}, "staging/"},
		{"after the last photo", len(photo), []instance.Field{instance.File("x.jpg", photo)}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			kind, body := formOf(t, c.parts...)
			last := c.parts[len(c.parts)-1].Value
			conn := s.begin(t, body, kind, bytes.LastIndex(body, last)+c.first)
			if c.under != "" {
				eventually(t, "the upload is on the disk, sealed", func() bool {
					return strings.Contains(strings.Join(leftovers(t, s.data), " "), c.under)
				})
			}
			conn.Close()
			eventually(t, "nothing of the upload is left", func() bool { return len(leftovers(t, s.data)) == 0 })
			if now := appended(t, s.data); now != empty {
				t.Fatalf("the log was\n%sand is\n%s", empty, now)
			}
		})
	}
	s.wantEvents(t, 0)
}

// bigPhoto is a real JPEG of about 20 MB that no compressor can make smaller.
var bigPhoto = sync.OnceValue(func() []byte {
	img := image.NewGray(image.Rect(0, 0, 4096, 4608))
	dice := rand.NewChaCha8([32]byte{4})
	dice.Read(img.Pix)
	var out bytes.Buffer
	if err := jpeg.Encode(&out, img, &jpeg.Options{Quality: 99}); err != nil {
		panic(err) // into memory, of a valid picture: cannot happen
	}
	return out.Bytes()
})

// TestNoPlaintextInFlight is law 4: while half of a photo has arrived, and after
// the power fails at that moment, no byte of it is on the disk, neither in the
// data folder nor where programs put temporary files.
func TestNoPlaintextInFlight(t *testing.T) {
	temporary := t.TempDir()
	s := &site{data: freshData(t)}
	t.Setenv("TMPDIR", temporary)
	s.serve(t)
	photo := bigPhoto()
	if len(photo) < 15<<20 {
		t.Fatalf("the photo has only %d bytes", len(photo))
	}
	kind, body := formOf(t, instance.Text("caption", caption), instance.File("IMG_20261122_101314.jpg", photo))
	half := len(body) / 2
	needles := append(needle.Windows("photo", photo[:len(photo)/2], 32, 512),
		needle.Needle{Name: "caption", Bytes: []byte(caption)}, needle.Needle{Name: "file name", Bytes: []byte("IMG_20261122_101314")})
	clean := func(when string) {
		t.Helper()
		for _, dir := range []string{s.data, temporary} {
			hits, err := needle.Scan(dir, needles)
			if err != nil && !(dir == temporary && strings.Contains(err.Error(), needle.ErrNothing.Error())) {
				t.Fatal(err)
			}
			if len(hits) > 0 {
				t.Fatalf("%s, on the disk:\n%s", when, needle.Report(hits))
			}
		}
	}

	conn := s.begin(t, body, kind, half)
	staged := func() (size int64) {
		for _, name := range leftovers(t, s.data) {
			if info, err := os.Stat(filepath.Join(s.data, "vault", name)); err == nil {
				size += info.Size()
			}
		}
		return size
	}
	// Not all of it: the last chunk may be in RAM.
	eventually(t, "half of the photo is on the disk, sealed", func() bool { return staged() > int64(half)-1<<20 })
	clean("while half of the photo has arrived")
	s.wantOnlyOwnFiles(t)

	// The scan can fail: it finds the photo when somebody writes it there.
	planted := filepath.Join(s.data, "planted")
	if err := os.WriteFile(planted, photo[:1<<20], 0o600); err != nil {
		t.Fatal(err)
	}
	if hits, err := needle.Scan(s.data, needles); err != nil || len(hits) < 10 {
		t.Fatalf("the scan does not find what is there: %d hits, %v", len(hits), err)
	}
	if err := os.Remove(planted); err != nil {
		t.Fatal(err)
	}

	s.server.Kill()
	conn.Close()
	if staged() == 0 {
		t.Fatal("the killed server left nothing, so there is nothing to look at")
	}
	clean("after the kill")
	log := s.server.Log()
	s.serve(t)
	if left := leftovers(t, s.data); len(left) > 0 {
		t.Fatalf("in the vault after the restart: %q", left)
	}
	clean("after the restart")
	noSecrets(t, log)
	s.wantQuietLog(t)
	s.wantEvents(t, 0)
}

// wantOnlyOwnFiles looks at what the server has open: no regular file outside of
// its data folder, and none that is already unlinked, where a scan cannot see it.
func (s *site) wantOnlyOwnFiles(t *testing.T) {
	t.Helper()
	fds, err := filepath.Glob("/proc/" + strconv.Itoa(s.server.PID()) + "/fd/*")
	if err != nil || len(fds) == 0 {
		t.Fatalf("the server's open files cannot be seen: %v", err)
	}
	own := 0
	for _, fd := range fds {
		target, err := os.Readlink(fd)
		if err != nil || !strings.HasPrefix(target, "/") || strings.HasPrefix(target, "/dev/") || target == "/proc/meminfo" || strings.HasPrefix(target, "/sys/fs/cgroup/") {
			continue // a socket, a pipe, or what Go's scheduler reads
		}
		if !strings.HasPrefix(target, s.data+"/") && target != s.data || strings.HasSuffix(target, " (deleted)") {
			t.Errorf("the server has %s open", target)
			continue
		}
		own++
	}
	if own == 0 {
		t.Error("the server has no file of its own open: the check is blind")
	}
}

// TestSlowUpload: slow is normal. A photo that comes in drops is taken like any.
func TestSlowUpload(t *testing.T) {
	s := openSite(t)
	photo := sample.Photo(160, 120, 1)
	kind, body := formOf(t, instance.File("x.jpg", photo), instance.Text("burn", "on"))
	conn := s.begin(t, body, kind, 1)
	for at := 1; at < len(body); at += 97 {
		if _, err := conn.Write(body[at:min(at+97, len(body))]); err != nil {
			t.Fatal(err)
		}
	}
	if half, ok := conn.(*net.UnixConn); ok {
		half.CloseWrite() // some proxies do, when they have sent all
	}
	raw, _ := io.ReadAll(conn)
	link, receipt := s.shared(t, parse(t, "POST", raw))
	s.wantBurns(t, link, receipt)
}
