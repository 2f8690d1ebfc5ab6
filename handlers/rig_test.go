package handlers

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"io"
	"log/slog"
	"mime/multipart"
	"net"
	"net/http"
	"net/textproto"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"emberdrop/eventlog"
	"emberdrop/link"
	"emberdrop/seal"
	"emberdrop/vault"
)

const origin = "http://emberdroptest.onion"

var start = time.Date(2026, 11, 22, 10, 20, 0, 0, time.UTC)

// rig is the whole service over a real log and a real vault on a file system in
// memory, served on a unix socket.
type rig struct {
	t      *testing.T
	vault  *vault.Vault
	links  *link.Links
	client *http.Client
	server *Server
	socket string

	mu  sync.Mutex
	now time.Time
	log bytes.Buffer
}

func (r *rig) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.log.Write(p)
}

func (r *rig) logged() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.log.String()
}

func (r *rig) clock() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.now
}

func (r *rig) forward(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.now = r.now.Add(d)
}

func newRig(t *testing.T, change ...func(*Config, *link.Config)) *rig {
	t.Helper()
	r := &rig{t: t, now: start, socket: filepath.Join(t.TempDir(), "s")}
	fs, host := vfs.NewMem(), seal.NewKey()
	cheap := seal.DefaultParams()
	cheap.Memory, cheap.Time = 64, 1
	vcfg := vault.Config{FS: fs, Dir: "vault", HostKey: host, Argon: cheap}
	lcfg := eventlog.Config{FS: fs, Dir: "log", Fold: link.Fold{}, Types: link.Types(), Upcasts: link.Upcasts(), Cache: 1 << 20, Memtable: 256 << 10}
	must(t, eventlog.Create(lcfg))
	must(t, vault.Init(vcfg))
	log, err := eventlog.Open(lcfg)
	must(t, err)
	t.Cleanup(func() { log.Close() })
	r.vault, err = vault.Open(vcfg)
	must(t, err)

	dcfg := link.Config{Log: log, Vault: r.vault, HostKey: host, Now: r.clock}
	cfg := Config{Origin: origin, Log: slog.New(slog.NewTextHandler(r, nil)), Now: r.clock}
	for _, f := range change {
		f(&cfg, &dcfg)
	}
	dcfg.MaxFile, dcfg.MaxUpload, dcfg.MaxItems = cfg.Limits.MaxFile, cfg.Limits.MaxUpload, cfg.Limits.MaxItems
	r.links = link.New(dcfg)
	cfg.Links = r.links
	service, err := New(cfg)
	must(t, err)
	ln, err := net.Listen("unix", r.socket)
	must(t, err)
	server := NewServer(service)
	r.server = server
	served := make(chan error, 1)
	go func() { served <- server.Serve(ln) }()
	transport := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return net.Dial("unix", r.socket) }}
	r.client = &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       30 * time.Second,
	}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		server.Close()
		if err := <-served; err != http.ErrServerClosed {
			t.Error(err)
		}
		// Law 6, whatever the test did.
		if m := regexp.MustCompile(`[a-z2-7]{52}|canary|emberdroptest`).FindString(r.logged()); m != "" {
			t.Errorf("the log holds %q", m)
		}
	})
	return r
}

func (r *rig) dial() net.Conn {
	c, err := net.Dial("unix", r.socket)
	must(r.t, err)
	return c
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// got is an answer that was read whole.
type got struct {
	status int
	header http.Header
	body   string
}

// do sends one request. accept is the whole header; empty is what curl sends.
func (r *rig) do(method, target, accept string, body io.Reader, headers ...string) got {
	r.t.Helper()
	if accept == "" {
		accept = "*/*"
	}
	req, err := http.NewRequest(method, origin+strings.TrimPrefix(target, origin), body)
	must(r.t, err)
	req.Header.Set("Accept", accept)
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := r.client.Do(req)
	must(r.t, err)
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	must(r.t, err)
	return got{res.StatusCode, res.Header, string(raw)}
}

const browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"

func (r *rig) get(target, accept string) got { return r.do("GET", target, accept, nil) }

// part is one part of a form.
type part struct {
	name, file, value string
	isFile            bool
}

func val(name, value string) part     { return part{name: name, value: value} }
func file(name string, b []byte) part { return part{"file", name, string(b), true} }
func multi(parts ...part) (io.Reader, string) {
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	for _, p := range parts {
		h := textproto.MIMEHeader{}
		h.Set("Content-Disposition", fmt.Sprintf(`form-data; name=%q`, p.name))
		if p.isFile {
			h.Set("Content-Disposition", fmt.Sprintf(`form-data; name=%q; filename=%q`, p.name, p.file))
			h.Set("Content-Type", "application/octet-stream")
		}
		out, _ := w.CreatePart(h)
		io.WriteString(out, p.value)
	}
	w.Close()
	return &body, w.FormDataContentType()
}

func (r *rig) post(target, accept string, parts ...part) got {
	r.t.Helper()
	body, kind := multi(parts...)
	return r.do("POST", target, accept, body, "Content-Type", kind)
}

// share uploads with curl's headers and returns the lines of the answer by name.
func (r *rig) share(parts ...part) map[string]string {
	r.t.Helper()
	g := r.post("/", "", parts...)
	if g.status != 201 {
		r.t.Fatalf("upload: %d %s", g.status, g.body)
	}
	return lines(g.body)
}

func lines(body string) map[string]string {
	out := map[string]string{}
	for line := range strings.Lines(body) {
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		out[name] = value
	}
	return out
}

// empty fails the test when an upload has left something on the disk.
func (r *rig) empty(what string) {
	r.t.Helper()
	names, err := r.vault.Names()
	must(r.t, err)
	left, err := r.vault.Leftovers()
	must(r.t, err)
	if len(names)+len(left) > 0 {
		r.t.Errorf("%s left %d payloads and %d leftovers", what, len(names), len(left))
	}
}

func drawing(shade byte) image.Image {
	img := image.NewGray(image.Rect(0, 0, 24, 16))
	for i := range img.Pix {
		img.Pix[i] = shade
	}
	img.SetGray(3, 3, color.Gray{Y: shade ^ 0xff})
	return img
}

func aJPEG(shade byte) []byte {
	var out bytes.Buffer
	if err := jpeg.Encode(&out, drawing(shade), nil); err != nil {
		panic(err)
	}
	return out.Bytes()
}

func aPNG(shade byte) []byte {
	var out bytes.Buffer
	if err := png.Encode(&out, drawing(shade)); err != nil {
		panic(err)
	}
	return out.Bytes()
}

func local(url string) string { return strings.TrimPrefix(url, origin) }
