package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"sync"

	"github.com/caarlos0/env/v11"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/store"
	"github.com/crieur/crieur/internal/web"
	"github.com/crieur/crieur/internal/web/client"
)

// reached is a server that the command line can talk to.
type reached struct {
	*client.Client
	asleep bool // no server runs: what is accepted now is published when one starts
	close  func() error
}

// reach finds the server: CRIEUR_URL, else the socket of the state directory, else the state directory itself when no
// server holds it.
func (s *session) reach(ctx context.Context) (*reached, error) {
	remote, err := env.ParseAsWithOptions[Client](env.Options{Environment: s.environ, Prefix: prefix})
	if err != nil {
		return nil, &configError{err}
	}
	if remote.URL != "" {
		if u, err := url.Parse(remote.URL); err != nil || u.Host == "" || u.User != nil || u.Scheme != "https" && u.Scheme != "http" {
			return nil, &configError{errors.New(prefix + "URL: is not the address of a server: write https://crieur.example.org, without user name or password")}
		}
		return &reached{Client: client.New(remote.URL, remote.Token, &http.Transport{Proxy: http.ProxyFromEnvironment}), close: func() error { return nil }}, nil
	}
	c, err := load(s.environ)
	if err != nil {
		return nil, &configError{err}
	}
	socket := filepath.Join(c.State, socketName)
	var d net.Dialer
	if conn, err := d.DialContext(ctx, "unix", socket); err == nil {
		_ = conn.Close()
		t := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return d.DialContext(ctx, "unix", socket) }}
		return &reached{Client: client.New("http://crieur", announce.Secret{}, t), close: func() error { t.CloseIdleConnections(); return nil }}, nil
	}
	a, err := open(ctx, c, s.environ, slog.New(slog.NewTextHandler(s.err, &slog.HandlerOptions{Level: slog.LevelError})), opening{})
	if errors.Is(err, store.ErrLocked) {
		return nil, fmt.Errorf("%w\nIt does not answer on %s; if it has just started, try again", err, socket)
	}
	if err != nil {
		return nil, err
	}
	return &reached{
		Client: client.New("http://crieur", announce.Secret{}, inProcess{a.handler}), asleep: true,
		close: func() error { return a.Close(ctx) },
	}, nil
}

// with runs do with a reached server and closes it.
func (s *session) with(ctx context.Context, do func(*reached) error) error {
	r, err := s.reach(ctx)
	if err != nil {
		return err
	}
	return errors.Join(do(r), r.close())
}

// inProcess answers requests by a handler in this process, with every right.
type inProcess struct{ handler http.Handler }

func (p inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	if strings.HasPrefix(r.URL.Path, "/v1/events") {
		return nil, errors.New("no server runs; start one with: crieur serve")
	}
	if r.Body == nil {
		r.Body = http.NoBody
	}
	body, to := io.Pipe()
	w := &answered{header: http.Header{}, status: http.StatusOK, began: make(chan struct{}), Writer: to}
	go func() {
		defer func() {
			err := io.EOF
			if p := recover(); p != nil { // the answer was cut, so that half of it is not taken for all
				err = io.ErrUnexpectedEOF
			}
			w.WriteHeader(http.StatusOK)
			_ = to.CloseWithError(err)
		}()
		p.handler.ServeHTTP(w, r.WithContext(web.WithActor(r.Context(), web.AtTheServer)))
	}()
	<-w.began
	return &http.Response{
		StatusCode: w.status, Status: http.StatusText(w.status), Header: w.sent, Body: body, Request: r,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, ContentLength: -1,
	}, nil
}

// answered hands an answer over while it is written.
type answered struct {
	io.Writer
	header, sent http.Header
	status       int
	began        chan struct{} // closed when status and header are final
	once         sync.Once
}

func (w *answered) Header() http.Header { return w.header }

func (w *answered) WriteHeader(status int) {
	w.once.Do(func() {
		w.status, w.sent = status, w.header.Clone()
		close(w.began)
	})
}

func (w *answered) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.Writer.Write(b)
}
