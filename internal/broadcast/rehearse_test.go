package broadcast

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/store"
)

// bell is a wall whose posts cost, and whose pictures have a limit.
type bell struct {
	wall
	budget int64
	side   int
}

func (b *bell) Limits() announce.Limits {
	l := b.wall.Limits()
	l.Budget, l.Images, l.Card, l.Picture.Side = b.budget, 1, true, b.side
	return l
}
func (b *bell) Cost(announce.Message) int64 { return 200_000 }

// post is a personal channel.
type post struct{ wall }

func (p *post) Name() string { return "email" }
func (p *post) Limits() announce.Limits {
	return announce.Limits{Personal: true, Links: true, Again: 1}
}

// probes are the findings of a rehearsal, as probe channel.
func probes(r Rehearsal) (found []string) {
	for _, f := range r.Findings {
		found = append(found, strings.TrimSpace(f.Probe+" "+f.Channel))
	}
	slices.Sort(found)
	return found
}

// Each probe finds what is wrong, and nothing where nothing is.
func TestProbes(t *testing.T) {
	dead := map[string]error{}
	bell, mail := &bell{budget: 1_000_000, side: 5000}, &post{}
	p := newPlace(t, utc("2027-01-20T12:00:00Z"), func(o *Options) {
		o.Cards = true
		o.Accounts = append(o.Accounts, Account{Name: "bell", Publisher: bell}, Account{Name: "email", Publisher: mail})
		o.Answers = func(_ context.Context, address string) error { return dead[address] }
	})
	people := func(n int, language announce.Language) {
		var all []store.Address
		for i := range n {
			all = append(all, store.Address{Channel: "email", Address: string(language) + string(rune('a'+i)) + "@example.org", Language: language, Everything: true})
		}
		_, err := p.Store.AddAddresses(t.Context(), all, store.Deed{Act: store.Added, How: "test", Basis: "express"})
		p.must(err)
	}
	people(3, "fr")
	id := p.submit("Rencontre", "2027-01-25T18:30", func(d *announce.Draft) {
		d.Kind, d.Link = announce.KindEvent, "https://example.org/page"
		d.Event = &announce.DraftEvent{StartsAt: "2027-02-01T18:30", SignUpURL: "https://example.org/inscription", OnlineURL: "https://example.org/page", Venue: &announce.Venue{Name: "Café", URL: "https://example.org/cafe"}}
	})
	look := func(what string, want ...string) {
		t.Helper()
		r, err := p.Rehearse(t.Context(), id, "ada")
		p.must(err)
		if got := probes(r); !slices.Equal(got, want) {
			t.Errorf("%s: found %q %+v, want %q", what, got, r.Findings, want)
		}
		st, err := p.Status(t.Context(), id)
		p.must(err)
		if st.Rehearsal == nil || len(st.Rehearsal.Findings) != len(r.Findings) || st.Rehearsal.Rev != 1 {
			t.Errorf("%s: the record has %+v", what, st.Rehearsal)
		}
	}
	look("all is well")
	p.wall.ill = &announce.Error{Outcome: announce.Permanent, Stop: true, Fault: "the token was revoked"}
	look("a dead token", "account wall")
	p.wall.ill, p.wall.report = nil, announce.Report{Expires: utc("2027-01-25T23:29:00Z")}
	look("a token that ends a minute too early", "account wall")
	p.wall.report = announce.Report{Expires: utc("2027-01-25T23:31:00Z"), Findings: []announce.Finding{{What: "3 posts are left this month", Do: "wait"}}}
	look("a quota", "account wall")
	p.wall.report = announce.Report{}
	_, err := p.Store.StopAccount(t.Context(), "wall", "no credit")
	p.must(err)
	look("a stopped account", "account wall")
	p.must(p.Store.ResumeAccount(t.Context(), "wall", "ada"))
	_, _, err = p.Store.Spend(t.Context(), "bell", 900_000, 1_000_000)
	p.must(err)
	look("too little money left", "budget bell")
	p.must(p.Store.Refund(t.Context(), "bell", 100_000))
	look("just enough")
	dead["https://example.org/page"] = errors.New("is not there")
	look("a link named twice", "link")
	dead["https://example.org/inscription"], dead["https://example.org/cafe"] = errors.New("is not there"), errors.New("took too long")
	look("three links", "link", "link", "link")
	clear(dead)

	restart := func(change func(*Options)) {
		o := p.Service.Options
		o.Accounts = slices.Clone(o.Accounts)
		change(&o)
		p.Service = New(o)
	}
	bell.side = 100 // the card is larger
	restart(func(*Options) {})
	look("a picture that the channel takes no more", "picture bell")
	bell.side = 5000
	p.wall.limits.Text = 5
	restart(func(*Options) {})
	look("a text that the channel takes no more", "text", "text wall")
	p.wall.limits.Text = 0
	restart(func(o *Options) { o.Accounts = o.Accounts[1:] })
	look("an account that is switched off", "account wall")
	restart(func(o *Options) { o.Accounts = append([]Account{{Name: "wall", Publisher: p.wall}}, o.Accounts...) })
	look("all is well again")

	all, _, err := p.Store.Addresses(t.Context(), store.Search{Channel: "email", Limit: 10})
	p.must(err)
	for _, a := range all {
		_, err := p.Store.RemoveAddress(t.Context(), a.ID, store.Deed{How: "test"})
		p.must(err)
	}
	look("nobody on the list", "people email")
}

// A list of which the last mailing came back is found.
func TestProbeOfAnIllList(t *testing.T) {
	mail := &post{}
	p := newPlace(t, utc("2027-01-20T12:00:00Z"), func(o *Options) { o.Accounts = append(o.Accounts, Account{Name: "email", Publisher: mail}) })
	var all []store.Address
	for _, name := range []string{"ada", "bob", "cleo", "dora"} {
		all = append(all, store.Address{Channel: "email", Address: name + "@example.org", Everything: true})
	}
	_, err := p.Store.AddAddresses(t.Context(), all, store.Deed{Act: store.Added, How: "test", Basis: "express"})
	p.must(err)
	stop := p.running()
	first := p.submit("La première", "")
	p.until("everybody has it", func() bool {
		c, err := p.Store.Counts(t.Context(), first, "email")
		return err == nil && c.By[announce.Published] == 4
	})
	stop()
	id := p.submit("La prochaine", "2027-01-25T18:30")
	for bounced, m := range mail.posts[:3] {
		r, err := p.Rehearse(t.Context(), id, "ada")
		if p.must(err); len(r.Findings) != bounced/2 {
			t.Errorf("%d bounced: %+v", bounced, r.Findings)
		}
		plan, address, _ := store.ReadLetterKey(m.Key)
		_, err = p.Store.Hear(t.Context(), store.Report{ID: m.Key, Source: "dsn", Class: store.Hard, Address: address, Plan: plan}, store.Patience{Hard: time.Hour, Soft: 5})
		p.must(err)
	}
}

// The rehearsal comes the set time before, at once when that is nearer, again after an amendment, and not twice; what it
// finds is told where it can be heard.
func TestRehearsals(t *testing.T) {
	start := utc("2027-01-20T12:00:00Z")
	var log lines
	mute := &wall{ill: &announce.Error{Outcome: announce.Permanent, Stop: true, Fault: "the token was revoked"}}
	p := newPlace(t, start, func(o *Options) {
		o.Lead, o.Log = 24*time.Hour, slog.New(slog.NewTextHandler(&log, nil))
		o.Accounts = append(o.Accounts, Account{Name: "mute", Publisher: mute, Aside: true})
		o.Notices = []string{"mute", "desk"}
	})
	p.wall.report = announce.Report{Findings: []announce.Finding{{Severe: true, What: "the token lacks a scope", Do: "make another"}}}
	stop := p.running()
	p.until("it works", p.woken.Load)
	far := p.submit("La lointaine", start.Add(25*time.Hour).Format(time.RFC3339))
	near := p.submit("La proche", start.Add(time.Hour).Format(time.RFC3339))
	of := func(id announce.ID) *Rehearsal {
		st, err := p.Status(t.Context(), id)
		p.must(err)
		return st.Rehearsal
	}
	p.until("the near one is rehearsed", func() bool { return of(near) != nil })
	p.until("organisers are told", func() bool { return len(p.desk.texts("La proche")) == 1 })
	if r := of(near); len(r.Findings) != 1 || !r.Findings[0].Severe || of(far) != nil {
		t.Errorf("%+v, the far one %+v", r, of(far))
	}
	if _, err := p.Rehearse(t.Context(), far, "ada"); err != nil { // by hand, long before: the real one comes all the same
		t.Error(err)
	}
	p.later(time.Hour - time.Second)
	ids, err := p.Store.ToRehearse(t.Context(), p.Lead)
	if p.must(err); len(ids) > 0 {
		t.Errorf("%v are rehearsed too early, or again", ids)
	}
	p.wall.mu.Lock()
	p.wall.report.Findings[0].What = "the token lacks another scope"
	p.wall.mu.Unlock()
	p.later(time.Second)
	p.until("the far one is rehearsed", func() bool { return len(p.desk.texts("La lointaine")) == 1 })
	_, err = p.Amend(t.Context(), far, 1, announce.Draft{Kind: announce.KindNews, PublishAt: start.Add(24*time.Hour + 30*time.Minute).Format(time.RFC3339), Texts: map[announce.Language]announce.Text{"fr": {Title: "La lointaine, corrigée"}}}, "ada")
	p.must(err)
	p.until("it is rehearsed again", func() bool { r := of(far); return r != nil && r.Rev == 2 && len(p.desk.texts("La lointaine")) == 2 })
	if told := p.desk.texts("La lointaine")[0]; !strings.Contains(told, "scope") || !strings.Contains(told, "crieur rehearse "+string(far)) {
		t.Errorf("organisers read %s", told)
	}
	if n := len(mute.texts("")); n > 0 {
		t.Errorf("%d notices went where nobody hears", n)
	}
	p.desk.mu.Lock()
	p.desk.ill = mute.ill
	p.desk.mu.Unlock()
	p.Service.checkups.Clear()
	p.submit("La dernière", start.Add(5*time.Hour).Format(time.RFC3339))
	p.until("the log tells", func() bool { return strings.Contains(log.String(), "no account of CRIEUR_NOTICES works") })
	stop()
	var faults announce.Faults
	if _, err := p.Rehearse(t.Context(), near, "ada"); !errors.As(err, &faults) {
		t.Errorf("what is out is rehearsed: %v", err)
	}
}

// lines is a log.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
