package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/crieur/crieur/internal/web"
)

type serveCmd struct{}

func (serveCmd) Help() string {
	return "Configuration is read from the environment; see `crieur env` and `crieur init`. SIGTERM ends the server in order: " +
		"calls under way are finished (at most 25 s), everything else waits in the database.\n\nExample:\n  set -a; . ./crieur.env; set +a; crieur serve"
}

func (serveCmd) Run(ctx context.Context, s *session) error {
	c, err := load(s.environ)
	if err != nil {
		return &configError{err}
	}
	log := logger(c, s.err)
	a, err := open(ctx, c, s.environ, log, opening{work: true, point: faultPoint(s.environ)})
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return errors.Join(fmt.Errorf("CRIEUR_LISTEN: %w", err), a.Close(ctx))
	}
	debug.FreeOSMemory() // opening leaves garbage that a small server has better use for
	return a.serve(ctx, listener, a.handler)
}

// serve runs the server on listener and on the state directory's socket until ctx is done, then stops in the reverse
// order of starting and closes the app.
func (a *app) serve(ctx context.Context, listener net.Listener, handler http.Handler) error {
	socket, err := a.listenLocal(ctx)
	if err != nil {
		return errors.Join(err, listener.Close(), a.Close(ctx))
	}
	base := context.WithoutCancel(ctx) // requests under way are answered
	public, local := a.httpServer(base, handler), a.httpServer(web.WithActor(base, web.AtTheServer), handler)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return a.service.Run(ctx) })
	g.Go(func() error { return a.people.Run(ctx) })
	g.Go(func() error { return a.digests.Run(ctx) })
	if a.chats != nil {
		g.Go(func() error { return a.chats.run(ctx) })
	}
	if a.follow != nil {
		g.Go(func() error { return a.people.Follow(ctx, a.follow.Post) })
	}
	g.Go(func() error { return a.intake.Run(ctx, a.heard, a.log) })
	g.Go(func() error { return served(public.Serve(listener)) })
	g.Go(func() error { return served(local.Serve(socket)) })
	g.Go(func() error {
		<-ctx.Done()
		a.log.Info("stopping: no new requests, calls under way are finished")
		close(a.stopping) // ends the event streams
		var both errgroup.Group
		both.Go(func() error { return shutDown(base, public) })
		both.Go(func() error { return shutDown(base, local) })
		return both.Wait()
	})
	a.log.Info("ready", "url", "http://"+listener.Addr().String(), "public_url", a.config.PublicURL, "state", a.config.State, "channels", a.config.Channels, "version", version())
	err = g.Wait()
	_ = os.Remove(filepath.Join(a.config.State, socketName))
	err = errors.Join(err, a.Close(ctx))
	if err == nil {
		a.log.Info("stopped")
	}
	return err
}

func (a *app) httpServer(ctx context.Context, h http.Handler) *http.Server {
	return &http.Server{
		Handler: h, BaseContext: func(net.Listener) context.Context { return ctx },
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: time.Minute, WriteTimeout: 2 * time.Minute, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		ErrorLog: slog.NewLogLogger(a.log.Handler(), slog.LevelDebug),
	}
}

// shutDown lets requests end for five seconds. Whoever has not ended by then, or never began to ask, is cut off.
func shutDown(ctx context.Context, s *http.Server) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if err := s.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return s.Close()
}

func served(err error) error {
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

const socketName = "crieur.sock"

// listenLocal opens the socket in the state directory. Whoever may open that file has every right. The directory's lock
// is held, so a socket that is still there is nobody's.
func (a *app) listenLocal(ctx context.Context) (net.Listener, error) {
	path := filepath.Join(a.config.State, socketName)
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("the socket in the state directory (CRIEUR_STATE; its path must be short): %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}
