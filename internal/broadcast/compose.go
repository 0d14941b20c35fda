package broadcast

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"runtime"
	"runtime/debug"
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
	counted    []store.Counted     // addresses in mails that are counted
}

// targets are the accounts that the announcement goes to, in the order of the configuration.
func (s *Service) targets(a announce.Announcement) []account {
	var out []account
	for _, x := range s.Accounts {
		t := s.accounts[x.Name]
		if (len(a.Channels) == 0 && !x.Aside || slices.Contains(a.Channels, x.Name)) && t.takes(a.Kind) {
			out = append(out, t)
		}
	}
	return out
}

// accept is what a draft announces, by the rules and by the accounts that are switched on. The error is a Faults.
func (s *Service) accept(d announce.Draft, rules announce.Rules) (announce.Announcement, error) {
	a, err := d.Announcement(rules)
	if err != nil {
		return a, err
	}
	var faults announce.Faults
	for i, r := range a.Reminders {
		for n, name := range r.Channels {
			aside := slices.ContainsFunc(s.Accounts, func(x Account) bool { return x.Name == name && x.Aside })
			if r.Told() == announce.KindReminder && (len(a.Channels) == 0 && aside || len(a.Channels) > 0 && !slices.Contains(a.Channels, name)) {
				faults = append(faults, announce.Fault{Field: fmt.Sprintf("reminders[%d].channels[%d]", i, n),
					Say: "the announcement itself does not go to " + name + ": whoever reads the reminder there would not hear of a change or a cancellation. Add it to channels"})
			}
		}
	}
	return a, faults.Err()
}

func (a account) takes(k announce.Kind) bool { return len(a.Kinds) == 0 || slices.Contains(a.Kinds, k) }

// page is one text of an account: in one language, or in several at once.
type page struct {
	account
	languages []announce.Language
	messages  []announce.Message // the parts of a thread
	err       error
}

// pages are the texts that the announcement needs on its accounts, those of one account side by side.
func (s *Service) pages(a announce.Announcement, targets []account) []page {
	var out []page
	for _, t := range targets {
		l := s.languages(a, t)
		if !t.Personal && !t.Replies {
			out = append(out, page{account: t, languages: l})
			continue
		}
		for i := range l {
			out = append(out, page{account: t, languages: l[i : i+1]})
		}
	}
	return out
}

// compose renders every wanted account and language. The error is a Faults naming every one that does not fit.
func (s *Service) compose(ctx context.Context, a announce.Announcement) (composed, error) {
	var c composed
	var faults announce.Faults
	targets := s.targets(a)
	for i, name := range a.Channels {
		if t, on := s.accounts[name]; on && !t.takes(a.Kind) {
			faults = append(faults, announce.Fault{Field: fmt.Sprintf("channels[%d]", i), Say: fmt.Sprintf("%s takes only announcements of the kind %s", name, t.Kinds[0])})
		}
	}
	if len(targets) == 0 && len(faults) == 0 {
		faults = append(faults, announce.Fault{Field: "channels", Say: "no channel is switched on here; set CRIEUR_CHANNELS"})
	}
	for _, p := range s.renderAll(ctx, a, targets) {
		if p.err != nil {
			faults = appendFaults(faults, p.err)
			continue
		}
		for _, m := range p.messages {
			c.payloads = append(c.payloads, store.Payload{Account: p.Name, Language: p.languages[0], Message: m})
			if !p.Personal {
				c.deliveries = append(c.deliveries, announce.Delivery{Announcement: a.ID, Account: p.Name, Language: p.languages[0], Part: m.Part, Wanted: true, Rev: a.Rev})
			}
		}
	}
	for _, t := range targets {
		if t.Personal {
			c.personal = append(c.personal, t.Name)
		}
	}
	return c, faults.Err()
}

// renderAll renders every page, as many at once as there are processors.
func (s *Service) renderAll(ctx context.Context, a announce.Announcement, targets []account) []page {
	pages := s.pages(a, targets)
	var cards deck
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i := range pages {
		p := &pages[i]
		g.Go(func() error {
			defer func() {
				if r := recover(); r != nil {
					s.Log.Error("rendering crashed", "account", p.Name, "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
					p.err = errors.New("this announcement crashed the rendering for " + p.Name + "; please report it as a defect of Crieur")
				}
			}()
			p.messages, p.err = s.render(ctx, a, *p, &cards)
			return nil
		})
	}
	_ = g.Wait() // each page holds its own error
	answer(pages)
	return pages
}

// answer lets the pages of an account in further languages answer the one before: they are one thread.
func answer(pages []page) {
	for i := 0; i < len(pages); {
		n, parts := i, 0
		for ; n < len(pages) && pages[n].Name == pages[i].Name; n++ {
			parts += len(pages[n].messages)
		}
		if pages[i].Replies && n > i+1 {
			part := 0
			for _, p := range pages[i:n] {
				for k := range p.messages {
					p.messages[k].Part, p.messages[k].Parts = part, parts
					part++
				}
			}
		}
		i = n
	}
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

func (s *Service) render(ctx context.Context, a announce.Announcement, p page, cards *deck) ([]announce.Message, error) {
	if p.Campaign {
		a.Link = campaign(a, p.account)
	}
	a, err := s.show(ctx, a, p, cards)
	if err != nil {
		return nil, err
	}
	all, err := s.Templates.Render(templates.Request{
		Account: p.Name, Language: p.languages[0], Also: p.languages[1:], Announcement: a, Limits: p.Limits, Site: s.Site, Hashtags: p.Hashtags, Handles: p.Handles,
	})
	for i := range all {
		all[i].To = p.To
	}
	return all, err
}

// campaign is the announcement's link with the parameters by which web statistics tell where a visitor came from. Nothing
// of the author's address is changed.
func campaign(a announce.Announcement, t account) string {
	u, err := url.Parse(a.Link)
	if err != nil || a.Link == "" {
		return a.Link
	}
	medium := "social"
	if t.Limits.Personal || t.To != "" {
		medium = "email"
	}
	for _, p := range [][2]string{{"utm_source", announce.Channel(t.Name)}, {"utm_medium", medium}, {"utm_campaign", string(a.ID)}} {
		if strings.HasPrefix(u.RawQuery, p[0]+"=") || strings.Contains(u.RawQuery, "&"+p[0]+"=") {
			continue
		}
		if u.RawQuery != "" {
			u.RawQuery += "&"
		}
		u.RawQuery += p[0] + "=" + url.QueryEscape(p[1])
	}
	return u.String()
}

// languages are those in which the account gets the announcement: its own on a broadcast account, as far as the
// announcement has them; on a personal one every language a person may have asked for.
func (s *Service) languages(a announce.Announcement, t account) []announce.Language {
	if t.Multilingual {
		return []announce.Language{a.Default}
	}
	var out []announce.Language
	if !t.Personal {
		for i, l := range t.Languages {
			if got, _ := a.Pick(l); i == 0 || got.Base() == l.Base() {
				out = append(out, l)
			}
		}
		if len(out) == 0 {
			out = append(out, a.Default)
		}
		return out
	}
	out = append(out, a.Default)
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
	Reminder string            `json:"reminder,omitempty" doc:"Of a reminder: when it is told, as its at says."`
	Due      *time.Time        `json:"due,omitempty" doc:"Of a reminder: that moment."`
	Part     int               `json:"part,omitempty" doc:"Its place in a thread, from 0."`
	Parts    int               `json:"parts,omitempty" doc:"Parts of the thread; absent: it stands alone."`
	Subject  string            `json:"subject,omitempty"`
	Text     string            `json:"text,omitempty"`
	HTML     string            `json:"html,omitempty"`
	Link     string            `json:"link,omitempty"`
	Images   int               `json:"images"`
	Units    int               `json:"units" doc:"Length of the text as the platform counts."`
	Limit    int               `json:"limit,omitempty" doc:"The most it takes; absent: no limit."`
	People   *int              `json:"people,omitempty" doc:"On a personal channel: how many people would get it now, in whatever language."`
	Shorter  bool              `json:"shortened" doc:"The text was shortened to fit."`
	Faults   announce.Faults   `json:"faults,omitempty" doc:"Why it cannot be published there."`
}

// Preview renders a draft for every account it goes to and stores nothing. The error is a Faults when the draft itself
// is wrong; what does not fit one channel is told in that channel's preview.
func (s *Service) Preview(ctx context.Context, d announce.Draft) ([]Preview, error) {
	now := s.Store.Now()
	rules, err := s.rules(ctx, now)
	if err != nil {
		return nil, err
	}
	a, err := s.accept(d, rules)
	if err != nil {
		return nil, err
	}
	a.ID, a.Rev, a.Created, a.Updated = "preview", 1, now, now
	if err := s.take(ctx, &a, nil); err != nil {
		return nil, err
	}
	people := map[string]*int{}
	for _, t := range s.targets(a) {
		if t.Personal {
			n, err := s.Store.Audience(ctx, t.Name, a)
			if err != nil {
				return nil, err
			}
			people[t.Name] = &n
		}
	}
	out := s.previews(ctx, a, people)
	if len(a.Reminders) == 0 {
		return out, nil
	}
	all, err := s.waves(a, now)
	if err != nil {
		return nil, err
	}
	for _, w := range all {
		if w.state != store.WavePlanned || w.Empty() {
			continue
		}
		c := s.child(a, w)
		c.ID, c.Channels, c.Created, c.Updated = a.ID, w.accounts, now, now
		for _, v := range s.previews(ctx, c, nil) {
			v.Reminder, v.Due = w.At, &w.when.Instant
			out = append(out, v)
		}
	}
	return out, nil
}

// previews renders an announcement for every account it goes to. people is how many each personal one would write to.
func (s *Service) previews(ctx context.Context, a announce.Announcement, people map[string]*int) []Preview {
	out := []Preview{}
	for _, p := range s.renderAll(ctx, a, s.targets(a)) {
		if p.err != nil {
			out = append(out, Preview{Channel: p.Name, Language: p.languages[0], Limit: p.Limits.Text, People: people[p.Name], Faults: appendFaults(nil, p.err)})
		}
		for _, m := range p.messages {
			v := Preview{
				Channel: p.Name, Language: p.languages[0], Limit: p.Limits.Text, People: people[p.Name], Part: m.Part, Parts: m.Parts, Subject: m.Subject, Text: m.Text, HTML: m.HTML,
				Link: m.Link, Images: len(m.Images), Units: utf8.RuneCountInString(m.Text), Shorter: strings.Contains(m.Text, "…"),
			}
			if p.Measure != nil {
				v.Units = p.Measure(m.Text)
			}
			out = append(out, v)
		}
	}
	return out
}

// due is the moment before which an announcement is not called out: the later of now + undo and publish_at.
func due(a announce.Announcement, now time.Time) time.Time {
	at := now.Add(a.Undo)
	if !a.At.IsZero() && a.At.Instant.After(at) {
		at = a.At.Instant
	}
	return at
}
