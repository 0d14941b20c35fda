package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/crieur/crieur/internal/announce"
)

// Nothing of a closed record stays open, so that its directory can be moved or unmounted.
func TestClosingLeavesNothingOpen(t *testing.T) {
	if _, err := os.ReadDir("/proc/self/fd"); err != nil {
		t.Skipf("this system does not list open files: %v", err)
	}
	p := sqlitePlace(t)
	db := p.open(t)
	publish(t, db, "slack", save(t, db, sample(db, "slack")))
	must(t, db.Close())
	open, err := os.ReadDir("/proc/self/fd")
	must(t, err)
	for _, fd := range open {
		if name, err := os.Readlink("/proc/self/fd/" + fd.Name()); err == nil && strings.HasPrefix(name, p.Dir) {
			t.Errorf("still open: %s", name)
		}
	}
}

// hold keeps the writer inside a change until release is called, and returns when it is there.
func hold(t *testing.T, db *DB) (release func()) {
	t.Helper()
	inside, leave, left := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	var once sync.Once // a change may run again
	go func() {
		left <- db.write(context.Background(), func(context.Context, *tx) error {
			once.Do(func() { close(inside) })
			<-leave
			return nil
		})
	}()
	<-inside
	return func() {
		close(leave)
		must(t, <-left)
	}
}

// waiting returns when n changes wait for the writer.
func waiting(t *testing.T, db *DB, n int) {
	t.Helper()
	for len(db.group.queue) < n {
		if t.Context().Err() != nil {
			t.Fatal("nobody waits")
		}
		runtime.Gosched()
	}
}

// Changes that wait together commit together; one that fails, or panics, fails alone.
func TestChangesShareACommit(t *testing.T) {
	p := sqlitePlace(t)
	db := p.open(t)
	release := hold(t, db)
	broken := errors.New("broken")
	var commits sync.Map
	var group sync.WaitGroup
	results := make([]error, 30)
	for i := range results {
		group.Go(func() {
			results[i] = db.write(context.Background(), func(ctx context.Context, x *tx) error {
				if err := x.account(ctx, fmt.Sprintf("account%02d", i)); err != nil {
					return err
				}
				var seen int
				if err := db.pool.QueryRowContext(ctx, `SELECT COUNT(*) FROM accounts`).Scan(&seen); err != nil {
					return err
				}
				commits.Store(seen, true) // what others see grows with each commit only
				switch i % 3 {
				case 1:
					return broken
				case 2:
					panic("broken")
				}
				return nil
			})
		})
	}
	waiting(t, db, len(results))
	release()
	group.Wait()
	for i, err := range results {
		if i%3 == 0 && err != nil || i%3 == 1 && !errors.Is(err, broken) || i%3 == 2 && err == nil {
			t.Errorf("change %d: %v", i, err)
		}
	}
	accounts, err := db.Accounts(t.Context())
	must(t, err)
	if len(accounts) != 10 {
		t.Errorf("%d accounts: %+v", len(accounts), accounts)
	}
	groups := 0
	commits.Range(func(any, any) bool { groups++; return true })
	if groups != 1 {
		t.Errorf("30 waiting changes took %d commits", groups)
	}
}

// When the transaction itself breaks, those who shared it are run again alone.
func TestABrokenTransactionCostsNobodyElse(t *testing.T) {
	db := sqlitePlace(t).open(t)
	release := hold(t, db)
	var group sync.WaitGroup
	results := make([]error, 9)
	for i := range results {
		group.Go(func() {
			results[i] = db.write(context.Background(), func(ctx context.Context, x *tx) error {
				if err := x.account(ctx, fmt.Sprintf("account%02d", i)); err != nil {
					return err
				}
				if i == 4 {
					_, _ = x.exec(ctx, `ROLLBACK`) // as SQLite itself does on a full disk
					return ErrFull
				}
				return nil
			})
		})
	}
	waiting(t, db, len(results))
	release()
	group.Wait()
	for i, err := range results {
		if (i == 4) != errors.Is(err, ErrFull) {
			t.Errorf("change %d: %v", i, err)
		}
	}
	if accounts, err := db.Accounts(t.Context()); err != nil || len(accounts) != 8 {
		t.Errorf("%d accounts, %v", len(accounts), err)
	}
}

func TestGivingUpBeforeTheTurn(t *testing.T) {
	db := sqlitePlace(t).open(t)
	release := hold(t, db)
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error)
	go func() { result <- db.Pause(ctx, "slack", db.Now(), "") }()
	waiting(t, db, 1)
	cancel()
	want(t, <-result, context.Canceled)
	release()
	if accounts, err := db.Accounts(t.Context()); err != nil || len(accounts) != 0 {
		t.Errorf("what was given up happened: %v %v", accounts, err)
	}
}

func TestClosingFinishesWhatWaits(t *testing.T) {
	p := sqlitePlace(t)
	db := p.open(t)
	release := hold(t, db)
	results := make(chan error, 5)
	for i := range cap(results) {
		go func() { results <- db.Pause(context.Background(), fmt.Sprintf("account%d", i), p.clock.Now(), "") }()
	}
	waiting(t, db, cap(results))
	closed := make(chan error)
	go func() { closed <- db.Close() }()
	release()
	for range cap(results) {
		must(t, <-results)
	}
	must(t, <-closed)
	want(t, db.Pause(t.Context(), "late", p.clock.Now(), ""), errClosed)
	if accounts, err := p.open(t).Accounts(t.Context()); err != nil || len(accounts) != 5 {
		t.Errorf("%v %v", accounts, err)
	}
}

func TestTheFloorKeepsRoomForWhatWasAccepted(t *testing.T) {
	p := sqlitePlace(t)
	db := p.open(t)
	add(t, db, 3)
	s := sample(db, "slack").personal(db, "email")
	id := save(t, db, s)
	db.o.MinFree = 1 << 62
	_, _, err := db.Save(t.Context(), sample(db, "slack"))
	want(t, err, ErrFull)
	want(t, db.Ready(t.Context()), ErrFull)
	_, err = enlist(t.Context(), db, people(5))
	want(t, err, ErrFull)
	_, _, err = db.Plan(t.Context(), 10)
	want(t, err, ErrFull)
	publish(t, db, "slack", id)
	must(t, db.Revise(t.Context(), 1, s.next(db)))
	must(t, db.Withdraw(t.Context(), id, 2, "ada", nil, db.Now()))
	db.o.MinFree = 1
	must(t, db.Ready(t.Context()))
	save(t, db, sample(db, "slack"))
}

func TestFullDisk(t *testing.T) {
	p := sqlitePlace(t)
	unmount, err := mountSmall(p.Dir)
	if err != nil {
		t.Skipf("a small file system cannot be mounted here (it takes root on Linux): %v", err)
	}
	t.Cleanup(func() {
		if err := unmount(); err != nil {
			t.Error(err)
		}
	})
	ballast := filepath.Join(p.Dir, "ballast")
	must(t, os.WriteFile(ballast, make([]byte, 3<<20), 0o600))
	db := p.open(t)
	t.Cleanup(func() { _ = db.Close() }) // before the file system goes
	saved := 0
	id := announce.ID("")
	for {
		s := sample(db, "slack")
		s.Announcement.Topics = []string{string(make([]byte, 50_000))}
		if _, _, err = db.Save(t.Context(), s); err != nil {
			break
		}
		id = s.Announcement.ID
		if saved++; saved > 1000 {
			t.Fatal("the disk does not fill")
		}
	}
	want(t, err, ErrFull)
	entries, err := db.Announcements(t.Context(), "", 1000)
	must(t, err)
	if len(entries) != saved {
		t.Fatalf("%d accepted, %d there", saved, len(entries))
	}
	t.Logf("%d were accepted before the disk was full", saved)
	must(t, os.Remove(ballast))
	must(t, db.Ready(t.Context()))
	publish(t, db, "slack", id)
	save(t, db, sample(db, "slack"))
	var sound string
	if _, err := db.read().one(t.Context(), `PRAGMA integrity_check`, nil, &sound); err != nil || sound != "ok" {
		t.Errorf("integrity: %s %v", sound, err)
	}
}
