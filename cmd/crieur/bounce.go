package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/caarlos0/env/v11"

	"github.com/crieur/crieur/internal/bounce"
	"github.com/crieur/crieur/internal/fetch"
	"github.com/crieur/crieur/internal/people"
	"github.com/crieur/crieur/internal/store"
)

const bouncePrefix = prefix + "BOUNCE_"

// exitTryLater asks a mail server to bring the mail again (EX_TEMPFAIL of sysexits.h).
const exitTryLater exitCode = 75

// intake opens what tells us how mail fared. The error names every variable that is wrong.
func intake(environ map[string]string, links *people.Links, client *fetch.Client) (*bounce.Intake, error) {
	c, err := env.ParseAsWithOptions[bounce.Config](env.Options{Environment: environ, Prefix: bouncePrefix})
	if err != nil {
		return nil, fmt.Errorf("%s...: %w", bouncePrefix, err)
	}
	in, err := c.Open(func(token string) bool { _, ok := links.ReadReturnToken(token); return ok }, client)
	if err != nil {
		return nil, errors.New(bouncePrefix + strings.ReplaceAll(err.Error(), "\n", "\n"+bouncePrefix))
	}
	return in, nil
}

// returns is where the bounces of a letter come; nil when none are read.
func returns(in *bounce.Intake, links *people.Links) func(people.Bearer) string {
	if in.Reader.Domain == "" {
		return nil
	}
	return func(b people.Bearer) string {
		path, err := bounce.ReturnPath(in.Reader.Prefix, in.Reader.Domain, links.ReturnToken(b))
		if err != nil {
			return "" // the account's own will do
		}
		return path
	}
}

// bounced reads a mail that came back.
func (a *app) bounced(ctx context.Context, mail io.Reader, to []string) error {
	return a.intake.Reader.Pipe(ctx, mail, to, a.heard)
}

// heard applies reports to the addresses that they are about. What names nobody here is dropped.
func (a *app) heard(ctx context.Context, reports []bounce.Report) error {
	for _, r := range reports {
		var at store.Address
		var plan int64
		var err error
		if b, ok := a.links.ReadReturnToken(r.Token); ok {
			plan = b.Letter
			at, err = a.store.Address(ctx, b.Address)
		} else {
			at, err = a.store.AddressOf(ctx, "email", r.Address)
		}
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		_, domain, _ := strings.Cut(store.Mailbox("email", at.Address), "@")
		err = a.people.Heard(ctx, people.Report{
			ID: r.ID, At: r.At, Source: r.Source, Class: store.Class(r.Class), Status: r.Status, Address: at.ID, Domain: domain, Detail: r.Detail, Plan: plan,
		})
		if err != nil {
			return err
		}
		a.log.Info("heard of a mail", "address", at.ID, "class", r.Class, "status", r.Status, "source", r.Source)
	}
	return nil
}

type bounceCmd struct {
	To []string `help:"Envelope recipient, when the mail server knows it." placeholder:"ADDRESS"`
}

func (bounceCmd) Help() string {
	return "Reads one mail from standard input: a bounce or a complaint. Let your mail server pipe what comes to the address of CRIEUR_BOUNCE_RETURN_PATH " +
		"into it. Exit code 75 asks the mail server to bring it again.\n\nExample, in an aliases file of Postfix:\n  bounces: \"|crieur bounce\""
}

func (c bounceCmd) Run(ctx context.Context, s *session) error {
	mail, err := io.ReadAll(s.in)
	if err == nil && len(mail) == 0 {
		return badInput("no mail came on standard input")
	}
	if err == nil {
		err = s.with(ctx, func(r *reached) error { return r.TakeBounce(ctx, mail, c.To) })
	}
	if err != nil {
		_ = explain(s.err, err)
		return exitTryLater
	}
	return nil
}
