package link

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"emberdrop/seal"
	"emberdrop/strip"
)

// send makes a link by hand, so that a test can do odd things in between.
func (r *rig) send(do func(u *Upload) error) (Answer, error) {
	r.t.Helper()
	u, _, err := r.Begin(context.Background(), seal.NewToken(), 0)
	if err != nil {
		return Answer{}, err
	}
	defer u.Abort()
	if err := do(u); err != nil {
		return Answer{}, err
	}
	return u.Commit(Policy{}, "", "")
}

func addFile(u *Upload, content []byte) error {
	_, err := u.Add(bytes.NewReader(content))
	return err
}

func TestNote(t *testing.T) {
	r := newRig(t)
	text := strings.Repeat("نامه · a letter · 信 \u202esdrawkcab\n", 2000)
	a, err := r.send(func(u *Upload) error {
		return errors.Join(u.AddNote(text), addFile(u, picture(1)), addFile(u, []byte("a small text file\r\n")))
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []Item{{Kind: Text, Size: int64(len(text))}, {Kind: "image/jpeg", Size: int64(len(clean(t, picture(1))))}, {Kind: Text, Size: 19}}
	p, err := r.Preview(a.Secret.String())
	if err != nil || len(p.Items) != 3 || p.Items[0] != want[0] || p.Items[1] != want[1] || p.Items[2] != want[2] {
		t.Fatalf("the preview lists %v (%v)", p.Items, err)
	}
	lease := r.mustReveal(a)
	if got := r.content(lease, 1); string(got) != text {
		t.Fatal("the note that came out is not the one that went in")
	}
	if got := r.content(lease, 3); string(got) != "a small text file\r\n" {
		t.Fatalf("the text file came out as %q", got)
	}
	body, _, err := lease.Open(1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := body.Seek(-10, io.SeekEnd); err != nil {
		t.Fatal(err)
	}
	if rest, err := io.ReadAll(body); err != nil || string(rest) != text[len(text)-10:] {
		t.Fatalf("the note's end is %q (%v)", rest, err)
	}
	// Compressed before sealing: the payload is far smaller than the text.
	if used, err := r.vault.Used(); err != nil || used > int64(len(text))/4 {
		t.Fatalf("%d bytes for a note of %d (%v)", used, len(text), err)
	}
}

func TestRefusedNotes(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want error
	}{
		"empty":     {"", ErrEmpty},
		"a mebi":    {strings.Repeat("x", MaxNote), nil},
		"one more":  {strings.Repeat("x", MaxNote+1), ErrNote},
		"not UTF-8": {"\xc3(", ErrNote},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			_, err := r.send(func(u *Upload) error { return u.AddNote(c.text) })
			if !errors.Is(err, c.want) {
				t.Fatalf("got %v, want %v", err, c.want)
			}
		})
	}
}

// What people write may begin as a file does that is not taken.
func TestWordsThatLookLikeAFile(t *testing.T) {
	r := newRig(t)
	film := "G" + strings.Repeat("o", 187) + "G is for good"
	for _, text := range []string{"I'm free tonight", "You skip this", "BZh is how it begins", "ID3 and ID4", film} {
		a, err := r.send(func(u *Upload) error { return addFile(u, []byte(text)) })
		if err != nil || a.Items[0].Kind != Text {
			t.Errorf("%q: %v %v", text, a.Items, err)
		}
	}
	for _, file := range []string{"<svg xmlns='http://www.w3.org/2000/svg'/>", "%!PS-Adobe-3.0", "{\\rtf1 words}", "%PDF-1.4 words"} {
		if _, err := r.send(func(u *Upload) error { return addFile(u, []byte(file)) }); err == nil {
			t.Errorf("%q is taken as text", file)
		}
	}
}

func TestAnyFile(t *testing.T) {
	binary := []byte("\x7fELF\x02\x01\x01\x00 not a picture")
	r := newRig(t)
	_, err := r.send(func(u *Upload) error { return addFile(u, binary) })
	var kind *strip.UnsupportedError
	if !errors.As(err, &kind) {
		t.Fatalf("by default: %v", err)
	}
	r = newRig(t, func(c *Config) { c.AnyFile = true })
	a, err := r.send(func(u *Upload) error { return addFile(u, binary) })
	if err != nil || a.Items[0] != (Item{Kind: Any, Size: int64(len(binary))}) {
		t.Fatalf("allowed: %v %v", a.Items, err)
	}
	if got := r.content(r.mustReveal(a), 1); !bytes.Equal(got, binary) {
		t.Fatal("the file changed")
	}
	if _, err := r.send(func(u *Upload) error { return addFile(u, picture(1)[:300]) }); !errors.Is(err, strip.ErrDamaged) {
		t.Fatalf("a damaged picture is kept as it is: %v", err)
	}
}

func TestPassIsSpentOnce(t *testing.T) {
	small := func(c *Config) { c.MaxFile, c.MaxPassFile = 1000, 100_000 }
	r := newRig(t, small)
	large := append([]byte("\xef\xbb\xbf"), bytes.Repeat([]byte("text "), 400)...)
	if _, err := r.send(func(u *Upload) error { return addFile(u, large) }); !errors.Is(err, ErrTooLarge) {
		t.Fatalf("without a pass: %v", err)
	}
	codes, err := r.Mint(2)
	if err != nil || codes[0] == codes[1] {
		t.Fatalf("%v %v", codes, err)
	}
	if _, err := r.send(func(u *Upload) error { return addFile(u, large) }); !errors.Is(err, ErrTooLarge) {
		t.Fatalf("without a pass, while there are some: %v", err)
	}
	if _, err := r.send(func(u *Upload) error { return u.Pass("AAAA-AAAA-AAAA-AAAA") }); !errors.Is(err, ErrPass) {
		t.Fatalf("a pass that is none: %v", err)
	}
	var mu sync.Mutex
	won, lost := 0, 0
	var racers sync.WaitGroup
	for i := range 50 {
		racers.Go(func() {
			_, err := r.send(func(u *Upload) error {
				if i%2 == 0 { // the pass may come before or behind the file
					return errors.Join(u.Pass(codes[0]), addFile(u, large))
				}
				return errors.Join(addFile(u, large), u.Pass(strings.ToLower(codes[0])))
			})
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				won++
			case errors.Is(err, ErrPass):
				lost++
			default:
				t.Errorf("upload: %v", err)
			}
		})
	}
	racers.Wait()
	if won != 1 || lost != 49 {
		t.Fatalf("%d uploads spent one pass, %d were refused", won, lost)
	}
	if n, err := r.Passes(); n != 1 || err != nil {
		t.Fatalf("%d passes are left (%v)", n, err)
	}
	r.wantFiles(1)
	r.wantOrder()
}

func TestWrongPassphrasesAreSlowed(t *testing.T) {
	r := newRig(t)
	a := r.upload(Policy{Views: 1}, "", "right", picture(1))
	other := r.upload(Policy{Views: 1}, "", "right", picture(2))
	try := func(a Answer, passphrase string) error {
		_, err := r.Reveal(context.Background(), a.Secret.String(), "", passphrase)
		return err
	}
	for range 10 {
		if err := try(a, "wrong"); !errors.Is(err, ErrPassphrase) {
			t.Fatalf("one of ten free tries: %v", err)
		}
	}
	if err := try(a, "right"); !errors.Is(err, ErrTooFast) {
		t.Fatalf("the eleventh try at once: %v", err)
	}
	if err := try(other, "right"); err != nil {
		t.Fatalf("another link: %v", err)
	}
	r.clock.forward(time.Second)
	if err := try(a, "wrong"); !errors.Is(err, ErrPassphrase) {
		t.Fatalf("after a second: %v", err)
	}
	r.clock.forward(time.Second)
	if err := try(a, "right"); !errors.Is(err, ErrTooFast) {
		t.Fatalf("the wait does not grow: %v", err)
	}
	r.clock.forward(time.Minute)
	if err := try(a, "right"); err != nil {
		t.Fatalf("the right one, in time: %v", err)
	}
	r.clock.forward(2 * time.Hour)
	r.sweep()
	if n := len(r.guesses.links); n != 0 {
		t.Fatalf("%d links are remembered", n)
	}
}

func TestPeekCountsNothing(t *testing.T) {
	r := newRig(t)
	id := seal.NewToken()
	a, err := r.tryUpload(id, Policy{Views: 1}, "", "", picture(1), picture(2))
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		body, item, err := r.Peek(id, 2)
		if err != nil || item.Kind != "image/jpeg" {
			t.Fatalf("%v %v", item, err)
		}
		if got, err := io.ReadAll(body); err != nil || !bytes.Equal(got, clean(t, picture(2))) {
			t.Fatalf("the peek is not the picture (%v)", err)
		}
		body.Close()
	}
	if got := r.state(a); got != "unopened" {
		t.Fatalf("a peek counted: %q", got)
	}
	for _, n := range []int{0, 3, -1} {
		_, _, err := r.Peek(id, n)
		r.wantGone("peek at an item that is not there", err)
	}
	_, _, err = r.Peek(seal.NewToken(), 1)
	r.wantGone("peek by another upload", err)
	r.mustReveal(a)
	_, _, err = r.Peek(id, 1)
	r.wantGone("peek after the reveal", err)
}

func TestNoLeaseOutlivesPanic(t *testing.T) {
	r := newRig(t)
	a := r.burn()
	r.cfg.Step = func(step string) {
		if step == "opened" {
			r.cfg.Step = func(string) {}
			if err := r.Panic(); err != nil {
				t.Error(err)
			}
		}
	}
	_, err := r.reveal(a)
	r.wantGone("a reveal that panic overtakes", err)
	if n := r.Leases(); n != 0 {
		t.Fatalf("%d leases outlive panic", n)
	}
}
