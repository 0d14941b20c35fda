package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/caarlos0/env/v11"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/webhook"
)

const followPrefix = prefix + "SUBSCRIBER_WEBHOOK_"

// followConfig is who is told of every change of a subscriber.
type followConfig struct {
	URL          announce.Secret `env:"URL" doc:"Address to which every change of a subscriber is posted, signed, as docs/subscribers.md says. Empty: nobody is told."`
	Secret       announce.Secret `env:"SECRET" doc:"Secret shared with that receiver, whsec_ and 24 to 64 random bytes in base64; or whsk_ and a private Ed25519 key."`
	OldSecret    announce.Secret `env:"OLD_SECRET" doc:"The secret before, while the receiver changes it: events are signed with both."`
	AllowPrivate bool            `env:"ALLOW_PRIVATE" envDefault:"false" doc:"The receiver may be on a private network or this machine, and its address may begin with http://."`
}

// followed opens the receiver of subscribers' changes; nil when there is none. The error names every variable that is wrong.
func followed(environ map[string]string) (*webhook.Receiver, error) {
	c, err := env.ParseAsWithOptions[followConfig](env.Options{Environment: environ, Prefix: followPrefix})
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s...: %w", followPrefix, err)
	case c.URL.Empty() && c.Secret.Empty() && c.OldSecret.Empty():
		return nil, nil
	case c.URL.Empty():
		return nil, errors.New(followPrefix + "URL: is required with a secret: the address of the receiver")
	}
	r, err := webhook.NewReceiver(webhook.Config{URL: c.URL, Secret: c.Secret, OldSecret: c.OldSecret, AllowPrivate: c.AllowPrivate})
	if err != nil {
		return nil, errors.New(followPrefix + strings.ReplaceAll(err.Error(), "\n", "\n"+followPrefix))
	}
	return r, nil
}
