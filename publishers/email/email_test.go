package email

import (
	"fmt"
	"testing"
	"time"

	"github.com/caarlos0/env/v11"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/email/emailtest"
	"github.com/crieur/crieur/publishers/publishertest"
	"github.com/crieur/crieur/publishers/sim"
)

var testSite = announce.Site{Name: "Club de l’été", URL: "https://crieur.example.org", Postal: "1, rue du Port, Chicoutimi", Zone: "America/Toronto", Languages: []announce.Language{"fr", "en"}}

// start runs a server and a channel that is pointed at it.
func start(t testing.TB, o emailtest.Options, change func(*Config)) (*mailer, *emailtest.Platform) {
	t.Helper()
	p := emailtest.Start(o)
	t.Cleanup(p.Close)
	c := config(t, p)
	if change != nil {
		change(&c)
	}
	pub, err := New(c, testSite)
	if err != nil {
		t.Fatal(err)
	}
	m := pub.(*mailer)
	t.Cleanup(func() { _ = m.Close() })
	return m, p
}

func config(t testing.TB, p *emailtest.Platform) Config {
	t.Helper()
	c, err := env.ParseAsWithOptions[Config](env.Options{Environment: p.Environ()})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func message(n int) announce.Message {
	return announce.Message{
		Key: fmt.Sprintf("delivery-%d", n), Announcement: "01hx0000000000000000000000", Rev: 1, Kind: announce.KindNews, Language: "fr",
		Subject: fmt.Sprintf("Nouvelle n° %03d", n),
		Text:    fmt.Sprintf("Bonjour n° %03d : l’été arrive.\n.\n.. deux points\n\nSe désabonner : %s\n", n, announce.UnsubscribeMark),
		HTML:    fmt.Sprintf("<p>Bonjour <b>n° %03d</b> : l’été arrive.</p>\n<a href=\"%s\">Se désabonner</a>", n, announce.UnsubscribeMark),
		To:      fmt.Sprintf("ada%d@example.org", n), Unsubscribe: fmt.Sprintf("https://crieur.example.org/unsubscribe/token%d?a=1&b=2", n),
		Date:    time.Date(2027, 3, 14, 22, 30, n, 0, time.UTC),
		Created: time.Date(2027, 3, 1, 12, 0, 0, 0, time.UTC), Updated: time.Date(2027, 3, 2, 12, 0, 0, 0, time.UTC),
	}
}

func TestContract(t *testing.T) {
	publishertest.Run(t, publishertest.Case{
		Name: "starttls",
		Open: func(t testing.TB) (announce.Publisher, sim.Platform) {
			m, p := start(t, emailtest.Options{}, nil)
			return m, p
		},
		Message: message,
		Can:     []string{"check"},
		Secrets: []string{emailtest.Password},
		Exempt: map[string]string{
			publishertest.HTTP:   "mail has no HTTP: TestPhases plays every fault of SMTP at every phase",
			publishertest.Settle: "nobody can look into a mailbox: TestLostAnswer holds a repeat to the same Message-ID and Date",
		},
	})
}
