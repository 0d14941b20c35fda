package templates

import (
	"regexp"
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // the same zones on every machine
	"unicode/utf8"

	"github.com/crieur/crieur/internal/announce"
)

// address ends at any white space, as for a reader: Go's \s knows only that of ASCII.
var address = regexp.MustCompile(`https?://[^\s\v\p{Z})>\]]+`)

// weighted counts as X does, nearly: an address counts 23, letters 1, emoji and ideographs 2.
func weighted(s string) int {
	n := 23 * len(address.FindAllString(s, -1))
	for _, r := range address.ReplaceAllString(s, "") {
		n++
		if r > 0x10FF && (r < 0x2000 || r > 0x201F) && r != '…' {
			n++
		}
	}
	return n
}

// segmented counts as phones do, nearly: one letter outside their alphabet makes all of them wide.
func segmented(s string) int {
	n := utf8.RuneCountInString(s)
	if strings.ContainsAny(s, "êâîôûëïçœÀ") || strings.ContainsFunc(s, func(r rune) bool { return r > 0x2030 }) {
		return n * 153 / 67
	}
	return n
}

// limitsOf are the limits of a channel as its own package gives them, nearly.
func limitsOf(channel string) announce.Limits {
	switch announce.Channel(channel) {
	case "email":
		return announce.Limits{Links: true, HTML: true, Images: 8, Personal: true}
	case "twitter":
		return announce.Limits{Text: 280, Short: true, Measure: weighted, Links: true, Images: 4, Alt: 1000}
	case "slack":
		return announce.Limits{Text: 7000, Links: true, Markdown: true, Images: 4, Alt: 500}
	case "sms":
		return announce.Limits{Text: 459, Short: true, Measure: segmented, Links: true, Personal: true}
	case "webpush":
		return announce.Limits{Text: 500, Short: true, Images: 1, Personal: true}
	case "feed":
		return announce.Limits{Links: true, HTML: true, Images: 8, Multilingual: true}
	}
	return announce.Limits{Links: true, HTML: true, Images: 4, Alt: 500}
}

func community() announce.Site {
	return announce.Site{
		Name: "Rencontres du Fjord", URL: "https://fjord.example.org", Postal: "12, rue du Quai, Saguenay (Québec) G7X 1A1",
		Zone: "America/Toronto", Languages: []announce.Language{"fr", "en"},
	}
}

func when(t testing.TB, wall, zone string) announce.When {
	t.Helper()
	w, err := announce.ParseWhen(wall, zone)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// The four cases that every template is read in.
var cases = []string{"shortest", "longest", "emoji", "no link"}

func sample(t testing.TB, name string, k announce.Kind) announce.Announcement {
	t.Helper()
	const zone = "America/Toronto"
	a := announce.Announcement{
		ID: "01sample", Rev: 1, Kind: k, Default: "fr", Zone: zone,
		Created: time.Date(2026, 10, 5, 14, 0, 0, 0, time.UTC), Updated: time.Date(2026, 10, 6, 14, 0, 0, 0, time.UTC),
		Event: &announce.Event{Start: when(t, "2026-10-21T18:30", zone), Zone: zone},
	}
	talks := []announce.Talk{
		{Title: "Premiers pas en Rust", Abstract: "On lit du code, puis on en écrit. *Aucune* expérience requise : apportez seulement votre ordinateur.",
			Speakers: []announce.Speaker{{Name: "Camille", Handles: map[string]string{"twitter": "camille_qc"}}, {Name: "Alex", URL: "https://alex.example.org"}}},
		{Title: "To pull or not to pull?", Speakers: []announce.Speaker{{Name: "Noor"}}},
	}
	switch name {
	case "shortest":
		a.Texts = map[announce.Language]announce.Text{"fr": {Title: "Octobre"}, "en": {Title: "October"}}
		if k == announce.KindNews || k == announce.KindCallForTalks || k == announce.KindChange || k == announce.KindRecap {
			a.Event = nil
		}
	case "longest":
		a.Texts = map[announce.Language]announce.Text{
			"fr": {Title: "Soirée d’octobre : Rust, Git et pizza", Body: strings.TrimSpace(longFrench), Summary: "Deux présentations, de la pizza et du monde sympathique."},
			"en": {Title: "October meetup: Rust, Git and pizza", Body: strings.TrimSpace(longEnglish)},
		}
		a.Link = "https://fjord.example.org/octobre"
		a.Topics = []string{"Rust", "logiciel libre", "Git"}
		a.Images = []announce.Image{
			{URL: "https://fjord.example.org/affiche.png", Alt: map[announce.Language]string{"fr": "Affiche : un crabe mange de la pizza", "en": "Poster: a crab eats pizza"}},
			{Data: []byte("GIF89a"), Type: "image/gif", Alt: map[announce.Language]string{"fr": "Plan du quai"}},
		}
		a.Event.End = when(t, "2026-10-21T21:00", zone)
		a.Event.Venue = &announce.Venue{Name: "Café du Quai", Address: "12, rue du Quai, Saguenay", URL: "https://quai.example.org"}
		a.Event.OnlineURL, a.Event.SignUpURL = "https://direct.example.org/octobre", "https://inscription.example.org/octobre"
		a.Event.Talks = talks
		a.Event.Partners = []announce.Partner{{Name: "Exemple inc.", URL: "https://partenaire.example.org"}, {Name: "la Ville"}, {Name: "le cégep"}}
	case "emoji":
		a.Texts = map[announce.Language]announce.Text{
			"fr": {Title: "🎃 Spécial Halloween 👩🏽‍💻", Body: "Déguisez-vous ! 🧛‍♀️ On jase de *bogues qui font peur* 🐛 dans la bonne humeur. 🇨🇦"},
			"en": {Title: "🎃 Halloween special 👩🏽‍💻", Body: "Dress up! 🧛‍♀️ Scary *bugs* 🐛 and good company. 🇨🇦"},
		}
		a.Link = "https://fjord.example.org/🎃"
		a.Event.Venue = &announce.Venue{Name: "L’Antre 🦇"}
		a.Event.Talks = []announce.Talk{{Title: "Le bogue 👻 du vendredi", Speakers: []announce.Speaker{{Name: "Camille 🧙"}}}}
		a.Event.Partners = []announce.Partner{{Name: "Citrouilles & Cie 🎃"}}
	case "no link":
		a.Texts = map[announce.Language]announce.Text{
			"fr": {Title: "Rencontre à l’hôtel de ville", Body: "On parle d’**accessibilité** : ce qui va, ce qui ne va pas."},
			"en": {Title: "Meetup at town hall", Body: "We talk about **accessibility**: what works, what does not."},
		}
		a.Event.End = when(t, "2026-10-21T20:00", zone)
		a.Event.Venue = &announce.Venue{Name: "Hôtel de ville", Address: "1, place de la Mairie"}
		a.Event.Talks = talks[1:]
		a.Event.Partners = []announce.Partner{{Name: "Exemple inc."}}
	}
	return a
}

const longFrench = `
Bonne nouvelle : on se retrouve au **Café du Quai** pour deux présentations et une pizza. Tout le monde est bienvenu, des
curieuses et curieux aux vieux routiers. Les portes ouvrent à 18 h.

Apportez :

- votre ordinateur ;
- une question sur [Rust](https://rust.example.org/livre_fr) ;
- un ami.

> L’an dernier, on était quarante !

Pour préparer la soirée :

` + "```sh\ngit clone https://git.example.org/atelier.git\n```" + `

Vous voulez donner un coup de main ? Écrivez à ada@example.org. On cherche surtout des gens pour l’accueil, pour la prise de
son et pour ranger les chaises après la dernière présentation. Merci d’avance, et à bientôt !
`

const longEnglish = `
Good news: we meet at **Café du Quai** for two talks and a pizza. Everyone is welcome, from the curious to the old hands.
Doors open at 6 p.m.

Bring:

- your laptop;
- a question about [Rust](https://rust.example.org/book_en);
- a friend.

> Last year there were forty of us!

To prepare:

` + "```sh\ngit clone https://git.example.org/workshop.git\n```" + `

Would you like to help? Write to ada@example.org. We need people at the door, for the sound and to put the chairs away after
the last talk. Thank you, and see you soon!
`

func set(t testing.TB) *Set {
	t.Helper()
	s, err := New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func render(t testing.TB, s *Set, account string, l announce.Language, a announce.Announcement) announce.Message {
	t.Helper()
	m, err := first(s.Render(Request{Account: account, Language: l, Announcement: a, Limits: limitsOf(account), Site: community()}))
	if err != nil {
		t.Fatalf("%s, %s: %v", account, l, err)
	}
	return m
}

// first is the first message of a thread, and mostly the only one.
func first(all []announce.Message, err error) (announce.Message, error) {
	if err != nil {
		return announce.Message{}, err
	}
	return all[0], nil
}
