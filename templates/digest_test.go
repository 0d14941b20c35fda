package templates

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/crieur/crieur/internal/announce"
)

// gathered is a digest with one of each: an event to come, another, news without a link, an event called off.
func gathered(t *testing.T) announce.Announcement {
	t.Helper()
	meet, later, off := sample(t, "longest", announce.KindEvent), sample(t, "no link", announce.KindReminder), sample(t, "shortest", announce.KindEvent)
	news := sample(t, "emoji", announce.KindNews)
	later.Event.Start, later.Event.End = when(t, "2026-11-18T18:00", "America/Toronto"), announce.When{}
	news.Event, news.Link = nil, ""
	off.Event.Cancelled = true
	return announce.Announcement{
		ID: "01digest", Rev: 1, Kind: announce.KindDigest, Default: "fr", Zone: "America/Toronto",
		Created: time.Date(2026, 10, 5, 12, 0, 0, 0, time.UTC), Updated: time.Date(2026, 10, 5, 12, 0, 0, 0, time.UTC),
		Texts: map[announce.Language]announce.Text{"fr": {Title: "Les annonces de la semaine"}, "en": {Title: "The week’s announcements"}},
		Digest: &announce.Digest{Name: "weekly", Period: when(t, "2026-10-05T08:00", "America/Toronto"), Items: []announce.Item{
			{Announcement: meet}, {Announcement: later}, {Announcement: news, Page: "https://fjord.example.org/a/01news"}, {Announcement: off, Off: true},
		}},
	}
}

// A digest reads well on every kind of channel, in each language, in time and late.
func TestGoldenDigest(t *testing.T) {
	s := set(t)
	for _, account := range []string{"plain", "email", "slack", "twitter", "sms", "webpush", "feed"} {
		for _, l := range append(languages, "de") {
			name := fmt.Sprintf("%s/digest.%s.txt", account, l)
			t.Run(name, func(t *testing.T) {
				var b strings.Builder
				for _, c := range []string{"whole", "late, with more"} {
					a := gathered(t)
					if c != "whole" {
						a.Digest.Late, a.Digest.More, a.Digest.Items = true, 2, a.Digest.Items[:2]
					}
					r := Request{Account: account, Language: l, Announcement: a, Limits: limitsOf(account), Site: community()}
					m, err := first(s.Render(r))
					if err != nil {
						t.Fatal(err)
					}
					fmt.Fprintf(&b, "######## %s\nsubject: %s\n---- text\n%s\n", c, m.Subject, visibleSpaces(m.Text))
					if m.HTML != "" {
						fmt.Fprintf(&b, "---- html\n%s\n", visibleSpaces(outline(t, m.HTML)))
					}
				}
				compare(t, name, b.String())
			})
		}
	}
}
