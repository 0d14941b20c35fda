package feed

import (
	"fmt"
	"time"

	"github.com/crieur/crieur/internal/announce"
)

// words are what the pages say beside the announcements.
type words struct {
	Language                                              announce.Language
	announcements                                         string
	Skip, Languages, All, Upcoming, News, Nothing, Online string
	Follow, FollowLong, Calendar, Published, Corrected    string
	Cancelled, CancelledLong                              string
	postponed, postponedLong                              string
	Gone, GoneLong, NotFound, NotFoundLong                string
	date                                                  func(time.Time) string
}

// wordsFor speaks French or, to everybody else, English.
func wordsFor(l announce.Language) words {
	if l.Base() == "fr" {
		return words{
			Language: "fr", announcements: "Annonces et événements – %s", date: frenchDate,
			Skip: "Aller au contenu", Languages: "Langues", All: "Toutes les annonces", Upcoming: "À venir", News: "Annonces",
			Nothing: "Aucun événement n’est annoncé pour l’instant.", Online: "En ligne",
			Follow: "Suivre les annonces", FollowLong: "Dans un lecteur de fils ou dans votre calendrier, sans compte ni inscription" + nbsp + ":",
			Calendar: "Ajouter à mon calendrier", Published: "Publié le", Corrected: "Mis à jour le",
			Cancelled: "Annulé", CancelledLong: "Cet événement est annulé.",
			postponed: "Reporté", postponedLong: "Cet événement est reporté à une date qui sera annoncée.",
			Gone: "Annonce retirée", GoneLong: "Cette annonce a été retirée.",
			NotFound: "Page introuvable", NotFoundLong: "Il n’y a pas d’annonce à cette adresse.",
		}
	}
	return words{
		Language: "en", announcements: "Announcements and events – %s", date: englishDate,
		Skip: "Skip to content", Languages: "Languages", All: "All announcements", Upcoming: "Upcoming", News: "Announcements",
		Nothing: "No event is announced at the moment.", Online: "Online",
		Follow: "Follow the announcements", FollowLong: "In a feed reader or in your calendar, without an account or a subscription:",
		Calendar: "Add to my calendar", Published: "Published", Corrected: "Updated",
		Cancelled: "Cancelled", CancelledLong: "This event is cancelled.",
		postponed: "Postponed", postponedLong: "This event is postponed; the new date will be announced.",
		Gone: "Announcement withdrawn", GoneLong: "This announcement was withdrawn.",
		NotFound: "Page not found", NotFoundLong: "There is no announcement at this address.",
	}
}

// of are the words for m: of an event that is cancelled until a new date is known, they say so.
func (w words) of(m announce.Message) words {
	if m.Event != nil && m.Event.Postponed {
		w.Cancelled, w.CancelledLong = w.postponed, w.postponedLong
	}
	return w
}

func (w words) about(community string) string { return fmt.Sprintf(w.announcements, community) }

// endonym is what speakers of a language call it.
func endonym(l announce.Language) string {
	names := map[announce.Language]string{
		"fr": "Français", "fr-CA": "Français (Canada)", "fr-FR": "Français (France)", "en": "English", "en-CA": "English (Canada)",
		"en-US": "English (US)", "es": "Español", "de": "Deutsch", "it": "Italiano", "pt": "Português", "nl": "Nederlands", "ar": "العربية",
		"uk": "Українська", "zh": "中文", "ja": "日本語", "iu": "ᐃᓄᒃᑎᑐᑦ",
	}
	for _, k := range []announce.Language{l, l.Base()} {
		if n, ok := names[k]; ok {
			return n
		}
	}
	return string(l)
}

// direction is how a language is written.
func direction(l announce.Language) string {
	switch l.Base() {
	case "ar", "ckb", "fa", "he", "ps", "ur", "yi":
		return "rtl"
	}
	return "ltr"
}

const nbsp = "\u00a0" // keeps a figure with its word

// frenchDate is "mercredi 22 octobre 2026, 18 h 30".
func frenchDate(t time.Time) string {
	days := [...]string{"dimanche", "lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi"}
	months := [...]string{"janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre", "octobre", "novembre", "décembre"}
	day := fmt.Sprint(t.Day())
	if t.Day() == 1 {
		day = "1er"
	}
	s := fmt.Sprintf("%s %s%s%s%s%d, %d%sh", days[t.Weekday()], day, nbsp, months[t.Month()-1], nbsp, t.Year(), t.Hour(), nbsp)
	if t.Minute() > 0 {
		s += fmt.Sprintf("%s%02d", nbsp, t.Minute())
	}
	return s
}

// englishDate is "Wednesday, October 22, 2026, 6:30 p.m."
func englishDate(t time.Time) string {
	clock := t.Format("3:04" + nbsp)
	if t.Minute() == 0 {
		clock = t.Format("3" + nbsp)
	}
	switch {
	case t.Hour() == 12 && t.Minute() == 0:
		clock = "noon"
	case t.Hour() < 12:
		clock += "a.m."
	default:
		clock += "p.m."
	}
	return t.Format("Monday, January"+nbsp+"2, 2006, ") + clock
}
