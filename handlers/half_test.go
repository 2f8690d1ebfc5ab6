package handlers

import (
	"maps"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"emberdrop/seal"
)

// half serves a half of the rig's links.
func (r *rig) half(h Half, here string) func(method, target string) got {
	r.t.Helper()
	service, err := New(Config{Links: r.links, Origin: origin, Here: here, Half: h, Now: r.clock})
	must(r.t, err)
	return func(method, target string) got {
		req := httptest.NewRequest(method, target, nil)
		w := httptest.NewRecorder()
		service.ServeHTTP(w, req)
		return got{w.Code, w.Header(), w.Body.String()}
	}
}

// Where there are two addresses, one half knows nothing of the other: its answer is the one of what is not there.
func TestHalves(t *testing.T) {
	r := newRig(t)
	made := r.share(file("a", aJPEG(1)))
	id := seal.NewToken().String()
	leaving := []string{"GET /", "HEAD /", "POST /", "GET /u/" + id, "POST /up/" + id, "GET /up/" + id, "GET /up/" + id + "/1", "GET /progress/" + id}
	opening := []string{"GET " + local(made["link"]), "GET " + local(made["receipt"]), "POST " + local(made["link"])}
	for name, c := range map[string]struct {
		half       Half
		has, lacks []string
	}{
		"opening": {Opening, opening, leaving},
		"leaving": {Leaving, leaving[:1], opening},
	} {
		ask := r.half(c.half, "http://here.onion")
		want := ask("GET", "/nothing")
		for _, line := range c.lacks {
			method, path, _ := strings.Cut(line, " ")
			g := ask(method, path)
			if g.status != 404 || !maps.EqualFunc(g.header, want.header, slices.Equal) || method != "HEAD" && g.body != want.body {
				t.Errorf("%s: %s answers %d, not as what is not there", name, line, g.status)
			}
		}
		for _, line := range c.has {
			method, path, _ := strings.Cut(line, " ")
			if g := ask(method, path); g.status >= 400 {
				t.Errorf("%s: %s answers %d", name, line, g.status)
			}
		}
		if g := ask("GET", "/u/"+id); c.half == Leaving && (!strings.Contains(g.body, "http://here.onion/") || strings.Contains(g.body, origin)) {
			t.Errorf("it tells to leave something elsewhere:\n%s", g.body)
		}
	}
}

// Every address belongs to a half, so that a new one is not served at both by mistake.
func TestEveryRouteHasAHalf(t *testing.T) {
	for pattern := range (&site{}).routes() {
		if _, _, methods := strings.Cut(pattern, " "); !methods {
			continue
		}
		both := Opening.serves(pattern) && Leaving.serves(pattern)
		none := !Opening.serves(pattern) && !Leaving.serves(pattern)
		if !Whole.serves(pattern) || none || both && !strings.HasSuffix(pattern, "/how") && !strings.HasSuffix(pattern, "/terms") {
			t.Errorf("%s: by both %v, by none %v", pattern, both, none)
		}
	}
}
