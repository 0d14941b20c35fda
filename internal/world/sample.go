package world

import (
	"fmt"
	"strings"
	"time"

	"github.com/crieur/crieur/internal/announce"
)

// sampleZone is where the sample evening takes place.
const sampleZone = "America/Toronto"

// Sample is a bilingual announcement of an invented meetup: the first Tuesday at least three weeks after now, at 18:30.
func Sample(now time.Time) announce.Draft {
	day := now.UTC()
	if zone, err := time.LoadLocation(sampleZone); err == nil {
		day = now.In(zone)
	}
	day = day.AddDate(0, 0, 21)
	for day.Weekday() != time.Tuesday {
		day = day.AddDate(0, 0, 1)
	}
	date := day.Format("2006-01-02")
	return announce.Draft{
		Kind: announce.KindEvent, Default: "fr", TimeZone: sampleZone,
		Texts: map[announce.Language]announce.Text{
			"fr": {
				Title: fmt.Sprintf("IO %s\u00a0: cartes ouvertes et bases de poche", of(day.Month())),
				Summary: "Trois courtes présentations, du café et des gens qui aiment comprendre comment les choses marchent. " +
					"Entrée libre, débutantes et débutants bienvenus.",
				Body: "Venez entre **18\u00a0h** et 18\u00a0h\u00a030\u00a0: le café est prêt, les chaises aussi.\n\n" +
					"Trois présentations d’une vingtaine de minutes, puis le micro est à vous\u00a0:\n\n" +
					"- montrez un projet en cours, même (surtout) s’il ne marche pas encore;\n" +
					"- posez la question que vous n’osez pas poser au travail;\n" +
					"- trouvez avec qui covoiturer pour le retour.\n\n" +
					"La salle est accessible en fauteuil roulant. _Aucune inscription n’est obligatoire_, mais elle nous aide à compter les brioches. 🥐",
			},
			"en": {
				Title: fmt.Sprintf("IO %s: open maps and pocket-size databases", day.Month()),
				Summary: "Three short talks, coffee, and people who like to understand how things work. " +
					"Free entry, beginners welcome.",
				Body: "Come between **6 and 6:30 p.m.**: the coffee is ready, and so are the chairs.\n\n" +
					"Three talks of about twenty minutes, then the microphone is yours:\n\n" +
					"- show a project in progress, even (above all) if it does not work yet;\n" +
					"- ask the question that you do not dare to ask at work;\n" +
					"- find someone to share the ride home.\n\n" +
					"The room is wheelchair accessible. _You need not sign up_, but it helps us count the pastries. 🥐",
			},
		},
		Event: &announce.DraftEvent{
			StartsAt: date + "T18:30", EndsAt: date + "T21:00",
			Venue: &announce.Venue{Name: "Le Quai des idées", Address: "100, rue du Vieux-Quai, Saguenay (Québec)", URL: "https://example.org/quai-des-idees"},
			Talks: []announce.Talk{
				{Title: "Cartographier les sentiers du fjord avec des données ouvertes", Abstract: "De la trace GPS à la carte imprimée, sans rien acheter.", Speakers: []announce.Speaker{{Name: "Maïa"}}},
				{Title: "Une base de données dans un seul fichier", Abstract: "Ce que SQLite sait faire avant que l’on ait besoin d’autre chose.", Speakers: []announce.Speaker{{Name: "Noé"}}},
				{Title: "Lire ses journaux d’erreurs comme un roman policier", Speakers: []announce.Speaker{{Name: "Ariane"}, {Name: "Loïc"}}},
			},
			Partners:  []announce.Partner{{Name: "Coop numérique du Fjord", URL: "https://example.org/coop"}, {Name: "Brioche & Bit", URL: "https://example.org/brioche"}},
			SignUpURL: "https://example.org/io/inscription",
		},
		Link:   "https://example.org/io/" + day.Format("2006-01"),
		Topics: []string{"données ouvertes", "SQLite"},
		Images: []announce.Image{{
			Data: poster(),
			Alt: map[announce.Language]string{
				"fr": "Illustration\u00a0: la lune se lève sur le fjord, entre deux rives de collines bleues.",
				"en": "Illustration: the moon rises over the fjord, between two shores of blue hills.",
			},
		}},
	}
}

// of is "de décembre", "d’avril".
func of(m time.Month) string {
	name := [...]string{"janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre", "octobre", "novembre", "décembre"}[m-1]
	if strings.ContainsAny(name[:1], "ao") {
		return "d’" + name
	}
	return "de " + name
}
