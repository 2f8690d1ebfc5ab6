package eventlog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"sync/atomic"
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

// store is an open Pebble store and what goes with it.
type store struct {
	*pebble.DB
	fatal      *fatality
	lock       *pebble.Lock
	unscrubbed atomic.Uint64 // files that were removed without having been overwritten
	failures   atomic.Int32  // flushes and compactions that failed since one succeeded
}

// openStore opens Pebble in cfg.Dir, or makes it there.
func openStore(cfg Config, create bool) (*store, error) {
	there, err := exists(cfg.FS, cfg.Dir)
	if err != nil {
		return nil, err
	}
	if !there && !create {
		return nil, ErrMissing
	}
	// The lock is taken before Pebble opens, to tell "it runs" from every other failure.
	lock, err := pebble.LockDirectory(cfg.Dir, cfg.FS)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrLocked, category(err))
	}
	if err := checkManifest(cfg.FS, cfg.Dir); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	s := &store{fatal: newFatality(cfg.Fatal), lock: lock}
	opts := options(cfg, s)
	defer opts.Cache.Unref() // the store keeps a reference of its own
	err = s.fatal.guard(func() (err error) {
		s.DB, err = pebble.Open(cfg.Dir, opts)
		return err
	})
	if s.fatal.stopped() {
		// Not err: background work may have stopped it after Open came back without one.
		return nil, s.fatal.reason() // the lock stays: Pebble may still be at work in there
	}
	if err != nil {
		return nil, errors.Join(damaged("opening the store", err), lock.Close())
	}
	return s, nil
}

// maxFailures is how often in a row background work may fail before the log stops.
const maxFailures = 8

// troubled counts failed flushes and compactions. Pebble tries again at once and for
// ever, and a Flush waits with it; a disk that stays full or broken must become a stop
// with a reason instead.
func (s *store) troubled(log *slog.Logger) func(error) {
	return func(err error) {
		n := s.failures.Add(1)
		if n <= maxFailures {
			log.Error("event store: background work failed", "cause", category(err).Error(), "times", n)
		}
		if n >= maxFailures {
			s.fatal.stop(category(err))
		}
		if s.fatal.stopped() {
			// Else it would go round at full speed until the process ends. Pebble calls
			// from a goroutine of its own, whose deferred calls let go of the lock.
			runtime.Goexit()
		}
	}
}

func (s *store) relieved(err error) {
	if err == nil {
		s.failures.Store(0)
	}
}

// close closes what openStore opened. A stopped store is let go as it is: Pebble's
// Close waits for background work that has ended half way.
func (s *store) close() error {
	if s.fatal.stopped() {
		return s.fatal.reason()
	}
	if err := s.fatal.guard(s.Close); err != nil {
		return fmt.Errorf("eventlog: closing the store: %w", category(err))
	}
	return s.lock.Close()
}

// metrics asks Pebble for its figures, which waits for a MANIFEST that is being
// written: guarded, since a write that failed is never done with.
func (s *store) metrics() (*pebble.Metrics, error) {
	var m *pebble.Metrics
	if err := s.fatal.guard(func() error { m = s.Metrics(); return nil }); err != nil {
		return nil, err
	}
	return m, nil
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

func options(cfg Config, s *store) *pebble.Options {
	o := &pebble.Options{
		FS:                 &diskFS{FS: cfg.FS, fatal: s.fatal},
		FormatMajorVersion: format,
		Cache:              pebble.NewCache(cfg.Cache),
		MemTableSize:       cfg.Memtable,
		// A MANIFEST remembers the smallest and largest key of every table that was;
		// at size 1 each flush starts a new one, so that Erase can roll them away.
		MaxManifestFileSize: 1,
		Lock:                s.lock,
		Logger:              logger{cfg.Log, s.fatal},
		EventListener: &pebble.EventListener{
			// Called with Pebble's lock held. The default listener would log the error's
			// text, which can name keys.
			BackgroundError: s.troubled(cfg.Log),
			FlushEnd:        func(i pebble.FlushInfo) { s.relieved(i.Err) },
			CompactionEnd:   func(i pebble.CompactionInfo) { s.relieved(i.Err) },
			// The default would end the process at the first flipped bit. The reader
			// gets an error, which is enough: nothing is served or decided from it.
			DataCorruption: func(pebble.DataCorruptionInfo) {
				cfg.Log.Error("event store: a table is damaged")
			},
		},
	}
	o.Cleaner = overwriting(objstorage.ObjectMetadata{}.FileType, func() {
		s.unscrubbed.Add(1)
		cfg.Log.Error("event store: a file was removed without being overwritten")
	})
	for i := range o.Levels {
		o.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
		o.Levels[i].Compression = func() *sstable.CompressionProfile { return sstable.SnappyCompression }
	}
	if cfg.tune != nil {
		cfg.tune(o)
	}
	return o
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
func readTip(db pebble.Reader, cfg Config) (tip, error) {
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
func (t tip) matches(db pebble.Reader) error {
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
func (s *store) clearShadow() error {
	lo, hi := shadowBounds()
	key, _, err := last(s, lo, hi)
	if err != nil || key == nil {
		return err
	}
	return s.fatal.guard(func() error { return s.DeleteRange(lo, hi, pebble.Sync) })
}

func u64(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }
