package queue

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// journal keeps what a queue logs, for tests that wait for it.
type journal struct {
	mu    sync.Mutex
	lines strings.Builder
}

func (j *journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.lines.Write(b)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.lines.String()
}

func (j *journal) log() *slog.Logger {
	return slog.New(slog.NewTextHandler(j, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func open(t testing.TB, c Config) *Queue {
	t.Helper()
	var j journal
	if c.Log == nil {
		c.Log = j.log()
	}
	q, err := Open(t.Context(), c)
	if err != nil {
		t.Fatalf("%v\n%s", err, j.String())
	}
	t.Cleanup(func() {
		if err := q.Close(context.Background()); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Log(j.String())
		}
	})
	return q
}

func embedded(t testing.TB) *Queue {
	t.Helper()
	return open(t, Config{Dir: t.TempDir(), watch: 50 * time.Millisecond})
}

// eventually waits for a condition, with a bound that only a broken program reaches.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(2 * time.Minute); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never happened: %s", what)
		}
	}
}

// tally counts handled jobs.
type tally struct {
	mu   sync.Mutex
	seen map[Job]int
}

func newTally() *tally { return &tally{seen: map[Job]int{}} }

func (t *tally) add(_ context.Context, j Job) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.seen[j]++
}

func (t *tally) pairs() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.seen)
}

func (t *tally) of(j Job) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.seen[j]
}

// consume runs Consume until the returned function is called; that function returns its error.
func consume(t testing.TB, q *Queue, account string, n int, handle func(context.Context, Job)) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- q.Consume(ctx, account, n, handle) }()
	stop = sync.OnceValue(func() error { cancel(); return <-done })
	t.Cleanup(func() { _ = stop() })
	return stop
}

func waiting(t testing.TB, q *Queue) int {
	t.Helper()
	n, err := q.Waiting(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestNudgesArrive(t *testing.T) {
	q := embedded(t)
	got := newTally()
	consume(t, q, "slack@partners", 2, got.add)
	j := Job{"slack@partners", "01j"}
	if err := q.Enqueue(t.Context(), j, Job{"email", "01j"}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the nudge arrives", func() bool { return got.of(j) == 1 })
	eventually(t, "only the other account's nudge waits", func() bool { return waiting(t, q) == 1 })
	other := newTally()
	consume(t, q, "email", 1, other.add)
	eventually(t, "the other account's nudge arrives", func() bool { return other.of(Job{"email", "01j"}) == 1 })
	if got.pairs() != 1 || other.pairs() != 1 {
		t.Error("a nudge went to an account that is not its own")
	}
	if err := q.Health(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestOneNudgeWaitsPerPair(t *testing.T) {
	q := embedded(t)
	j := Job{"slack", "a"}
	for range 20 {
		if err := q.Enqueue(t.Context(), j, j, Job{"slack", "b"}); err != nil {
			t.Fatal(err)
		}
	}
	if n := waiting(t, q); n != 2 {
		t.Errorf("%d nudges wait, want 2", n)
	}
}

// What is enqueued while a handle runs must come as a new nudge, however close to its begin.
func TestNudgeDuringHandleIsNotLost(t *testing.T) {
	q := embedded(t)
	const rounds = 300
	j := Job{"slack", "a"}
	var n int
	done := make(chan struct{})
	consume(t, q, "slack", 1, func(ctx context.Context, _ Job) {
		if n++; n == rounds {
			close(done)
		} else if n < rounds {
			if err := q.Enqueue(ctx, j); err != nil {
				t.Error(err)
			}
		}
	})
	if err := q.Enqueue(t.Context(), j); err != nil {
		t.Fatal(err)
	}
	<-done
}

func TestBackpressure(t *testing.T) {
	q := embedded(t)
	var jobs []Job
	for i := range 20 {
		jobs = append(jobs, Job{"slack", fmt.Sprint(i)})
	}
	if err := q.Enqueue(t.Context(), jobs...); err != nil {
		t.Fatal(err)
	}
	gate := make(chan struct{})
	var mu sync.Mutex
	now, most, total := 0, 0, 0
	stop := consume(t, q, "slack", 3, func(context.Context, Job) {
		mu.Lock()
		now++
		total++
		most = max(most, now)
		mu.Unlock()
		<-gate
		mu.Lock()
		now--
		mu.Unlock()
	})
	eventually(t, "three run", func() bool { mu.Lock(); defer mu.Unlock(); return now == 3 })
	eventually(t, "the rest waits on the server", func() bool { return waiting(t, q) == 17 })
	c, err := q.js.Consumer(t.Context(), q.stream, "slack")
	if err != nil {
		t.Fatal(err)
	}
	if i := c.CachedInfo(); i.NumAckPending != 0 {
		t.Errorf("%d nudges were fetched that cannot run", i.NumAckPending)
	}
	close(gate)
	eventually(t, "all ran", func() bool { mu.Lock(); defer mu.Unlock(); return total == 20 })
	if err := stop(); err != nil || most != 3 {
		t.Errorf("stop: %v; %d at once, want 3", err, most)
	}
}

// The call under way ends in its own time: it is neither cancelled nor abandoned when Consume is told to stop.
func TestStopWaitsForCallsUnderWay(t *testing.T) {
	q := embedded(t)
	began, gate := make(chan struct{}), make(chan struct{})
	var inside error
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- q.Consume(ctx, "slack", 1, func(ctx context.Context, _ Job) {
			close(began)
			<-gate
			inside = ctx.Err()
		})
	}()
	if err := q.Enqueue(t.Context(), Job{"slack", "a"}, Job{"slack", "b"}); err != nil {
		t.Fatal(err)
	}
	<-began
	cancel()
	select {
	case <-done:
		t.Fatal("Consume left a call behind")
	default:
	}
	close(gate)
	if err := <-done; err != nil || inside != nil {
		t.Errorf("Consume: %v, the call's context: %v", err, inside)
	}
	if n := waiting(t, q); n != 1 {
		t.Errorf("%d nudges wait, want the one that did not begin", n)
	}
}

func TestCloseOrder(t *testing.T) {
	q := embedded(t)
	started := make(chan struct{})
	done := make(chan error, 1)
	go func() {
		close(started)
		done <- q.Consume(t.Context(), "slack", 1, func(context.Context, Job) {})
	}()
	<-started
	if err := q.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != ErrClosed {
		t.Errorf("Consume after Close: %v", err)
	}
	if err := q.Enqueue(t.Context(), Job{"slack", "a"}); err != ErrClosed {
		t.Errorf("Enqueue after Close: %v", err)
	}
	if err := q.Health(t.Context()); err != ErrClosed {
		t.Errorf("Health after Close: %v", err)
	}
	if err := q.Close(t.Context()); err != nil {
		t.Errorf("second Close: %v", err)
	}
}

func TestBadNames(t *testing.T) {
	q := embedded(t)
	for _, j := range []Job{{"", "a"}, {"a", ""}, {strings.Repeat("é", 100), "a"}} {
		if err := q.Enqueue(t.Context(), j); err == nil {
			t.Errorf("%q was taken", j)
		}
	}
	if err := q.Consume(t.Context(), "", 1, nil); err == nil {
		t.Error("an empty account was taken")
	}
	if _, err := Open(t.Context(), Config{}); err == nil {
		t.Error("no directory was taken")
	}
}

func TestNamesSurviveTheRoundTrip(t *testing.T) {
	q := &Queue{name: "crieur"}
	names := []string{"slack", "slack@partners", "Slack", "a.b", "a*", ">", "a_40b", "a@b", "été", "a b", "a/b\\c", "..", "\x00", "_", "-"}
	tokens := map[string]string{}
	for _, n := range names {
		tk, err := token(n)
		if err != nil {
			t.Fatal(err)
		}
		if strings.ToLower(tk) != tk || strings.ContainsAny(tk, ".*> /\\\x00") {
			t.Errorf("token of %q is %q", n, tk)
		}
		if other, taken := tokens[tk]; taken {
			t.Errorf("%q and %q are both %q", n, other, tk)
		}
		tokens[tk] = n
		s, err := q.subject(Job{n, "01j@x"})
		if err != nil {
			t.Fatal(err)
		}
		if j, err := q.job(s); err != nil || j != (Job{n, "01j@x"}) {
			t.Errorf("%q came back as %q, %v", n, j, err)
		}
	}
	for _, bad := range []string{"crieur.job.a", "other.job.a.b", "crieur.job.A.b", "crieur.job.a.b.c", "crieur.job._.b", "crieur.job._4.b", "crieur.job._zz.b"} {
		if j, err := q.job(bad); err == nil {
			t.Errorf("%q was read as %q", bad, j)
		}
	}
}

func FuzzToken(f *testing.F) {
	f.Add("slack@partners")
	f.Fuzz(func(t *testing.T, s string) {
		tk, err := token(s)
		if err != nil {
			return
		}
		if back, err := name(tk); err != nil || back != s {
			t.Errorf("%q -> %q -> %q, %v", s, tk, back, err)
		}
	})
}

func TestTenThousandJobs(t *testing.T) {
	q := embedded(t)
	const total = 10_000
	jobs := make([]Job, total)
	for i := range jobs {
		jobs[i] = Job{"email", fmt.Sprintf("%026d", i)}
	}
	began := time.Now()
	for part := jobs; len(part) > 0; part = part[1000:] {
		if err := q.Enqueue(t.Context(), part[:1000]...); err != nil {
			t.Fatal(err)
		}
	}
	stored := time.Since(began)
	if n := waiting(t, q); n != total {
		t.Fatalf("%d wait, want %d", n, total)
	}
	began = time.Now()
	got := newTally()
	consume(t, q, "email", 8, got.add)
	eventually(t, "all are handled", func() bool { return got.pairs() == total })
	t.Logf("stored in %v, handled in %v", stored, time.Since(began))
	for j, n := range got.seen {
		if n != 1 {
			t.Errorf("%v was handled %d times", j, n)
		}
	}
}

// The client library's continuous pull stalls for 30 s when its messages are drained at the wrong moment. Here small
// bursts are drained as fast as they come, which provokes it there within seconds.
func TestPullsDoNotStall(t *testing.T) {
	q := embedded(t)
	got := newTally()
	arrived := make(chan struct{}, 16)
	consume(t, q, "slack", 2, func(ctx context.Context, j Job) { got.add(ctx, j); arrived <- struct{}{} })
	slowest := time.Duration(0)
	for i := range 3000 {
		burst := []Job{{"slack", fmt.Sprintf("%d-a", i)}, {"slack", fmt.Sprintf("%d-b", i)}, {"slack", fmt.Sprintf("%d-c", i)}}[:1+i%3]
		began := time.Now()
		if err := q.Enqueue(t.Context(), burst...); err != nil {
			t.Fatal(err)
		}
		for range burst {
			<-arrived
		}
		slowest = max(slowest, time.Since(began))
	}
	t.Logf("slowest burst %v", slowest)
	if slowest > 15*time.Second { // a stall lasts 30 s
		t.Errorf("a burst took %v: the pull stalled", slowest)
	}
}
