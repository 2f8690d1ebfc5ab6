package hook

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"emberdrop/match"
)

// patience is far more than any of this takes; only what is broken waits for it.
const patience = time.Minute

// listen runs a program that answers every connection with serve, and returns
// how to reach it.
func listen(t *testing.T, serve func(*net.UnixConn)) Config {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	at, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { at.Close() })
	go func() {
		for {
			conn, err := at.AcceptUnix()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				serve(conn)
			}()
		}
	}()
	return Config{Socket: path, Timeout: patience}
}

// classifier reads a request as the protocol's text says and gives the same
// answer to all.
func classifier(t *testing.T, answer string) Classifier {
	return Classifier{listen(t, func(conn *net.UnixConn) {
		request, err := io.ReadAll(conn)
		head, body, _ := bytes.Cut(request, []byte("\n"))
		words := strings.Split(string(head), " ")
		if err != nil || len(words) != 3 || words[0] != "emberdrop/1" || words[1] != "image/png" || words[2] != strconv.Itoa(len(body)) {
			answer = fmt.Sprintf(`{"error": %q}`, head)
		}
		io.WriteString(conn, strings.ReplaceAll(answer, "SIZE", words[2]))
	})}
}

func TestClassifier(t *testing.T) {
	for _, size := range []int{0, 1, 300_000} {
		c := classifier(t, `{"labels": {"violence": 0.93, "size-SIZE": 1, "b_2.c": 0}}`+"\n")
		got, err := c.Ask(t.Context(), "image/png", bytes.NewReader(make([]byte, size)), int64(size))
		if want := (Labels{"violence": 0.93, fmt.Sprintf("size-%d", size): 1, "b_2.c": 0}); err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%v %v, want %v", got, err, want)
		}
	}
	if got, err := classifier(t, `{"labels": {}}`).Ask(t.Context(), "image/png", strings.NewReader("x"), 1); err != nil || len(got) != 0 {
		t.Errorf("no labels: %v %v", got, err)
	}
}

// TestNoAnswer: whatever is not an answer is no answer, is held, and is an
// error of our own words.
func TestNoAnswer(t *testing.T) {
	many := strings.Repeat(`"x`, 101)
	for i := range 101 {
		many = strings.Replace(many, `"x`, fmt.Sprintf(`"y%d":0,`, i), 1)
	}
	for _, answer := range []string{
		``, `{}`, `[]`, `null`, `{"labels": null}`, `{"labels": {"a": 2}}`, `{"labels": {"a": -0.1}}`, `{"labels": {"a": "1"}}`,
		`{"labels": {"A b": 1}}`, `{"labels": {"": 1}}`, `{"labels": {"a": 1}} {"labels": {}}`, `{"labels": {"a": 1}`, `{"labels": {"a": 1}}x`,
		`{"labels": {}, "more": 1}`, `{"error": "secret words"}`, `{"labels": {"` + strings.Repeat("a", 65) + `": 1}}`,
		`{"labels": {` + strings.TrimSuffix(many, ",") + `}}`, `{"labels": {}}` + strings.Repeat(" ", maxAnswer),
	} {
		got, err := classifier(t, answer).Ask(t.Context(), "image/png", strings.NewReader("x"), 1)
		if got != nil || !errors.Is(err, match.ErrNotScanned) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%.80s: %v %v", answer, got, err)
		}
		if action := Judge(nil, got, err); action != match.Hold {
			t.Errorf("%.80s: %v", answer, action)
		}
	}
	good := classifier(t, `{"labels": {}}`)
	for kind, size := range map[string]int64{"": 1, "image/png; a=b": 1, "image/png\n": 1, "image/pn\xc3": 1, "a/short": 2, "a/negative": -1, "a/large": 101 << 20} {
		if _, err := good.Ask(t.Context(), kind, strings.NewReader("x"), size); !errors.Is(err, match.ErrNotScanned) {
			t.Errorf("%q, %d bytes: %v", kind, size, err)
		}
	}
	blind := Classifier{listen(t, func(conn *net.UnixConn) {
		io.Copy(io.Discard, conn)
		io.WriteString(conn, `{"labels": {}}`)
	})}
	if _, err := blind.Ask(t.Context(), "image/png", strings.NewReader("x"), 2); !errors.Is(err, match.ErrNotScanned) {
		t.Errorf("it has seen half of the file: %v", err)
	}
	nobody := Classifier{Config{Socket: filepath.Join(t.TempDir(), "nobody")}}
	if _, err := nobody.Ask(t.Context(), "image/png", strings.NewReader("x"), 1); !errors.Is(err, match.ErrNotScanned) || strings.Contains(err.Error(), "nobody") {
		t.Errorf("nobody there: %v", err)
	}
}

// TestDeadline: a program that hangs, whether it reads or not, costs no more
// than the timeout or the caller's patience.
func TestDeadline(t *testing.T) {
	stuck := make(chan struct{})
	t.Cleanup(func() { close(stuck) })
	large := make([]byte, 4<<20) // more than a socket takes
	hang := listen(t, func(conn *net.UnixConn) { <-stuck })
	read := listen(t, func(conn *net.UnixConn) { io.Copy(io.Discard, conn); <-stuck })
	for _, c := range []Config{hang, read} {
		c.Timeout = 50 * time.Millisecond
		if _, err := (Classifier{c}).Ask(t.Context(), "a/b", bytes.NewReader(large), int64(len(large))); !errors.Is(err, match.ErrNotScanned) {
			t.Error(err)
		}
		if _, err := (Clamd{c}).Scan(t.Context(), bytes.NewReader(large), int64(len(large))); !errors.Is(err, match.ErrNotScanned) {
			t.Error(err)
		}
		c.Timeout = patience
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(50*time.Millisecond, cancel)
		start := time.Now()
		if _, err := (Classifier{c}).Ask(ctx, "a/b", bytes.NewReader(large), int64(len(large))); !errors.Is(err, match.ErrNotScanned) || time.Since(start) > patience/2 {
			t.Error(err, time.Since(start))
		}
	}
}

func TestJudge(t *testing.T) {
	rules := []Rule{{"violence", 0.8, match.Label}, {"violence", 0.95, match.Block}, {"spam", 0.5, match.Hold}}
	for _, test := range []struct {
		labels Labels
		err    error
		want   match.Action
	}{
		{Labels{"violence": 0.79, "other": 1}, nil, match.Pass},
		{Labels{"violence": 0.8}, nil, match.Label},
		{Labels{"violence": 0.8, "spam": 0.5}, nil, match.Hold},
		{Labels{"violence": 1, "spam": 1}, nil, match.Block},
		{nil, nil, match.Pass},
		{nil, refused("any reason"), match.Hold},
	} {
		if got := Judge(rules, test.labels, test.err); got != test.want {
			t.Errorf("%v, %v: %v, want %v", test.labels, test.err, got, test.want)
		}
	}
}

// daemon is a clamd: it takes a descriptor as clamd(8) says, and calls a file
// with "EICAR" in it infected. It notes what was wrong with what it got last.
func daemon(t *testing.T) (c Clamd, wrong func() error) {
	var mu sync.Mutex
	var last error
	c = Clamd{listen(t, func(conn *net.UnixConn) {
		data, err := takeFile(conn)
		mu.Lock()
		last = err
		mu.Unlock()
		switch {
		case err != nil:
			io.WriteString(conn, "fd[10]: no file ERROR\x00")
		case bytes.Contains(data, []byte("EICAR")):
			io.WriteString(conn, "fd[10]: Eicar-")
			io.WriteString(conn, "Signature FOUND\x00")
		default:
			io.WriteString(conn, "fd[10]: OK\x00")
		}
	})}
	return c, func() error {
		mu.Lock()
		defer mu.Unlock()
		return last
	}
}

func takeFile(conn *net.UnixConn) ([]byte, error) {
	command := make([]byte, len("zFILDES\x00"))
	if _, err := io.ReadFull(conn, command); err != nil || string(command) != "zFILDES\x00" {
		return nil, fmt.Errorf("the command is %q: %w", command, err)
	}
	one, rights := make([]byte, 1), make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := conn.ReadMsgUnix(one, rights)
	if err != nil {
		return nil, err
	}
	messages, err := unix.ParseSocketControlMessage(rights[:n])
	if err != nil || len(messages) != 1 {
		return nil, fmt.Errorf("%d messages: %w", len(messages), err)
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		return nil, fmt.Errorf("%d descriptors: %w", len(fds), err)
	}
	file := os.NewFile(uintptr(fds[0]), "")
	defer file.Close()
	if name, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", file.Fd())); err != nil || !strings.HasPrefix(name, "/memfd:") {
		return nil, fmt.Errorf("the file is %q, not RAM: %w", name, err)
	}
	if _, err := file.WriteAt([]byte("x"), 0); !errors.Is(err, unix.EPERM) {
		return nil, fmt.Errorf("the file can be changed: %w", err)
	}
	seals, err := unix.FcntlInt(file.Fd(), unix.F_GET_SEALS, 0)
	if probe, e := unix.MemfdCreate("", unix.MFD_NOEXEC_SEAL); e == nil { // this kernel has it, so harden demands it
		unix.Close(probe)
		if err != nil || seals&unix.F_SEAL_EXEC == 0 {
			return nil, fmt.Errorf("the file could be run: seals %x, %w", seals, err)
		}
	}
	return io.ReadAll(file) // from where the descriptor stands
}

func TestClamd(t *testing.T) {
	c, wrong := daemon(t)
	large := bytes.Repeat([]byte("harmless"), 200_000)
	for content, want := range map[string]string{"": "", "harmless": "", string(large): "", string(large) + "EICAR": "Eicar-Signature"} {
		got, err := c.Scan(t.Context(), strings.NewReader(content), int64(len(content)))
		if got != want || err != nil || wrong() != nil {
			t.Errorf("%d bytes: %q %v, want %q; %v", len(content), got, err, want, wrong())
		}
	}
	if _, err := c.Scan(t.Context(), strings.NewReader("abc"), 4); !errors.Is(err, match.ErrNotScanned) {
		t.Errorf("a byte is missing: %v", err)
	}
	c.MaxSize = 3
	if _, err := c.Scan(t.Context(), strings.NewReader("abcd"), 4); !errors.Is(err, match.ErrNotScanned) {
		t.Errorf("too large: %v", err)
	}
}

// TestClamdAnswers: only a plain OK is clean.
func TestClamdAnswers(t *testing.T) {
	for answer, want := range map[string]string{
		"fd[10]: OK\x00": "", "fd[4]: Win.Test.EICAR_HDB-1 FOUND\x00": "Win.Test.EICAR_HDB-1",
		"fd[4]: Heuristics.Limits.Exceeded.MaxFileSize FOUND\x00": "not", "fd[4]: can't read ERROR\x00": "not", "UNKNOWN COMMAND\x00": "not", "fd[4]: NOT OK\x00": "not",
		"": "not", "\x00": "not", "OK\x00": "not", "fd[4]: OK": "not", "fd[4]: OK\x00fd[5]: OK\x00": "not", "fd[4]:  FOUND\x00": "not",
		"fd[4]: " + strings.Repeat("x", 600) + " FOUND\x00": "not",
	} {
		c := Clamd{listen(t, func(conn *net.UnixConn) {
			if _, err := takeFile(conn); err == nil {
				io.WriteString(conn, answer)
			}
		})}
		got, err := c.Scan(t.Context(), strings.NewReader("x"), 1)
		if (want == "not") != errors.Is(err, match.ErrNotScanned) || err == nil && got != want {
			t.Errorf("%.60q: %q %v", answer, got, err)
		}
	}
}
