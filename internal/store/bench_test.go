package store

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/crieur/crieur/internal/announce"
)

// benchmark runs a benchmark on both databases with 1 and 16 callers.
func benchmark(b *testing.B, prepare func(b *testing.B, db *DB) func() error) {
	for name, where := range map[string]func(testing.TB) *place{"sqlite": sqlitePlace, "postgres": postgresPlace} {
		for callers, label := range map[int]string{1: "1", 16: "16"} {
			b.Run(name+"/"+label, func(b *testing.B) {
				p := where(b)
				p.Clock = nil
				db := p.open(b)
				once := prepare(b, db)
				var left atomic.Int64
				left.Store(int64(b.N))
				done := make(chan error, callers)
				b.ResetTimer()
				for range callers {
					go func() {
						for left.Add(-1) >= 0 {
							if err := once(); err != nil {
								done <- err
								return
							}
						}
						done <- nil
					}()
				}
				for range callers {
					if err := <-done; err != nil {
						b.Fatal(err)
					}
				}
				b.StopTimer()
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "ops/s")
			})
		}
	}
}

// BenchmarkSave accepts an announcement on four broadcast accounts.
func BenchmarkSave(b *testing.B) {
	benchmark(b, func(b *testing.B, db *DB) func() error {
		return func() error {
			_, _, err := db.Save(context.Background(), sample(db, "slack", "twitter", "feed", "webhook"))
			return err
		}
	})
}

// BenchmarkLetters records how a letter ended and that the next begins: what the record costs per mail.
func BenchmarkLetters(b *testing.B) {
	benchmark(b, func(b *testing.B, db *DB) func() error {
		add(b, db, b.N)
		id := save(b, db, sample(db).personal(db, "email"))
		if n := planAll(b, db, 1000); n != b.N {
			b.Fatalf("planned %d of %d", n, b.N)
		}
		var mu sync.Mutex
		var batch Batch
		var ended []*Ended
		return func() error {
			mu.Lock()
			if len(batch.Letters) == 0 {
				var err error
				if batch, err = db.Lease(context.Background(), "email", id, LeaseOptions{Owner: "worker", Lease: time.Hour, Most: 500}); err != nil {
					mu.Unlock()
					return err
				}
			}
			l := batch.Letters[0]
			batch.Letters = batch.Letters[1:]
			var before *Ended
			if n := len(ended); n > 0 {
				before, ended = ended[n-1], ended[:n-1]
			}
			mu.Unlock()
			if began, _, err := db.Advance(context.Background(), before, l); began != Begun || err != nil {
				return fmt.Errorf("%v %w", began, err)
			}
			mu.Lock()
			ended = append(ended, arrived(l, db.Now()))
			mu.Unlock()
			return nil
		}
	})
}

// BenchmarkOpen opens a record with 100,000 deliveries, half of them due.
func BenchmarkOpen(b *testing.B) {
	p := sqlitePlace(b)
	db := p.open(b)
	add(b, db, 100_000)
	id := save(b, db, sample(db).personal(db, "email"))
	planAll(b, db, 1000)
	must(b, raw(db, `UPDATE letters SET shown = 1, told = 1 WHERE address % 2 = 0`))
	must(b, raw(db, `UPDATE tallies SET waiting = 50000, published = 50000`))
	must(b, db.Close())
	var opening, due, counts time.Duration
	for b.Loop() {
		began := time.Now()
		db, err := Open(b.Context(), p.Options)
		must(b, err)
		opening += time.Since(began)
		began = time.Now()
		jobs, err := db.Due(b.Context(), 100)
		if err != nil || len(jobs) != 1 {
			b.Fatal(jobs, err)
		}
		due += time.Since(began)
		began = time.Now()
		if n, err := db.Counts(b.Context(), id, "email"); err != nil || n.By[announce.Published] != 50_000 {
			b.Fatal(n, err)
		}
		counts += time.Since(began)
		must(b, db.Close())
	}
	b.ReportMetric(float64(opening.Microseconds())/float64(b.N), "µs/open")
	b.ReportMetric(float64(due.Microseconds())/float64(b.N), "µs/due")
	b.ReportMetric(float64(counts.Microseconds())/float64(b.N), "µs/counts")
}
