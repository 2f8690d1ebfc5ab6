package tests

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/proxy"

	"emberdrop/tests/instance"
	"emberdrop/tests/sample"
)

// circuit dials through the network's client as one visitor: tor puts streams
// with other SOCKS credentials on other circuits (IsolateSOCKSAuth).
type circuit struct {
	socks, visitor, host string
}

func newCircuit(t *testing.T, s *instance.Instance, visitor string) circuit {
	t.Helper()
	address, err := url.Parse(s.Address)
	if err != nil {
		t.Fatal(err)
	}
	return circuit{theNetwork(t).SOCKS(), visitor, address.Host + ":80"}
}

// dial opens a stream. A circuit may fail to be built, or hang, and tor is then
// asked for another one.
func (c circuit) dial(ctx context.Context) (conn net.Conn, err error) {
	for try := range 4 {
		if conn, err = c.stream(ctx, try); err == nil || ctx.Err() != nil {
			return conn, err
		}
	}
	return nil, err
}

// stream opens one within half a minute, on the visitor's circuit of that number.
func (c circuit) stream(ctx context.Context, number int) (net.Conn, error) {
	dialer, err := proxy.SOCKS5("tcp", c.socks, &proxy.Auth{User: c.visitor, Password: strconv.Itoa(number)}, proxy.Direct)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	return dialer.(proxy.ContextDialer).DialContext(ctx, "tcp", c.host)
}

func (c circuit) client() *http.Client {
	return &http.Client{
		Timeout:       2 * time.Minute,
		Transport:     &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return c.dial(ctx) }},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// visit is what an honest visitor does: the page, a photo, the look at the link,
// the reveal, and the proof that it is gone.
func visit(t *testing.T, s *instance.Instance, name string, photo []byte) error {
	client := newCircuit(t, s, name).client()
	defer client.CloseIdleConnections()
	send := func(method, target string, body io.Reader, headers ...string) (status int, answer instance.Answer, err error) {
		req, err := http.NewRequestWithContext(t.Context(), method, target, body)
		if err != nil {
			return 0, answer, err
		}
		for i := 0; i < len(headers); i += 2 {
			req.Header.Set(headers[i], headers[i+1])
		}
		res, err := client.Do(req)
		if err != nil {
			return 0, answer, err
		}
		defer res.Body.Close()
		answer.Body, err = io.ReadAll(res.Body)
		return res.StatusCode, answer, err
	}
	status, _, err := send("GET", s.Address+"/u/"+strings.Repeat("a", 52), nil, "Accept", "text/html")
	if err != nil || status != 200 {
		return fmt.Errorf("the page: %d %w", status, err)
	}
	kind, body := formOf(t, instance.File("x.jpg", photo), instance.Text("burn", "on"))
	status, up, err := send("POST", s.Address+"/", bytes.NewReader(body), "Content-Type", kind)
	if err != nil || status != 201 {
		return fmt.Errorf("the upload: %d %s %w", status, up.Body, err)
	}
	for _, step := range []struct {
		method string
		want   int
	}{{"GET", 200}, {"POST", 200}, {"GET", 404}} {
		status, got, err := send(step.method, up.Line("link"), nil)
		if err != nil || status != step.want {
			return fmt.Errorf("%s of the link: %d, want %d, %w", step.method, status, step.want, err)
		}
		if step.method == "POST" && len(got.Body) < len(photo)/2 {
			return fmt.Errorf("the photo came back with %d bytes", len(got.Body))
		}
	}
	return nil
}

// visits lets ten come at once, each over circuits of its own, and says how long
// each took.
func visits(t *testing.T, s *instance.Instance, round string, photo []byte) []time.Duration {
	t.Helper()
	took := make([]time.Duration, 10)
	var all sync.WaitGroup
	for i := range took {
		all.Go(func() {
			begun := time.Now()
			if err := visit(t, s, fmt.Sprintf("%s-%d", round, i), photo); err != nil {
				t.Errorf("visitor %d, %s: %v", i, round, err)
			}
			took[i] = time.Since(begun)
		})
	}
	all.Wait()
	slices.Sort(took)
	return took
}

// process reads what the kernel says of a server.
type process int

// open is how many sockets it has open, and how many files of the vault. What the
// log's store keeps open of its own comes and goes.
func (p process) open(t *testing.T) (sockets, payloads int) {
	t.Helper()
	fds, err := filepath.Glob("/proc/" + strconv.Itoa(int(p)) + "/fd/*")
	if err != nil || len(fds) == 0 {
		t.Fatalf("the server's open files cannot be seen: %v", err)
	}
	for _, fd := range fds {
		switch target, _ := os.Readlink(fd); {
		case strings.HasPrefix(target, "socket:"):
			sockets++
		case strings.Contains(target, "/vault/"):
			payloads++
		}
	}
	return sockets, payloads
}

func (p process) sockets(t *testing.T) int {
	t.Helper()
	sockets, _ := p.open(t)
	return sockets
}

// memory is a line of proc(5)'s status, in bytes: VmRSS, or VmHWM for the most there ever was.
func (p process) memory(t *testing.T, name string) int64 {
	t.Helper()
	raw, err := os.ReadFile("/proc/" + strconv.Itoa(int(p)) + "/status")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(raw)) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			kb, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return kb << 10
		}
	}
	t.Fatalf("the kernel tells no %s", name)
	return 0
}

// besiege keeps so many connections open, ten on a circuit. Each sends what begin
// says and then a byte of more now and then; when the server closes it, it comes
// again. Over is closed to end them, quiet to let them stand still for good.
func besiege(t *testing.T, s *instance.Instance, name string, n int, begin, more string, quiet, over <-chan struct{}) (open *atomic.Int32, cut *atomic.Int32) {
	open, cut = new(atomic.Int32), new(atomic.Int32)
	ctx, stop := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for i := range n {
		c := newCircuit(t, s, fmt.Sprintf("%s-%d", name, i/10))
		all.Go(func() {
			for ctx.Err() == nil {
				if again := one(ctx, c, begin, more, quiet, open); !again {
					return
				}
				cut.Add(1)
			}
		})
	}
	go func() { <-over; stop() }()
	t.Cleanup(func() { stop(); all.Wait() })
	return open, cut
}

// one is one hostile connection, until the server closes it; false means that it
// stood still when it was asked to, until it was closed.
func one(ctx context.Context, c circuit, begin, more string, quiet <-chan struct{}, open *atomic.Int32) (again bool) {
	conn, err := c.dial(ctx)
	if err != nil {
		return true
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	if _, err := io.WriteString(conn, begin); err != nil {
		return true
	}
	open.Add(1)
	defer open.Add(-1)
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		io.Copy(io.Discard, conn)
	}()
	for {
		select {
		case <-quiet:
			<-closed
			return false
		case <-closed:
			return true
		case <-time.After(2 * time.Second): // the pace of a slow loris, not a wait for anything
			if more != "" {
				if _, err := io.WriteString(conn, more); err != nil {
					return true
				}
			}
		}
	}
}

// TestSlowLorisOverTor: connections that never finish a header and uploads that
// stand still (200 and 50 with EMBERDROP_SOAK), beside ten honest visitors, all over
// Tor. The visitors are all
// served, memory stays small, and when the attackers fall silent nothing of them
// is left in the server although they never hang up.
func TestSlowLorisOverTor(t *testing.T) {
	lorises, stalled := 80, 20
	if os.Getenv("EMBERDROP_SOAK") != "" {
		lorises, stalled = 200, 50
	}
	data := freshData(t)
	s := serveTor(t, data, "--stall", "12s", "--lease-idle", "10s")
	server := process(s.PID())
	idle := server.sockets(t) + 2
	photo := sample.Photo(800, 600, 1)
	visits(t, s, "first", photo) // so that nothing below is made for the first time
	calm := visits(t, s, "calm", photo)
	eventuallyIn(t, 2*time.Minute, "the visitors' connections are closed", func() bool { return server.sockets(t) <= idle })
	baseline := server.sockets(t)

	quiet, over := make(chan struct{}), make(chan struct{})
	head, headCut := besiege(t, s, "loris", lorises, "GET / HTTP/1.1\r\nHost: x\r\nX-", "a", quiet, over)
	body, bodyCut := besiege(t, s, "stalled", stalled, "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 1000000\r\n\r\n"+
		"--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"x\"\r\n\r\n"+strings.Repeat("x", 4000), "", quiet, over)
	eventuallyIn(t, 3*time.Minute, "the attackers are there", func() bool {
		return int(head.Load()) > lorises*9/10 && int(body.Load()) > stalled*9/10 && server.sockets(t) > baseline+(lorises+stalled)*8/10
	})
	atWorst := server.sockets(t)
	rough := visits(t, s, "rough", photo)
	t.Logf("ten visitors, median and slowest: %v and %v in peace, %v and %v beside %d lorises and %d stalled uploads (which were cut off %d and %d times)",
		calm[5].Round(time.Millisecond), calm[9].Round(time.Millisecond), rough[5].Round(time.Millisecond), rough[9].Round(time.Millisecond),
		lorises, stalled, headCut.Load(), bodyCut.Load())
	most := server.memory(t, "VmHWM")
	t.Logf("the server had at most %d MB, %d sockets open at the worst and %d before", most>>20, atWorst, baseline)
	if most > 200<<20 {
		t.Errorf("the server took %d MB", most>>20)
	}
	close(quiet)
	begun := time.Now()
	eventuallyIn(t, 3*time.Minute, "the server has let go of every attacker", func() bool {
		sockets, payloads := server.open(t)
		return sockets <= baseline && payloads == 0
	})
	t.Logf("the last attacker was let go after %v", time.Since(begun).Round(time.Second))
	close(over)
	if left := leftovers(t, data); len(left) > 0 {
		eventually(t, "the vault is empty", func() bool { return len(leftovers(t, data)) == 0 })
	}
	visits(t, s, "after", photo)
}

func eventuallyIn(t *testing.T, limit time.Duration, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if holds() {
			return
		}
	}
	t.Fatalf("not within %v: %s", limit, what)
}

// TestMaxStreams: who opens more streams on one circuit than allowed loses the
// circuit and all that is on it; other circuits notice nothing.
func TestMaxStreams(t *testing.T) {
	const most = 8
	s := serveTor(t, freshData(t), "--max-streams", strconv.Itoa(most))
	greedy, other := newCircuit(t, s, "greedy"), newCircuit(t, s, "other")
	bystander, err := other.dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer bystander.Close()
	var open []net.Conn
	for range most {
		c, err := greedy.dial(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		open = append(open, c)
	}
	alive := func(c net.Conn) error {
		c.SetDeadline(time.Now().Add(time.Minute))
		if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			return err
		}
		_, err := io.ReadFull(c, make([]byte, 12))
		return err
	}
	for _, c := range open {
		if err := alive(c); err != nil {
			t.Fatalf("within the limit: %v", err)
		}
	}
	one, err := greedy.stream(t.Context(), 0) // one too many
	if err == nil {
		defer one.Close()
	}
	for _, c := range open {
		c.SetDeadline(time.Now().Add(time.Minute))
		if _, err := io.Copy(io.Discard, c); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal("a stream of the circuit lives on")
		}
	}
	if err := alive(bystander); err != nil {
		t.Fatalf("another circuit: %v", err)
	}
	// What a new circuit costs who wants more of them.
	begun := time.Now()
	for i := range 5 {
		c, err := newCircuit(t, s, "more-"+strconv.Itoa(i)).dial(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
	}
	t.Logf("five more circuits took %v", time.Since(begun).Round(time.Millisecond))
}
