package queue

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

func (q *Queue) openEmbedded(ctx context.Context, c Config) error {
	host, err := openHost(c.Dir, c.watch, &q.calls, c.Log)
	if err != nil {
		return fmt.Errorf("queue: %w", err)
	}
	q.host = host
	quick := nats.CustomReconnectDelay(func(int) time.Duration { return 20 * time.Millisecond })
	if err := q.connect("", nats.InProcessServer(host), quick); err != nil {
		return fmt.Errorf("queue: embedded server: %w", err)
	}
	if err := q.ensureWithin(ctx, apiWait); err != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("queue: %w", ctx.Err())
		}
		c.Log.Warn("queue: the files of the embedded server are of no use; it begins anew", "dir", c.Dir, "error", err)
		if err := host.restart(true); err != nil {
			return fmt.Errorf("queue: embedded server: %w", err)
		}
		if err := q.ensureWithin(ctx, openWait); err != nil {
			return fmt.Errorf("queue: embedded server: %w", err)
		}
	}
	host.startWatching(q.revive)
	return nil
}

// revive proves that a restarted embedded server can hold the stream.
func (q *Queue) revive(ctx context.Context) error {
	q.ready.Store(false)
	err := q.ensureWithin(ctx, apiWait)
	if err == nil {
		q.broken.Store(0)
	}
	return err
}

func (q *Queue) openExternal(ctx context.Context, c Config) error {
	for server := range strings.SplitSeq(c.URL, ",") {
		if !strings.Contains(server, "://") {
			server = "nats://" + server
		}
		if u, err := url.Parse(strings.TrimSpace(server)); err != nil || u.Hostname() == "" {
			return errors.New("queue: a server's address is not one: write nats://host:4222, or tls://host:4222 (a password with signs such as % or @ must be percent-encoded)")
		}
	}
	options := []nats.Option{
		nats.CustomReconnectDelay(func(n int) time.Duration {
			most := min(100*time.Millisecond<<min(n, 10), time.Second)
			return most/2 + rand.N(most/2)
		}),
		nats.IgnoreAuthErrorAbort(), // a credential may be renewed while we run
	}
	if c.Credentials != "" {
		options = append(options, nats.UserCredentials(c.Credentials))
	}
	if c.CA != "" {
		options = append(options, nats.RootCAs(c.CA))
	}
	if c.Certificate != "" || c.Key != "" {
		options = append(options, nats.ClientCert(c.Certificate, c.Key))
	}
	err := q.connect(c.URL, options...)
	var unreachable net.Error
	if errors.Is(err, nats.ErrNoServers) || errors.Is(err, nats.ErrTimeout) || errors.As(err, &unreachable) {
		c.Log.Warn("queue: the server cannot be reached yet")
		return q.connect(c.URL, append(options, nats.RetryOnFailedConnect(true))...)
	}
	if err != nil {
		return fmt.Errorf("queue: the server refuses the connection: %w", err)
	}
	err = q.ensureWithin(ctx, openWait)
	var refused *jetstream.APIError
	if errors.As(err, &refused) && refused.Code != unavailable {
		return fmt.Errorf("queue: the server refuses stream %s: %w", q.stream, err)
	}
	if err != nil {
		c.Log.Warn("queue: the server is not ready yet", "error", err)
	}
	return nil
}

// ensureWithin tries again until the stream is there: a cluster that has just started has no leader yet.
func (q *Queue) ensureWithin(ctx context.Context, most time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	for {
		err := q.ensure(ctx)
		if err == nil || !passing(err) {
			return err
		}
		select {
		case <-time.After(minPause):
		case <-ctx.Done():
			return err
		}
	}
}

const (
	unavailable                     = 503
	noPeers     jetstream.ErrorCode = 10005 // the cluster's other servers are not there yet, or do not exist
)

// passing reports whether the server may yet take what it did not take.
func passing(err error) bool {
	var refused *jetstream.APIError
	return !errors.As(err, &refused) || refused.Code == unavailable || refused.ErrorCode == noPeers
}

func (q *Queue) connect(servers string, options ...nats.Option) error {
	nc, err := nats.Connect(servers, append(options,
		nats.Name("crieur "+q.name),
		nats.MaxReconnects(-1),
		nats.ReconnectBufSize(-1), // fail at once while there is no connection
		nats.Timeout(apiWait),
		nats.ConnectHandler(func(*nats.Conn) { q.link.connected() }),
		nats.ReconnectHandler(func(*nats.Conn) {
			q.ready.Store(false)
			q.link.connected()
			q.log.Info("queue: connected again")
		}),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			q.link.disconnected()
			if !q.closed.Load() {
				q.log.Warn("queue: the connection is lost", "error", err)
			}
		}),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { q.log.Debug("queue: connection", "error", err) }),
	)...)
	if err != nil {
		return err
	}
	js, err := jetstream.New(nc, jetstream.WithPublishAsyncMaxPending(4*window), jetstream.WithPublishAsyncTimeout(2*patience))
	if err != nil {
		nc.Close()
		return err
	}
	q.nc, q.js = nc, js
	if nc.IsConnected() {
		q.link.connected() // the handler may come later
	}
	return nil
}
