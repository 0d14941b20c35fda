package feed_test

import (
	"fmt"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/feed"
	"github.com/crieur/crieur/publishers/feed/feedtest"
	"github.com/crieur/crieur/publishers/publishertest"
	"github.com/crieur/crieur/publishers/sim"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func start(t testing.TB, hubs ...string) (announce.Publisher, *feedtest.Platform) {
	t.Helper()
	platform := feedtest.New()
	t.Cleanup(platform.Close)
	p, err := feed.New(feed.Config{Hubs: hubs}, platform.Site(), platform.Shelf())
	if err != nil {
		t.Fatal(err)
	}
	return p, platform
}

func message(n int) announce.Message {
	m := announce.Message{
		Key: fmt.Sprintf("key%023d", n), Announcement: announce.ID(fmt.Sprintf("01j%023d", n)), Rev: 1, Kind: announce.KindNews, Language: "fr",
		Subject: fmt.Sprintf("Annonce nᵒ %02d : l’été", n), Summary: "Ça s’en vient !", Text: fmt.Sprintf("Texte %02d", n),
		Created: time.Date(2027, 9, 1, 12, 0, 0, 0, time.UTC),
	}
	m.Versions = []announce.Version{{Language: "fr", Subject: m.Subject, Summary: m.Summary, Text: m.Text, HTML: "<p>" + m.Text + "</p>"}}
	return m
}

func TestContract(t *testing.T) {
	const (
		open      = "the shelf is part of Crieur's own record: it asks for no credential"
		unlimited = "the shelf is part of Crieur's own record: it limits nobody"
		takes     = "the shelf takes every message: there is nothing to refuse"
		unsure    = "the shelf's errors do not tell a refused connection from a lost commit; publishing again under the same ID is safe, so ambiguous costs nothing"
	)
	publishertest.Run(t, publishertest.Case{
		Name:    "shelf",
		Open:    func(t testing.TB) (announce.Publisher, sim.Platform) { return start(t) },
		Message: message, Can: []string{"amend", "retract", "check"}, Method: "PUT", Create: "/shelf/",
		Exempt: map[string]string{
			"a refused connection is temporary":      unsure,
			"401 stops the account":                  open,
			"a dead credential is seen by the check": open,
			"429 with a wait is rate limited":        unlimited,
			"429 without a wait is rate limited":     unlimited,
			"400 is permanent":                       takes,
			"a refusal is permanent":                 takes,
		},
	})
}
