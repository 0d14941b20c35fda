package queue

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// carries proves that the queue carries nudges, or carries them again soon.
func carries(t *testing.T, q *Queue, got *tally, account, mark string) {
	t.Helper()
	for i := 0; got.of(Job{account, mark}) == 0; i++ {
		j := Job{account, mark}
		eventually(t, "a nudge is taken: "+mark, func() bool { return q.Enqueue(t.Context(), j) == nil })
		for end := time.Now().Add(2 * time.Second); got.of(j) == 0 && time.Now().Before(end); time.Sleep(time.Millisecond) {
		}
		if i > 15 {
			t.Fatalf("nudge %s is taken but never comes", mark)
		}
	}
}

func TestDirectoryHasOneOwner(t *testing.T) {
	dir := t.TempDir()
	q := open(t, Config{Dir: dir})
	if _, err := Open(t.Context(), Config{Dir: dir}); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Fatalf("second opener: %v", err)
	}
	if err := q.Health(t.Context()); err != nil {
		t.Errorf("the second opener harmed the first: %v", err)
	}
	if err := q.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	open(t, Config{Dir: dir})
}

func TestNudgesSurviveCloseAndOpen(t *testing.T) {
	dir := t.TempDir()
	q := open(t, Config{Dir: dir})
	if err := q.Enqueue(t.Context(), Job{"slack", "a"}, Job{"slack", "b"}); err != nil {
		t.Fatal(err)
	}
	if err := q.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if q, err := Open(cancelled, Config{Dir: dir}); err == nil {
		t.Error(errors.Join(errors.New("opened although nobody waits"), q.Close(t.Context())))
	}
	q = open(t, Config{Dir: dir})
	if n := waiting(t, q); n != 2 {
		t.Errorf("%d nudges wait, want 2", n)
	}
	got := newTally()
	consume(t, q, "slack", 1, got.add)
	eventually(t, "both come", func() bool { return got.pairs() == 2 })
}

func TestServerRestartsUnderUse(t *testing.T) {
	t.Parallel()
	for _, wipe := range []bool{false, true} {
		t.Run(fmt.Sprintf("wiped %v", wipe), func(t *testing.T) {
			q := embedded(t)
			got := newTally()
			consume(t, q, "slack", 2, got.add)
			for i := range 3 {
				carries(t, q, got, "slack", fmt.Sprint("before ", i))
				if err := q.host.restart(wipe); err != nil {
					t.Fatal(err)
				}
				carries(t, q, got, "slack", fmt.Sprint("after ", i))
			}
			eventually(t, "health", func() bool { return q.Health(t.Context()) == nil })
		})
	}
}

func TestFilesDeletedWhileRunning(t *testing.T) {
	q := embedded(t)
	got := newTally()
	consume(t, q, "slack", 1, got.add)
	carries(t, q, got, "slack", "before")
	if err := os.RemoveAll(q.host.store()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the server has files again", func() bool {
		_, err := os.Stat(filepath.Join(q.host.store(), "$G", "streams", q.stream))
		return err == nil && q.Health(t.Context()) == nil
	})
	carries(t, q, got, "slack", "after")
}

func TestStreamDeletedByAnOperator(t *testing.T) {
	q := embedded(t)
	got := newTally()
	consume(t, q, "slack", 1, got.add)
	carries(t, q, got, "slack", "before")
	if err := q.js.DeleteStream(t.Context(), q.stream); err != nil {
		t.Fatal(err)
	}
	carries(t, q, got, "slack", "after")
}

// Files that were damaged while nobody looked cost at most the nudges that waited.
// What a process that died leaves behind is not trusted: the queue begins anew and carries at once.
func TestQueueBeginsAnewAfterADeath(t *testing.T) {
	dir, image := t.TempDir(), t.TempDir()
	q := open(t, Config{Dir: dir})
	if err := q.Enqueue(t.Context(), Job{"slack", "a"}, Job{"slack", "b"}); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(image, os.DirFS(dir)); err != nil { // as the disk is when the process dies now
		t.Fatal(err)
	}
	after := open(t, Config{Dir: image})
	if n := waiting(t, after); n != 0 {
		t.Errorf("%d nudges of before wait", n)
	}
	got := newTally()
	consume(t, after, "slack", 1, got.add)
	carries(t, after, got, "slack", "new")
}

func TestDamagedFiles(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	flip := func(p string, b []byte) error {
		for range 1 + len(b)/64 {
			b[random.IntN(len(b))] ^= 1 << random.IntN(8)
		}
		return os.WriteFile(p, b, 0o600)
	}
	damages := map[string]func(path string, b []byte) error{
		"deleted":   func(p string, _ []byte) error { return os.Remove(p) },
		"truncated": func(p string, b []byte) error { return os.WriteFile(p, b[:len(b)/2], 0o600) },
		"emptied":   func(p string, _ []byte) error { return os.WriteFile(p, nil, 0o600) },
		"flipped":   flip,
		"garbage": func(p string, b []byte) error {
			for i := range b {
				b[i] = byte(random.IntN(256))
			}
			return os.WriteFile(p, b, 0o600)
		},
	}
	for name, damage := range damages {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			use := func(mark string) {
				q := open(t, Config{Dir: dir, watch: 50 * time.Millisecond})
				got := newTally()
				stop := consume(t, q, "slack", 1, got.add)
				carries(t, q, got, "slack", mark)
				if err := stop(); err != nil {
					t.Fatal(err)
				}
				eventually(t, "a nudge is left", func() bool { return q.Enqueue(t.Context(), Job{"slack", "waits"}) == nil })
				if err := q.Close(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			use("first")
			for _, f := range files(t, dir) {
				b, err := os.ReadFile(f)
				if errors.Is(err, fs.ErrNotExist) {
					continue // went with the one before
				}
				if err != nil {
					t.Fatal(err)
				}
				if len(b) == 0 && name != "deleted" {
					continue
				}
				if err := damage(f, b); err != nil {
					t.Fatal(err)
				}
				use(name + " " + filepath.Base(f))
			}
			if err := os.RemoveAll(dir); err != nil {
				t.Fatal(err)
			}
			use("the whole directory")
		})
	}
}

func files(t *testing.T, dir string) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			all = append(all, p)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestDiskFull(t *testing.T) {
	t.Parallel()
	dir := smallDisk(t, 8<<20)
	q := open(t, Config{Dir: filepath.Join(dir, "nats"), watch: 50 * time.Millisecond})
	got := newTally()
	consume(t, q, "slack", 1, got.add)
	carries(t, q, got, "slack", "before")
	if err := q.Enqueue(t.Context(), Job{"email", "kept"}); err != nil {
		t.Fatal(err)
	}

	ballast := filepath.Join(dir, "ballast")
	fill(t, ballast)
	var refused error
	eventually(t, "a nudge is refused", func() bool {
		refused = q.Enqueue(t.Context(), Job{"email", fmt.Sprint(time.Now().UnixNano())})
		return refused != nil
	})
	eventually(t, "health tells", func() bool { return q.Health(t.Context()) != nil })
	began := time.Now()
	_ = q.Enqueue(t.Context(), Job{"email", "quick"})
	if d := time.Since(began); d > patience+5*time.Second {
		t.Errorf("Enqueue took %v on a full disk", d)
	}
	t.Logf("refused with: %v; health: %v", refused, q.Health(t.Context()))

	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	carries(t, q, got, "slack", "after")
	eventually(t, "health returns", func() bool { return q.Health(t.Context()) == nil })
	other := newTally()
	consume(t, q, "email", 1, other.add)
	eventually(t, "what was taken before is still there", func() bool { return other.of(Job{"email", "kept"}) == 1 })
}

func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	for size := 1 << 20; size > 0; {
		if _, err := f.Write(make([]byte, size)); err != nil {
			size /= 2
		}
	}
	_ = f.Close()
}

func TestEnqueueHonoursItsContext(t *testing.T) {
	q := embedded(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := q.Enqueue(ctx, Job{"slack", "a"}); err == nil {
		t.Error("a cancelled Enqueue succeeded")
	}
}
