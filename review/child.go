package review

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"image"
	"io"
	"strings"

	"golang.org/x/image/draw"

	"emberdrop/match"
)

// maxItem is the largest item that is drawn, in bytes.
const maxItem = 256 << 20

// maxPixels is the largest picture that is drawn: more than a server compares, since
// what was over its limit is what the operator is asked about.
const maxPixels = 200_000_000

// Child is the other side of Draw: it reads one item and writes pixels and
// hashes. It needs nothing but its two streams, so it can run where everything
// else is forbidden.
func Child(ctx context.Context, in io.Reader, out io.Writer) error {
	r := bufio.NewReader(in)
	kind, err := r.ReadString('\n')
	if err != nil {
		return err
	}
	plain, err := io.ReadAll(io.LimitReader(r, maxItem+1))
	if err != nil {
		return err
	}
	if len(plain) > maxItem {
		return errors.New("item too large")
	}
	w := bufio.NewWriter(out)
	pictures, err := match.Pictures(ctx, bytes.NewReader(plain), int64(len(plain)), strings.TrimSuffix(kind, "\n"), match.Limits{Pixels: maxPixels, Frames: maxPictures})
	if err != nil {
		tell(w, unseen(err))
	}
	for _, p := range pictures[:min(len(pictures), maxPictures)] {
		show(w, p)
	}
	entries := match.BankEntries(nil, pictures)
	for _, e := range entries[:min(len(entries), maxHashes)] {
		w.WriteByte(tagHash)
		w.Write(e.Sum[:])
	}
	w.WriteByte(tagEnd)
	return w.Flush()
}

// unseen says for the operator why not all can be shown.
func unseen(err error) string {
	switch {
	case errors.Is(err, match.ErrKind):
		return "No picture can be made of this kind of item here. Decide by what was written, or look at it elsewhere."
	case errors.Is(err, match.ErrLimit):
		return "The item is too large to be drawn whole."
	}
	return "The item does not decode whole: it is damaged, or made to look so."
}

func tell(w *bufio.Writer, words string) {
	w.WriteByte(tagUnseen)
	w.WriteByte(byte(len(words)))
	w.WriteString(words)
}

// show writes a picture's bare pixels, on white where it is transparent, no
// larger than a screen.
func show(w *bufio.Writer, img image.Image) {
	from := img.Bounds()
	width, height := from.Dx(), from.Dy()
	if long := max(width, height); long > maxSide {
		width, height = max(1, width*maxSide/long), max(1, height*maxSide/long)
	}
	to := image.NewRGBA(image.Rect(0, 0, width, height))
	draw.Draw(to, to.Bounds(), image.White, image.Point{}, draw.Src)
	draw.ApproxBiLinear.Scale(to, to.Bounds(), img, from, draw.Over, nil)
	w.WriteByte(tagPicture)
	binary.Write(w, binary.BigEndian, [2]uint32{uint32(width), uint32(height)})
	for i := range width * height {
		w.Write(to.Pix[4*i : 4*i+3])
	}
}
