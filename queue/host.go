package queue

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

const (
	watchEvery = 2 * time.Second
	startWait  = 10 * time.Second
	roomNeeded = 1 << 20 // bytes that must fit on the disk before a sick server is started again
)

// host runs the embedded server in a directory of its own, and starts it again when it turned sick. The connection
// goes through it, so that it finds the new server by itself.
type host struct {
	dir    string
	every  time.Duration
	log    *slog.Logger
	lock   *os.File
	looks  chan struct{}
	cancel context.CancelFunc
	done   chan struct{}

	mu     sync.Mutex
	server *server.Server // nil while none runs
}

func openHost(dir string, every time.Duration, log *slog.Logger) (*host, error) {
	if dir == "" {
		return nil, errors.New("the embedded server needs a directory")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	lock, err := hold(filepath.Join(dir, "lock"))
	if err != nil {
		return nil, err
	}
	if every == 0 {
		every = watchEvery
	}
	h := &host{dir: dir, every: every, log: log, lock: lock, looks: make(chan struct{}, 1)}
	if err := h.start(); err != nil {
		log.Warn("queue: the embedded server does not start on its files; it begins anew", "dir", dir, "error", err)
		if err := h.restart(true); err != nil {
			return nil, errors.Join(fmt.Errorf("embedded server: %w", err), lock.Close())
		}
	}
	return h, nil
}

// InProcConn implements nats.InProcessConnProvider.
func (h *host) InProcessConn() (net.Conn, error) {
	h.mu.Lock()
	s := h.server
	h.mu.Unlock()
	if s == nil {
		return nil, errors.New("the embedded server is down")
	}
	return s.InProcessConn()
}

func (h *host) store() string { return filepath.Join(h.dir, "jetstream") }

func (h *host) start() error {
	s, err := server.NewServer(&server.Options{
		ServerName:         "crieur",
		DontListen:         true,
		NoSigs:             true, // signals belong to the program
		JetStream:          true,
		StoreDir:           h.dir,
		JetStreamMaxMemory: 1 << 20, // nothing is kept in memory
		JetStreamMaxStore:  2 * maxBytes,
	})
	if err != nil {
		return err
	}
	s.SetLoggerV2(serverLog{h.log}, false, false, false)
	s.Start()
	switch {
	case !s.ReadyForConnections(startWait):
		err = errors.New("is not ready in time")
	case !s.JetStreamEnabled():
		err = errors.New("cannot use its directory")
	default:
		h.mu.Lock()
		h.server = s
		h.mu.Unlock()
		return nil
	}
	s.Shutdown()
	s.WaitForShutdown()
	return err
}

func (h *host) stop() {
	h.mu.Lock()
	s := h.server
	h.server = nil
	h.mu.Unlock()
	if s != nil {
		s.Shutdown()
		s.WaitForShutdown()
	}
}

// restart starts the server again, on empty files when wipe is set.
func (h *host) restart(wipe bool) error {
	h.stop()
	if wipe {
		if err := os.RemoveAll(h.store()); err != nil {
			return err
		}
	}
	return h.start()
}

// health is nil when the server can store.
func (h *host) health() error {
	h.mu.Lock()
	s := h.server
	h.mu.Unlock()
	if s == nil {
		return errors.New("is down")
	}
	if st := s.Healthz(nil); st.Status != "ok" {
		return errors.New(st.Error)
	}
	if _, err := os.Stat(h.store()); err != nil {
		return errors.New("its files are gone")
	}
	return nil
}

// look asks for a look at the server now.
func (h *host) look() {
	select {
	case h.looks <- struct{}{}:
	default:
	}
}

func (h *host) startWatching(revive func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	h.cancel, h.done = cancel, make(chan struct{})
	go func() {
		defer close(h.done)
		tick := time.NewTicker(h.every)
		defer tick.Stop()
		said := false
		for failures := 0; ; {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			case <-h.looks:
			}
			sick := h.health()
			if sick == nil {
				said = false
				continue
			}
			if err := h.room(); err != nil {
				if !said {
					h.log.Error("queue: the embedded server cannot store; it is started again when there is room", "error", sick, "room", err)
				}
				said = true
				continue
			}
			err := h.restart(failures > 0)
			if err == nil {
				err = revive(ctx)
			}
			if err != nil {
				failures++
				h.log.Error("queue: the embedded server does not come back", "error", err, "attempts", failures)
				continue
			}
			h.log.Warn("queue: the embedded server was started again", "because", sick, "anew", failures > 0)
			failures = 0
		}
	}()
}

func (h *host) stopWatching() {
	if h.cancel != nil {
		h.cancel()
		<-h.done
	}
}

// room is nil when the disk takes a little more.
func (h *host) room() error {
	f, err := os.CreateTemp(h.dir, "room-")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }()
	_, err = f.Write(make([]byte, roomNeeded))
	return errors.Join(err, f.Sync(), f.Close())
}

func (h *host) close(ctx context.Context) error {
	down := make(chan struct{})
	go func() {
		defer close(down)
		h.stop()
	}()
	select {
	case <-down:
		return h.lock.Close()
	case <-ctx.Done():
		return fmt.Errorf("queue: embedded server: %w", context.Cause(ctx))
	}
}

// serverLog passes what the server says on to slog.
type serverLog struct{ log *slog.Logger }

func (l serverLog) Noticef(f string, a ...any) { l.log.Debug("nats: " + fmt.Sprintf(f, a...)) }
func (l serverLog) Warnf(f string, a ...any)   { l.log.Warn("nats: " + fmt.Sprintf(f, a...)) }
func (l serverLog) Errorf(f string, a ...any)  { l.log.Error("nats: " + fmt.Sprintf(f, a...)) }
func (l serverLog) Fatalf(f string, a ...any)  { l.log.Error("nats: " + fmt.Sprintf(f, a...)) }
func (l serverLog) Debugf(string, ...any)      {}
func (l serverLog) Tracef(string, ...any)      {}
