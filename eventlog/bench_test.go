package eventlog

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// Benchmarks run on a real disk. Their sizes are small by default;
// EMBERDROP_BENCH_LINKS=1000000 makes the big ones.

func benchLinks() int {
	if n, err := strconv.Atoi(os.Getenv("EMBERDROP_BENCH_LINKS")); err == nil {
		return n
	}
	return 5_000
}

func benchConfig(b *testing.B) Config {
	cfg := diskConfig(b)
	cfg.Memtable, cfg.Cache = 0, 0
	return cfg
}

// BenchmarkAppend appends from 1, 16 and 64 writers, and counts the WAL's syncs.
func BenchmarkAppend(b *testing.B) {
	for _, writers := range []int{1, 16, 64} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			var syncs atomic.Int64
			cfg := benchConfig(b)
			cfg.FS = errorfs.Wrap(vfs.Default, errorfs.InjectorFunc(func(op errorfs.Op) error {
				if strings.HasSuffix(op.Path, ".log") && isSync(op.Kind) {
					syncs.Add(1)
				}
				return nil
			}))
			l := newLog(b, cfg)
			l.db.TestOnlyWaitForCleaning()
			syncs.Store(0)
			var next atomic.Int64
			var wg sync.WaitGroup
			b.ResetTimer()
			for range writers {
				wg.Go(func() {
					for {
						n := int(next.Add(1))
						if n > b.N {
							return
						}
						do(b, l, making(n))
					}
				})
			}
			wg.Wait()
			b.StopTimer()
			b.ReportMetric(float64(b.N)/float64(syncs.Load()), "events/fsync")
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
		})
	}
}

// BenchmarkSync is the baseline of BenchmarkAppend: a small write and its sync.
func BenchmarkSync(b *testing.B) {
	f, err := os.Create(b.TempDir() + "/f")
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	block := make([]byte, 400)
	for b.Loop() {
		if _, err := f.Write(block); err != nil {
			b.Fatal(err)
		}
		if err := f.Sync(); err != nil {
			b.Fatal(err)
		}
	}
}

// fill makes n links with three events each, many to a batch.
func fill(b *testing.B, l *Log, n int) {
	for i := 0; i < n; {
		var d []Draft
		for range 1000 {
			if i == n {
				break
			}
			i++
			d = append(d, making(i), hitting(i), ending(i))
		}
		do(b, l, d...)
	}
}

func BenchmarkReplay(b *testing.B) {
	l := newLog(b, benchConfig(b))
	fill(b, l, benchLinks())
	b.Run("events", func(b *testing.B) { perEvent(b, func() error { return l.Events(func(Event) error { return nil }) }) })
	b.Run("verify", func(b *testing.B) { perEvent(b, func() error { _, err := l.Verify(); return err }) })
}

func perEvent(b *testing.B, run func() error) {
	for b.Loop() {
		if err := run(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(3*benchLinks()*b.N)/b.Elapsed().Seconds(), "events/s")
}

func BenchmarkRebuild(b *testing.B) {
	cfg := benchConfig(b)
	l := newLog(b, cfg)
	fill(b, l, benchLinks())
	if err := l.Close(); err != nil {
		b.Fatal(err)
	}
	perEvent(b, func() error { _, err := Rebuild(cfg); return err })
}

// BenchmarkPurge purges half of the links while one writer appends without a break, and
// reports how long appends had to pause, and the longest that one of them took.
func BenchmarkPurge(b *testing.B) {
	n := benchLinks()
	for range b.N {
		b.StopTimer()
		l := newLog(b, benchConfig(b))
		fill(b, l, n)
		next := 0
		stop := make(chan struct{})
		var wg sync.WaitGroup
		worst := make(chan float64, 1)
		wg.Go(func() { worst <- appending(b, l, n, stop) })
		b.StartTimer()
		p, err := l.Purge(context.Background(), noon(), func(tx *Tx, limit int) (out []ID, _ any, err error) {
			var s sums
			for len(out) < limit && next < n/2 {
				next++
				row, _, err := getRow(tx, id(next))
				if err != nil {
					return nil, nil, err
				}
				s.Made++
				s.Hits += row.Hits
				out = append(out, id(next))
			}
			return out, s, nil
		})
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		close(stop)
		wg.Wait()
		b.ReportMetric(p.Erased.Pause.Seconds()*1e3, "ms-pause")
		b.ReportMetric(<-worst*1e3, "ms-worst-append")
		b.ReportMetric(p.Erased.Took.Seconds()*1e3, "ms-erase")
		b.ReportMetric(float64(p.Erased.Rounds), "rounds")
		if err := l.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkOpen opens after a clean stop and after a kill.
func BenchmarkOpen(b *testing.B) {
	cfg := benchConfig(b)
	l := newLog(b, cfg)
	fill(b, l, benchLinks())
	dirty := cfg
	killed(b, &dirty)
	if err := l.Close(); err != nil {
		b.Fatal(err)
	}
	for name, from := range map[string]Config{"clean": cfg, "killed": dirty} {
		b.Run(name, func(b *testing.B) {
			for range b.N {
				b.StopTimer()
				again := from
				killed(b, &again) // a copy, since the first Open leaves a clean one
				b.StartTimer()
				l, err := Open(again)
				if err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				if err := l.Close(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// appending makes things one after the other until stop, and returns the longest wait in seconds.
func appending(b *testing.B, l *Log, n int, stop chan struct{}) (worst float64) {
	for {
		select {
		case <-stop:
			return worst
		default:
		}
		n++
		start := time.Now()
		do(b, l, making(n))
		worst = max(worst, time.Since(start).Seconds())
	}
}
