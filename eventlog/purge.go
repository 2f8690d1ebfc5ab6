package eventlog

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// TypePurged is the type of the event that a purge leaves in the log's own stream. Its
// body holds totals only.
const TypePurged = "streams.purged.2"

// purgeLimit is how many streams one batch of a purge takes: appends wait behind it.
const purgeLimit = 256

// Purged is what a purge did.
type Purged struct {
	Streams int
	Events  int
	Erased  Erased
}

// Purge drops whole streams from the log and then every trace of them from disk.
//
// choose names streams that are finished, at most limit, and the body of the summary
// event that stands for them: totals only, no ids. It runs in the writer like a decide
// function, again and again until it names none. Each answer is one batch: the streams'
// events and index entries go, Fold.Drop removes their rows, the summary is appended.
// The log looks at no meaning: that a stream may go is the caller's word.
//
// Purging nothing still erases what an interrupted purge, or a deleted pass, left on
// disk. Appends go on all the while; see Erase for when they pause.
func (l *Log) Purge(ctx context.Context, now time.Time, choose func(tx *Tx, limit int) (streams []ID, summary any, err error)) (Purged, error) {
	var p Purged
	for {
		if err := ctx.Err(); err != nil {
			return p, err
		}
		var step Purged
		err := l.hold(func() (err error) {
			step, err = l.purge(now, choose)
			return err
		})
		if err != nil {
			return p, err
		}
		p.Streams += step.Streams
		p.Events += step.Events
		if step.Streams == 0 { // none named, or none that the log has: no progress to be made
			break
		}
	}
	size, err := l.Size()
	if err != nil || size.Dead == 0 {
		return p, err
	}
	p.Erased, err = l.Erase(ctx)
	return p, err
}

// purge drops one batch of streams. It runs in the writer goroutine, by itself, so an
// error throws the batch away and harms nothing.
func (l *Log) purge(now time.Time, choose func(*Tx, int) ([]ID, any, error)) (p Purged, err error) {
	g := l.newGroup()
	defer func() {
		if e := recover(); e != nil {
			err = errors.New("eventlog: purging panicked")
		}
		if err != nil && !l.fatal.stopped() {
			err = errors.Join(err, quiet(g.batch.Close()))
		}
	}()
	g.advance(now)
	streams, summary, err := choose(&Tx{reader: g.batch, role: roleRead, now: g.tip.time}, purgeLimit)
	if err != nil {
		return Purged{}, err
	}
	seen := map[ID]bool{}
	for _, stream := range streams {
		if seen[stream] { // the summary may have counted it twice
			return Purged{}, fmt.Errorf("%w: a stream was named twice", ErrMisuse)
		}
		seen[stream] = true
		events, err := g.drop(stream)
		if err != nil {
			return Purged{}, err
		}
		if events > 0 {
			p.Streams++
			p.Events += events
		}
	}
	if p.Streams == 0 {
		return Purged{}, l.commit(g) // time went on all the same
	}
	done, err := g.encode([]Draft{{Type: TypePurged, Data: summary}})
	if err != nil {
		return Purged{}, err
	}
	if err := g.apply(nil, done); err != nil {
		return Purged{}, err
	}
	if err := g.batch.Set(keyDead, u64(g.tip.dead), nil); err != nil {
		return Purged{}, category(err)
	}
	return p, l.commit(g)
}

// drop removes one stream: events, index, rows. Every key is deleted by itself, never
// as a range: Pebble's MANIFEST would keep a range's start key, with the id in it.
// A stream that the log does not have, or has no longer, is none of the fold's business.
func (g *group) drop(stream ID) (events int, err error) {
	if stream == (ID{}) {
		return 0, fmt.Errorf("%w: the log's own stream stays", ErrMisuse)
	}
	lo, hi := StreamBounds(stream)
	var doomed [][]byte
	err = scan(g.batch, lo, hi, func(k, v []byte) (bool, error) {
		if len(v) != 8 {
			return false, fmt.Errorf("%w: an index entry has %d bytes", ErrDamaged, len(v))
		}
		events++
		g.tip.dead += uint64(len(k) + len(v))
		doomed = append(doomed, append([]byte{}, k...), append([]byte(classEvent), v...))
		return true, nil
	})
	if err != nil || events == 0 {
		return 0, err
	}
	for _, key := range doomed {
		if hasClass(key, classEvent) {
			value, _, err := get(g.batch, key)
			if err != nil {
				return 0, err
			}
			g.tip.dead += uint64(len(key) + len(value))
		}
		if err := g.batch.Delete(key, nil); err != nil {
			return 0, category(err)
		}
	}
	tx := &Tx{reader: g.batch, batch: g.batch, role: roleFold}
	if err := g.log.cfg.Fold.Drop(tx, stream); err != nil {
		return 0, fmt.Errorf("eventlog: dropping a stream's rows: %w", err)
	}
	g.tip.dead += tx.dead
	return events, nil
}

// note commits the count of dead bytes from within the writer, and says up to which of
// Pebble's sequence numbers everything is then written and synced.
func (l *Log) note(g *group) (mark uint64, err error) {
	b := g.batch
	if err := b.Set(keyDead, u64(g.tip.dead), nil); err != nil {
		return 0, category(err)
	}
	l.visible.Lock()
	defer l.visible.Unlock()
	if err := l.fatal.guard(func() error { return b.Commit(pebble.Sync) }); err != nil {
		return 0, l.fatal.stop(category(err))
	}
	l.tip = g.tip
	mark = uint64(b.SeqNum()) + uint64(b.Count())
	return mark, b.Close()
}
