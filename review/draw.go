package review

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io"
	"os/exec"
	"syscall"
	"time"
)

// Limits of what the child may say. It has read a hostile file, so nothing of it
// is believed that was not measured here: pictures come as bare pixels and become
// PNG on this side, so that no byte of the child's making is parsed by a browser.
const (
	maxSide     = 1600 // pixels
	maxPictures = 8
	maxHashes   = 512
	maxWords    = 200 // bytes of why nothing can be shown
	patience    = time.Minute
)

// Drawing is an item as its operator may look at it.
type Drawing struct {
	Pictures []string   // data: URIs of PNG, at most 1600 pixels a side
	Hashes   [][32]byte // perceptual hashes of it and its crops, as match makes them
	Unseen   string     // why there are no pictures, in words; empty: there are
}

// ErrChild means that the child that draws failed: it ran out of time or memory,
// broke a rule of its cage, or said something that makes no sense.
var ErrChild = errors.New("the item could not be drawn")

// Draw has a child process, made by command with nothing to lose, decode an item
// and hash it. The child is expected to run Child.
func Draw(ctx context.Context, command func(ctx context.Context) *exec.Cmd, kind string, plain []byte) (d Drawing, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	cmd := command(ctx)
	cmd.Env, cmd.Dir = []string{}, "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Stdin = io.MultiReader(bytes.NewReader([]byte(kind+"\n")), bytes.NewReader(plain))
	out, err := cmd.StdoutPipe()
	if err != nil {
		return d, err
	}
	if err := cmd.Start(); err != nil {
		return d, err
	}
	d, err = listen(bufio.NewReader(out))
	if err != nil {
		cmd.Process.Kill()
	}
	// Its own words on standard error are dropped: they could hold anything of the file.
	if waited := cmd.Wait(); err == nil && waited != nil {
		err = fmt.Errorf("%w: %w", ErrChild, waited)
	}
	return d, err
}

// What the child says, each with a tag before it.
const (
	tagPicture = 'p' // u32 width, u32 height, then 3 bytes a pixel
	tagHash    = 'h' // 32 bytes
	tagUnseen  = 'u' // u8 length, then words
	tagEnd     = 'e' // without it, it was cut off
)

func listen(r *bufio.Reader) (d Drawing, err error) {
	for {
		tag, err := r.ReadByte()
		if err != nil {
			return d, fmt.Errorf("%w: it ended early", ErrChild)
		}
		switch {
		case tag == tagPicture && len(d.Pictures) < maxPictures:
			err = hearPicture(r, &d)
		case tag == tagHash && len(d.Hashes) < maxHashes:
			var h [32]byte
			_, err = io.ReadFull(r, h[:])
			d.Hashes = append(d.Hashes, h)
		case tag == tagUnseen && d.Unseen == "":
			err = hearWords(r, &d)
		case tag == tagEnd:
			return d, nil
		default:
			err = errors.New("it said something else")
		}
		if err != nil {
			return d, fmt.Errorf("%w: %w", ErrChild, err)
		}
	}
}

func hearPicture(r io.Reader, d *Drawing) error {
	var size [2]uint32
	if err := binary.Read(r, binary.BigEndian, &size); err != nil {
		return err
	}
	w, h := int(size[0]), int(size[1])
	if w < 1 || h < 1 || w > maxSide || h > maxSide {
		return errors.New("a picture of no sensible size")
	}
	raw := make([]byte, 3*w*h)
	if _, err := io.ReadFull(r, raw); err != nil {
		return err
	}
	img := image.NewNRGBA(image.Rect(0, 0, w, h))
	for i := range w * h {
		copy(img.Pix[4*i:], raw[3*i:3*i+3])
		img.Pix[4*i+3] = 255
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		return err
	}
	d.Pictures = append(d.Pictures, dataURI(b.Bytes()))
	return nil
}

func hearWords(r *bufio.Reader, d *Drawing) error {
	n, err := r.ReadByte()
	if err != nil || n > maxWords {
		return errors.New("too many words")
	}
	words := make([]byte, n)
	if _, err := io.ReadFull(r, words); err != nil {
		return err
	}
	d.Unseen = string(bytes.ToValidUTF8(words, nil))
	return nil
}
