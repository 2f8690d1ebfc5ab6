package link

import (
	"io"
	"sync"
	"sync/atomic"
	"time"

	"emberdrop/eventlog"
	"emberdrop/seal"
	"emberdrop/vault"
)

// Lease lets one viewer fetch a revealed link's content again and again: a
// dropped circuit or a video's Range requests lose nothing. It holds what opens
// the payload in RAM and nowhere else.
type Lease struct {
	token   seal.Token
	link    eventlog.ID
	born    time.Time
	idle    time.Duration
	longest time.Duration
	now     func() time.Time
	caption string
	items   []Item
	final   bool // set before the lease is handed out

	used atomic.Int64 // nanoseconds since 1970 of the last fetch

	mu      sync.RWMutex // held for reading during a read, for writing at the end
	payload *vault.Payload
	over    bool
}

// Token is the path by which the viewer fetches.
func (s *Lease) Token() string { return s.token.String() }

// Caption is the uploader's line of text; it may be empty.
func (s *Lease) Caption() string { return s.caption }

// Items lists the link's files in order.
func (s *Lease) Items() []Item { return s.items }

// Final says that the link has ended with this view.
func (s *Lease) Final() bool { return s.final }

// Until is when the lease ends if nothing is fetched any more.
func (s *Lease) Until() time.Time {
	last := time.Unix(0, s.used.Load()).Add(s.idle)
	return earlier(last, s.born.Add(s.longest))
}

// alive reports whether the lease lives at now.
func (s *Lease) alive(now time.Time) bool { return now.Before(s.Until()) }

// Open returns item n, counted from 1. The reader fails with ErrGone from the
// chunk on at which the lease has ended.
func (s *Lease) Open(n int) (io.ReadSeekCloser, Item, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.over {
		return nil, Item{}, ErrGone
	}
	if n < 1 || n > len(s.items) {
		return nil, Item{}, ErrGone
	}
	r, err := content(s.payload, n-1)
	if err != nil {
		return nil, Item{}, err
	}
	return &leased{lease: s, r: r}, s.items[n-1], nil
}

// leased is an item's reader that ends with its lease.
type leased struct {
	lease *Lease
	r     io.ReadSeekCloser
}

func (d *leased) Read(p []byte) (int, error) {
	s := d.lease
	s.mu.RLock()
	defer s.mu.RUnlock()
	now := s.now()
	if s.over || !s.alive(now) {
		return 0, ErrGone
	}
	s.used.Store(now.UnixNano())
	return d.r.Read(p)
}

func (d *leased) Seek(offset int64, whence int) (int64, error) { return d.r.Seek(offset, whence) }
func (d *leased) Close() error                                 { return d.r.Close() }

// close lets go of what opens the payload. A read in progress finishes its chunk first.
func (s *Lease) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.over {
		s.over = true
		s.payload.Close()
	}
}

// leases are the open ones. A lease is looked up by its token's hash.
type leases struct {
	mu      sync.Mutex
	byToken map[[32]byte]*Lease
	byLink  map[eventlog.ID]map[*Lease]struct{}
}

func newLeases() *leases {
	return &leases{byToken: map[[32]byte]*Lease{}, byLink: map[eventlog.ID]map[*Lease]struct{}{}}
}

func (t *leases) add(link eventlog.ID, payload *vault.Payload, cfg Config) *Lease {
	manifest := payload.Manifest()
	s := &Lease{
		token: seal.NewToken(), link: link, payload: payload,
		caption: manifest.Caption, items: itemsOf(manifest.Items),
		born: cfg.Now(), idle: cfg.LeaseIdle, longest: cfg.LeaseMax, now: cfg.Now,
	}
	s.used.Store(s.born.UnixNano())
	t.mu.Lock()
	defer t.mu.Unlock()
	t.byToken[s.token.Hash()] = s
	if t.byLink[link] == nil {
		t.byLink[link] = map[*Lease]struct{}{}
	}
	t.byLink[link][s] = struct{}{}
	return s
}

func (t *leases) get(token seal.Token, now time.Time) (*Lease, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.byToken[token.Hash()]
	if s == nil || !s.alive(now) {
		return nil, ErrGone
	}
	return s, nil
}

func (t *leases) remove(s *Lease) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.byToken, s.token.Hash())
	delete(t.byLink[s.link], s)
	if len(t.byLink[s.link]) == 0 {
		delete(t.byLink, s.link)
	}
}

// held reports whether a link has a lease, pending ones included.
func (t *leases) held(link eventlog.ID) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.byLink[link]) > 0
}

// which lists the leases for which pick is true, and the earliest end of the others.
func (t *leases) which(pick func(*Lease) bool) (picked []*Lease, next time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range t.byToken {
		if pick(s) {
			picked = append(picked, s)
		} else {
			next = earlier(next, s.Until())
		}
	}
	return picked, next
}

// crowded gives the lease that has to go for one more: of the link with the most
// of them, the one that was unused for longest. Whoever opens many leases of one
// link loses those first, and can open the link again. nil with full set: every
// link has one only, and none goes for another's.
func (t *leases) crowded(most int) (goes *Lease, full bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.byToken) < most {
		return nil, false
	}
	var crowd map[*Lease]struct{}
	for _, of := range t.byLink {
		if len(of) > len(crowd) {
			crowd = of
		}
	}
	if len(crowd) < 2 {
		return nil, true
	}
	for s := range crowd {
		if goes == nil || s.used.Load() < goes.used.Load() {
			goes = s
		}
	}
	return goes, true
}

// makeRoom makes room for one more lease: each holds a file open. The error is ErrBusy.
func (l *Links) makeRoom() error {
	goes, full := l.leases.crowded(l.cfg.Leases)
	switch {
	case goes != nil:
		l.endLease(goes)
	case full:
		return ErrBusy
	}
	return nil
}

// Lease finds a lease by its token. The error is ErrGone.
func (l *Links) Lease(token string) (*Lease, error) {
	parsed, malformed := seal.ParseToken(token)
	s, err := l.leases.get(parsed, l.cfg.Now())
	if malformed != nil {
		return nil, ErrGone
	}
	return s, err
}

// Leases is how many are open.
func (l *Links) Leases() int {
	l.leases.mu.Lock()
	defer l.leases.mu.Unlock()
	return len(l.leases.byToken)
}

// EndLease ends a lease because its viewer says so; the content of an ended link
// is then shredded at once. The error is ErrGone.
func (l *Links) EndLease(token string) error {
	s, err := l.Lease(token)
	if err != nil {
		return err
	}
	l.endLease(s)
	return nil
}

// endLease closes a lease and lets the sweeper know.
func (l *Links) endLease(s *Lease) {
	s.close()
	l.reveals.drop(func(made *slot[seal.Token]) bool { return made.value == s.token })
	l.leases.remove(s)
	l.stir()
}

// endLeases ends every lease of a link.
func (l *Links) endLeases(id eventlog.ID) {
	open, _ := l.leases.which(func(s *Lease) bool { return s.link == id })
	for _, s := range open {
		l.endLease(s)
	}
}
