package tests

import (
	"context"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"emberdrop/tests/instance"
	"emberdrop/tests/sample"
)

// shared is a link that was acknowledged, and what was seen of it since.
type shared struct {
	link, receipt string
	burn          bool

	served int  // reveals that gave the photo
	doubt  bool // a reveal was cut off by a kill: taken or not
	dead   bool // a destroy was acknowledged
	maybe  bool // a destroy was cut off by a kill
}

// TestKill kills the real program again and again under load. On restart a burn
// link was either never revealed, or is dead; never twice. What was
// acknowledged and not ended opens.
func TestKill(t *testing.T) {
	t.Parallel()
	kills := 100
	if more, err := strconv.Atoi(os.Getenv("EMBERDROP_KILLS")); err == nil {
		kills = more
	} else if testing.Short() {
		kills = 10
	}
	data := freshData(t)
	photo := sample.Photo(320, 240, 1)
	var links []*shared
	dice := rand.New(rand.NewPCG(1, uint64(time.Now().UnixNano())))
	// On a busy machine less happens between two kills, so there are more of them.
	rounds := 0
	for end := time.Now().Add(5 * time.Minute); rounds < kills || len(links) < kills && time.Now().Before(end); rounds++ {
		server, client := servePlain(t, data)
		for _, s := range sampleOf(dice, links, 20) {
			s.check(t, client)
		}
		made := pressure(t, server, client, links, photo, time.Duration(30+dice.IntN(400))*time.Millisecond)
		links = append(links, made...)
		if t.Failed() {
			t.Fatalf("in round %d", rounds)
		}
	}
	server, client := servePlain(t, data)
	served := 0
	for _, s := range links {
		s.check(t, client)
		served += s.served
	}
	if err := server.Stop(); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(theProgram(t), "verify", "--data", data).CombinedOutput(); err != nil {
		t.Fatalf("verify: %v\n%s", err, out)
	}
	t.Logf("%d kills, %d links, %d photos served", rounds, len(links), served)
	if served == 0 || len(links) < kills {
		t.Fatal("too little happened between the kills to say anything")
	}
}

// pressure uploads, reveals and destroys from several clients until the kill.
func pressure(t *testing.T, server *instance.Instance, client *instance.Client, links []*shared, photo []byte, after time.Duration) (made []*shared) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var mu sync.Mutex
	var workers sync.WaitGroup
	for i := range 3 {
		workers.Go(func() {
			for ctx.Err() == nil {
				s, ok := upload(ctx, client, photo, i != 0)
				if !ok {
					return
				}
				mu.Lock()
				made = append(made, s)
				mu.Unlock()
				if i == 2 {
					s.reveal(t, ctx, client)
				}
			}
		})
	}
	old := append([]*shared(nil), links...)
	workers.Go(func() {
		for _, s := range old[max(0, len(old)-30):] {
			if s.burn {
				s.reveal(t, ctx, client)
			} else if len(s.link)%3 == 0 {
				s.destroy(ctx, client)
			}
		}
	})
	time.Sleep(after)
	server.Kill()
	cancel()
	workers.Wait()
	return made
}

func upload(ctx context.Context, client *instance.Client, photo []byte, burn bool) (*shared, bool) {
	parts := []instance.Field{instance.File("x.jpg", photo)}
	if burn {
		parts = append(parts, instance.Text("burn", "on"))
	}
	up, err := client.Upload(ctx, "http://drop.test/", parts...)
	if err != nil || up.Status != 201 {
		return nil, false
	}
	return &shared{link: up.Line("link"), receipt: up.Line("receipt"), burn: burn}, true
}

func (s *shared) reveal(t *testing.T, ctx context.Context, client *instance.Client) {
	out, err := client.Post(ctx, s.link, nil)
	switch {
	case err != nil:
		s.doubt = true
	case out.Status == 200:
		if s.served++; s.burn && s.served > 1 {
			t.Error("a burn link was served twice")
		}
	case out.Status != 404:
		t.Errorf("reveal: %d %s", out.Status, out.Body)
	}
}

func (s *shared) destroy(ctx context.Context, client *instance.Client) {
	out, err := client.Post(ctx, s.receipt+"/destroy", nil)
	if err != nil || out.Status >= 400 {
		s.maybe = true
	} else {
		s.dead = true
	}
}

// check holds a link against what was acknowledged of it.
func (s *shared) check(t *testing.T, client *instance.Client) {
	t.Helper()
	page, err := client.Get(t.Context(), s.link)
	if err != nil {
		t.Fatalf("get: %v", err)
	}
	opens := page.Status == 200
	switch {
	case s.dead && opens:
		t.Error("a destroyed link opens")
	case s.burn && s.served > 0 && opens:
		t.Error("a burned link opens")
	case !opens && !s.dead && !s.maybe && !s.doubt && !(s.burn && s.served > 0):
		t.Errorf("an acknowledged link does not open: %d", page.Status)
	}
	receipt, err := client.Get(t.Context(), s.receipt)
	if err != nil || receipt.Status != 200 {
		t.Fatalf("receipt: %v %d", err, receipt.Status)
	}
	if (page.Status == 404) != strings.HasPrefix(string(receipt.Body), "state: destroyed") {
		t.Errorf("link and receipt disagree: %d, %s", page.Status, receipt.Body)
	}
}

func sampleOf(dice *rand.Rand, links []*shared, n int) []*shared {
	if len(links) <= n {
		return links
	}
	out := append([]*shared(nil), links[len(links)-n/2:]...)
	for range n / 2 {
		out = append(out, links[dice.IntN(len(links))])
	}
	return out
}
