package tests

import (
	"bufio"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"emberdrop/tests/instance"
	"emberdrop/tests/sample"
)

// TestOneAnswerTakesOneTime is law 5 by the clock: a link that ended, one that
// was destroyed, one that is held, one that never was and what is no link are answered in the same
// time. The requests are interleaved, so that whatever else the machine does
// falls on all of them alike. EMBERDROP_SOAK makes it 10 000 of each.
func TestOneAnswerTakesOneTime(t *testing.T) {
	s, _ := operated(t)
	photo := instance.File("x.jpg", sample.Photo(320, 240, 1))
	burned, _ := s.share(t, photo, instance.Text("burn", "on"))
	lease := strings.TrimSuffix(s.ask(t, "POST", burned).Header.Get("Content-Location"), "/1")
	s.kept(path(lease))
	if a := s.ask(t, "POST", lease+"/done"); a.Status != 200 {
		t.Fatalf("ending the lease: %d", a.Status)
	}
	destroyed, receipt := s.share(t, photo)
	s.ask(t, "POST", receipt+"/destroy")
	eventually(t, "both links are shredded", func() bool { return len(leftovers(t, s.data)) == 0 })
	held, _ := s.share(t, photo)
	s.hold(t, held)
	live, _ := s.share(t, photo)

	kinds := []timed{
		{name: "burned", target: burned}, {name: "destroyed", target: destroyed}, {name: "held", target: held},
		{name: "never existed", target: "/s/" + stranger}, {name: "malformed", target: "/s/" + strings.Repeat("1", 52)},
		{name: "live", target: live}, // another answer: shows that the clock can tell
	}
	rounds, tries := 300, 5
	if os.Getenv("EMBERDROP_SOAK") != "" {
		rounds = 10_000
	}
	for _, method := range []string{"GET", "POST"} {
		compared := kinds
		if method == "POST" {
			compared = kinds[:5] // of a live link it is a view
		}
		for try := 1; ; try++ {
			s.clock(t, method, compared, rounds)
			slowest, fastest := time.Duration(0), time.Hour
			for _, k := range compared {
				t.Logf("%s, %d of each: %-14s median %v", method, rounds, k.name, k.median)
				if k.target != live {
					slowest, fastest = max(slowest, k.median), min(fastest, k.median)
				}
			}
			ratio := float64(slowest) / float64(fastest)
			t.Logf("%s: the slowest median is %.3f of the fastest", method, ratio)
			if ratio < 1.5 {
				break
			}
			// A busy machine can do that once, a difference does it each time.
			if try == tries {
				t.Errorf("%s: the answers for what is not there take different times, in each of %d rounds", method, tries)
				break
			}
		}
	}
}

// timed is a kind of address and how long its answers took.
type timed struct {
	name, target string
	median       time.Duration
}

// clock asks for each address so many times over one connection, in a new order
// each time, and sets the medians.
func (s *site) clock(t *testing.T, method string, kinds []timed, rounds int) {
	t.Helper()
	const warm = 20
	took := make([][]time.Duration, len(kinds))
	conn := s.dial(t)
	if err := conn.SetDeadline(time.Now().Add(10 * time.Minute)); err != nil {
		t.Fatal(err)
	}
	answers := bufio.NewReader(conn)
	statuses := make([]int, len(kinds))
	for round := range rounds + warm {
		for _, k := range rand.Perm(len(kinds)) {
			asked := strings.Replace(request(method, kinds[k].target, ""), "Connection: close\r\n", "Accept: text/html\r\n", 1)
			start := time.Now()
			if _, err := io.WriteString(conn, asked); err != nil {
				t.Fatal(err)
			}
			res, err := http.ReadResponse(answers, &http.Request{Method: method})
			if err == nil {
				_, err = io.Copy(io.Discard, res.Body)
			}
			if err != nil {
				t.Fatal(err)
			}
			if res.Close {
				t.Fatal("the server closes the connection: nothing can be compared")
			}
			if round >= warm {
				took[k] = append(took[k], time.Since(start))
			}
			statuses[k] = res.StatusCode
		}
	}
	for k := range kinds {
		slices.Sort(took[k])
		kinds[k].median = took[k][len(took[k])/2]
		if want := map[bool]int{true: 200, false: 404}[kinds[k].name == "live"]; statuses[k] != want {
			t.Fatalf("%s: status %d", kinds[k].name, statuses[k])
		}
	}
}
