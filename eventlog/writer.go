package eventlog

import (
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

const (
	maxGroup      = 256     // commands that may wait for, and share, one fsync
	maxGroupBytes = 1 << 20 // size after which a batch takes no further command
)

// request is one command on its way through the writer.
type request struct {
	now    time.Time
	decide func(tx *Tx) ([]Draft, error)
	answer chan struct{} // closed when err is set
	err    error
	threw  any // what decide panicked with
}

// hold is a call that the writer makes between two batches: nothing is appended meanwhile.
type hold struct {
	call func() error
	done chan error
}

// Do runs decide in the writer goroutine, against the state that includes every earlier
// command, those of the same batch among them; appends the drafts it returns, folds
// them, and returns after all of it has been synced to disk. Commands that wait at the
// same time share one sync.
//
// An error of decide is returned as it is and leaves nothing. ErrStopped means that the
// outcome is unknown until the log has been opened again. decide must be quick and must
// not call the log; a panic in it is raised again in the caller's goroutine.
func (l *Log) Do(now time.Time, decide func(tx *Tx) ([]Draft, error)) error {
	return l.submit(&request{now: now, decide: decide, answer: make(chan struct{})})
}

func (l *Log) submit(r *request) error {
	select {
	case <-l.quit: // checked by itself first: select picks at random
		return l.ended()
	default:
	}
	select {
	case l.requests <- r:
	case <-l.done:
		return l.ended()
	}
	select {
	case <-r.answer:
	case <-l.done:
		select {
		case <-r.answer: // answered by the writer's last batch
		default:
			return l.ended()
		}
	}
	if r.threw != nil {
		panic(r.threw)
	}
	return r.err
}

func (l *Log) ended() error {
	if l.fatal.stopped() {
		return l.fatal.reason()
	}
	return ErrClosed
}

// hold makes the writer run call between two batches.
func (l *Log) hold(call func() error) error {
	h := &hold{call: call, done: make(chan error, 1)}
	select {
	case l.holds <- h:
	case <-l.done:
		return l.ended()
	}
	return <-h.done
}

// write is the writer goroutine: it owns the order of events.
func (l *Log) write() {
	defer close(l.done)
	for {
		select {
		case <-l.quit:
			return
		case <-l.fatal.ch:
			return
		case h := <-l.holds:
			h.done <- h.call()
		case r := <-l.requests:
			if err := l.group(r); err != nil {
				return
			}
		}
	}
}

// group takes the first command and all that wait behind it into one batch, commits
// it, and answers. It returns an error when the log has stopped.
func (l *Log) group(first *request) error {
	g := l.newGroup()
	members := []*request{first}
	err := g.take(first)
	for err == nil && len(members) < maxGroup && g.batch.Len() < maxGroupBytes {
		select {
		case r := <-l.requests:
			members = append(members, r)
			err = g.take(r)
			continue
		default:
		}
		break
	}
	if err == nil {
		err = l.commit(g)
	}
	if err != nil {
		// The log has stopped. Nobody in the batch is told anything but that: part of
		// it may or may not be on disk.
		for _, r := range members {
			r.err = err
		}
	}
	for _, r := range members {
		close(r.answer)
	}
	return err
}

// commit writes the batch with one sync and makes its state the log's. THE COMMIT
// POINT of every command in the group: before it nothing happened, after it all did.
func (l *Log) commit(g *group) error {
	if l.cfg.forceIO != nil {
		l.cfg.forceIO()
	}
	if g.batch.Empty() {
		l.adopt(g.tip) // time may have gone on within the minute
		return g.batch.Close()
	}
	l.visible.Lock() // see the field's comment
	defer l.visible.Unlock()
	if err := l.fatal.guard(func() error { return g.batch.Commit(pebble.Sync) }); err != nil {
		return l.fatal.stop(category(err)) // the batch stays open: Pebble may still use it
	}
	l.tip = g.tip
	return g.batch.Close()
}

func (l *Log) adopt(t tip) {
	l.visible.Lock()
	l.tip = t
	l.visible.Unlock()
}

// group is a batch in the making: the tip moves with every command that it takes.
type group struct {
	log   *Log
	batch *pebble.Batch
	tip   tip
}

func (l *Log) newGroup() *group {
	return &group{log: l, batch: l.db.NewIndexedBatch(), tip: l.tip}
}

// take decides one command and puts its events into the batch. An error of the command
// goes to its request; the returned error means that the log has stopped.
func (g *group) take(r *request) error {
	g.advance(r.now)
	tx := &Tx{reader: g.batch, role: roleDecide, now: g.tip.time}
	drafts, err := g.decide(tx, r)
	if err != nil || r.threw != nil {
		r.err = err
		return nil
	}
	events, err := g.encode(drafts)
	if err != nil {
		r.err = err
		return nil
	}
	// From here on the batch is written to: what fails now fails the whole log.
	if err := g.apply(tx.staged, events); err != nil {
		return g.log.fatal.stop(err)
	}
	return nil
}

// decide calls the command and catches its panic, which is the caller's to have.
func (g *group) decide(tx *Tx, r *request) (drafts []Draft, err error) {
	defer func() { r.threw = recover() }()
	return r.decide(tx)
}

// advance moves the high-water mark of time, which never goes back, so that a clock set
// back revives nothing. It is kept to the minute: deadlines are whole minutes, so a mark
// that has reached one still has after a restart.
func (g *group) advance(now time.Time) {
	if now.After(g.tip.time) {
		g.tip.time = now
	}
	if minute := uint64(max(g.tip.time.Unix()/60, 0)); minute > g.tip.mark {
		g.tip.mark = minute
		// A batch that lives in memory refuses only when it is full at 4 GiB; the
		// commit that follows would say so.
		_ = g.batch.Set(keyTime, u64(minute), nil)
	}
}

// encode checks drafts and encodes their bodies, writing nothing. The events have no
// place in the log yet.
func (g *group) encode(drafts []Draft) ([]Event, error) {
	events := make([]Event, 0, len(drafts))
	for _, d := range drafts {
		if !g.log.cfg.folds(d.Type) {
			return nil, unknown(d.Type)
		}
		data, err := Marshal(d.Data)
		if err != nil {
			return nil, err
		}
		events = append(events, Event{
			Link: d.Link, Type: d.Type, Hour: g.tip.time.Unix() / 3600, Data: data,
		})
	}
	return events, nil
}

// apply writes staged changes, events, indexes, projections and checkpoint into the batch.
func (g *group) apply(staged []change, events []Event) error {
	for _, c := range staged {
		var err error
		if c.del {
			var value []byte
			if value, _, err = get(g.batch, c.key); err != nil {
				return err
			}
			g.tip.dead += uint64(len(c.key) + len(value))
			err = errors.Join(g.batch.Delete(c.key, nil), g.batch.Set(keyDead, u64(g.tip.dead), nil))
		} else {
			err = g.batch.Set(c.key, c.value, nil)
		}
		if err != nil {
			return category(err)
		}
	}
	for _, e := range events {
		if err := g.append(e); err != nil {
			return err
		}
	}
	if len(events) == 0 {
		return nil
	}
	return g.batch.Set(keySeq, u64(g.tip.seq), nil)
}

func (g *group) append(e Event) error {
	lo, hi := StreamBounds(e.Link)
	key, _, err := last(g.batch, lo, hi)
	if err != nil {
		return err
	}
	if key != nil {
		_, e.Version, _ = ParseStreamKey(key)
	}
	e.Version++
	g.tip.seq++
	e.Seq = g.tip.seq
	value, err := encodeEvent(e)
	if err != nil {
		return err
	}
	if !g.tip.types[e.Type] {
		g.tip.types = maps.Clone(g.tip.types)
		g.tip.types[e.Type] = true
		err = g.batch.Set(typeKey(e.Type), nil, nil)
	}
	err = errors.Join(err,
		g.batch.Set(EventKey(e.Seq), value, nil),
		g.batch.Set(StreamKey(e.Link, e.Version), u64(e.Seq), nil))
	if err != nil {
		return category(err)
	}
	return fold(g.log.cfg.Fold, &Tx{reader: g.batch, batch: g.batch, role: roleFold}, e)
}

// fold applies one event, and turns a panic of the fold into an error: the process must
// get the chance to stop in an orderly way.
func fold(f Fold, tx *Tx, e Event) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("folding %s panicked", e.Type)
		}
	}()
	if err := f.Apply(tx, e); err != nil {
		return fmt.Errorf("folding %s: %w", e.Type, err)
	}
	return nil
}
