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

func TestBurnOpensOnce(t *testing.T) {
	r := newRig(t)
	a := r.burn()
	for range 5 {
		p, err := r.Preview(a.Secret.String())
		if err != nil {
			t.Fatalf("preview: %v", err)
		}
		if p.Caption != "caption" || p.ViewsLeft != 1 || len(p.Items) != 1 || p.Items[0].Kind != "image/jpeg" {
			t.Fatalf("preview shows %+v", p)
		}
	}
	if got := r.state(a); got != "unopened" {
		t.Fatalf("receipt says %q before the reveal", got)
	}
	lease := r.mustReveal(a)
	if !lease.Final() || lease.Caption() != "caption" {
		t.Fatalf("lease: final %v, caption %q", lease.Final(), lease.Caption())
	}
	if got := r.content(lease, 1); !bytes.Equal(got, clean(t, picture(7))) {
		t.Fatal("the picture that came out is not the one that went in")
	}
	if _, err := r.Preview(a.Secret.String()); !errors.Is(err, ErrGone) {
		t.Fatalf("preview after the burn: %v", err)
	}
	_, err := r.reveal(a)
	r.wantGone("second reveal", err)
	if got := r.state(a); got != "destroyed: viewed" {
		t.Fatalf("receipt says %q", got)
	}
	r.sweep()
	r.wantFiles(1) // the lease holds it
	if err := r.EndLease(lease.Token()); err != nil {
		t.Fatalf("end lease: %v", err)
	}
	r.sweep()
	r.wantFiles(0)
	r.wantOrder()
}

func TestRacingRevealsOfABurnLink(t *testing.T) {
	const racing = 200
	// Everyone has opened the payload before the first one commits: without this
	// the winner is done before most of the others look, and nothing races.
	var opened sync.WaitGroup
	opened.Add(racing)
	r := newRig(t, func(c *Config) {
		c.Step = func(step string) {
			if step == "opened" {
				opened.Done()
				opened.Wait()
			}
		}
	})
	a := r.burn()
	var mu sync.Mutex
	won, gone := 0, 0
	var racers sync.WaitGroup
	gun := make(chan struct{})
	for range racing {
		racers.Go(func() {
			<-gun
			_, err := r.reveal(a)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				won++
			case errors.Is(err, ErrGone):
				gone++
			default:
				t.Errorf("reveal: %v", err)
			}
		})
	}
	close(gun)
	racers.Wait()
	if won != 1 || gone != racing-1 {
		t.Fatalf("%d won and %d got the one answer, want 1 and %d", won, gone, racing-1)
	}
	r.wantOrderAfterLeases()
}

// wantOrderAfterLeases ends every lease, sweeps, and checks the order.
func (r *rig) wantOrderAfterLeases() {
	r.t.Helper()
	open, _ := r.leases.which(func(*Lease) bool { return true })
	for _, s := range open {
		r.endLease(s)
	}
	r.sweep()
	r.wantOrder()
}

func TestRepeatedRevealGetsItsLeaseAgain(t *testing.T) {
	r := newRig(t)
	a := r.burn()
	value := seal.NewToken().String()
	var mu sync.Mutex
	tokens := map[string]int{}
	var repeats sync.WaitGroup
	for range 20 {
		repeats.Go(func() {
			lease, err := r.Reveal(context.Background(), a.Secret.String(), value, "")
			if err != nil {
				t.Errorf("reveal: %v", err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			tokens[lease.Token()]++
		})
	}
	repeats.Wait()
	if len(tokens) != 1 {
		t.Fatalf("%d leases for one form", len(tokens))
	}
	_, err := r.Reveal(context.Background(), a.Secret.String(), seal.NewToken().String(), "")
	r.wantGone("reveal by another form", err)
	other := r.upload(Policy{Views: 1}, "", "", picture(9))
	lease, err := r.Reveal(context.Background(), other.Secret.String(), value, "")
	if err != nil || tokens[lease.Token()] != 0 {
		t.Fatalf("a reveal value reached across links: %v", err)
	}
	for token := range tokens {
		if err := r.EndLease(token); err != nil {
			t.Fatal(err)
		}
	}
	_, err = r.Reveal(context.Background(), a.Secret.String(), value, "")
	r.wantGone("repeat after the lease ended", err)
}

func TestRepeatedUploadGetsItsAnswerAgain(t *testing.T) {
	r := newRig(t)
	id := seal.NewToken()
	var mu sync.Mutex
	secrets := map[seal.Token]int{}
	var repeats sync.WaitGroup
	for range 10 {
		repeats.Go(func() {
			a, err := r.tryUpload(id, Policy{}, "", "", picture(1))
			if err != nil {
				t.Errorf("upload: %v", err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			secrets[a.Secret]++
		})
	}
	repeats.Wait()
	if len(secrets) != 1 {
		t.Fatalf("%d links for one upload", len(secrets))
	}
	r.wantFiles(1)
	a, _ := r.tryUpload(id, Policy{}, "", "", picture(1))
	r.mustReveal(a)
	if again, err := r.tryUpload(id, Policy{}, "", "", picture(1)); err != nil || again.Secret == a.Secret {
		t.Fatalf("the link secret is still known after the first reveal (%v)", err)
	}
}

func TestAnswerIsForgotten(t *testing.T) {
	for name, end := range map[string]func(r *rig, a Answer){
		"after its time":    func(r *rig, _ Answer) { r.clock.forward(AnswerTTL); r.sweep() },
		"at the link's end": func(r *rig, a Answer) { r.Destroy(a.Receipt.String()) },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			id := seal.NewToken()
			a, err := r.tryUpload(id, Policy{}, "", "", picture(1))
			if err != nil {
				t.Fatal(err)
			}
			end(r, a)
			if n := len(r.answers.slots); n != 0 {
				t.Fatalf("%d answers are still in RAM", n)
			}
		})
	}
}

func TestPassphrase(t *testing.T) {
	r := newRig(t)
	a := r.upload(Policy{Views: 1}, "secret caption", "correct horse", picture(3))
	p, err := r.Preview(a.Secret.String())
	if err != nil || !p.Locked || p.Caption != "" || p.Items != nil {
		t.Fatalf("a locked preview shows %+v (%v)", p, err)
	}
	for _, wrong := range []string{"", "correct horsf", "Correct horse"} {
		if _, err := r.Reveal(context.Background(), a.Secret.String(), "", wrong); !errors.Is(err, ErrPassphrase) {
			t.Fatalf("passphrase %q: %v", wrong, err)
		}
	}
	if got := r.state(a); got != "unopened" {
		t.Fatalf("wrong passphrases burned: %q", got)
	}
	if _, err := r.Reveal(context.Background(), a.Secret.String(), "", "correct horse"); err != nil {
		t.Fatalf("right passphrase: %v", err)
	}
}

func TestDamagedPayloadBurnsNothing(t *testing.T) {
	r := newRig(t)
	a := r.upload(Policy{Views: 1}, "", "", []byte(strings.Repeat("a long text \n", 1000)), picture(1), bytes.Repeat([]byte("x"), 100))
	names, _ := r.vault.Names()
	f, err := r.fs.OpenReadWrite("vault/"+names[0], "")
	if err != nil {
		t.Fatal(err)
	}
	fi, _ := f.Stat()
	// The header, the first byte of the first item, the middle, the trailer.
	for _, at := range []int64{0, 40, 120, 4096, (4096 + fi.Size()) / 2, fi.Size() - 16} {
		was := make([]byte, 1)
		if _, err := f.ReadAt(was, at); err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteAt([]byte{was[0] ^ 1}, at); err != nil {
			t.Fatal(err)
		}
		if _, err := r.reveal(a); !errors.Is(err, ErrUnavailable) {
			t.Fatalf("reveal of a payload damaged at %d: %v", at, err)
		}
		if got := r.state(a); got != "unopened" {
			t.Fatalf("a payload damaged at %d burned: %q", at, got)
		}
		if findings, _ := r.Verify(); len(findings) != 1 {
			t.Fatalf("damage at %d: verify finds %v", at, findings)
		}
		if _, err := f.WriteAt(was, at); err != nil {
			t.Fatal(err)
		}
	}
	r.mustReveal(a)
}

func TestReadStopsWhenItsLinkIsDestroyed(t *testing.T) {
	r := newRig(t)
	a := r.upload(Policy{}, "", "", picture(4))
	lease := r.mustReveal(a)
	body, _, err := lease.Open(1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(body, make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	if err := r.Destroy(a.Receipt.String()); err != nil {
		t.Fatal(err)
	}
	_, err = body.Read(make([]byte, 10))
	r.wantGone("read after destroy", err)
	_, err = r.Lease(lease.Token())
	r.wantGone("lease after destroy", err)
	_, _, err = lease.Open(1)
	r.wantGone("open after destroy", err)
	if err := r.Destroy(a.Receipt.String()); err != nil {
		t.Fatalf("destroying twice: %v", err)
	}
	if got := r.state(a); got != "destroyed: uploader" {
		t.Fatalf("receipt says %q", got)
	}
	r.sweep()
	r.wantFiles(0)
	r.wantOrder()
}

func TestMalformedAndUnknownAreGone(t *testing.T) {
	r := newRig(t)
	a := r.burn()
	for _, token := range []string{"", "x", seal.NewToken().String(), strings.ToUpper(a.Secret.String()), a.Secret.String() + "a", a.Receipt.String()} {
		_, err := r.Preview(token)
		r.wantGone("preview", err)
		_, err = r.Reveal(context.Background(), token, seal.NewToken().String(), "")
		r.wantGone("reveal", err)
		_, err = r.Lease(token)
		r.wantGone("lease", err)
		r.wantGone("end of lease", r.EndLease(token))
	}
	for _, token := range []string{"", "x", seal.NewToken().String(), a.Secret.String(), strings.ToUpper(a.Receipt.String())} {
		_, err := r.Receipt(token)
		r.wantGone("receipt", err)
		r.wantGone("destroy", r.Destroy(token))
	}
	if len(r.reveals.slots) != 0 {
		t.Fatal("reveals of nothing are remembered")
	}
}

func TestRefusedUploadLeavesNothing(t *testing.T) {
	small := func(c *Config) { c.MaxFile, c.MaxUpload, c.MaxItems = 4000, 5000, 3 }
	pad := func(n int) []byte { return append(picture(1), make([]byte, n-len(picture(1)))...) }
	for name, c := range map[string]struct {
		files   [][]byte
		policy  Policy
		caption string
		want    error
	}{
		"nothing":          {nil, Policy{}, "", ErrEmpty},
		"an empty file":    {[][]byte{picture(1), {}}, Policy{}, "", ErrEmpty},
		"a large file":     {[][]byte{pad(4001)}, Policy{}, "", ErrTooLarge},
		"large together":   {[][]byte{pad(3000), pad(3000)}, Policy{}, "", ErrTooLarge},
		"many files":       {[][]byte{picture(1), picture(2), picture(3), picture(4)}, Policy{}, "", ErrTooMany},
		"a cut picture":    {[][]byte{picture(1)[:200]}, Policy{}, "", strip.ErrDamaged},
		"a long caption":   {[][]byte{picture(1)}, Policy{}, strings.Repeat("ü", 201), ErrCaption},
		"a broken caption": {[][]byte{picture(1)}, Policy{}, "\xff", ErrCaption},
		"101 views":        {[][]byte{picture(1)}, Policy{Views: 101}, "", ErrPolicy},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, small)
			_, err := r.tryUpload(seal.NewToken(), c.policy, c.caption, "", c.files...)
			if !errors.Is(err, c.want) {
				t.Fatalf("got %v, want %v", err, c.want)
			}
			r.wantFiles(0)
			if len(r.answers.slots) != 0 {
				t.Fatal("a refused upload is remembered")
			}
			r.wantOrder()
		})
	}
	t.Run("another kind", func(t *testing.T) {
		r := newRig(t)
		_, err := r.tryUpload(seal.NewToken(), Policy{}, "", "", []byte("\x7fELF\x02\x01\x01\x00\x00\x00"))
		var kind *strip.UnsupportedError
		if !errors.As(err, &kind) {
			t.Fatalf("got %v", err)
		}
		r.wantFiles(0)
	})
}

func TestLongestCaption(t *testing.T) {
	r := newRig(t)
	caption := strings.Repeat("ü", 200)
	a := r.upload(Policy{}, caption, "", picture(1))
	if p, err := r.Preview(a.Secret.String()); err != nil || p.Caption != caption {
		t.Fatalf("%v", err)
	}
}

func TestNext(t *testing.T) {
	r := newRig(t)
	want := func(want time.Time) {
		t.Helper()
		if got, err := r.Next(); err != nil || !got.Equal(want) {
			t.Fatalf("next is %s (%v), want %s", got, err, want)
		}
	}
	want(time.Time{})
	a := r.upload(Policy{Expire: time.Hour}, "", "", picture(1))
	want(start.Add(AnswerTTL))
	lease := r.mustReveal(a)
	want(start.Add(5 * time.Minute))
	if err := r.EndLease(lease.Token()); err != nil {
		t.Fatal(err)
	}
	want(start.Add(time.Hour + 30*time.Second))
	select {
	case <-r.Wake():
	default:
		t.Fatal("nobody was woken")
	}
}
