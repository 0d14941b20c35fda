// Package shoutrrr publishes through any service that the library Shoutrrr knows, by its service URL. It is for the long
// tail: it can say that a message was handed over, and nothing more. There is no receipt, no edit and no look.
package shoutrrr

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/nicholas-fedor/shoutrrr/pkg/router"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/chat/matrix"
	"github.com/nicholas-fedor/shoutrrr/pkg/types"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/internal/rest"
)

const name = "shoutrrr"

// Config is one service.
type Config struct {
	URL announce.Secret `env:"URL,notEmpty" doc:"Service URL, such as gotify://push.example.org/Axxxxxxxxxxxxxx. One service, one target."`
}

// New returns the publisher of one service. It calls nobody.
func New(c Config, _ announce.Site) (announce.Publisher, error) {
	word, err := serviceOf(c.URL.Reveal())
	if err != nil {
		return nil, err
	}
	k, known := services()[word]
	switch {
	case !known:
		return nil, fmt.Errorf("URL: there is no service %q; there are %s", word, strings.Join(accepted(), ", "))
	case k.refuse != "":
		return nil, errors.New("URL: " + k.refuse)
	}
	p := &publisher{kind: k, service: word, url: c.URL, slots: make(chan struct{}, most)}
	var s types.Service
	if word == "matrix" { // its Initialize would sign in
		s, err = p.matrix()
	} else {
		s, err = p.open()
	}
	if err != nil {
		return nil, fmt.Errorf("URL: is not an address of the service %s: look at its page on https://shoutrrr.nickfedor.com", word)
	}
	if why := unfit(s); why != "" {
		return nil, errors.New("URL: " + why)
	}
	p.titled = p.kind.title != 0 && !untitled(s)
	if p.client, err = rest.New(word, "https://"+word+".invalid", nil); err != nil {
		return nil, err
	}
	return p, nil
}

// serviceOf is the service that a URL names. The error shows nothing of it.
func serviceOf(raw string) (string, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme == "" {
		return "", errors.New("URL: is not a service URL: it begins with the service's name and ://, such as gotify://")
	}
	word, _, _ := strings.Cut(strings.ToLower(u.Scheme), "+")
	return word, nil
}

// accepted lists the services that can be had.
func accepted() []string {
	var names []string
	for n, k := range services() {
		if k.refuse == "" {
			names = append(names, n)
		}
	}
	slices.Sort(names)
	return names
}

type publisher struct {
	kind    kind
	service string
	url     announce.Secret
	titled  bool
	client  *rest.Client
	slots   chan struct{}
}

var _ announce.Checker = (*publisher)(nil)

func (p *publisher) Name() string { return name }

// Limits are the service's, in bytes. Nothing is promised about repeating.
func (p *publisher) Limits() announce.Limits {
	measure := func(s string) int { return len(s) }
	if p.kind.chat {
		measure = func(s string) int { return len(quiet(s, nil)) }
	}
	return announce.Limits{Text: p.kind.bytes, Measure: measure, Links: true, Pace: time.Second}
}

// Check makes no call: no service can be tried without sending. It says whether another channel does better.
func (p *publisher) Check(context.Context) (announce.Report, error) {
	r := announce.Report{Identity: p.service + ", which cannot be asked who it is"}
	if p.kind.own != "" {
		r.Findings = []announce.Finding{{
			What: "Crieur has a channel of its own for this service, which knows more of what became of a post",
			Do:   "use the channel " + p.kind.own + " instead",
		}}
	}
	return r, nil
}

// sent is the ID of every receipt: the library names no post.
const sent = "sent"

// Publish hands the message over once.
func (p *publisher) Publish(ctx context.Context, m announce.Message) (announce.Receipt, error) {
	title, text := p.words(m)
	if err := p.send(ctx, title, text); err != nil {
		return announce.Receipt{}, err
	}
	return announce.Receipt{ID: sent, At: time.Now().UTC()}, nil
}

// open makes the service anew: the library keeps what it was last told in it.
func (p *publisher) open() (s types.Service, err error) {
	defer func() {
		if recover() != nil {
			s, err = nil, errors.New("the library gave up")
		}
	}()
	return new(router.ServiceRouter).Locate(p.url.Reveal())
}

// matrix reads a Matrix URL without signing in.
func (p *publisher) matrix() (s types.Service, err error) {
	defer func() {
		if recover() != nil {
			s, err = nil, errors.New("the library gave up")
		}
	}()
	u, err := url.Parse(p.url.Reveal())
	if err != nil {
		return nil, err
	}
	service := &matrix.Service{Config: &matrix.Config{}}
	return service, service.Config.SetURL(u)
}
