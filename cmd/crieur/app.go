package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/bounce"
	"github.com/crieur/crieur/internal/broadcast"
	"github.com/crieur/crieur/internal/digest"
	"github.com/crieur/crieur/internal/fetch"
	"github.com/crieur/crieur/internal/media"
	"github.com/crieur/crieur/internal/people"
	"github.com/crieur/crieur/internal/store"
	"github.com/crieur/crieur/internal/web"
	"github.com/crieur/crieur/publishers"
	"github.com/crieur/crieur/publishers/webhook"
	"github.com/crieur/crieur/queue"
	"github.com/crieur/crieur/templates"
)

// app is an opened Crieur: the record, the service on it and the handler on that. Close it.
type app struct {
	config  Config
	log     *slog.Logger
	store   *store.DB
	queue   *queue.Queue // nil unless opened to run
	service *broadcast.Service
	people  *people.Service
	digests *digest.Service
	links   *people.Links
	intake  *bounce.Intake
	chats   *chats            // nil: nobody is written to over Telegram
	follow  *webhook.Receiver // of subscribers' changes; nil: none
	handler http.Handler

	stopping chan struct{} // closed when the server stops
}

// opening says how an app is opened.
type opening struct {
	work  bool         // open the queue too, so that the service can Run
	point func(string) // see broadcast.Options.Point
}

// open opens everything that environ describes. What was opened before an error is closed again.
func open(ctx context.Context, c Config, environ map[string]string, log *slog.Logger, how opening) (a *app, err error) {
	a = &app{config: c, log: log, stopping: make(chan struct{})}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.Close(ctx))
		}
	}()
	var overlay fs.FS
	if c.Templates != "" {
		overlay = os.DirFS(c.Templates)
	}
	set, err := templates.New(overlay)
	if err != nil {
		return a, fmt.Errorf("CRIEUR_TEMPLATES: %w", err)
	}
	canary, err := share(c.Canary)
	if err != nil {
		return a, fmt.Errorf("%sCANARY: %w", prefix, err)
	}
	a.store, err = store.Open(ctx, store.Options{Dir: c.State, URL: c.DatabaseURL, Log: log, Keep: time.Duration(c.Keep) * 24 * time.Hour, Canary: canary, CanaryWait: c.CanaryWait})
	if err != nil {
		return a, err
	}
	deps := publishers.Deps{Site: c.site(), Shelf: a.store.Shelf()}
	accounts, err := publishers.Open(c.Channels, environ, deps)
	feeds, feedErr := publishers.Feeds(c.Channels, environ, deps)
	push, pushErr := publishers.Push(c.Channels, environ)
	if err = cmp.Or(err, feedErr, pushErr); err != nil {
		return a, &configError{err}
	}
	if how.work {
		a.queue, err = queue.Open(ctx, queue.Config{
			URL: c.NATSURL.Reveal(), Credentials: c.NATSCredentials, CA: c.NATSCA, Certificate: c.NATSCertificate, Key: c.NATSKey,
			Replicas: c.NATSReplicas, Dir: filepath.Join(c.State, "nats"), Log: log,
		})
		if err != nil {
			return a, err
		}
	}
	a.links = people.NewLinks(c.PublicURL)
	if err := people.LoadLinks(ctx, a.store, a.links); err != nil {
		return a, err
	}
	fetcher := fetch.New(fetch.Options{Allow: c.FetchAllow})
	if a.intake, err = intake(environ, a.links, fetcher); err != nil {
		return a, &configError{err}
	}
	if a.follow, err = followed(environ); err != nil {
		return a, &configError{err}
	}
	metrics := prometheus.NewRegistry()
	metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), broadcast.Gauge(a.store))
	options := broadcast.Options{
		Store: a.store, Queue: a.queue, Templates: set, Links: a.links, Returns: returns(a.intake, a.links), Site: c.site(), Log: log, Metrics: broadcast.NewMetrics(metrics),
		Undo: c.Undo, ReminderGap: c.ReminderGap, SettleGap: c.SettleGap, CheckEvery: c.CheckEvery, Missed: c.Missed, Lead: c.Rehearsal, Answers: fetcher.Answers, Notices: c.Notices, Cards: c.Cards, CardColour: c.CardColour, Point: how.point,
		Media: media.New(media.Options{Fetch: fetcher}),
	}
	if c.Counts {
		if options.CountKey, err = a.store.Secret(ctx, "counts"); err != nil {
			return a, err
		}
	}
	for _, x := range accounts {
		options.Accounts = append(options.Accounts, broadcast.Account(x))
	}
	if err := speakable(c.Notices, accounts); err != nil {
		return a, &configError{err}
	}
	a.service = broadcast.New(options)
	a.people = people.New(people.Options{
		Store: a.store, Links: a.links, Site: c.site(), Channels: a.service.Personal(), Write: a.service.Write, Tell: a.service.Tell, Address: publishers.Address, Log: log, HourlyLetters: c.Confirmations,
	})
	a.digests = digest.New(digest.Options{Store: a.store, Broadcast: a.service, Site: c.site(), Log: log, Point: how.point})
	var telegram func(people.Bearer, announce.Language) string
	if a.chats = chatsOf(accounts); a.chats != nil {
		a.chats.people, a.chats.links, a.chats.log = a.people, a.links, log
		telegram = a.chats.link
	}
	var bounced func(context.Context, io.Reader, []string) error
	if options.Returns != nil {
		bounced = a.bounced
	}
	a.handler = web.Handler(web.Options{
		Service: a.service, People: a.people, Digests: a.digests, Store: a.store, Site: c.site(), Links: a.links, Metrics: metrics, Version: version(), Log: log,
		Feeds: feeds, Ready: a.ready, Stopping: a.stopping, Proxies: c.Proxies, PushKey: push.Key, ServiceWorker: push.Worker, PushAddress: push.Address,
		Bounces: a.intake.Webhooks(a.heard, log), Bounced: bounced, Telegram: telegram,
	})
	return a, nil
}

// speakable refuses notices to accounts that are not there, or that write to every subscriber.
func speakable(notices []string, accounts []publishers.Account) error {
	var errs []error
	for _, name := range notices {
		i := slices.IndexFunc(accounts, func(a publishers.Account) bool { return a.Name == name })
		switch {
		case i < 0:
			errs = append(errs, fmt.Errorf("%sNOTICES: %q is not one of CRIEUR_CHANNELS", prefix, name))
		case len(accounts[i].Publisher.Limits().Kinds) > 0:
			errs = append(errs, fmt.Errorf("%sNOTICES: %s takes announcements of some kinds only, and no notices: name another account", prefix, name))
		case !accounts[i].Aside && accounts[i].To == "" && !accounts[i].Publisher.Limits().Personal:
			errs = append(errs, fmt.Errorf("%sNOTICES: %s is where announcements go, and a notice holds links by which tasks can be settled: make an account for the organisers and set its ASIDE=true (%sASIDE)", prefix, name, publishers.Prefix(name)))
		case accounts[i].Publisher.Limits().Personal && accounts[i].To == "":
			errs = append(errs, fmt.Errorf("%sNOTICES: %s writes to every subscriber: set %sTO to the organisers' address, or name another account", prefix, name, publishers.Prefix(name)))
		}
	}
	return errors.Join(errs...)
}

func (a *app) ready(ctx context.Context) map[string]error {
	if a.queue == nil {
		return nil
	}
	return map[string]error{"queue": a.queue.Health(ctx)}
}

// Close closes what open opened, the last first. Every error is returned.
func (a *app) Close(ctx context.Context) error {
	var errs []error
	if a.queue != nil {
		errs = append(errs, a.queue.Close(context.WithoutCancel(ctx)))
	}
	if a.store != nil {
		errs = append(errs, a.store.Close())
	}
	return errors.Join(errs...)
}

// configError is a mistake of whoever configures the server.
type configError struct{ error }

func (e *configError) Unwrap() error { return e.error }

func level(name string) (slog.Level, error) {
	var l slog.Level
	err := l.UnmarshalText([]byte(name))
	return l, err
}

// logger writes to w, as text for people or JSON for programs.
func logger(c Config, w io.Writer) *slog.Logger {
	l, _ := level(c.LogLevel)
	o := &slog.HandlerOptions{Level: l}
	if c.LogFormat == "text" || c.LogFormat == "" && terminal(w) {
		return slog.New(slog.NewTextHandler(w, o))
	}
	return slog.New(slog.NewJSONHandler(w, o))
}
