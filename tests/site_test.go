package tests

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"mime/multipart"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"emberdrop/tests/instance"
)

// site is the real program, serving plain HTTP on a unix socket. It remembers
// every secret that a test got from it, and holds them against law 6 at the end.
type site struct {
	server       *instance.Instance
	client       *instance.Client
	data, socket string

	mu      sync.Mutex
	secrets []string
}

func openSite(t *testing.T, args ...string) *site {
	t.Helper()
	s := &site{data: freshData(t)}
	// Registered before the server's own end, so that it runs after it.
	t.Cleanup(func() {
		if s.server != nil {
			s.wantQuietLog(t)
		}
	})
	s.serve(t, args...)
	return s
}

// serve starts a server on the data folder; the one before must have ended.
func (s *site) serve(t *testing.T, args ...string) {
	t.Helper()
	s.socket = filepath.Join(t.TempDir(), "http")
	args = append([]string{"--listen", "unix:" + s.socket}, args...) // the last --listen counts
	s.server, _ = servePlain(t, s.data, args...)
	s.client = instance.ViaUnix(s.socket)
}

// kept adds what the log must never hold.
func (s *site) kept(secrets ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.secrets = append(s.secrets, secrets...)
}

// sober is the only shape that a line of the log may have once somebody is
// served: constant words, and no value that a request could have chosen.
var sober = regexp.MustCompile(`^time=\S+ level=(INFO|WARN|ERROR) msg="[a-zA-Z ',]+" (category|room)=[a-z]+$`)

// wantQuietLog is law 6: no input, id, path or token of a visitor in the log.
func (s *site) wantQuietLog(t *testing.T) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	log := s.server.Log()
	noSecrets(t, log, s.secrets...)
	for line := range strings.Lines(log) {
		if !sober.MatchString(strings.TrimSuffix(line, "\n")) {
			t.Errorf("a line of the log says more than a constant: %q", line)
		}
	}
}

// share uploads and returns the paths of the link and of the receipt.
func (s *site) share(t *testing.T, parts ...instance.Field) (link, receipt string) {
	t.Helper()
	up, err := s.client.Upload(t.Context(), "http://drop.test/", parts...)
	if err != nil || up.Status != 201 {
		t.Fatalf("upload: %v, %d %s", err, up.Status, up.Body)
	}
	return s.shared(t, up)
}

// shared takes the two paths out of an upload's answer.
func (s *site) shared(t *testing.T, up instance.Answer) (link, receipt string) {
	t.Helper()
	link, inLink := strings.CutPrefix(up.Line("link"), "http://drop.test")
	receipt, inReceipt := strings.CutPrefix(up.Line("receipt"), "http://drop.test")
	if !inLink || !inReceipt {
		t.Fatalf("no link or no receipt in the answer:\n%s", up.Body)
	}
	s.kept(path(link), path(receipt))
	return link, receipt
}

// ask sends a request without a body; headers are pairs.
func (s *site) ask(t *testing.T, method, path string, headers ...string) instance.Answer {
	t.Helper()
	return s.send(t, method, path, nil, headers...)
}

func (s *site) send(t *testing.T, method, path string, body io.Reader, headers ...string) instance.Answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://drop.test"+path, body)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	answer, err := s.client.Do(req)
	if err != nil {
		t.Fatalf("%s of a path of %d bytes: %v", method, len(path), err)
	}
	return answer
}

// dial opens a connection of its own.
func (s *site) dial(t *testing.T) net.Conn {
	t.Helper()
	c, err := net.Dial("unix", s.socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(2 * time.Minute)); err != nil {
		t.Fatal(err)
	}
	return c
}

// raw sends bytes and returns every byte that comes back until the server closes.
func (s *site) raw(t *testing.T, request string) []byte {
	t.Helper()
	c := s.dial(t)
	io.WriteString(c, request) // a server may close before it has read all of it
	answer, err := io.ReadAll(c)
	if len(answer) == 0 {
		t.Fatalf("no answer to %.60q: %v", request, err)
	}
	return answer
}

// request writes a request that ends its connection.
func request(method, target, body string, headers ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: drop.test\r\nConnection: close\r\n", method, target)
	for i := 0; i < len(headers); i += 2 {
		fmt.Fprintf(&b, "%s: %s\r\n", headers[i], headers[i+1])
	}
	if body != "" || method == "POST" {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(body))
	}
	return b.String() + "\r\n" + body
}

// parse reads the first answer out of what came over a connection.
func parse(t *testing.T, method string, raw []byte) instance.Answer {
	t.Helper()
	res, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(raw)), &http.Request{Method: method})
	if err != nil {
		t.Fatalf("not an answer: %v\n%.300q", err, raw)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("the answer is cut: %v", err)
	}
	return instance.Answer{Status: res.StatusCode, Header: res.Header, Body: body}
}

// formOf writes a multipart body and says its Content-Type.
func formOf(t *testing.T, parts ...instance.Field) (kind string, body []byte) {
	t.Helper()
	var out bytes.Buffer
	form := multipart.NewWriter(&out)
	for _, part := range parts {
		create := func() (io.Writer, error) { return form.CreateFormFile(part.Key, part.Name) }
		if part.Name == "" {
			create = func() (io.Writer, error) { return form.CreateFormField(part.Key) }
		}
		w, err := create()
		if err != nil {
			t.Fatal(err)
		}
		w.Write(part.Value)
	}
	form.Close()
	return form.FormDataContentType(), out.Bytes()
}

// leftovers lists every file below the vault but its key: payloads, drafts, staging.
func leftovers(t *testing.T, data string) (left []string) {
	t.Helper()
	vault := filepath.Join(data, "vault")
	err := filepath.WalkDir(vault, func(path string, entry fs.DirEntry, err error) error {
		if os.IsNotExist(err) && path != vault {
			return nil
		}
		if err == nil && !entry.IsDir() && path != filepath.Join(vault, "vault.key") {
			left = append(left, strings.TrimPrefix(path, vault+"/"))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return left
}

// appended is the names and sizes of the log's write-ahead files, which grow with
// every event. The other files may come and go without one.
func appended(t *testing.T, data string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(data, "log", "*.log"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no write-ahead file in the log: %v", err)
	}
	var b strings.Builder
	for _, file := range files {
		if info, err := os.Stat(file); err == nil {
			fmt.Fprintln(&b, filepath.Base(file), info.Size())
		}
	}
	return b.String()
}

// readOut reads what comes until the server closes or resets the connection, or
// until nothing came for a while: after a good request it waits for another.
func readOut(c net.Conn) (all []byte) {
	buf := make([]byte, 64<<10)
	for {
		wait := 3 * time.Second
		if len(all) == 0 {
			wait = 20 * time.Second
		}
		c.SetReadDeadline(time.Now().Add(wait))
		n, err := c.Read(buf)
		all = append(all, buf[:n]...)
		if err != nil {
			return all
		}
	}
}
