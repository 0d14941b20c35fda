package website

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/caarlos0/env/v11"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/publishertest"
	"github.com/crieur/crieur/publishers/sim"
	"github.com/crieur/crieur/publishers/website/websitetest"
)

var site = announce.Site{Name: "Rencontre", Zone: "America/Toronto", Languages: []announce.Language{"fr", "en"}}

// config is the configuration for a platform, changed.
func config(t testing.TB, p *websitetest.Platform, change ...func(*Config)) Config {
	t.Helper()
	c, err := env.ParseAsWithOptions[Config](env.Options{Environment: p.Environ()})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range change {
		f(&c)
	}
	return c
}

// open returns the channel pointed at a fresh platform.
func open(t testing.TB, change ...func(*Config)) (*publisher, *websitetest.Platform) {
	t.Helper()
	platform := websitetest.New()
	t.Cleanup(platform.Close)
	p, err := New(config(t, platform, change...), site)
	if err != nil {
		t.Fatal(err)
	}
	return p.(*publisher), platform
}

func overSSH(t testing.TB) (announce.Publisher, *websitetest.Platform) {
	t.Helper()
	platform, err := websitetest.NewSSH()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(platform.Close)
	p, err := New(config(t, platform), site)
	if err != nil {
		t.Fatal(err)
	}
	return p, platform
}

func message(n int) announce.Message {
	id := announce.ID(fmt.Sprintf("01k%023d", n))
	m := announce.Message{
		Key: fmt.Sprintf("01j%023d", n), Announcement: id, Rev: 1, Kind: announce.KindNews, Language: "fr",
		Subject: fmt.Sprintf("Rencontre nᵒ %02d", n), Summary: "Une soirée.", Link: fmt.Sprintf("https://example.org/%d", n),
		Text:    fmt.Sprintf("L’été **arrive** & ça se fête ! 🎉 (%d)\n\n- un\n- deux\n", n),
		Created: time.Date(2026, 11, 21, 14, 0, 0, 0, time.UTC), Updated: time.Date(2026, 11, 21, 14, 0, 0, 0, time.UTC),
	}
	m.Versions = []announce.Version{
		{Language: "fr", Subject: m.Subject, Summary: m.Summary, Text: m.Text},
		{Language: "en", Subject: fmt.Sprintf("Meetup no. %02d", n), Summary: "An evening.", Text: fmt.Sprintf("Summer **comes**. (%d)\n", n)},
	}
	return m
}

func TestContract(t *testing.T) {
	can := []string{"amend", "retract", "find", "check"}
	report := packp.ReportStatus{UnpackStatus: "ok", CommandStatuses: []*packp.CommandStatus{
		{ReferenceName: "refs/heads/main", Status: "protected branch hook declined"},
		{ReferenceName: own(message(1).Announcement), Status: "protected branch hook declined"},
	}}
	var refusal strings.Builder
	if err := report.Encode(&refusal); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Config){
		"https":        func(*Config) {},
		"https branch": func(c *Config) { c.Mode = "branch" },
	} {
		publishertest.Run(t, publishertest.Case{
			Name:    name,
			Open:    func(t testing.TB) (announce.Publisher, sim.Platform) { return open(t, change) },
			Message: message, Can: can, Method: "POST", Create: "/git-receive-pack", Window: window, Secrets: []string{websitetest.Token},
			Refusal: sim.Fault{Kind: sim.Answer, Status: 200, Body: refusal.String()},
		})
	}
	publishertest.Run(t, publishertest.Case{
		Name:    "ssh",
		Open:    func(t testing.TB) (announce.Publisher, sim.Platform) { return overSSH(t) },
		Message: message, Can: can,
		Exempt: map[string]string{
			publishertest.HTTP:   "the script of faults speaks HTTP; TestSSH... cuts the connection and refuses over SSH",
			publishertest.Settle: "as above: TestSSHLostPush",
		},
	})
}
