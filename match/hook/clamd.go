package hook

import (
	"bytes"
	"context"
	"io"
	"strings"

	"golang.org/x/sys/unix"
)

// Clamd is ClamAV's daemon. It gets a descriptor (FILDES, clamd(8)) of a file
// in RAM: with INSTREAM it would write every file to its temporary folder. It
// looks at no more than its MaxFileSize and MaxScanSize; without "AlertExceedsMax
// yes" it calls the rest clean, so the operator should set that.
type Clamd struct{ Config }

// Scan hands over size bytes of r. It returns the name of the signature that
// they match, or "" if clamd found nothing. Every error wraps match.ErrNotScanned.
func (c Clamd) Scan(ctx context.Context, r io.Reader, size int64) (signature string, err error) {
	conn, done, err := c.dial(ctx, size)
	if err != nil {
		return "", err
	}
	defer done()
	file, err := inRAM(r, size)
	if err != nil {
		return "", err
	}
	defer unix.Close(file)
	if _, err := io.WriteString(conn, "zFILDES\x00"); err != nil {
		return "", refused("cut off")
	}
	// The descriptor travels with a byte, which means nothing.
	if _, _, err := conn.WriteMsgUnix([]byte{0}, unix.UnixRights(file), nil); err != nil {
		return "", refused("cut off")
	}
	answer := make([]byte, 0, 512)
	for !bytes.Contains(answer, []byte{0}) {
		n, err := conn.Read(answer[len(answer):cap(answer)])
		answer = answer[:len(answer)+n]
		if err != nil || len(answer) == cap(answer) {
			return "", refused("no answer")
		}
	}
	return verdict(string(answer))
}

// verdict reads "fd[10]: OK", "fd[10]: NAME FOUND" or "fd[10]: words ERROR",
// ended by a zero byte.
func verdict(answer string) (signature string, err error) {
	answer, rest, _ := strings.Cut(answer, "\x00")
	_, said, ok := strings.Cut(answer, ": ")
	name, found := strings.CutSuffix(said, " FOUND")
	switch {
	case !ok || rest != "":
	case said == "OK":
		return "", nil
	case found && strings.HasPrefix(name, "Heuristics.Limits.Exceeded"):
		return "", refused("over a limit of clamd") // AlertExceedsMax: not looked at, not found
	case found && name != "":
		return name, nil
	}
	return "", refused("not an answer")
}

// inRAM makes a file without a name whose pages are memory, and seals it, so
// that nobody it is handed to can change it or see it change. Its pages are
// freed, and by Linux cleared before anybody else gets them, when the last
// descriptor is closed.
func inRAM(r io.Reader, size int64) (fd int, err error) {
	const flags = unix.MFD_CLOEXEC | unix.MFD_ALLOW_SEALING
	fd, err = unix.MemfdCreate("", flags|unix.MFD_NOEXEC_SEAL) // no other kind is left to a fenced process
	if err == unix.EINVAL {                                    // before Linux 6.3
		fd, err = unix.MemfdCreate("", flags)
	}
	if err != nil {
		return -1, refused("no memory")
	}
	buffer := make([]byte, 64<<10)
	defer clear(buffer)
	copied, err := io.CopyBuffer(descriptor(fd), struct{ io.Reader }{io.LimitReader(r, size)}, buffer)
	if err == nil && copied == size {
		const seals = unix.F_SEAL_SEAL | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE
		if _, err = unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, seals); err == nil {
			_, err = unix.Seek(fd, 0, io.SeekStart)
		}
		if err == nil {
			return fd, nil
		}
	}
	unix.Close(fd)
	return -1, refused("not copied")
}

// descriptor writes to a file that package os has no part in.
type descriptor int

func (d descriptor) Write(p []byte) (n int, err error) {
	for n < len(p) {
		more, err := unix.Write(int(d), p[n:])
		if err != nil && err != unix.EINTR {
			return n, err
		}
		n += max(0, more)
	}
	return n, nil
}
