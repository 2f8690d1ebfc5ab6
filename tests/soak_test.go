package tests

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"emberdrop/strip"
	"emberdrop/tests/instance"
	"emberdrop/tests/sample"
)

const soakQuota = 96 << 20

// soak is a server under mixed load that meets one misfortune after the other,
// and what must be true of it all the same.
type soak struct {
	t      *testing.T
	data   string
	device *device // a small disk; nil: whatever disk there is, which is never full
	goods  []goods
	forget bool // whether a purge may have dropped receipts

	mu    sync.Mutex
	gifts []*gift

	uploads, refused, reveals, destroyed, cut atomic.Int64
	ends                                      map[string]int // how servers ended
}

// goods is something to share, and what must come out of it.
type goods struct {
	parts []instance.Field
	clean [][]byte
}

// TestSoak: uploads of every kind, reveals, burns, destroys, receipts, purges, cut
// and stalled connections, under servers that are killed, stopped, paused, and run
// out of disk; at the end verify finds everything in order. EMBERDROP_SOAK says how
// long, 30m for the whole thing.
func TestSoak(t *testing.T) {
	t.Parallel()
	long, err := time.ParseDuration(os.Getenv("EMBERDROP_SOAK"))
	if err != nil {
		long = 12 * time.Second
	}
	s := &soak{t: t, data: freshData(t), goods: soakGoods(t), ends: map[string]int{}}
	if os.Geteuid() == 0 && err == nil {
		s.device = newDevice(t, 512)
		s.data = filepath.Join(s.device.folder, "data")
		if _, err := instance.Init(t.Context(), theProgram(t), s.data); err != nil {
			t.Fatal(err)
		}
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	dice := rand.New(rand.NewPCG(seed, 1))
	rounds := 0
	poor := func() bool {
		return s.uploads.Load() == 0 || s.reveals.Load() == 0 || s.destroyed.Load() == 0 || rounds < 4
	}
	end := time.Now().Add(long)
	latest := end.Add(2 * time.Minute) // for a busy machine, on which less happens
	for ; (time.Now().Before(end) || poor() && time.Now().Before(latest)) && !t.Failed(); rounds++ {
		s.round(dice)
		if os.Getenv("EMBERDROP_SOAK") != "" && rounds%50 == 49 {
			fmt.Printf("round %d: %d uploads, %d refused, %d reveals, %d destroyed\n", rounds+1, s.uploads.Load(), s.refused.Load(), s.reveals.Load(), s.destroyed.Load())
		}
	}
	s.finish()
	t.Logf("%d rounds (%v): %d uploads, %d refused, %d cut off; %d reveals, %d destroyed", rounds, s.ends,
		s.uploads.Load(), s.refused.Load(), s.cut.Load(), s.reveals.Load(), s.destroyed.Load())
	if poor() {
		t.Error("too little happened to say anything")
	}
}

func soakGoods(t *testing.T) (all []goods) {
	t.Helper()
	one := func(parts ...instance.Field) {
		g := goods{parts: parts}
		for _, p := range parts {
			var out bytes.Buffer
			if _, err := strip.Strip(&out, bytes.NewReader(p.Value), int64(len(p.Value))); err != nil {
				out.Reset()
				out.Write(p.Value) // text is not stripped
			}
			g.clean = append(g.clean, out.Bytes())
		}
		all = append(all, g)
	}
	photo := instance.File("x.jpg", sample.Photo(640, 480, 1))
	one(photo)
	one(instance.File("x.png", sample.PNG(64, 64, 1)))
	for _, name := range []string{"gif/animated.gif", "webp/animated.webp", "mp4/plain.mp4", "jpeg/progressive.jpg"} {
		one(instance.File(filepath.Base(name), readFile(t, filepath.Join("..", "strip", "testdata", name))))
	}
	one(instance.Text("note", "the door code is 4711"))
	one(instance.File("x.txt", bytes.Repeat([]byte("a line of text\n"), 60_000)))
	one(photo, instance.File("y.png", sample.PNG(32, 32, 2)), instance.Text("note", "three of them"))
	one(instance.File("big.jpg", bigPhoto()))
	return all
}

// round is one server's life.
func (s *soak) round(dice *rand.Rand) {
	s.t.Helper()
	ttl := "24h"
	if dice.IntN(3) == 0 {
		ttl, s.forget = "-3h", true // receipts lapse with their links, so that purges have something to do
	}
	server, client := servePlain(s.t, s.data, "--quota", fmt.Sprint(soakQuota), "--never-share", "30%", "--free-floor", "48MiB",
		"--max-uploads", "6", "--max-connections", "40", "--stall", "2s",
		"--lease-idle", "6s", // longer than any pause: a viewer must not lose a lease between commit and first byte
		"--purge-dead", "64KiB", "--receipt-ttl="+ttl)
	for _, d := range s.some(dice, 15) {
		s.check(client, d)
	}
	ctx, cancel := context.WithCancel(s.t.Context())
	var workers sync.WaitGroup
	for range 5 {
		own := rand.New(rand.NewPCG(dice.Uint64(), 2))
		workers.Go(func() {
			for ctx.Err() == nil && !server.Ended() {
				s.act(ctx, own, client)
			}
		})
	}
	workers.Go(func() { s.slow(ctx, client) })
	how := s.misfortune(dice, server)
	s.ends[how]++
	cancel()
	workers.Wait()
	noSecrets(s.t, server.Log())
}

// misfortune lets some time pass and then ends the server in one of many ways.
func (s *soak) misfortune(dice *rand.Rand, server *instance.Instance) string {
	s.t.Helper()
	pass := func() { time.Sleep(time.Duration(200+dice.IntN(1800)) * time.Millisecond) }
	pass()
	process, _ := os.FindProcess(server.PID())
	switch n := dice.IntN(10); {
	case n == 0:
		process.Signal(syscall.SIGSTOP)
		pass()
		process.Signal(syscall.SIGCONT)
		pass()
		server.Kill()
		return "paused, then killed"
	case n <= 2:
		for _, command := range []string{"sweep", "purge", "status"} {
			// A server may be stopping by itself; all that matters is what it leaves.
			exec.Command(theProgram(s.t), command, "--data", s.data).Run()
		}
		s.wantWithinQuota()
		fallthrough
	case n == 3:
		if err := server.Stop(); err != nil {
			s.t.Errorf("stop: %v", err)
		}
		if dice.IntN(3) == 0 {
			succeeds(s.t, "rebuild", "--data", s.data)
		}
		return "stopped"
	case n <= 5 && s.device != nil:
		defer s.fill(dice)()
		pass()
		pass()
		if server.Ended() {
			return "ended by a full disk"
		}
		server.Kill()
		return "killed on a full disk"
	}
	server.Kill()
	return "killed"
}

// fill leaves next to nothing, or nothing, of the disk, and gives back how to undo it.
func (s *soak) fill(dice *rand.Rand) (undo func()) {
	path := filepath.Join(s.device.folder, "filler")
	file, err := os.Create(path)
	if err != nil {
		s.t.Fatal(err)
	}
	var fs syscall.Statfs_t
	if err := syscall.Statfs(s.device.folder, &fs); err != nil {
		s.t.Fatal(err)
	}
	left := []int64{40 << 20, 1 << 20, 0}[dice.IntN(3)]
	size := int64(fs.Bfree)*fs.Bsize - left
	for step := int64(64 << 20); step >= 4096; step /= 2 { // root may take the last block too
		for at := int64(0); ; {
			info, _ := file.Stat()
			if at = info.Size(); at+step > size || syscall.Fallocate(int(file.Fd()), 0, at, step) != nil {
				break
			}
		}
	}
	file.Close()
	return func() { os.Remove(path) }
}

func (s *soak) wantWithinQuota() {
	s.t.Helper()
	out, err := exec.Command(theProgram(s.t), "status", "--json", "--data", s.data).Output()
	var st struct {
		Payloads int64 `json:"payload_bytes"`
	}
	if err != nil || json.Unmarshal(out, &st) != nil {
		return // it was stopping
	}
	if st.Payloads > soakQuota {
		s.t.Errorf("%d bytes are stored, the quota is %d", st.Payloads, soakQuota)
	}
}

// finish lets a last server mend and sweep, and holds everything against it.
func (s *soak) finish() {
	server, client := servePlain(s.t, s.data, "--quota", fmt.Sprint(soakQuota), "--receipt-ttl=-3h", "--lease-idle", "1s")
	s.forget = true
	for _, d := range s.gifts {
		s.check(client, d)
	}
	eventuallyIn(s.t, time.Minute, "everything that ended is shredded", func() bool {
		succeeds(s.t, "sweep", "--data", s.data)
		out := succeeds(s.t, "status", "--json", "--data", s.data)
		return strings.Contains(out, `"links_to_shred":0,`)
	})
	succeeds(s.t, "purge", "--data", s.data)
	s.wantWithinQuota()
	if err := server.Stop(); err != nil {
		s.t.Error(err)
	}
	succeeds(s.t, "verify", "--data", s.data)
	succeeds(s.t, "rebuild", "--data", s.data)
	succeeds(s.t, "verify", "--data", s.data)
}
