package web

import (
	"cmp"
	"slices"
	"unicode"
	"unicode/utf8"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/people"
	"github.com/crieur/crieur/internal/store"
)

// choice is what somebody chose, or would have if they changed nothing.
type choice struct {
	Language   announce.Language
	Everything bool
	Topics     []string
	Frequency  store.Frequency
}

// chooser is the part of a form where people choose.
type chooser struct {
	Choice      choice
	Headings    []heading
	Frequencies []option
}

type heading struct {
	Words  string
	Topics []option
}

type option struct {
	Name, Words string
	Chosen      bool
}

// choose lays out what is offered, in the page's language, with what is chosen.
func (v view) choose(offers []people.Facet, paces []people.Pace, c choice) chooser {
	out := chooser{Choice: c}
	for _, f := range offers {
		h := heading{Words: v.facet(f.Name)}
		for _, t := range f.Topics {
			h.Topics = append(h.Topics, option{t.Name, t.Label, slices.Contains(c.Topics, t.Name)})
		}
		out.Headings = append(out.Headings, h)
	}
	for _, p := range paces {
		out.Frequencies = append(out.Frequencies, option{string(p.Frequency), v.often(p), p.Frequency == c.Frequency || c.Frequency == "" && p.Frequency == store.Now})
	}
	return out
}

// relabelled are offers with the words of others, where those have the topic.
func relabelled(offers, words []people.Facet) []people.Facet {
	labels := map[string]string{}
	for _, f := range words {
		for _, t := range f.Topics {
			labels[t.Name] = t.Label
		}
	}
	for _, f := range offers {
		for i, t := range f.Topics {
			f.Topics[i].Label = cmp.Or(labels[t.Name], t.Label)
		}
	}
	return offers
}

// facet is a heading of topics. An operator's own is shown as it is.
func (v view) facet(name string) string {
	switch name {
	case "":
		return v.Say("Sujets", "Topics")
	case "kind":
		return v.Say("Genres d’annonces", "Kinds of announcements")
	case "place":
		return v.Say("Lieux", "Places")
	case "theme":
		return v.Say("Thèmes", "Themes")
	}
	first, size := utf8.DecodeRuneInString(name)
	return string(unicode.ToUpper(first)) + name[size:]
}

func (v view) often(p people.Pace) string {
	switch {
	case p.Frequency == store.Now:
		return v.Say("Chaque annonce, aussitôt", "Each announcement, at once")
	case p.Label != "":
		return p.Label
	case p.Frequency == "daily":
		return v.Say("Un résumé par jour", "One digest a day")
	case p.Frequency == "weekly":
		return v.Say("Un résumé par semaine", "One digest a week")
	case p.Frequency == "monthly":
		return v.Say("Un résumé par mois", "One digest a month")
	}
	return v.Say("Un résumé : ", "A digest: ") + string(p.Frequency)
}
