// Package assisted is for places without an interface for programs: a Facebook group, Meetup.com, WhatsApp, a bulletin
// board. It calls nothing. Each delivery becomes a task for a person, who settles it when it is done.
package assisted

import (
	"context"
	"errors"
	"net/url"
	"strings"

	"github.com/crieur/crieur/internal/announce"
)

const name = "assisted"

// Config is one place.
type Config struct {
	Place    string `env:"PLACE,notEmpty" doc:"Name of the place, for the person who posts there: Groupe Facebook Logiciel libre."`
	URL      string `env:"URL" doc:"Address where one posts, shown with every task. Empty: a place without one, such as a wall."`
	Markdown bool   `env:"MARKDOWN" envDefault:"false" doc:"The place takes Markdown, as a forum does; else the text is plain."`
	Limit    int    `env:"LIMIT" envDefault:"0" doc:"Most characters that the place takes; 0: no limit."`
}

// New returns the publisher of one place. What is to be taken away is told in the site's first language: a receipt has none.
func New(c Config, site announce.Site) (announce.Publisher, error) {
	p := &publisher{Config: c, language: "en"}
	if len(site.Languages) > 0 {
		p.language = site.Languages[0]
	}
	if strings.TrimSpace(c.Place) == "" || strings.ContainsAny(c.Place, "\r\n") {
		return nil, errors.New("PLACE: is the name of the place, on one line")
	}
	if u, err := url.Parse(c.URL); c.URL != "" && (err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || strings.ContainsAny(c.URL, " \r\n")) {
		return nil, errors.New("URL: is not a web address: write https://example.org/group, or leave it empty")
	}
	if c.Limit < 0 {
		return nil, errors.New("LIMIT: is a number of characters, or 0 for no limit")
	}
	return p, nil
}

type publisher struct {
	Config
	language announce.Language
}

var (
	_ announce.Amender   = (*publisher)(nil)
	_ announce.Retracter = (*publisher)(nil)
)

func (p *publisher) Name() string { return name }

// Limits promise nothing about repeating: nobody but the person knows what they did.
func (p *publisher) Limits() announce.Limits {
	return announce.Limits{Text: p.Limit, Links: true, Markdown: p.Markdown, Images: 4, Card: true, FreshAmends: true, Manual: true}
}

// Publish asks a person to post the message.
func (p *publisher) Publish(_ context.Context, m announce.Message) (announce.Receipt, error) {
	return announce.Receipt{}, ask(wordsOf(m.Language).publish(p.at(p.URL), len(m.Images)))
}

// Amend asks a person to put the message in the place of what is there.
func (p *publisher) Amend(_ context.Context, r announce.Receipt, m announce.Message) (announce.Receipt, error) {
	return announce.Receipt{}, ask(wordsOf(m.Language).amend(p.where(r), len(m.Images)))
}

// Retract asks a person to take the post away, if they made it: without a receipt nobody said so.
func (p *publisher) Retract(_ context.Context, r announce.Receipt) error {
	return ask(wordsOf(p.language).retract(p.where(r), r == announce.Receipt{}))
}

// ask makes a task of an instruction.
func ask(instruction string) error {
	return &announce.Error{Outcome: announce.Ambiguous, Ask: true, Fault: instruction}
}

// where is the place of a post: its own address when the person gave one.
func (p *publisher) where(r announce.Receipt) string {
	if r.URL != "" {
		return p.at(r.URL)
	}
	return p.at(p.URL)
}

func (p *publisher) at(address string) string {
	if address == "" {
		return p.Place
	}
	return p.Place + " (" + address + ")"
}
