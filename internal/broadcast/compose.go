package broadcast

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/sync/errgroup"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/store"
	"github.com/crieur/crieur/templates"
)

// composed is an announcement rendered for all its accounts.
type composed struct {
	payloads   []store.Payload
	deliveries []announce.Delivery // broadcast accounts
	personal   []string            // personal accounts
}

// targets are the accounts that the announcement goes to, in the order of the configuration.
func (s *Service) targets(a announce.Announcement) []account {
	var out []account
	for _, x := range s.Accounts {
		if len(a.Channels) == 0 || slices.Contains(a.Channels, x.Name) {
			out = append(out, s.accounts[x.Name])
		}
	}
	return out
}

// compose renders every wanted account and language. The error is a Faults naming every one that does not fit.
func (s *Service) compose(a announce.Announcement) (composed, error) {
	var c composed
	var faults announce.Faults
	targets := s.targets(a)
	if len(targets) == 0 {
		faults = append(faults, announce.Fault{Field: "channels", Say: "no channel is switched on here; set CRIEUR_CHANNELS"})
	}
	type page struct {
		account
		language announce.Language
		message  announce.Message
		err      error
	}
	var pages []page
	for _, t := range targets {
		for _, l := range s.languages(a, t) {
			pages = append(pages, page{account: t, language: l})
		}
		if t.Personal {
			c.personal = append(c.personal, t.Name)
		}
	}
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i := range pages {
		p := &pages[i]
		g.Go(func() error { p.message, p.err = s.render(a, p.account, p.language); return nil })
	}
	_ = g.Wait() // each page holds its own error
	for _, p := range pages {
		if p.err != nil {
			faults = appendFaults(faults, p.err)
			continue
		}
		c.payloads = append(c.payloads, store.Payload{Account: p.Name, Language: p.language, Message: p.message})
		if !p.Personal {
			c.deliveries = append(c.deliveries, announce.Delivery{Announcement: a.ID, Account: p.Name, Language: p.language, Wanted: true, Rev: a.Rev})
		}
	}
	return c, faults.Err()
}

func appendFaults(to announce.Faults, err error) announce.Faults {
	var f announce.Faults
	if !errors.As(err, &f) {
		f = announce.Faults{{Field: "texts", Say: err.Error()}}
	}
	for _, x := range f {
		if !slices.Contains(to, x) {
			to = append(to, x)
		}
	}
	return to
}

func (s *Service) render(a announce.Announcement, t account, l announce.Language) (announce.Message, error) {
	return s.Templates.Render(templates.Request{Account: t.Name, Language: l, Announcement: a, Limits: t.Limits, Site: s.Site})
}

// languages are those in which the account gets the announcement: one on a broadcast account; on a personal one every
// language a person may have asked for.
func (s *Service) languages(a announce.Announcement, t account) []announce.Language {
	if !t.Personal {
		if t.Language != "" && !t.Multilingual {
			return []announce.Language{t.Language}
		}
		return []announce.Language{a.Default}
	}
	out := []announce.Language{a.Default}
	for l := range a.Texts {
		out = append(out, l)
	}
	for _, l := range s.Site.Languages {
		if got, _ := a.Pick(l); got == l {
			out = append(out, l)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Preview is how an announcement would look on one account in one language.
type Preview struct {
	Channel  string            `json:"channel"`
	Language announce.Language `json:"language"`
	Subject  string            `json:"subject,omitempty"`
	Text     string            `json:"text,omitempty"`
	HTML     string            `json:"html,omitempty"`
	Link     string            `json:"link,omitempty"`
	Images   int               `json:"images"`
	Units    int               `json:"units" doc:"Length of the text as the platform counts."`
	Limit    int               `json:"limit,omitempty" doc:"The most it takes; absent: no limit."`
	Shorter  bool              `json:"shortened" doc:"The text was shortened to fit."`
	Faults   announce.Faults   `json:"faults,omitempty" doc:"Why it cannot be published there."`
}

// Preview renders a draft for every account it goes to and stores nothing. The error is a Faults when the draft itself
// is wrong; what does not fit one channel is told in that channel's preview.
func (s *Service) Preview(_ context.Context, d announce.Draft) ([]Preview, error) {
	now := s.Store.Now()
	a, err := d.Announcement(s.rules(now))
	if err != nil {
		return nil, err
	}
	a.ID, a.Rev, a.Created, a.Updated = "preview", 1, now, now
	out := []Preview{}
	for _, t := range s.targets(a) {
		for _, l := range s.languages(a, t) {
			p := Preview{Channel: t.Name, Language: l, Limit: t.Limits.Text}
			m, err := s.render(a, t, l)
			if err != nil {
				p.Faults = appendFaults(nil, err)
				out = append(out, p)
				continue
			}
			p.Subject, p.Text, p.HTML, p.Link, p.Images = m.Subject, m.Text, m.HTML, m.Link, len(m.Images)
			p.Units = utf8.RuneCountInString(m.Text)
			if t.Measure != nil {
				p.Units = t.Measure(m.Text)
			}
			p.Shorter = strings.Contains(m.Text, "…")
			out = append(out, p)
		}
	}
	return out, nil
}

// due is the moment before which an announcement is not called out: the later of now + undo and publish_at.
func due(a announce.Announcement, now time.Time) time.Time {
	at := now.Add(a.Undo)
	if !a.At.IsZero() && a.At.Instant.After(at) {
		at = a.At.Instant
	}
	return at
}
