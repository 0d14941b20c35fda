package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/broadcast"
	"github.com/crieur/crieur/internal/people"
	"github.com/crieur/crieur/internal/store"
	"github.com/crieur/crieur/publishers/email/emailtest"
)

// mailings is a server that writes to people through a simulated mail server, and tells organisers through another.
type mailings struct {
	*app
	t     *testing.T
	mail  *emailtest.Platform
	told  *emailtest.Platform
	to    []string
	ended chan error
	stop  func()
}

func newMailings(t *testing.T, to []string, more map[string]string) *mailings {
	t.Helper()
	m := &mailings{t: t, mail: emailtest.Start(emailtest.Options{Open: true}), told: emailtest.Start(emailtest.Options{Open: true}), to: to}
	t.Cleanup(m.mail.Close)
	t.Cleanup(m.told.Close)
	environ := map[string]string{
		"CRIEUR_STATE": filepath.Join(t.TempDir(), "state"), "CRIEUR_CHANNELS": "email,email@team", "CRIEUR_PUBLIC_URL": "https://crieur.example.org",
		"CRIEUR_POSTAL_ADDRESS": "1, rue de l’Essai", "CRIEUR_NOTICES": "email@team", "CRIEUR_EMAIL_TEAM_TO": "team@example.org", "CRIEUR_EMAIL_TEAM_ASIDE": "true",
		"CRIEUR_CHECK_EVERY": "0s",
	}
	for prefix, p := range map[string]*emailtest.Platform{"CRIEUR_EMAIL_": m.mail, "CRIEUR_EMAIL_TEAM_": m.told} {
		for name, v := range p.Environ() {
			environ[prefix+name] = v
		}
		environ[prefix+"TLS"], environ[prefix+"USERNAME"], environ[prefix+"PASSWORD"] = "none", "", ""
	}
	maps.Copy(environ, more)
	config, err := load(environ)
	if err != nil {
		t.Fatal(err)
	}
	m.app, err = open(t.Context(), config, environ, slog.New(slog.DiscardHandler), opening{work: true})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	m.ended, m.stop = make(chan error, 1), stop
	go func() { m.ended <- m.service.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-m.ended; err != nil {
			t.Error(err)
		}
		if err := m.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	page := make([]store.Address, len(to))
	for i, a := range to {
		page[i] = store.Address{Channel: "email", Everything: true, Address: a, Language: "fr"}
	}
	if n, err := m.store.AddAddresses(t.Context(), page, store.Deed{Act: store.Added, How: "test", Basis: "express"}); err != nil || n.Added != len(to) {
		t.Fatal(n, err)
	}
	return m
}

func (m *mailings) announce() announce.ID {
	m.t.Helper()
	none := 0
	a, _, err := m.service.Submit(m.t.Context(), announce.Draft{
		Kind: announce.KindNews, UndoSeconds: &none, Texts: map[announce.Language]announce.Text{"fr": {Title: "Rencontre", Body: "Venez !"}},
	}, "ada", nil)
	if err != nil {
		m.t.Fatal(err)
	}
	return a.ID
}

func (m *mailings) people(id announce.ID) broadcast.People {
	m.t.Helper()
	st, err := m.service.Status(m.t.Context(), id)
	if err != nil {
		m.t.Fatal(err)
	}
	for _, p := range st.People {
		if p.Channel == "email" {
			return p
		}
	}
	m.t.Fatalf("nobody is written to: %+v", st)
	return broadcast.People{}
}

func (m *mailings) until(what string, id announce.ID, ok func(broadcast.People) bool) broadcast.People {
	m.t.Helper()
	p := m.people(id)
	for began := time.Now(); !p.Done || !ok(p); time.Sleep(nextLook(began)) {
		if time.Since(began) > ample {
			m.t.Fatalf("it did not come about that %s: %+v", what, p)
		}
		p = m.people(id)
	}
	return p
}

func (m *mailings) paused() []broadcast.PausedGroup {
	m.t.Helper()
	all, err := m.service.Channels(m.t.Context())
	if err != nil {
		m.t.Fatal(err)
	}
	return all[0].Groups
}

// once checks that everybody got one mail, or at most one.
func (m *mailings) once(all bool) {
	m.t.Helper()
	got := map[string]int{}
	for _, x := range m.mail.Mails() {
		got[x.To]++
	}
	for _, to := range m.to {
		if n := got[to]; n > 1 || all && n != 1 {
			m.t.Errorf("%s got %d mails", to, n)
		}
	}
}

// notices waits until organisers were told of each, and checks that they were told of nothing else.
func (m *mailings) notices(each ...string) {
	m.t.Helper()
	for end := time.Now().Add(ample); m.told.Count("") < len(each); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			m.t.Fatalf("%d notices of %d", m.told.Count(""), len(each))
		}
	}
	mails := m.told.Mails()
	if len(mails) != len(each) {
		m.t.Errorf("%d notices, want %d", len(mails), len(each))
	}
	for i, words := range each {
		if i < len(mails) && !bytes.Contains(mails[i].Raw, []byte(words)) {
			m.t.Errorf("the notice %d does not say %q:\n%s", i+1, words, mails[i].Raw)
		}
	}
}

// mixed are n addresses, of each of the domains in turn.
func mixed(n int, domains ...string) (to []string) {
	for i := range n {
		to = append(to, fmt.Sprintf("p%04d@%s", i, domains[i%len(domains)]))
	}
	return to
}

// A provider says of most of its addresses that they do not exist, as one did for seven hours in December 2020: nobody is
// unsubscribed, nobody else waits, and everybody gets their mail once it is over.
func TestADomainRefusesEverybody(t *testing.T) {
	t.Parallel()
	to := mixed(800, "a.example", "big.example", "b.example", "c.example")
	m := newMailings(t, to, nil)
	big := 0
	for i, a := range to {
		if strings.HasSuffix(a, "@big.example") {
			if big++; i/4%5 < 3 { // 60 %
				m.mail.Fail(emailtest.Fault{Phase: emailtest.RCPT, Act: emailtest.Refuse, Reply: "550 5.1.1 no such user", To: a})
			}
		}
	}
	id := m.announce()
	p := m.until("all but the domain have it", id, func(p broadcast.People) bool {
		n := 0
		for _, x := range m.mail.Mails() {
			if !strings.HasSuffix(x.To, "@big.example") {
				n++
			}
		}
		return n == len(to)-big && p.Counts[announce.CallingNow] == 0 && p.Counts[announce.FailedState] == 0
	})
	if p.Held != "" || p.Counts[announce.Waiting] < big/2 || p.Counts[announce.Waiting]+p.Counts[announce.Published] != len(to) {
		t.Errorf("%+v", p)
	}
	if g := m.paused(); len(g) != 1 || g[0].Group != "big.example" || time.Until(g[0].Until) < 50*time.Minute {
		t.Errorf("paused: %+v", g)
	}
	left := m.mail.Left()
	if tried := big*3/5 - left; tried < 30 || tried > 60 {
		t.Errorf("%d were refused before it was noticed", tried)
	}
	standing := func() {
		t.Helper()
		n, err := m.store.Numbers(t.Context())
		if err != nil || n["email"][store.Active] != len(to) {
			t.Errorf("%v, %v", n, err)
		}
	}
	standing()
	m.notices("big.example refuse")
	m.mail.Heal()
	if err := m.service.Resume(t.Context(), "ada", "email"); err != nil {
		t.Fatal(err)
	}
	m.until("everybody has it", id, func(p broadcast.People) bool { return p.Counts[announce.Published] == len(to) })
	m.once(true)
	standing()
	if wrong, err := m.store.Recount(t.Context(), id); wrong != 0 || err != nil {
		t.Errorf("%d letters are counted wrong, %v", wrong, err)
	}
	m.notices("big.example refuse")
}

// A domain that is written to slowly, or that asks for it, keeps no other one waiting.
func TestADomainsPace(t *testing.T) {
	t.Parallel()
	to := append(mixed(60, "slow.example", "busy.example", "b.example"), mixed(400, "a.example", "c.example")...)
	m := newMailings(t, to, map[string]string{"CRIEUR_EMAIL_DOMAIN_PACE": "slow.example=4"})
	m.mail.Fail(emailtest.Fault{Phase: emailtest.RCPT, Act: emailtest.Refuse, Reply: "451 4.7.28 unusual rate of mail", To: "@busy.example", Skip: 3})
	id := m.announce()
	m.until("the domain with limits is paused and all others have it", id, func(p broadcast.People) bool {
		return p.Counts[announce.Waiting] > 0 && p.Counts[announce.Waiting] <= 20 && p.Counts[announce.Published] >= len(to)-20 && len(m.paused()) == 1
	})
	if g := m.paused(); g[0].Group != "busy.example" || time.Until(g[0].Until) > time.Minute {
		t.Errorf("paused: %+v", g)
	}
	all, err := m.service.Channels(t.Context())
	if err != nil || all[0].State != "ready" {
		t.Errorf("the account is %s, %v", all[0].State, err)
	}
	if err := m.service.Resume(t.Context(), "ada", "email"); err != nil {
		t.Fatal(err)
	}
	m.until("everybody has it", id, func(p broadcast.People) bool { return p.Counts[announce.Published] == len(to) })
	m.once(true)
	var slow []time.Time
	var last time.Time
	for _, x := range m.mail.Mails() {
		switch _, domain, _ := strings.Cut(x.To, "@"); domain {
		case "slow.example":
			slow = append(slow, x.At)
		case "a.example", "b.example", "c.example":
			last = x.At
		}
	}
	if len(slow) != 20 || !last.Before(slow[10]) {
		t.Errorf("others waited until %v for %v", last, slow)
	}
	if took := slow[19].Sub(slow[0]); took < 2*time.Second {
		t.Errorf("20 mails at 4 per second took %v", took)
	}
	m.notices()
}

// A list with many addresses that do not exist: the mailing stops by itself and goes on when a person says so.
func TestAMailingIsHeldAndResumed(t *testing.T) {
	t.Parallel()
	var domains []string
	for i := range 40 {
		domains = append(domains, fmt.Sprintf("d%02d.example", i))
	}
	to := mixed(1500, domains...)
	m := newMailings(t, to, nil)
	bad := 0
	for i, a := range to {
		if i%10 == 3 && i < 700 {
			bad++
			m.mail.Fail(emailtest.Fault{Phase: emailtest.RCPT, Act: emailtest.Refuse, Reply: "550 5.1.1 no such user", To: a})
		}
	}
	id := m.announce()
	p := m.until("it is held", id, func(p broadcast.People) bool { return p.Held != "" && p.Counts[announce.CallingNow] == 0 })
	if !strings.Contains(p.Held, "crieur resume --announcement "+string(id)) || p.Counts[announce.Waiting] < 700 || p.Counts[announce.FailedState] < 5 {
		t.Errorf("%+v", p)
	}
	if st, err := m.service.Status(t.Context(), id); err != nil || st.State != broadcast.NeedsAttention {
		t.Errorf("%s, %v", st.State, err)
	}
	m.notices("Envoi suspendu")
	m.mail.Heal()
	if err := m.service.ResumeAnnouncement(t.Context(), id, "ada"); err != nil {
		t.Fatal(err)
	}
	p = m.until("it is over", id, func(p broadcast.People) bool {
		return p.Counts[announce.Published]+p.Counts[announce.FailedState] == len(to)
	})
	if p.Counts[announce.FailedState] < 5 || p.Counts[announce.FailedState] > bad || p.Held != "" {
		t.Errorf("%+v", p)
	}
	m.once(false)
	if err := m.service.ResumeAnnouncement(t.Context(), id, "ada"); err == nil {
		t.Error("what is not held is resumed")
	}
	m.notices("Envoi suspendu")
}

// Complaints hold what is left of a mailing.
func TestComplaintsHoldAMailing(t *testing.T) {
	t.Parallel()
	to := append(mixed(1000, "a.example"), mixed(30, "slow.example")...)
	m := newMailings(t, to, map[string]string{"CRIEUR_EMAIL_DOMAIN_PACE": "slow.example=0.05"})
	id := m.announce()
	m.until("most have it", id, func(p broadcast.People) bool { return p.Counts[announce.Published] >= 1000 })
	plan := int64(0)
	for _, x := range m.mail.Mails()[:1] {
		archive := regexp.MustCompile(`/read/([A-Za-z0-9_-]+)`).FindSubmatch(bytes.ReplaceAll(x.Raw, []byte("=\r\n"), nil))
		if archive == nil {
			t.Fatalf("no link to read it:\n%s", x.Raw)
		}
		b, err := m.links.Read(people.Archive, string(archive[1]), time.Now())
		if plan = b.Letter; err != nil || plan == 0 {
			t.Fatal(b, err)
		}
	}
	for i := range 3 {
		if p := m.people(id); p.Held != "" {
			t.Fatalf("held after %d complaints", i)
		}
		if err := m.app.people.Heard(t.Context(), people.Report{ID: fmt.Sprint(i), Source: "arf", Class: store.Spam, Address: int64(i + 1), Plan: plan}); err != nil {
			t.Fatal(err)
		}
	}
	m.until("it is held", id, func(p broadcast.People) bool { return strings.Contains(p.Held, "3 people") })
	m.notices("Envoi suspendu")
}

// A mailing is tried out on a few, and goes to the others a while later.
func TestTriedOut(t *testing.T) {
	t.Parallel()
	to := mixed(1010, "a.example", "b.example")
	m := newMailings(t, to, map[string]string{"CRIEUR_CANARY": "10%", "CRIEUR_CANARY_WAIT": "8s"})
	began := time.Now()
	id := m.announce()
	p := m.until("the first have it", id, func(p broadcast.People) bool { return p.Counts[announce.Published] == 101 })
	if p.Rest == nil || p.Rest.Before(began.Add(8*time.Second)) || p.Counts[announce.Waiting] != 909 {
		t.Fatalf("%+v", p)
	}
	rest := *p.Rest
	m.until("everybody has it", id, func(p broadcast.People) bool { return p.Counts[announce.Published] == len(to) && p.Rest == nil })
	m.once(true)
	if next := m.mail.Mails()[101].At; next.Before(rest) {
		t.Errorf("the others were to wait until %v and had it at %v", rest, next)
	}
}
