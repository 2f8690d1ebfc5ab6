package link

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"emberdrop/eventlog"
	"emberdrop/seal"
)

// ask is one command or question to one link.
type ask struct {
	link  int
	limit int // views that the link allows
	kind  string
}

// reply is what came back, in the words that the model speaks.
type reply struct {
	gone  bool
	final bool // of a reveal
	left  int  // of a preview and a receipt
	views int  // of a receipt
	why   string
}

// account is what a link is, as far as anyone can tell.
type account struct {
	views     int
	destroyed bool
}

func (a account) ended(limit int) string {
	switch {
	case a.destroyed:
		return "uploader"
	case a.views == limit:
		return "viewed"
	}
	return ""
}

// model says what a link that serves one request after the other would answer.
var model = porcupine.Model{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		by := map[int][]porcupine.Operation{}
		for _, op := range history {
			n := op.Input.(ask).link
			by[n] = append(by[n], op)
		}
		var out [][]porcupine.Operation
		for _, ops := range by {
			out = append(out, ops)
		}
		return out
	},
	Init: func() any { return account{} },
	Step: func(was, in, out any) (bool, any) {
		st, q, got := was.(account), in.(ask), out.(reply)
		want := reply{}
		why := st.ended(q.limit)
		switch q.kind {
		case "reveal":
			if want.gone = why != ""; !want.gone {
				st.views++
				want.final = st.views == q.limit
			}
		case "destroy":
			st.destroyed = why == "" || st.destroyed
		case "preview":
			if want.gone = why != ""; !want.gone {
				want.left = q.limit - st.views
			}
		case "receipt":
			want.views, want.why = st.views, why
			if why == "" {
				want.left = q.limit - st.views
			}
		}
		return got == want, st
	},
	DescribeOperation: func(in, out any) string { return fmt.Sprintf("%+v -> %+v", in, out) },
}

// contest lets many goroutines loose on a few links and writes down who was told what, when.
type contest struct {
	*rig
	reveal func(Answer) (final bool, err error)
	links  []Answer
	limits []int
	begun  time.Time

	mu      sync.Mutex
	history []porcupine.Operation
}

func (c *contest) ask(client int, q ask) error {
	a := c.links[q.link]
	call := time.Since(c.begun)
	var got reply
	var err error
	switch q.kind {
	case "reveal":
		got.final, err = c.reveal(a)
	case "destroy":
		err = c.Destroy(a.Receipt.String())
	case "preview":
		var p Preview
		p, err = c.Preview(a.Secret.String())
		got.left = p.ViewsLeft
	case "receipt":
		var r Receipt
		r, err = c.Receipt(a.Receipt.String())
		got.views, got.left, got.why = r.Views, r.ViewsLeft, r.Reason
	}
	back := time.Since(c.begun)
	if errors.Is(err, ErrGone) {
		got, err = reply{gone: true}, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.history = append(c.history, porcupine.Operation{
		ClientId: client, Input: q, Call: int64(call), Output: got, Return: int64(back),
	})
	return err
}

// run has so many clients ask so often, all at once.
func (c *contest) run(clients, asks int) error {
	kinds := []string{"reveal", "reveal", "reveal", "preview", "receipt", "destroy"}
	c.begun = time.Now()
	ready := make(chan struct{})
	errs := make(chan error, clients)
	for client := range clients {
		go func() {
			<-ready
			var err error
			for range asks {
				n := rand.IntN(len(c.links))
				kind := kinds[rand.IntN(len(kinds))]
				if kind == "destroy" && rand.IntN(4) > 0 {
					kind = "receipt" // else most links would end that way
				}
				err = errors.Join(err, c.ask(client, ask{link: n, limit: c.limits[n], kind: kind}))
			}
			errs <- err
		}()
	}
	close(ready)
	var err error
	for range clients {
		err = errors.Join(err, <-errs)
	}
	return err
}

// slowRig is a rig whose disk takes its time to sync: without it a race in the
// window between decision and commit would hardly ever be seen.
func slowRig(t tester) *rig {
	t.Helper()
	mem, host := vfs.NewMem(), seal.NewKey()
	initStore(t, mem, host)
	return openRig(t, errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
		switch op.Kind {
		case errorfs.OpFileSync, errorfs.OpFileSyncData, errorfs.OpFileSyncTo:
			time.Sleep(time.Duration(50+rand.IntN(150)) * time.Microsecond)
		}
		return nil
	})), host, &clock{now: start})
}

// rounds holds contests on fresh links until one of them was not linearizable.
func rounds(t *testing.T, r *rig, most int, reveal func(Answer) (bool, error)) (held int, ok bool) {
	t.Helper()
	for held = 1; held <= most; held++ {
		c := &contest{rig: r, reveal: reveal}
		for _, limit := range []int{1, 2, 7} {
			c.links = append(c.links, r.upload(Policy{Views: limit}, "", "", picture(1)))
			c.limits = append(c.limits, limit)
		}
		if err := c.run(12, 6); err != nil {
			t.Fatalf("round %d: %v", held, err)
		}
		switch porcupine.CheckOperationsTimeout(model, c.history, time.Minute) {
		case porcupine.Illegal:
			return held, false
		case porcupine.Unknown:
			t.Fatal("a history is too hard to check")
		}
		if err := r.ShredEnded(); err != nil {
			t.Fatal(err)
		}
	}
	return most, true
}

// contests is how many rounds the two tests below hold at most.
func contests() int {
	if soak() {
		return 2000
	}
	return 40
}

// TestLinearizable: whoever races whom, reveals, destroys and questions are
// answered as if one had come after the other. A sweeper runs all the while.
func TestLinearizable(t *testing.T) {
	r := slowRig(t)
	ctx, stop := context.WithCancel(t.Context())
	var swept sync.WaitGroup
	var broken atomic.Pointer[error]
	swept.Go(func() {
		for ctx.Err() == nil {
			if err := errors.Join(r.EndDue(), r.ShredEnded()); err != nil {
				broken.Store(&err)
			}
			time.Sleep(time.Millisecond)
		}
	})
	held, ok := rounds(t, r, contests(), func(a Answer) (bool, error) {
		lease, err := r.reveal(a)
		if err != nil {
			return false, err
		}
		defer r.endLease(lease)
		return lease.Final(), nil
	})
	stop()
	swept.Wait()
	if err := broken.Load(); err != nil {
		t.Errorf("the sweeper: %v", *err)
	}
	if !ok {
		t.Fatalf("round %d is not linearizable", held)
	}
	r.wantOrderAfterLeases()
}

// TestCheckThenBurnIsCaught is the control of the test above: a link room that
// decides outside of the log's writer, and appends what it decided, must be found out.
func TestCheckThenBurnIsCaught(t *testing.T) {
	r := slowRig(t)
	held, ok := rounds(t, r, contests(), r.checkThenBurn)
	if ok {
		t.Fatalf("a reveal that checks first and burns then was not caught in %d rounds", held)
	}
	t.Logf("caught in round %d", held)
}

// checkThenBurn is takeView as it must not be.
func (r *rig) checkThenBurn(a Answer) (final bool, err error) {
	_, id, st, err := r.lookup(a.Secret.String())
	if err != nil {
		return false, err
	}
	events := []eventlog.Draft{{Link: id, Type: typeViewed, Data: viewed{}}}
	if final = st.viewsLeft() == 1; final {
		events = append(events, eventlog.Draft{Link: id, Type: typeEnded, Data: ended{Reason: Viewed}})
	}
	err = r.log.Do(r.clock.read(), func(*eventlog.Tx) ([]eventlog.Draft, error) { return events, nil })
	return final, err
}
