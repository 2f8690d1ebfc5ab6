package hook

import (
	"bufio"
	"context"
	"fmt"
	"image"
	"io"
	"os"
	"os/exec"
	"runtime"
	"time"
)

// Video takes pictures out of a video, with a program that the operator has
// installed (ffmpeg). A decoder of video is large and its input hostile, so it
// is never part of this process.
type Video struct {
	// Command runs the program, shut in: its standard input is the video, a file
	// in RAM that can be read at any place; it writes pictures as PPM (P6), one
	// after the other. The program's hidden command "video-pictures" is meant.
	Command []string
	Timeout time.Duration // for one video; 0: 30 seconds
	MaxSize int64         // larger ones count as not scanned; 0: 100 MiB
	Frames  int           // most pictures that are returned; 0: 8
}

// FFmpeg is how ffmpeg is called, 5.1 or later: one thread, one kind of file,
// one decoder, nothing but key frames, made to fit maxSide.
func FFmpeg(program string) []string {
	return []string{
		program, "-nostdin", "-hide_banner", "-loglevel", "quiet", "-threads", "1", "-filter_threads", "1",
		"-protocol_whitelist", "file", "-f", "mov", "-skip_frame", "nokey", "-c:v", "h264", "-i", "/proc/self/fd/0",
		"-map", "0:v:0", "-fps_mode", "passthrough", "-threads", "1",
		"-vf", fmt.Sprintf("scale='min(%d,iw)':'min(%[1]d,ih)':force_original_aspect_ratio=decrease", maxSide),
		"-c:v", "ppm", "-f", "image2pipe", "-protocol_whitelist", "pipe", "pipe:1",
	}
}

const maxSide = 1024 // of a picture, in pixels

// Pictures returns some of the key frames of size bytes of r, an MP4 with
// H.264: evenly spread, the first among them. What lies between key frames is
// not seen. Every error wraps match.ErrNotScanned; with an error the pictures
// that came before it are returned too.
func (v Video) Pictures(ctx context.Context, r io.Reader, size int64) ([]image.Image, error) {
	timeout, limit, most := v.Timeout, v.MaxSize, v.Frames
	if timeout == 0 {
		timeout = 30 * time.Second
	}
	if limit == 0 {
		limit = 100 << 20
	}
	if most == 0 {
		most = 8
	}
	if len(v.Command) == 0 || size < 0 || size > limit {
		return nil, refused("no decoder, or too large")
	}
	fd, err := inRAM(r, size)
	if err != nil {
		return nil, err
	}
	video := os.NewFile(uintptr(fd), "")
	defer video.Close()
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	// Who is shut in by Landlock may kill only from the thread that forked (see onion/launch.go).
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd := exec.Command(v.Command[0], v.Command[1:]...)
	cmd.Env = []string{} // not ours
	cmd.Stdin = video
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return nil, refused("the decoder does not start")
	}
	stop := context.AfterFunc(ctx, func() { out.Close() }) // a child of the decoder's could keep it open
	defer stop()
	pictures, err := spread(out, most)
	if err != nil {
		cancel() // whatever else it wants to write
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case failed := <-ended:
		if err == nil && failed != nil {
			err = refused("the decoder failed")
		}
	case <-ctx.Done():
		_ = cmd.Process.Kill() // fails only if it has ended already
		if failed := <-ended; err == nil && failed != nil {
			err = refused("the decoder took too long")
		}
	}
	if err == nil && len(pictures) == 0 {
		err = refused("no key frame")
	}
	return pictures, err
}

// spread keeps up to most of the pictures that come, without knowing how many
// will: when there are too many it drops every other one, and from then on takes
// half as many.
func spread(r io.Reader, most int) (kept []image.Image, err error) {
	in := bufio.NewReaderSize(r, 64<<10)
	step := 1
	for n := 0; ; n++ {
		switch _, err := in.Peek(1); err {
		case nil:
		case io.EOF:
			return kept, nil
		default:
			return kept, refused("cut off")
		}
		picture, err := ppm(in, n%step == 0)
		if err != nil {
			return kept, err
		}
		if n%step != 0 {
			continue
		}
		if len(kept) == most {
			for i := range (most + 1) / 2 {
				kept[i] = kept[2*i]
			}
			clear(kept[(most+1)/2:])
			kept = kept[:(most+1)/2]
			step *= 2
		}
		if n%step == 0 {
			kept = append(kept, picture)
		}
	}
}

// ppm reads one picture (netpbm's P6, as ffmpeg writes it), or skips it.
func ppm(in *bufio.Reader, keep bool) (image.Image, error) {
	var header [3]string // read line by line: the pixels behind may look like spaces
	for i := range header {
		line, err := in.ReadSlice('\n')
		if err != nil || len(line) > 20 {
			return nil, refused("the decoder wrote something else")
		}
		header[i] = string(line)
	}
	var width, height int
	if n, err := fmt.Sscanf(header[1], "%d %d\n", &width, &height); n != 2 || err != nil || header[0] != "P6\n" || header[2] != "255\n" ||
		width < 1 || height < 1 || width > maxSide || height > maxSide {
		return nil, refused("the decoder wrote something else")
	}
	if !keep {
		if _, err := in.Discard(3 * width * height); err != nil {
			return nil, refused("cut off")
		}
		return nil, nil
	}
	picture := image.NewRGBA(image.Rect(0, 0, width, height))
	row := make([]byte, 3*width)
	for y := range height {
		if _, err := io.ReadFull(in, row); err != nil {
			return nil, refused("cut off")
		}
		to := picture.Pix[y*picture.Stride:]
		for x := range width {
			copy(to[4*x:], row[3*x:3*x+3])
			to[4*x+3] = 255
		}
	}
	return picture, nil
}
