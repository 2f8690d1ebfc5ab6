package hook

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestRealClamd asks a real clamd, where one is installed, with one signature:
// that of the harmless EICAR test file. It watches clamd's temporary folder:
// nothing may appear there. That INSTREAM makes a file proves that it would be seen.
func TestRealClamd(t *testing.T) {
	program, err := exec.LookPath("clamd")
	if err != nil {
		t.Skip("clamd is not installed")
	}
	dir := t.TempDir()
	temp, socket := filepath.Join(dir, "temp"), filepath.Join(dir, "socket")
	for name, text := range map[string]string{
		"db/toy.hdb": "44d88612fea8a8f36de82e1278abb02f:68:Toy.EICAR\n",
		"temp/none":  "",
		"conf":       fmt.Sprintf("LocalSocket %s\nDatabaseDirectory %s\nTemporaryDirectory %s\nForeground yes\nAlertExceedsMax yes\nMaxFileSize 5M\n", socket, filepath.Join(dir, "db"), temp),
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	daemon := exec.Command(program, "-c", filepath.Join(dir, "conf"))
	var words bytes.Buffer
	daemon.Stdout, daemon.Stderr = &words, &words
	if err := daemon.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { daemon.Process.Kill(); daemon.Wait() }()
	for began := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		if conn, err := net.Dial("unix", socket); err == nil {
			conn.Close()
			break
		}
		if time.Since(began) > patience {
			daemon.Process.Kill()
			daemon.Wait()
			t.Fatalf("clamd does not start: %s", words.String())
		}
	}

	seen := watch(t, temp)
	c := Clamd{Config{Socket: socket, Timeout: patience}}
	eicar := "X5O!P%@AP[4\\PZX54(P^)7CC)7}$" + "EICAR-STANDARD-" + "ANTIVIRUS-TEST-FILE!$H+H*"
	best := patience
	for content, want := range map[string]string{"": "", "harmless": "", eicar: "Toy.EICAR.UNOFFICIAL", strings.Repeat("harmless", 300_000): ""} {
		start := time.Now()
		got, err := c.Scan(t.Context(), strings.NewReader(content), int64(len(content)))
		if got != want || err != nil {
			t.Errorf("%d bytes: %q %v, want %q", len(content), got, err, want)
		}
		best = min(best, time.Since(start))
	}
	if got, err := c.Scan(t.Context(), io.LimitReader(zeros{}, 6<<20), 6<<20); err == nil {
		t.Errorf("over clamd's limit: %q", got)
	}
	if n := seen(); n != 0 {
		t.Errorf("%d files in the temporary folder", n)
	}
	stream(t, socket, []byte("harmless"))
	if seen() == 0 {
		t.Error("INSTREAM leaves nothing: the watch is blind")
	}
	t.Logf("the quickest scan took %v", best)
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// watch counts the files that are made in a folder. An empty folder for each
// scan is clamd's habit, for what it may have to unpack.
func watch(t *testing.T, folder string) (seen func() int) {
	t.Helper()
	fd, err := unix.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if _, err := unix.InotifyAddWatch(fd, folder, unix.IN_CREATE|unix.IN_MOVED_TO); err != nil {
		t.Fatal(err)
	}
	return func() (files int) {
		buffer := make([]byte, 64<<10)
		for {
			n, err := unix.Read(fd, buffer)
			if err != nil || n <= 0 {
				return files
			}
			for at := 0; at < n; {
				if binary.NativeEndian.Uint32(buffer[at+4:])&unix.IN_ISDIR == 0 {
					files++
				}
				at += unix.SizeofInotifyEvent + int(binary.NativeEndian.Uint32(buffer[at+12:]))
			}
		}
	}
}

// stream is what we do not do: INSTREAM, a length, the bytes, a zero.
func stream(t *testing.T, socket string, data []byte) {
	t.Helper()
	conn, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	request := binary.BigEndian.AppendUint32([]byte("zINSTREAM\x00"), uint32(len(data)))
	request = binary.BigEndian.AppendUint32(append(request, data...), 0)
	if _, err := conn.Write(request); err != nil {
		t.Fatal(err)
	}
	if answer, err := io.ReadAll(conn); err != nil || !bytes.Contains(answer, []byte("OK")) {
		t.Fatalf("%q %v", answer, err)
	}
}
