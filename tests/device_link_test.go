package tests

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"time"

	"emberdrop/link"
	"emberdrop/seal"
	"emberdrop/strip"
	"emberdrop/tests/needle"
	"emberdrop/tests/sample"
)

// story is one link.
type story struct {
	n          int
	answer     link.Answer
	policy     link.Policy
	caption    string
	passphrase string
	files      [][]byte // as they went in
	want       [][]byte // as they must come out; made by clean
	pass       string
	payload    string // its file's name
}

// tell is the whole story of one link. What it leaves to time ends in live.
func (w *world) tell(n int) {
	kinds := []struct {
		policy link.Policy
		views  int
		close  bool // the lease ends when it was read, and not by time
		end    bool // by the receipt
	}{
		{policy: link.Policy{Views: 1}, views: 1, close: true},
		{policy: link.Policy{Expire: 24 * time.Hour, Views: 1}, views: 1},
		{policy: link.Policy{Views: 3, Expire: 7 * 24 * time.Hour}, views: 3, close: true},
		{policy: link.Policy{Expire: time.Hour}, views: 1},
		{policy: link.Policy{Idle: time.Hour}},
		{end: true},
		{policy: link.Policy{Expire: 7 * 24 * time.Hour}, views: 5, end: true},
		{policy: link.Policy{Expire: 7 * 24 * time.Hour}, views: 2, close: true},
	}
	kind := kinds[n%len(kinds)]
	g := &story{n: n, policy: kind.policy, caption: letters(40)}
	if n%9 == 4 {
		g.passphrase = letters(24)
	}
	for i := range 1 + n%3 {
		g.files = append(g.files, w.picture(n, n%25 == 7 && i == 0))
	}
	if n%5 == 1 {
		g.files = append(g.files, []byte(letters(2000)))
	}
	if n%25 == 3 {
		w.abandoned(g)
	}
	if n%20 == 11 {
		w.mu.Lock()
		g.pass, w.passes = w.passes[0], w.passes[1:]
		w.mu.Unlock()
	}
	lives := n%25 == 24
	if lives {
		g.policy = link.Policy{}
	}
	w.upload(g, lives)
	if lives {
		w.mu.Lock()
		w.living = append(w.living, g)
		w.mu.Unlock()
		return
	}
	if g.passphrase != "" {
		if _, err := w.links.Reveal(context.Background(), g.answer.Secret.String(), "", "wrong"); !errors.Is(err, link.ErrPassphrase) {
			w.t.Errorf("a wrong passphrase: %v", err)
		}
	}
	for range kind.views {
		w.reveal(g, kind.close)
	}
	if kind.end {
		if err := w.links.Destroy(g.answer.Receipt.String()); err != nil {
			w.t.Errorf("destroy: %v", err)
		}
	}
}

// picture is a photo with metadata that only it has. A large one is more than is
// staged in RAM.
func (w *world) picture(n int, large bool) []byte {
	comment := []byte(letters(len(plainComment)))
	w.remember("metadata", n, comment)
	if large {
		return noise(1200+n%100, comment)
	}
	return photo(48, comment)
}

// plainComment is what sample photos say.
const plainComment = "a comment nobody should read"

// photo is a sample photo with a comment of its own, as long as theirs.
func photo(size int, comment []byte) []byte {
	return bytes.ReplaceAll(sample.Photo(size, size, rand.Uint64()), []byte(plainComment), comment)
}

// noise is a photo of some megabytes, made faster than one of something.
func noise(height int, comment []byte) []byte {
	img := image.NewGray(image.Rect(0, 0, 1600, height))
	for at := range img.Pix {
		img.Pix[at] = byte(rand.Uint32())
	}
	var plain bytes.Buffer
	if err := jpeg.Encode(&plain, img, nil); err != nil {
		panic(err) // into memory, of a valid picture: cannot happen
	}
	out := append([]byte{0xff, 0xd8, 0xff, 0xfe, 0, byte(len(comment) + 2)}, comment...)
	return append(out, plain.Bytes()[2:]...)
}

// letters are random, so that no compressor hides them and nothing else has them.
func letters(n int) string {
	raw := make([]byte, n)
	for i := range raw {
		raw[i] = byte(rand.Uint32())
	}
	return base64.RawURLEncoding.EncodeToString(raw)[:n]
}

func (w *world) remember(kind string, n int, secret []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.needles = append(w.needles, needle.Needle{Name: fmt.Sprintf("%s %d.%d", kind, n, len(w.needles)), Bytes: bytes.Clone(secret)})
}

func (w *world) keep(kind string, n int, secret []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.kept = append(w.kept, needle.Needle{Name: fmt.Sprintf("live %s %d", kind, n), Bytes: bytes.Clone(secret)})
}

// begin sends a link's files.
func (w *world) begin(g *story) *link.Upload {
	u, _, err := w.links.Begin(context.Background(), seal.NewToken(), 0)
	if err != nil {
		w.t.Errorf("begin: %v", err)
		return nil
	}
	if g.pass != "" {
		if err := u.Pass(g.pass); err != nil {
			w.t.Errorf("pass: %v", err)
		}
	}
	for _, file := range g.files {
		if w.disk.careless {
			w.spill(file)
		}
		if _, err := u.Add(bytes.NewReader(file)); err != nil {
			w.t.Errorf("add: %v", err)
		}
	}
	return u
}

// abandoned uploads come to nothing: the visitor goes, or sends what is refused.
func (w *world) abandoned(g *story) {
	u := w.begin(g)
	if u == nil {
		return
	}
	defer u.Abort()
	var refused *strip.UnsupportedError
	if _, err := u.Add(strings.NewReader(strings.Repeat("\x00\x01what nobody takes\xff", 1000))); !errors.As(err, &refused) {
		w.t.Errorf("what nobody takes: %v", err)
	}
}

func (w *world) upload(g *story, lives bool) {
	u := w.begin(g)
	if u == nil {
		return
	}
	defer u.Abort()
	var err error
	if g.answer, err = u.Commit(g.policy, g.caption, g.passphrase); err != nil {
		w.t.Errorf("commit: %v", err)
		return
	}
	w.secrets(g, lives)
	if w.disk.careless {
		w.spill([]byte(strings.Join([]string{g.caption, g.passphrase, g.answer.Secret.String(), g.answer.Receipt.String()}, "\n")))
	}
}

// spill is what programs do that are not careful: a temporary file, which is removed.
func (w *world) spill(content []byte) {
	file, err := os.CreateTemp(w.device.folder, "")
	if err == nil {
		_, err = file.Write(content)
		err = errors.Join(err, file.Sync(), file.Close(), os.Remove(file.Name()))
	}
	if err != nil {
		w.t.Errorf("spill: %v", err)
	}
}

// clean is what a viewer must get for each file. It belongs to the goroutine that
// tells the story.
func (g *story) clean() [][]byte {
	if g.want == nil {
		for _, file := range g.files {
			var want bytes.Buffer
			if _, err := strip.Strip(&want, bytes.NewReader(file), int64(len(file))); err != nil {
				want.Write(file) // a note
			}
			g.want = append(g.want, want.Bytes())
		}
	}
	return g.want
}

// reveal opens a link and checks that what comes out is what went in.
func (w *world) reveal(g *story, done bool) {
	lease, err := w.links.Reveal(context.Background(), g.answer.Secret.String(), "", g.passphrase)
	if err != nil {
		w.t.Errorf("reveal of link %d: %v", g.n, err)
		return
	}
	if lease.Caption() != g.caption {
		w.t.Errorf("link %d has another caption", g.n)
	}
	for i, want := range g.clean() {
		body, _, err := lease.Open(i + 1)
		if err != nil {
			w.t.Errorf("open: %v", err)
			return
		}
		got, err := io.ReadAll(body)
		body.Close()
		if err != nil || !bytes.Equal(got, want) {
			w.t.Errorf("link %d, item %d is not what went in: %v", g.n, i+1, err)
		}
	}
	if done {
		if err := w.links.EndLease(lease.Token()); err != nil {
			w.t.Errorf("end a lease: %v", err)
		}
	}
}
