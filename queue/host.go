package queue

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

const (
	watchEvery = 2 * time.Second
	startWait  = 10 * time.Second
	relapse    = time.Minute // a server that is sick again so soon has bad files: it begins anew
	roomNeeded = 1 << 20     // bytes that must fit on the disk before a sick server is started again
)

// host runs the embedded server in a directory of its own, and starts it again when it turned sick. The connection
// goes through it, so that it finds the new server by itself.
type host struct {
	dir    string
	every  time.Duration
	log    *slog.Logger
	lock   *os.File
	calls  *sync.RWMutex // a server that is making something when it is told to stop leaves it half open
	looks  chan struct{}
	cancel context.CancelFunc
	done   chan struct{}

	turn sync.Mutex // one look or restart at once

	mu     sync.Mutex
	server *server.Server // nil while none runs
}

func openHost(dir string, every time.Duration, calls *sync.RWMutex, log *slog.Logger) (*host, error) {
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
	h := &host{dir: dir, every: every, log: log, lock: lock, calls: calls, looks: make(chan struct{}, 1)}
	if err := h.begin(); err != nil {
		return nil, errors.Join(fmt.Errorf("embedded server: %w", err), lock.Close())
	}
	if err := h.start(); err != nil {
		log.Warn("queue: the embedded server does not start on its files; it begins anew", "dir", dir, "error", err)
		if err := h.restart(true); err != nil {
			return nil, errors.Join(fmt.Errorf("embedded server: %w", err), lock.Close())
		}
	}
	return h, nil
}

// begin takes the directory over. After a process that died the server begins anew: a consumer whose files are ahead of
// its stream's never delivers what is added, and every nudge is made again from the record anyway.
func (h *host) begin() error {
	if _, err := os.Stat(h.mark()); err == nil {
		if err := os.RemoveAll(h.store()); err != nil {
			return err
		}
	}
	if err := os.WriteFile(h.mark(), nil, 0o600); err != nil { // the disk is full: it is at most a wait of maxAge
		h.log.Warn("queue: its directory cannot be marked as in use", "error", err)
	}
	return nil
}

// mark is a file that is there as long as a process uses the directory, and stays when it dies.
func (h *host) mark() string { return filepath.Join(h.dir, "in-use") }

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
		err = wellness(s) // a stream whose files it cannot read
	}
	if err != nil {
		s.Shutdown()
		s.WaitForShutdown()
		return err
	}
	h.mu.Lock()
	h.server = s
	h.mu.Unlock()
	return nil
}

// wellness is nil when the server stores. Its own check gives a busy machine one millisecond to answer, so that an
// answer which only says "not ready" is asked for again.
func wellness(s *server.Server) error {
	st := s.Healthz(nil)
	for end := time.Now().Add(startWait); st.StatusCode == http.StatusInternalServerError && s.Running() && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
		st = s.Healthz(nil)
	}
	if st.Status != "ok" {
		return errors.New(st.Error)
	}
	return nil
}

func (h *host) stop() {
	h.mu.Lock()
	s := h.server
	h.server = nil
	h.mu.Unlock()
	if s != nil {
		h.calls.Lock()
		defer h.calls.Unlock()
		s.Shutdown()
		s.WaitForShutdown()
	}
}

// restart starts the server again, on empty files when wipe is set.
func (h *host) restart(wipe bool) error {
	h.turn.Lock()
	defer h.turn.Unlock()
	return h.restartInTurn(wipe)
}

func (h *host) restartInTurn(wipe bool) error {
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
	if _, err := os.Stat(h.store()); err != nil {
		return errors.New("its files are gone")
	}
	return wellness(s)
}

// look asks for a look at the server now.
func (h *host) look() {
	select {
	case h.looks <- struct{}{}:
	default:
	}
}

// startWatching looks at the server now and then, and starts it again when it is sick and there is room. A restart
// counts when revive succeeds.
func (h *host) startWatching(revive func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	h.cancel, h.done = cancel, make(chan struct{})
	go func() {
		defer close(h.done)
		tick := time.NewTicker(h.every)
		defer tick.Stop()
		w := watch{host: h, revive: revive}
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			case <-h.looks:
			}
			w.look(ctx)
		}
	}()
}

type watch struct {
	*host
	revive func(context.Context) error
	full   bool      // the disk was, at the last look
	last   time.Time // a restart
}

func (w *watch) look(ctx context.Context) {
	w.turn.Lock()
	defer w.turn.Unlock()
	sick := w.health()
	if sick == nil {
		w.full = false
		return
	}
	if err := w.room(); err != nil {
		if !w.full {
			w.log.Error("queue: the embedded server cannot store; it starts again when there is room", "error", sick, "room", err)
		}
		w.full = true
		return
	}
	anew := time.Since(w.last) < relapse
	err := w.restartInTurn(anew)
	if err == nil {
		err = w.revive(ctx)
	}
	w.last = time.Now()
	w.log.Warn("queue: the embedded server was started again", "because", sick, "anew", anew, "error", err)
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
		if err := os.Remove(h.mark()); err != nil && !errors.Is(err, os.ErrNotExist) {
			h.log.Warn("queue: its directory stays marked as in use", "error", err)
		}
		return h.lock.Close()
	case <-ctx.Done():
		return fmt.Errorf("queue: embedded server: %w", context.Cause(ctx))
	}
}

// serverLog passes what the server says on to slog.
type serverLog struct{ log *slog.Logger }

func (l serverLog) Noticef(string, ...any)    {}
func (l serverLog) Warnf(f string, a ...any)  { l.log.Warn("nats: " + fmt.Sprintf(f, a...)) }
func (l serverLog) Errorf(f string, a ...any) { l.log.Error("nats: " + fmt.Sprintf(f, a...)) }
func (l serverLog) Fatalf(f string, a ...any) { l.log.Error("nats: " + fmt.Sprintf(f, a...)) }
func (l serverLog) Debugf(string, ...any)     {}
func (l serverLog) Tracef(string, ...any)     {}
