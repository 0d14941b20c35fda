package templates

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/crieur/crieur/internal/announce"
)

// try renders samples with every file of the operator's, so that a mistake shows at the start and not at midnight.
func (s *Set) try() error {
	type trial struct {
		account  string
		kind     announce.Kind
		language announce.Language
		short    bool
		html     bool
	}
	trials := map[trial]string{} // and a file that asks for it
	for _, f := range s.own {
		parts := fileName.FindStringSubmatch(f.path)
		account, kind, language := parts[1], announce.Kind(parts[2]), announce.Language(parts[3])
		short := account == "short"
		if short || account == "default" {
			account = "anywhere"
		}
		tried, languages := announce.Kinds(), []announce.Language{"fr", "en", "de"}
		if kind != anyKind {
			tried = []announce.Kind{kind}
		}
		if language != "" {
			languages = []announce.Language{language}
		}
		for _, k := range tried {
			for _, l := range languages {
				trials[trial{account, k, l, short, parts[4] == "html"}] = f.path
			}
		}
	}
	seen := map[string]error{}
	for x, path := range trials {
		for _, r := range samples(x.account, x.kind, x.language) {
			r.Limits.HTML, r.Limits.Short = x.html, x.short
			if _, err := s.Render(r); err != nil {
				seen[err.Error()] = fmt.Errorf("%s: %w", path, err)
			}
		}
	}
	var faults []error
	for _, err := range seen {
		faults = append(faults, err)
	}
	slices.SortFunc(faults, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return errors.Join(faults...)
}

// samples are an announcement with everything, with and without links, and two with almost nothing.
func samples(account string, k announce.Kind, l announce.Language) []Request {
	start := time.Date(2030, 10, 22, 22, 30, 0, 0, time.UTC)
	when := func(t time.Time) announce.When {
		return announce.When{Wall: t.Format("2006-01-02T15:04:05"), Zone: "UTC", Instant: t}
	}
	who := []announce.Speaker{{Name: "A", URL: "https://example.org/a", Handles: map[string]string{announce.Channel(account): "a"}}, {Name: "B"}}
	full := announce.Announcement{
		ID: "sample", Rev: 1, Kind: k, Default: l, Created: start.AddDate(0, 0, -20), Updated: start, Zone: "UTC",
		Texts: map[announce.Language]announce.Text{l: {Title: "Title", Body: "First.\n\n- one\n- two", Summary: "Short."}},
		Link:  "https://example.org/more", Topics: []string{"Go"},
		Images: []announce.Image{{URL: "https://example.org/i.png", Alt: map[announce.Language]string{l: "A picture"}}},
		Event: &announce.Event{
			Start: when(start), End: when(start.Add(2 * time.Hour)), Zone: "UTC", OnlineURL: "https://example.org/live", SignUpURL: "https://example.org/join",
			Venue:    &announce.Venue{Name: "Place", Address: "1 Street", URL: "https://example.org/place"},
			Talks:    []announce.Talk{{Title: "Talk", Abstract: "About.", Speakers: who}, {Title: "Other"}},
			Partners: []announce.Partner{{Name: "P", URL: "https://example.org/p"}, {Name: "Q"}},
		},
	}
	bare := full
	bare.Texts = map[announce.Language]announce.Text{l: {Title: "Title"}}
	bare.Link, bare.Topics, bare.Images = "", nil, nil
	bare.Event = &announce.Event{Start: when(start), Zone: "UTC"}
	alone := bare
	alone.Event = nil
	site := announce.Site{Name: "Community", URL: "https://example.org", Postal: "1 Street", Zone: "UTC", Languages: []announce.Language{l}}
	var out []Request
	for _, a := range []announce.Announcement{full, bare, alone} {
		if a.Event == nil && (k == announce.KindEvent || k == announce.KindReminder || k == announce.KindCancellation) {
			continue
		}
		out = append(out, Request{Account: account, Language: l, Announcement: a, Site: site,
			Limits: announce.Limits{Links: true, Markdown: true, Images: 4, Personal: true}})
	}
	poor := out[0]
	poor.Limits = announce.Limits{}
	return append(out, poor)
}
