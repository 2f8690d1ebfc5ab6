package eventlog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/objstorage"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// format pins Pebble's on-disk format (its FormatValueSeparation), so that a newer
// Pebble does not upgrade a store that an older program must still open.
const format = pebble.FormatMajorVersion(24)

// openStore opens Pebble in cfg.Dir, or makes it there.
func openStore(cfg Config, create bool) (*pebble.DB, *fatality, error) {
	there, err := exists(cfg.FS, cfg.Dir)
	if err != nil {
		return nil, nil, err
	}
	if !there && !create {
		return nil, nil, ErrMissing
	}
	// The lock is taken before Pebble opens, to tell "it runs" from every other failure.
	lock, err := pebble.LockDirectory(cfg.Dir, cfg.FS)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrLocked, category(err))
	}
	fatal := newFatality(cfg)
	opts := options(cfg, fatal)
	opts.Lock = lock
	defer opts.Cache.Unref() // the store keeps a reference of its own
	var db *pebble.DB
	err = fatal.guard(func() (err error) {
		db, err = pebble.Open(cfg.Dir, opts)
		return err
	})
	if err != nil {
		if !fatal.stopped() { // else Pebble may still be at work in there
			err = errors.Join(damaged("opening the store", err), lock.Close())
		}
		return nil, nil, err
	}
	fatal.lock = lock
	return db, fatal, nil
}

// closeStore closes what openStore opened. A stopped store is let go as it is: Pebble's
// Close waits for background work that has ended half way.
func closeStore(db *pebble.DB, fatal *fatality) error {
	if fatal.stopped() {
		return fatal.reason()
	}
	if err := fatal.guard(db.Close); err != nil {
		return fmt.Errorf("eventlog: closing the store: %w", category(err))
	}
	return fatal.lock.Close()
}

func exists(fs vfs.FS, dir string) (bool, error) {
	if _, err := fs.Stat(dir); err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return false, nil
		}
		return false, fmt.Errorf("eventlog: looking for the log: %w", category(err))
	}
	desc, err := pebble.Peek(dir, fs)
	if err != nil {
		return false, damaged("looking for the log", err)
	}
	return desc.Exists, nil
}

func options(cfg Config, fatal *fatality) *pebble.Options {
	o := &pebble.Options{
		FS:                 cfg.FS,
		FormatMajorVersion: format,
		Cache:              pebble.NewCache(cfg.Cache),
		MemTableSize:       cfg.Memtable,
		// A MANIFEST remembers the smallest and largest key of every table that was;
		// at size 1 each flush starts a new one, so that Erase can roll them away.
		MaxManifestFileSize: 1,
		Cleaner:             cfg.cleaner,
		Logger:              logger{cfg.Log, fatal},
		EventListener: &pebble.EventListener{
			// Pebble retries a failed flush or compaction for ever. The default listener
			// would log the error's text, which can name keys.
			BackgroundError: func(err error) {
				cfg.Log.Error("event store: background work failed", "cause", category(err).Error())
			},
			// The default would end the process at the first flipped bit. The reader
			// gets an error, which is enough: nothing is served or decided from it.
			DataCorruption: func(pebble.DataCorruptionInfo) {
				cfg.Log.Error("event store: a table is damaged")
			},
		},
	}
	if o.Cleaner == nil {
		o.Cleaner = overwriting(objstorage.ObjectMetadata{}.FileType)
	}
	for i := range o.Levels {
		o.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
		o.Levels[i].Compression = func() *sstable.CompressionProfile { return sstable.SnappyCompression }
	}
	return o
}

// fatality is the log's stop: the first reason wins, and everyone can wait for it.
type fatality struct {
	once   sync.Once
	ch     chan struct{}
	err    error // set before ch is closed
	notify func(error)
	lock   *pebble.Lock // released by closeStore
}

func newFatality(cfg Config) *fatality {
	return &fatality{ch: make(chan struct{}), notify: cfg.Fatal}
}

// stop ends the log for the reason, which must carry no id or key. It returns the first reason.
func (f *fatality) stop(reason error) error {
	f.once.Do(func() {
		f.err = fmt.Errorf("%w: %w", ErrStopped, reason)
		close(f.ch)
		if f.notify != nil {
			go f.notify(f.err) // not in here: the caller may hold Pebble's locks
		}
	})
	return f.err
}

func (f *fatality) stopped() bool {
	select {
	case <-f.ch:
		return true
	default:
		return false
	}
}

func (f *fatality) reason() error { <-f.ch; return f.err }

// guard runs a call into Pebble that may meet a fatal error. Pebble's code goes on
// after Logger.Fatalf as if the process had ended there, so our Fatalf ends the
// goroutine instead; guard gives the call one of its own. Should the fatal error
// happen in a background goroutine, the call may hang for ever and guard leaves it behind.
func (f *fatality) guard(call func() error) error {
	if f.stopped() {
		return f.reason()
	}
	done := make(chan error, 1)
	go func() {
		err := errors.New("the call was cut off") // what runtime.Goexit leaves behind
		returned := false
		defer func() {
			if p := recover(); p != nil || !returned {
				// Pebble panics when a WAL cannot be rotated. The value may quote a key.
				err = f.stop(errors.New("the store failed while writing"))
			}
			done <- err
		}()
		err = call()
		returned = true
	}()
	select {
	case err := <-done:
		if f.stopped() {
			// A failed WAL write reports to Logger.Fatalf only; the commit itself returns nil.
			return f.reason()
		}
		return err
	case <-f.ch:
		return f.err
	}
}

// logger keeps Pebble's texts out of our log: they name keys, files and paths.
type logger struct {
	log   *slog.Logger
	fatal *fatality
}

func (logger) Infof(string, ...any)    {}
func (l logger) Errorf(string, ...any) { l.log.Error("event store: an error was reported") }

// Fatalf stops the log and ends the calling goroutine, deferred unlocks included. It
// is called where going on would lose data: a failed WAL or MANIFEST write.
func (l logger) Fatalf(_ string, args ...any) {
	cause := errors.New("a write failed")
	for _, a := range args {
		if err, ok := a.(error); ok {
			cause = category(err)
		}
	}
	l.log.Error("event store: stopped", "cause", cause.Error())
	l.fatal.stop(cause)
	runtime.Goexit()
}

// category reduces an error to a constant: the operating system's own, or "store error".
func category(err error) error {
	var errno syscall.Errno
	switch {
	case errors.As(err, &errno):
		return errno
	case errors.Is(err, pebble.ErrCorruption):
		return errors.New("bad checksum or structure")
	case errors.Is(err, os.ErrNotExist):
		return os.ErrNotExist
	case errors.Is(err, ErrStopped):
		return err
	}
	return errors.New("store error")
}

// cleaner overwrites a file that Pebble no longer needs before it unlinks it.
//
// The type parameter stands for an argument type that Pebble keeps internal. Embedding
// ArchiveCleaner promotes the unexported method by which a cleaner says that it needs
// the file's contents; Pebble then does not recycle WALs, whose tails would keep
// deleted bytes on disk for as long as the ring turns.
type cleaner[T any] struct {
	pebble.ArchiveCleaner
	failed atomic.Uint64 // files that could not be overwritten and were unlinked all the same
}

// overwriting infers the internal type from any expression that has it.
func overwriting[T any](T) *cleaner[T] { return &cleaner[T]{} }

// Clean overwrites and unlinks one file.
func (c *cleaner[T]) Clean(fs vfs.FS, _ T, path string) error {
	if err := overwrite(fs, path); err != nil {
		c.failed.Add(1)
	}
	return fs.Remove(path)
}

// String is what Pebble writes into its OPTIONS file.
func (c *cleaner[T]) String() string { return "delete" }

// overwrite zeroes a file in place and syncs it. A file with a second name belongs to a
// checkpoint or a backup too, and is left alone.
func overwrite(fs vfs.FS, path string) (err error) {
	f, err := fs.OpenReadWrite(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok && st.Nlink > 1 {
		return nil
	}
	// One buffer per call: WriteAt may scribble on what it is given.
	zero := make([]byte, min(info.Size(), 256<<10))
	for off := int64(0); off < info.Size(); off += int64(len(zero)) {
		if _, err := f.WriteAt(zero[:min(int64(len(zero)), info.Size()-off)], off); err != nil {
			return err
		}
	}
	return f.SyncData()
}

// tip is the log's state after a batch: what the writer needs for the next one.
type tip struct {
	seq   uint64
	time  time.Time // high-water mark, exact while running
	mark  uint64    // as stored: unix minutes
	dead  uint64    // bytes
	types map[string]bool
}

// readTip reads the log's own keys and checks them against this program.
func readTip(db *pebble.DB, cfg Config) (tip, error) {
	f, ok, err := get(db, keyFormat)
	if err != nil {
		return tip{}, err
	}
	if !ok {
		return tip{}, fmt.Errorf("%w: its making was interrupted", ErrMissing)
	}
	if len(f) != 1 || f[0] != layout {
		return tip{}, fmt.Errorf("%w: layout %x, this program knows %d", ErrDamaged, f, layout)
	}
	t := tip{types: map[string]bool{}}
	for _, n := range []struct {
		key []byte
		to  *uint64
	}{{keySeq, &t.seq}, {keyTime, &t.mark}, {keyDead, &t.dead}} {
		v, ok, err := get(db, n.key)
		if err != nil {
			return tip{}, err
		}
		if ok && len(v) != 8 {
			return tip{}, fmt.Errorf("%w: a counter has %d bytes", ErrDamaged, len(v))
		}
		if ok {
			*n.to = binary.BigEndian.Uint64(v)
		}
	}
	t.time = time.Unix(int64(t.mark)*60, 0)
	lo, hi := typeBounds()
	err = scan(db, lo, hi, func(k, _ []byte) (bool, error) {
		name := string(k[len(lo):])
		t.types[name] = true
		if !cfg.reads(name) {
			return false, unknown(name)
		}
		return true, nil
	})
	if err != nil {
		return tip{}, err
	}
	return t, t.matches(db)
}

// matches checks that the projections hold every event and none that is not there.
func (t tip) matches(db *pebble.DB) error {
	lo, hi := EventBounds(0)
	key, _, err := last(db, lo, hi)
	if err != nil {
		return err
	}
	var seq uint64
	if key != nil {
		seq, _ = ParseEventKey(key)
	}
	if seq != t.seq {
		return fmt.Errorf("%w: the last event is not the one that the projections hold, run rebuild", ErrDamaged)
	}
	return nil
}

// clearShadow removes what an interrupted Rebuild left.
func clearShadow(db *pebble.DB, fatal *fatality) error {
	lo, hi := shadowBounds()
	key, _, err := last(db, lo, hi)
	if err != nil || key == nil {
		return err
	}
	return fatal.guard(func() error { return db.DeleteRange(lo, hi, pebble.Sync) })
}

func u64(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }
