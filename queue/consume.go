package queue

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

const (
	ackWait  = 5 * time.Second // a nudge that was fetched and not acknowledged comes back after this
	beat     = 2 * time.Second // a pull that is silent for twice this long is lost
	minPause = 50 * time.Millisecond
	maxPause = 5 * time.Second
)

// Consume calls handle for each nudge on account, with at most n calls at once, and fetches no more than can run. A
// nudge is taken off the queue before its handle begins: a nudge enqueued later is a new one. Several processes may
// consume one account; each nudge goes to one of them. Trouble with the server is waited out. When ctx is done
// Consume fetches no more, waits for the calls under way and returns nil; their context is not cancelled with ctx.
// After Close it returns ErrClosed.
func (q *Queue) Consume(ctx context.Context, account string, n int, handle func(context.Context, Job)) error {
	if _, err := token(account); err != nil {
		return fmt.Errorf("queue: account: %w", err)
	}
	c := consumption{q: q, account: account, slots: make(chan struct{}, max(n, 1)), handle: handle}
	calls := context.WithoutCancel(ctx)
	defer c.calls.Wait()
	pause := minPause
	for {
		up, release, err := q.link.wait(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		err = c.pull(up, calls)
		lost := up.Err() != nil
		release()
		if ctx.Err() != nil {
			return nil
		}
		if lost {
			continue // wait for the next connection
		}
		q.trouble()
		if c.fetched {
			pause, c.fetched = minPause, false
		}
		q.log.Warn("queue: no nudges for a moment", "account", account, "pause", pause, "error", err)
		select {
		case <-time.After(pause/2 + rand.N(pause/2)):
		case <-ctx.Done():
		}
		pause = min(2*pause, maxPause)
	}
}

type consumption struct {
	q       *Queue
	account string
	slots   chan struct{} // one element for each call under way or awaited
	handle  func(context.Context, Job)
	calls   sync.WaitGroup
	fetched bool // a fetch ended well since the last trouble
}

// pull fetches until something goes wrong or ctx is done, and runs what it fetched under the context for calls. It uses
// Fetch: the library's continuous pulls can lose their wake-up and stall for half a minute.
func (c *consumption) pull(ctx, calls context.Context) error {
	if err := c.q.ensure(ctx); err != nil {
		return err
	}
	consumer, err := c.q.consumer(c.account)
	if err != nil {
		return err
	}
	for {
		room, err := c.reserve(ctx)
		if err != nil {
			return err
		}
		batch, err := consumer.Fetch(room, jetstream.FetchContext(ctx), jetstream.FetchHeartbeat(beat))
		if err == nil {
			for m := range batch.Messages() {
				room--
				c.calls.Add(1)
				go c.run(ctx, calls, m)
			}
			err = batch.Error()
		}
		for ; room > 0; room-- {
			<-c.slots
		}
		if err != nil {
			return err
		}
		c.fetched = true
	}
}

// reserve waits until one call may begin, and reserves all that may.
func (c *consumption) reserve(ctx context.Context) (int, error) {
	select {
	case c.slots <- struct{}{}:
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	for n := 1; ; n++ {
		select {
		case c.slots <- struct{}{}:
		default:
			return n, nil
		}
	}
}

func (c *consumption) run(ctx, calls context.Context, m jetstream.Msg) {
	defer c.calls.Done()
	defer func() { <-c.slots }()
	if ctx.Err() != nil {
		_ = m.Nak() // for another consumer; when it is lost, after ackWait
		return
	}
	job, err := c.q.job(m.Subject())
	if err != nil {
		_ = m.Term()
		return
	}
	// Waiting for the answer makes sure that the next nudge for this pair is not refused as a repeat of this one.
	// Without an answer the call is made all the same: at worst there is a nudge too many.
	ack, cancel := context.WithTimeout(ctx, patience)
	_ = m.DoubleAck(ack)
	cancel()
	c.handle(calls, job)
}

// consumer makes the durable consumer of an account.
func (q *Queue) consumer(account string) (jetstream.Consumer, error) {
	t, err := token(account)
	if err != nil {
		return nil, err
	}
	line := q.link.now()
	if line == nil {
		return nil, errNotConnected
	}
	if !q.calls.TryRLock() {
		return nil, errStopping
	}
	defer q.calls.RUnlock()
	ctx, cancel := context.WithTimeout(line, apiWait) // what began is awaited while the answer can come
	defer cancel()
	consumer, err := q.js.CreateOrUpdateConsumer(ctx, q.stream, jetstream.ConsumerConfig{
		Durable:       t,
		FilterSubject: q.name + ".job." + t + ".*",
		AckPolicy:     jetstream.AckExplicitPolicy,
		AckWait:       ackWait,
		MaxDeliver:    -1,
	})
	var refused *jetstream.APIError
	if errors.As(err, &refused) && refused.ErrorCode == jetstream.JSErrCodeConsumerCreate && q.host != nil {
		q.log.Error("queue: the files of a consumer are damaged; the stream begins anew", "account", account, "error", err)
		err = errors.Join(err, q.js.DeleteStream(ctx, q.stream))
	}
	return consumer, err
}
