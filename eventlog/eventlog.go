// Package eventlog holds the append-only log of what happened to links, and the
// projections folded from it, in one Pebble store: append, read, replay, rebuild,
// verify, purge. It is the only room that knows Pebble.
//
// It must not know what an event means (that is the fold's business), must not read
// a clock (now is an argument), and must not put an id, a key or a value into a log
// line or an error.
package eventlog

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// The errors at this room's border.
var (
	// ErrExists: Create found a log in the folder.
	ErrExists = errors.New("eventlog: a log exists already")
	// ErrMissing: Open found no log in the folder, or one whose Create did not finish.
	ErrMissing = errors.New("eventlog: no log here")
	// ErrLocked: another process, or another Open of this one, has the log open.
	ErrLocked = errors.New("eventlog: the log is open elsewhere")
	// ErrUnknownType: the log holds, or a draft carries, an event type that this
	// program does not fold. The wrapping error names the type.
	ErrUnknownType = errors.New("eventlog: unknown event type")
	// ErrDamaged: the store contradicts itself or cannot be read.
	ErrDamaged = errors.New("eventlog: the log is damaged")
	// ErrStopped: the log stopped because going on could lose or invent state. For a
	// command that was under way its outcome is unknown until the log is opened again.
	ErrStopped = errors.New("eventlog: the log has stopped")
	// ErrClosed: the log was closed before the command was looked at; nothing of it remains.
	ErrClosed = errors.New("eventlog: the log is closed")
	// ErrMisuse: a transaction was asked for something its role forbids.
	ErrMisuse = errors.New("eventlog: not allowed in this transaction")
)

// ID names a stream: 16 bytes that carry no meaning. The zero ID is the log's own
// stream, which holds the summaries of purges.
type ID [16]byte

// Fold turns events into projections. It is called from the writer goroutine, from
// Rebuild and from Verify, so it must be pure: no clock, no randomness, no I/O but the
// transaction's, no state between calls. An error or a panic stops the log.
type Fold interface {
	// Apply folds one event. It may read and write projections only (the keys of links,
	// deadlines and receipts, and MetaKey names that do not begin with "log/").
	Apply(tx *Tx, e Event) error
	// Drop removes every projection row of a stream that is being purged, and takes
	// what the stream contributed out of the totals; Apply of the summary event that
	// follows puts the same amount back. So totals stay as they were, and a replay of
	// the purged log, which sees only the summary, comes to the same totals.
	Drop(tx *Tx, stream ID) error
}

// Config is what a log needs to run.
type Config struct {
	// FS holds the files. Nil: the operating system's file system.
	FS vfs.FS
	// Dir is the folder of the log, nobody else's. Empty is refused.
	Dir string
	// Fold makes the projections. Nil is refused.
	Fold Fold
	// Types is every event type that Fold knows, TypePurged included. Empty: nothing can be appended.
	Types []string
	// Upcasts turns an event of an old type (the key) into one of a newer type, as it is
	// read; chains are followed. Nil: there are no old types.
	Upcasts map[string]Upcast
	// Log gets lines made of constants and counts. Nil: they are discarded.
	Log *slog.Logger
	// Fatal is called once, from a goroutine of its own, when the log stops; the
	// program should end in an orderly way. Nil: only ErrStopped tells.
	Fatal func(error)
	// Cache is the size of the block cache in bytes. Zero: 32 MiB.
	Cache int64
	// Memtable is the size of a memtable in bytes. Zero: 8 MiB.
	Memtable uint64

	tune    func(*pebble.Options) // tests change what they need another way; nil: nothing
	forceIO func()                // tests wait here just before a commit; nil: nothing
}

// Log is an open log. Its methods may be called from any goroutine, Close once.
type Log struct {
	cfg   Config
	db    *store
	fatal *fatality // the store's

	requests chan *request
	holds    chan *hold
	quit     chan struct{} // closed by Close: the writer ends after its current batch
	done     chan struct{} // closed by the writer when it has ended

	// visible is held by the writer for the length of a commit and by readers while
	// they take their snapshot. Pebble shows a batch to readers when it is in the
	// memtable, before its fsync has returned; without this lock a reader could act
	// on (and a visitor be told) what a power cut then takes back.
	visible sync.RWMutex
	tip     tip // the state after the last synced batch; guarded by visible

	erasing sync.Mutex // held by Erase: one at a time

	life    sync.Mutex
	closed  bool
	users   sync.WaitGroup // calls that use db; added under life while closed is false
	epoch   int            // 0 or 1; guarded by life
	readers [2]int         // views that are open, by the epoch in which they began; guarded by life
}

// Create makes an empty log in cfg.Dir, a folder (mode 0700) that must not exist or be
// empty (ErrExists). The log is made under another name beside it and then renamed, so
// a crash leaves a whole one or none.
func Create(cfg Config) error {
	cfg, err := cfg.checked()
	if err != nil {
		return err
	}
	if names, err := cfg.FS.List(cfg.Dir); err == nil && len(names) > 0 {
		return ErrExists
	}
	draft := cfg
	draft.Dir += ".new"
	if err := makeDir(cfg.FS, draft.Dir); err != nil {
		return fmt.Errorf("eventlog: making the folder: %w", category(err))
	}
	db, err := openStore(draft, true)
	if err != nil {
		return err
	}
	err = db.fatal.guard(func() error {
		return errors.Join(db.Set(keyFormat, []byte{layout}, pebble.Sync), db.Flush())
	})
	if err = errors.Join(err, db.close()); err != nil {
		return fmt.Errorf("eventlog: making the log: %w", category(err))
	}
	if err := errors.Join(cfg.FS.Rename(draft.Dir, cfg.Dir), syncDir(cfg.FS, cfg.FS.PathDir(cfg.Dir))); err != nil {
		return fmt.Errorf("eventlog: naming the folder: %w", category(err))
	}
	return nil
}

// Open opens the log in cfg.Dir for reading and appending. It returns ErrMissing,
// ErrLocked, ErrUnknownType or ErrDamaged, wrapped.
func Open(cfg Config) (*Log, error) {
	cfg, err := cfg.checked()
	if err != nil {
		return nil, err
	}
	db, err := openStore(cfg, false)
	if err != nil {
		return nil, err
	}
	t, err := readTip(db, cfg)
	if err == nil {
		err = db.clearShadow()
	}
	if err != nil {
		return nil, errors.Join(err, db.close())
	}
	l := &Log{
		cfg: cfg, db: db, fatal: db.fatal, tip: t,
		requests: make(chan *request, maxGroup),
		holds:    make(chan *hold),
		quit:     make(chan struct{}),
		done:     make(chan struct{}),
	}
	go l.write()
	return l, nil
}

// Close ends the writer, flushes and closes the store. Commands that were not looked
// at yet get ErrClosed. After the log has stopped on its own Close only lets go: what
// was synced is on disk, and the store is in no state to write more.
func (l *Log) Close() error {
	l.life.Lock()
	if l.closed {
		l.life.Unlock()
		return ErrClosed
	}
	l.closed = true
	l.life.Unlock()
	close(l.quit)
	if l.fatal.stopped() {
		return l.fatal.reason()
	}
	<-l.done
	l.users.Wait()
	// Pebble's Close does not flush: it would leave the memtable to be replayed from
	// the WAL by the next Open, which takes seconds instead of milliseconds.
	err := l.fatal.guard(l.db.Flush)
	return errors.Join(err, l.db.close())
}

func (c Config) checked() (Config, error) {
	if c.Dir == "" || c.Fold == nil {
		return c, fmt.Errorf("%w: a log needs a folder and a fold", ErrMisuse)
	}
	if c.FS == nil {
		c.FS = vfs.Default
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Cache == 0 {
		c.Cache = 32 << 20
	}
	if c.Memtable == 0 {
		c.Memtable = 8 << 20
	}
	return c, nil
}

// makeDir makes dir anew, without what an interrupted Create left in it, and syncs its
// parent, so that the folder itself survives a power cut.
func makeDir(fs vfs.FS, dir string) error {
	if err := fs.RemoveAll(dir); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := fs.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return syncDir(fs, fs.PathDir(dir))
}

func syncDir(fs vfs.FS, dir string) error {
	d, err := fs.OpenDir(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
