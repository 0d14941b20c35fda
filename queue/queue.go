// Package queue carries nudges from those who accepted work to those who do it: "there may be something to do for this
// announcement on this account". The record of what is to do lies elsewhere, so a nudge that is lost, late or doubled
// does no harm, and a queue that was wiped fills again from the record. The queue is NATS JetStream, inside the
// process without an open port, or on an external server or cluster.
package queue

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Job is a nudge: there may be something to do for Announcement on Account.
type Job struct{ Account, Announcement string }

// Config says where the queue lives.
type Config struct {
	URL         string // servers of an external NATS, separated by commas; empty: embedded
	Credentials string // file with a NATS user's JWT and seed
	CA          string // file with the certificates to trust, PEM
	Certificate string // file with the certificate to show, PEM
	Key         string // file with its private key, PEM
	Replicas    int    // copies on an external cluster; 0: one
	Dir         string // where the embedded server keeps its files; nobody else may write there
	Name        string // begins the names of stream and subjects; empty: crieur
	Log         *slog.Logger

	watch time.Duration // how often the embedded server is looked at; 0: watchEvery
}

// ErrClosed answers whoever uses a queue after Close.
var ErrClosed = errors.New("queue: closed")

var (
	errNotConnected = errors.New("not connected to the server")
	errStopping     = errors.New("the server is about to stop")
)

const (
	maxBytes = 64 << 20         // of waiting nudges: some 250,000
	maxAge   = 30 * time.Second // a nudge that damage keeps from arriving stands in the way of the next for no longer
	patience = 2 * time.Second
	apiWait  = 5 * time.Second
	openWait = 10 * time.Second
	window   = 256 // nudges on their way to the server at once
)

// Queue is an open queue. Safe for concurrent use.
type Queue struct {
	name, stream string
	replicas     int
	log          *slog.Logger
	host         *host // nil when the server is external
	link         *link
	nc           *nats.Conn
	js           jetstream.JetStream

	calls  sync.RWMutex // held for reading by who makes something on the server, for writing by who stops the server
	mu     sync.Mutex
	making *making     // under way, or nil
	ready  atomic.Bool // the stream was seen since the last trouble
	closed atomic.Bool
	broken atomic.Int64 // Enqueue fails at once until then, in nanoseconds since 1970
}

// Open starts the embedded server in c.Dir, or connects to the external one. It fails when a person must change
// something: a directory in use, a refused credential, a setting that the server does not allow. An external server
// that cannot be reached is not such a failure: the queue connects when it can, and Health tells meanwhile.
func Open(ctx context.Context, c Config) (*Queue, error) {
	name, err := token(cmp.Or(c.Name, "crieur"))
	if err != nil {
		return nil, fmt.Errorf("queue: name: %w", err)
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	q := &Queue{name: name, stream: name + "-jobs", replicas: max(c.Replicas, 1), log: c.Log, link: newLink()}
	if c.URL == "" {
		err = q.openEmbedded(ctx, c)
	} else {
		err = q.openExternal(ctx, c)
	}
	if err != nil {
		return nil, errors.Join(err, q.Close(context.WithoutCancel(ctx)))
	}
	return q, nil
}

// Close ends the connection, then the embedded server, then gives its directory free. A Consume still running ends.
// It may be called again.
func (q *Queue) Close(ctx context.Context) error {
	if q.closed.Swap(true) {
		return nil
	}
	q.link.end()
	if q.host != nil {
		q.host.stopWatching()
	}
	if q.nc != nil {
		q.calls.Lock()
		q.nc.Close()
		q.calls.Unlock()
		q.link.disconnected()
	}
	if q.host != nil {
		return q.host.close(ctx)
	}
	return nil
}

// Enqueue leaves a nudge for each job; one that still waits for the same pair stands for the new one. After an error
// some nudges may be missing, and repeating is safe. It returns within two seconds, and at once while the server is
// known to be in trouble.
func (q *Queue) Enqueue(ctx context.Context, jobs ...Job) error {
	if q.closed.Load() {
		return ErrClosed
	}
	if time.Now().UnixNano() < q.broken.Load() {
		return errors.New("queue: the server did not answer a moment ago")
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err := q.enqueue(ctx, jobs)
	if err == nil {
		return nil
	}
	if errors.Is(err, context.DeadlineExceeded) {
		q.broken.Store(time.Now().Add(time.Second).UnixNano())
	}
	q.trouble()
	return fmt.Errorf("queue: %w", err)
}

func (q *Queue) enqueue(ctx context.Context, jobs []Job) error {
	if err := q.ensure(ctx); err != nil {
		return err
	}
	for len(jobs) > 0 {
		n := min(len(jobs), window)
		if err := q.publish(ctx, jobs[:n]); err != nil {
			return err
		}
		jobs = jobs[n:]
	}
	return nil
}

func (q *Queue) publish(ctx context.Context, jobs []Job) error {
	acks := make([]jetstream.PubAckFuture, 0, len(jobs))
	for _, j := range jobs {
		subject, err := q.subject(j)
		if err != nil {
			return err
		}
		m := nats.NewMsg(subject)
		m.Header.Set(jetstream.ExpectedLastSubjSeqHeader, "0") // only when none waits
		ack, err := q.js.PublishMsgAsync(m)
		if err != nil {
			return err
		}
		acks = append(acks, ack)
	}
	var failed error
	for _, a := range acks {
		select {
		case <-a.Ok():
		case err := <-a.Err():
			if !waitsAlready(err) {
				failed = err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return failed
}

// waitsAlready reports whether the server refused a nudge because the pair has one.
func waitsAlready(err error) bool {
	var refused *jetstream.APIError
	return errors.As(err, &refused) && (refused.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence ||
		refused.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequenceConstant)
}

// making is one creation of the stream, which all who need it wait for.
type making struct {
	done chan struct{}
	err  error
}

// ensure makes the stream unless it was seen since the last trouble. What began goes on when ctx is done.
func (q *Queue) ensure(ctx context.Context) error {
	if q.ready.Load() {
		return nil
	}
	line := q.link.now()
	if line == nil {
		return errNotConnected
	}
	q.mu.Lock()
	m := q.making
	if m == nil {
		if !q.calls.TryRLock() {
			q.mu.Unlock()
			return errStopping
		}
		m = &making{done: make(chan struct{})}
		q.making = m
		go func() {
			defer q.calls.RUnlock()
			m.err = q.createStream(line)
			q.mu.Lock()
			q.making = nil
			q.mu.Unlock()
			close(m.done)
		}()
	}
	q.mu.Unlock()
	select {
	case <-m.done:
		return m.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (q *Queue) createStream(line context.Context) error {
	ctx, cancel := context.WithTimeout(line, apiWait)
	defer cancel()
	_, err := q.js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
		Name:              q.stream,
		Description:       "Crieur: nudges to look at the record. May be deleted; it fills again.",
		Subjects:          []string{q.name + ".job.*.*"},
		Retention:         jetstream.WorkQueuePolicy,
		Storage:           jetstream.FileStorage,
		Replicas:          q.replicas,
		Discard:           jetstream.DiscardNew,
		MaxMsgsPerSubject: 1,
		MaxBytes:          maxBytes,
		MaxAge:            maxAge,
		MaxMsgSize:        1024,
		Duplicates:        time.Second, // not used; the least memory
	})
	if err == nil {
		q.ready.Store(true)
	}
	return err
}

// trouble makes the next caller look at the stream again, and the host at the server.
func (q *Queue) trouble() {
	q.ready.Store(false)
	if q.host != nil {
		q.host.look()
	}
}

// Health is nil when a nudge would be carried now.
func (q *Queue) Health(ctx context.Context) error {
	if q.closed.Load() {
		return ErrClosed
	}
	if q.host != nil {
		if err := q.host.health(); err != nil {
			return fmt.Errorf("queue: embedded server: %w", err)
		}
	}
	if _, err := q.Waiting(ctx); err != nil {
		return err
	}
	return nil
}

// Waiting is how many nudges wait, on all accounts.
func (q *Queue) Waiting(ctx context.Context) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := q.ensure(ctx); err != nil {
		return 0, fmt.Errorf("queue: %w", err)
	}
	s, err := q.js.Stream(ctx, q.stream)
	if err != nil {
		q.trouble()
		return 0, fmt.Errorf("queue: %w", err)
	}
	return int(s.CachedInfo().State.Msgs), nil
}
